"""How many calls may be in the air: one gate per client, first come first served, that learns from 429."""

from __future__ import annotations

import asyncio
from collections import deque

from dataflow_async import defaults


class Gate:
    """A limit on calls in the air (promise 11).

    A throttled call halves the limit, once per burst: only calls that started after the last cut count.
    As many successes as the limit, at most a hundred, give one call back, up to the ceiling: a limit that was cut
    low must grow sooner than the next stray 429 comes.

    Slots freed go to the longest waiting call; so while anyone waits there is never a free slot to take
    past them, and nobody starves.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = ceiling
        self.taken = 0
        self._cuts = 0
        self._successes = 0
        self._line: deque[asyncio.Future[None]] = deque()

    async def acquire(self, *, first: bool = False) -> int:
        """Take a slot, waiting in line for it; ``first`` goes to the head of the line.

        Returns:
            How many cuts there had been, which `throttled` wants to know.
        """
        if self.taken < self.limit:
            self.taken += 1
        else:
            await self._stand_in_line(first=first)
        return self._cuts

    async def _stand_in_line(self, *, first: bool) -> None:
        turn = asyncio.get_running_loop().create_future()
        (self._line.appendleft if first else self._line.append)(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the slot was handed over in the same instant: pass it on
                self.release()
            raise

    def release(self) -> None:
        """Give a slot back."""
        self.taken -= 1
        self._call_next()

    def _call_next(self) -> None:
        while self._line and self.taken < self.limit:
            turn = self._line.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)

    def succeeded(self) -> None:
        """Count a call that was not throttled."""
        if self.limit == self.ceiling:
            return
        self._successes += 1
        if self._successes >= min(defaults.SUCCESSES_PER_STEP, self.limit):
            self._successes = 0
            self.limit += 1
            self._call_next()

    def throttled(self, cuts_at_start: int) -> None:
        """Count a call refused with 410 or 420, that was started after ``cuts_at_start`` cuts."""
        if cuts_at_start == self._cuts:
            self._cuts += 1
            self._successes = 0
            self.limit = max(1, self.limit // 2)

    @property
    def waiting(self) -> int:
        """Calls in line."""
        return sum(not turn.done() for turn in self._line)
