"""Lists whose ``count`` is ambiguous, whose pages shift while they are read and may be capped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks

if TYPE_CHECKING:
    from dataflow_async.models.page import Page

T = TypeVar("T")
_INT32 = 2**31 - 1


async def every_row(
    fetch: Callable[[int], Awaitable[Page[T]]], identify: Callable[[T], str]
) -> AsyncIterator[T]:
    """Return each row once, page by page as they are needed.

    Ends at a page that is empty or brings nothing new, page 1 excepted: it repeats page 0 where a service counts pages from 1
    (contract/notes.md#ruling-72). A short page proves nothing: the service may cap pages below the limit it echoes, and rows
    without an id are skipped.

    Args:
        fetch: Returns page number N, from 0.
        identify: Returns the id of a row; rows seen before are dropped, because pages shift while they are read.
    """
    seen: set[str] = set()
    number = 0
    while True:
        page = await fetch(number)
        new = 0
        for row in page.items:
            identity = identify(row)
            if identity not in seen:
                seen.add(identity)
                new += 1
                yield row
        is_repeated = number == 1 and bool(page.items)
        if not new and not is_repeated:
            return
        number += 1


def window(page: int, limit: int) -> dict[str, int]:
    """Return a page number and size after a check; a limit below 1 is never sent, because its meaning is not documented.

    Raises:
        InvalidRequest: Out of range.
    """
    return {"page": checks.whole(page, "page", 0, _INT32), "limit": checks.whole(limit, "limit", 1, _INT32)}


def named(name: object, field: str = "name") -> str | None:
    """Return the text that a list is searched for after a check; its shape is left to the service.

    Raises:
        InvalidRequest: It is no text.
    """
    if name is None or isinstance(name, str):
        return name
    raise checks.refuse(field, name, "text")


def only_one(name: str, found: list[tuple[str, T]]) -> T | None:
    """Return the one thing found under a name, or None; names are not documented to be unique.

    Raises:
        InvalidRequest: Several things have the name.
    """
    if len(found) > 1:
        ids = ", ".join(identity for identity, _ in found)
        raise InvalidRequest(
            f"name must be that of one thing, got {name!r}, the name of {len(found)}: {ids}; use an id",
            field="name",
        )
    return found[0][1] if found else None
