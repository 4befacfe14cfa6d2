"""Ends requests that take too long: one timer for all of them instead of one each.

aiohttp arms and disarms a timer per request, which costs a tenth of a call; next to none of them ever
fires. Here requests in flight stand in a set, and a tick checks it a few times per time-out.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Watchdog:
    """Ends the overdue requests of one client.

    A request is overdue when it had its time and the loop had a turn to read its answer. An application that
    blocks the loop for longer than the time-out leaves answers unread in the sockets; a tick that comes late
    tells so, and then the requests have until the next one.
    """

    def __init__(self, timeout: float) -> None:
        self._tick = min(max(timeout / 20, 0.005), 0.5)
        self._watched: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def watch(self, seconds: float) -> Watch:
        """Give a block that ends within ``seconds`` and a tick, as ``asyncio.timeout`` would end it."""
        return Watch(self, seconds)

    def begin(self, watch: Watch) -> None:
        """Start watching; the first one starts the ticking."""
        self._watched.add(watch)
        if self._timer is None:
            self._wind(asyncio.get_running_loop())

    def end(self, watch: Watch) -> None:
        """Stop watching."""
        self._watched.discard(watch)

    def _wind(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + self._tick
        self._timer = loop.call_at(self._due, self._check)

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        was_blocked = now - self._due > self._tick
        for watch in self._watched:
            if watch.deadline <= now:
                if was_blocked and not watch.spared:
                    watch.spared = True
                else:
                    watch.expire()
        self._timer = None
        if self._watched:
            self._wind(loop)

    def close(self) -> None:
        """Stop ticking, unless requests are still in flight: then when they have ended."""
        if self._timer is not None and not self._watched:
            self._timer.cancel()
            self._timer = None


class Watch:
    """A block of code that may be ended; entered once, by the task that runs it."""

    __slots__ = ("_dog", "_prior", "_task", "deadline", "expired", "spared")

    def __init__(self, dog: Watchdog, seconds: float) -> None:
        self._dog = dog
        self.deadline = seconds
        self.expired = False
        self.spared = False
        """Whether it was overdue at a tick that came late: only once, or a loop that is always late ends nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # calls are awaited
        self._task = task
        self._prior = task.cancelling()
        self.deadline += asyncio.get_running_loop().time()
        self._dog.begin(self)
        return self

    def expire(self) -> None:
        """Time is over: cancel the block."""
        if not self.expired:
            self.expired = True
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; a cancellation that was ours becomes a `TimeoutError`, anybody else's goes on."""
        self._dog.end(self)
        if self.expired and self._task.uncancel() <= self._prior and kind is asyncio.CancelledError:
            raise TimeoutError
