"""What the four resources share."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.job_settings import SETTINGS
from dataflow_async.models.schedule import RULE
from dataflow_async.transport.pipeline import CallPipeline


class Resource:
    """The call pipeline that the methods of a resource send through."""

    def __init__(self, calls: CallPipeline) -> None:
        self._calls = calls


def body_of(extra: Mapping[str, Any] | None, **members: Any) -> dict[str, Any]:
    """Return the members that are not None, joined by those of ``extra``, whose names need no argument here.

    An object in ``extra`` joins the object of that name: ``extra={"jobCondition": {"newMember": 1}}``.

    Raises:
        InvalidRequest: ``extra`` repeats a member that has an argument of its own.
    """
    body = {name: value for name, value in members.items() if value is not None}
    for name, value in (checks.mapping(extra, "extra") if extra is not None else {}).items():
        if name in _OBJECTS and name in members and isinstance(value, Mapping):
            more = checks.mapping(value, f"extra.{name}")
            _refuse_known(more, _OBJECTS[name], f"extra.{name}")
            body[name] = {**more, **body.get(name, {})}
        else:
            _refuse_known((name,), members, "extra")
            body[name] = value
    return body


def _refuse_known(given: Iterable[str], known: Container[str], field: str) -> None:
    for name in given:
        if name in known:
            raise InvalidRequest(
                f"{field} must be without what has an argument of its own, got {name!r}", field=field
            )


_OBJECTS = {"jobCondition": SETTINGS, "triggerRule": RULE}
"""Objects in a body, with the members that have arguments of their own."""
