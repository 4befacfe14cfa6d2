"""Walks lists: the first rows, those of a period, those of all jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def first(
    rows: AsyncIterator[T], limit: int | None, keep: Callable[[T], bool] = lambda _: True
) -> AsyncIterator[T]:
    """Iterate over the rows to keep, up to ``limit`` of them."""
    count = 0
    async for row in rows:
        if keep(row):
            yield row
            count += 1
            if limit is not None and count >= limit:
                return


def named(text: str | None) -> Callable[[Any], bool]:
    """Return whether a thing's name contains a text: whether the service's filter does is not documented."""
    return lambda thing: text is None or text in (thing.name or "")
