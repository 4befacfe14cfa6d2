"""The clock of a client, which tests and emulators can replace."""

from __future__ import annotations

import time as _system
from asyncio import sleep as _sleep
from collections.abc import Callable
from functools import partial
from time import monotonic as _monotonic
from time import time as _time
from typing import Protocol


class Clock(Protocol):
    """The methods of a clock that a client uses; seconds everywhere."""

    def time(self) -> float:
        """Wall time since the epoch; may step."""

    def monotonic(self) -> float:
        """Time that only goes forward, from an arbitrary start."""

    async def sleep(self, seconds: float, /) -> None:
        """Return after ``seconds``."""


class SystemClock:
    """The machine's own clock.

    Attributes:
        boottime: A monotonic time that goes on while the machine is suspended; None where there is none.
    """

    time = staticmethod(_time)
    monotonic = staticmethod(_monotonic)
    sleep = staticmethod(_sleep)

    def __init__(self) -> None:
        self.boottime = _boottime()


def _boottime() -> Callable[[], float] | None:
    if (clock_id := getattr(_system, "CLOCK_BOOTTIME", None)) is None:
        return None
    read = partial(_system.clock_gettime, clock_id)
    try:
        read()
    except OSError:  # known when Python was built, not to this kernel
        return None
    return read
