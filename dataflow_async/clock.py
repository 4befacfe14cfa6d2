"""Time as the client sees it, so that tests and emulators can hold the hands."""

from __future__ import annotations

from asyncio import sleep as _sleep
from time import monotonic as _monotonic
from time import time as _time
from typing import Protocol


class Clock(Protocol):
    """What the client asks of a clock; seconds everywhere."""

    def time(self) -> float:
        """Wall time since the epoch; may step."""

    def monotonic(self) -> float:
        """Time that only goes forward, from an arbitrary start."""

    async def sleep(self, seconds: float, /) -> None:
        """Return after ``seconds``."""


class SystemClock:
    """The machine's own clock."""

    time = staticmethod(_time)
    monotonic = staticmethod(_monotonic)
    sleep = staticmethod(_sleep)
