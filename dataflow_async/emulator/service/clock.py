"""The emulator's clocks: the system's, and one that a test advances by hand."""

import asyncio
import heapq
import time
from collections.abc import Iterator
from itertools import count
from typing import Protocol

import attrs

from dataflow_async.emulator import defaults


class Clock(Protocol):
    """The clock that the emulator needs: every date it writes and every time window it checks comes from it."""

    def time(self) -> float:
        """Return wall time in seconds since the epoch."""


class SystemClock:
    """The machine's own wall time."""

    time = staticmethod(time.time)


@attrs.define(eq=False)
class ManualClock:
    """A clock that stands still until a test pushes it.

    It has all methods that the client needs of a clock (``time``, ``monotonic``, ``sleep``), so one clock serves both sides and
    neither really sleeps.

    Always true: time never steps back, and a sleeper wakes at its own due time, before any sleeper that is due later. A push in one
    leap would break this: a task that wakes and sleeps again within the push would wake late. So `push` stops at each due time
    and lets the event loop run.
    """

    _now: float = 1_793_458_800.0
    """Wall time in seconds; starts at 2026-11-01T00:00:00+09:00, the first date in the contract's examples."""
    _sleepers: list[tuple[float, int, asyncio.Future[None]]] = attrs.field(
        factory=list, init=False, repr=False
    )
    _order: Iterator[int] = attrs.field(factory=count, init=False, repr=False)

    def time(self) -> float:
        """Return wall time in seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Return the same seconds: this clock never steps back."""
        return self._now

    @property
    def next_wake(self) -> float | None:
        """Time at which the next sleeper is due, seconds; None if nothing sleeps on this clock."""
        return min((due for due, _, woken in self._sleepers if not woken.done()), default=None)

    async def sleep(self, seconds: float, /) -> None:
        """Return once the clock was pushed by ``seconds``; 0 or less only yields to other tasks."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Push the clock at once; sleepers that are due wake in order of due time when the loop runs next.

        Raises:
            ValueError: ``seconds`` is below 0.
        """
        until = self._until(seconds)
        while self._wake_next(until):
            pass
        self._now = until

    async def push(self, seconds: float) -> None:
        """Push the clock from one due time to the next, and let the woken tasks run, and sleep again, at each.

        Raises:
            ValueError: ``seconds`` is below 0.
        """
        until = self._until(seconds)
        await _settle()
        while self._wake_next(until):
            await _settle()
        self._now = until
        await _settle()

    def _until(self, seconds: float) -> float:
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, got {seconds}")
        return self._now + seconds

    def _wake_next(self, until: float) -> bool:
        """Set the time to the next due time, ``until`` at the latest, and wake its sleeper; return false if there is none."""
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self._now = due
                woken.set_result(None)
                return True
        return False


async def _settle() -> None:
    for _ in range(defaults.SETTLING_TURNS):
        await asyncio.sleep(0)
