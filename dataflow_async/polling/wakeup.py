"""A wake-up event: wakes the coroutines that wait at that moment, and has no effect on those that wait later."""

from __future__ import annotations

import asyncio


class WakeUp:
    """Wakes all coroutines that wait.

    Unlike `asyncio.Event` it has no state: a notification has no effect where no coroutine waits. So a coroutine must
    check its condition before it waits, without an ``await`` in between.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def notify(self, _: object = None) -> None:
        """Wake all who wait now."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    async def wait(self) -> None:
        """Wait for the next notification."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(woken)
        await woken
