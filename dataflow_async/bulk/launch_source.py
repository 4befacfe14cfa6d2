"""Reads the launches of a bulk run from what the caller passed: an iterable, or an async one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Iterable, Iterator, Mapping
from types import AsyncGeneratorType
from typing import TypeAlias, cast

from dataflow_async.models import checks
from dataflow_async.models.launch import Launch

Launches: TypeAlias = Iterable[Launch] | AsyncIterable[Launch]

NO_MORE = object()
"""Ends a source; None is an item, and a wrong one."""


def check_launches(launches: object) -> None:
    """Check that launches can be iterated over.

    Raises:
        InvalidRequest: Field ``"launches"``.
    """
    iterable = hasattr(launches, "__aiter__") or hasattr(launches, "__iter__")
    if not iterable or isinstance(launches, str | bytes | Mapping):
        raise checks.refuse("launches", launches, "an iterable of Launch")


def length(launches: Launches) -> int | None:
    """Return how many launches there are; None where that is not known before they were read."""
    return len(launches) if isinstance(launches, Collection) else None


class LaunchSource:
    """The caller's launches, read one at a time by whichever worker has capacity.

    Always true: one worker at most is inside an async source, because an async generator must not be entered twice. That
    one is cancelled by `stop`: a source may never return anything again, and nothing may wait for it then.

    An item may be anything, whatever the caller's annotations promise.
    """

    def __init__(self, launches: Launches) -> None:
        self.at_hand: Iterator[object] | None = None
        """An iterator that need not be awaited; None for an async source."""
        self._awaited: AsyncGeneratorType[Launch, None] | None = None
        if isinstance(launches, AsyncIterable):
            self._awaited = cast("AsyncGeneratorType[Launch, None]", _each(launches))
        else:
            self.at_hand = iter(launches)
        self._lock = asyncio.Lock()
        self._reader: asyncio.Task[object] | None = None
        self._stopped = False

    async def read(self) -> object:
        """Wait for the next item of an async source; `NO_MORE` after the last one, and once stopped."""
        async with self._lock:
            if self._stopped or self._awaited is None:
                return NO_MORE
            self._reader = asyncio.current_task()
            try:
                return await anext(self._awaited, NO_MORE)
            finally:
                self._reader = None

    def stop(self) -> None:
        """Read no more, and cancel whoever is reading."""
        self._stopped = True
        if self._reader is not None:
            self._reader.cancel()

    async def aclose(self) -> None:
        """Close the source; one that hangs inside an item can't be closed."""
        if self._awaited is not None and not self._awaited.ag_running:
            await self._awaited.aclose()


async def _each(launches: AsyncIterable[Launch]) -> AsyncGenerator[Launch, None]:
    async for launch in launches:
        yield launch
