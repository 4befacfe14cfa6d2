"""Faults of time: a clock that is off, calls that take longer."""

import math
from email.utils import formatdate
from random import Random
from typing import Any

import attrs

from dataflow_async.emulator.api.responses import Answer
from dataflow_async.emulator.faults.base import Delays, Rewrites, Stamps, When, choice, number, whole
from dataflow_async.emulator.faults.kinds.rewrites import DATES, in_members
from dataflow_async.emulator.service import dates


@attrs.frozen
class ClockOff(Rewrites):
    """The service's clock is off, and so are its dates and signature window.

    See contract/notes.md#ruling-87.
    """

    name = "clock"
    moments = (When.BEFORE,)
    why = "the signature is checked against this clock"
    seconds: float = number(240.0, low=-86_400)

    @property
    def clock_off(self) -> float:
        """Return all of its seconds."""
        return self.seconds

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Shift every date in the answer."""
        return in_members(answer, self._shifted)

    def _shifted(self, members: dict[str, Any]) -> dict[str, Any]:
        if "totalCount" in members:  # the days of the dashboard come from the calendar, not from the clock
            return members
        return {
            name: dates.shifted(value, self.seconds) if name in DATES and isinstance(value, str) else value
            for name, value in members.items()
        }


@attrs.frozen
class DateHeader(Stamps):
    """The Date header is off, as a cache's or another node's is.

    See contract/notes.md#ruling-87.
    """

    name = "date-header"
    seconds: float = number(660.0, low=-86_400)
    age: int = whole(0, 0)
    """Seconds in an Age header; 0 for no such header."""

    def headers(self, now: float) -> dict[str, str]:
        """Return Date, and Age as a cache sends it."""
        aged = {"Age": str(self.age)} if self.age else {}
        return {"Date": formatdate(now + self.seconds, usegmt=True), **aged}


@attrs.frozen
class Latency(Delays):
    """Calls take longer: constant, uniform, exponential or lognormal seconds."""

    name = "latency"
    moments = (When.AFTER, When.BEFORE)
    mean: float = number(0.1, high=3600)
    distribution: str = choice("constant", "uniform", "exponential", "lognormal")
    most: float = number(60.0, high=3600)
    """Upper limit, seconds."""

    def seconds(self, chance: Random) -> float:
        """Return a latency at random, seconds."""
        if self.mean == 0 or self.distribution == "constant":
            seconds = self.mean
        elif self.distribution == "uniform":
            seconds = chance.uniform(0, 2 * self.mean)
        elif self.distribution == "exponential":
            seconds = chance.expovariate(1 / self.mean)
        else:
            seconds = chance.lognormvariate(math.log(self.mean) - 0.5, 1.0)
        return min(seconds, self.most)
