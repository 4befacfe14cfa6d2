"""Limits the calls of a client that are in flight, and adapts the limit to the service's 429 answers."""

from __future__ import annotations

import asyncio
from collections import deque

from dataflow_async import defaults


class ConcurrencyLimiter:
    """A first-come-first-served limit on calls in flight, with additive increase and multiplicative decrease.

    Always true: ``acquired`` counts the calls that hold a slot, and while a call is queued no slot is free, because
    every slot that becomes free goes to the head of the queue at once. So nobody overtakes and nobody starves. A slot
    that is released twice, or handed to a cancelled call and not released again, would break that.

    A throttled call halves the capacity, once per burst: only calls that started after the last decrease count. As
    many successes as the capacity, at most ``defaults.SUCCESSES_PER_INCREASE``, increase it by one up to the maximum: a
    low capacity has to grow before the next stray 429 comes.
    """

    def __init__(self, max_capacity: int) -> None:
        self.max_capacity = max_capacity
        """Calls that may be in flight at most."""
        self.capacity = max_capacity
        """Calls that may be in flight now."""
        self.acquired = 0
        """Calls that hold a slot."""
        self._decreases = 0
        self._successes = 0
        """Successes since the capacity last changed."""
        self._queue: deque[asyncio.Future[None]] = deque()

    async def acquire(self, *, at_head: bool = False) -> int:
        """Acquire a slot; wait in the queue for it if none is free.

        Args:
            at_head: Whether to wait at the head of the queue: a repeat goes before new calls.

        Returns:
            The number of decreases so far, to be passed to `decrease` if this call is throttled.
        """
        if self.acquired < self.capacity:
            self.acquired += 1
        else:
            await self._wait_for_slot(at_head=at_head)
        return self._decreases

    async def _wait_for_slot(self, *, at_head: bool) -> None:
        turn = asyncio.get_running_loop().create_future()
        (self._queue.appendleft if at_head else self._queue.append)(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the slot was handed over in the same instant: pass it on
                self.release()
            raise

    def release(self) -> None:
        """Release a slot; the call at the head of the queue acquires it."""
        self.acquired -= 1
        self._hand_over()

    def _hand_over(self) -> None:
        while self._queue and self.acquired < self.capacity:
            turn = self._queue.popleft()
            if not turn.done():
                self.acquired += 1
                turn.set_result(None)

    def record_success(self) -> None:
        """Count a call that was not throttled; enough of them increase the capacity by one."""
        if self.capacity == self.max_capacity:
            return
        self._successes += 1
        if self._successes >= min(defaults.SUCCESSES_PER_INCREASE, self.capacity):
            self._successes = 0
            self.capacity += 1
            self._hand_over()

    def decrease(self, decreases_at_start: int) -> None:
        """Halve the capacity after a throttled call, unless it was halved after this call started.

        Args:
            decreases_at_start: What `acquire` returned to the throttled call.
        """
        if decreases_at_start == self._decreases:
            self._decreases += 1
            self._successes = 0
            self.capacity = max(1, self.capacity // 2)

    @property
    def queued(self) -> int:
        """Calls that wait for a slot."""
        return sum(not turn.done() for turn in self._queue)
