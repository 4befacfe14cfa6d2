"""Clocks for tests of the client alone."""

import asyncio
import time

import attrs


@attrs.define
class LeapClock:
    """Sleeping takes no time, but the clock goes forward by it; every nap is kept."""

    now: float = attrs.field(factory=time.time)
    ticks: float = 0.0
    naps: list[float] = attrs.field(factory=list)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.ticks

    async def sleep(self, seconds: float, /) -> None:
        self.naps.append(seconds)
        self.now += seconds
        self.ticks += seconds
        await asyncio.sleep(0)
