"""A request after validation, and the pages of lists that handlers return."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from dataflow_async.emulator.api import serializers
from dataflow_async.emulator.api.responses import Answer, not_found
from dataflow_async.emulator.service.state import Execution, State

T = TypeVar("T")


class ValidRequest(NamedTuple):
    """One request after validation."""

    ids: Mapping[str, str]
    """Path parameters by name."""
    query: Mapping[str, Any]
    """Query parameters by name, read and with their defaults."""
    body: Any
    now: float
    """The one moment at which this call happens, seconds."""


CallHandler = Callable[[State, ValidRequest], Answer]


def found(things: dict[str, T], resource_id: str) -> T:
    """Return the thing with an id, or refuse an unknown id."""
    try:
        return things[resource_id]
    except KeyError:
        raise not_found(resource_id) from None


def page(request: ValidRequest, rows: Iterable[dict[str, Any]]) -> Answer:
    """Return one page of a list; ``count`` is the number of rows on it (contract/notes.md#ruling-71)."""
    listed = list(rows)
    body = {
        "list": listed,
        "count": len(listed),
        "page": request.query["page"],
        "limit": request.query["limit"],
    }
    return Answer(200, body)


def newest(request: ValidRequest, things: Sequence[T]) -> Sequence[T]:
    """Return one page of a list that grows at its end, newest first, without reading the rest of it."""
    end = max(0, len(things) - request.query["page"] * request.query["limit"])
    return things[max(0, end - request.query["limit"]) : end][::-1]


def newest_named(request: ValidRequest, things: dict[str, T], name_of: Callable[[T], str]) -> Iterable[T]:
    """Return one page of the things whose name contains the text of the query."""
    text = request.query.get("name", "")
    matching = (thing for thing in reversed(things.values()) if text in name_of(thing))
    first = min(request.query["page"] * request.query["limit"], len(things))
    return islice(matching, first, first + min(request.query["limit"], len(things)))


def executions_page(state: State, request: ValidRequest, executions: list[Execution]) -> Answer:
    """Return one page of runs, newest first."""
    return page(
        request,
        (
            serializers.execution(it, request.now, state.lifecycle_settings.speed)
            for it in newest(request, executions)
        ),
    )
