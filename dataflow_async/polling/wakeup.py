"""A wake-up event: wakes all who wait at that moment, and keeps nothing for those who come later."""

from __future__ import annotations

import asyncio


class WakeUp:
    """Wakes whoever waits, be it one coroutine or several.

    Unlike `asyncio.Event` it is never set: a notification that nobody waits for is gone. So whoever waits must have
    looked for news before, without an ``await`` in between.
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
