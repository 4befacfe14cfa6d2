"""The gateway's time: the offset that requests are signed by, and bounds on the server time for reconciliation.

Source: contract/notes.md#ruling-15, contract/notes.md#ruling-87
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.wire.headers import http_date
from dataflow_async.wire.server_time import (
    ServerTime,
    Steps,
    TimeEstimate,
    TimeEstimates,
    joined,
    observed_bounds,
    spanned,
)


class Exchange(NamedTuple):
    """The times of one request and its answer."""

    stamp: float
    """Unix time the request was signed with."""
    sent: float
    """Steady time before it went out."""
    received: float
    """Steady time after its answer had come."""
    date: str | None
    """The answer's ``Date``."""
    cached: bool
    """Whether the answer has an ``Age``: its ``Date`` is that of an earlier answer."""


class GatewayClock:
    """The gateway's time, as an offset to sign by and as an interval to compare dates with.

    Always true: ``offset`` is added to our wall clock when signing and only an accepted repeat of a 401 changes it;
    `interval` rests on accepted answers alone and is carried forward by a steady clock. The two are kept apart because
    a wrong ``Date`` of one refusal, or a wall clock that steps, must not move the interval: a wrong one would make a
    launch that ran look like one that never started.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset = 0.0
        """Seconds to add to our wall clock when signing."""
        self.suspected = 0.0
        """The offset that the last refusal suggested; seconds."""
        boottime = cast("Callable[[], float] | None", getattr(clock, "boottime", None))
        self.steady = boottime or clock.monotonic
        """Returns a time that never steps, seconds; it includes suspended time where the system can count it."""
        self._counts_suspend = boottime is not None
        self._gap = clock.time() - clock.monotonic()
        """Wall time minus steady time at the last step."""
        self._seen = Steps()
        self._estimates: TimeEstimates = ()
        self._last: Exchange | None = None
        """The last exchange that was observed."""
        self._date: tuple[str | None, float | None] = (None, None)
        """The last ``Date`` that was parsed, and its Unix time: many answers come in one second."""

    def now(self) -> float:
        """Return the wall time by the adopted offset."""
        return self._clock.time() + self.offset

    def milliseconds(self, offset: float) -> int:
        """Return the timestamp to sign with by an offset, Unix milliseconds."""
        return int((self._clock.time() + offset) * 1000)

    @property
    def has_observed(self) -> bool:
        """Whether any accepted answer has bounded the server time yet."""
        return bool(self._estimates)

    def observe(self, exchange: Exchange) -> None:
        """Narrow the server time by the answer to an accepted request that certainly comes from gateway or service."""
        if exchange.cached or self._is_redundant(exchange):
            return
        self._last = exchange
        date = self.read(exchange.date)
        bounds = observed_bounds(date, exchange.stamp, exchange.sent, exchange.received)
        self._estimates = joined(self._estimates, TimeEstimate(bounds, exchange.received, self._steps()))

    def _is_redundant(self, exchange: Exchange) -> bool:
        """Return whether an answer bounds the time as one of a moment ago did, as most do on a busy client."""
        last, moment = self._last, defaults.SAME_MOMENT
        return (
            last is not None
            and exchange.date == last.date
            and exchange.received - last.received < moment
            and abs(exchange.stamp - last.stamp) < moment
        )

    def interval(self) -> ServerTime:
        """Return bounds on the service's time now: contract/notes.md#ruling-87."""
        now = self.steady()
        bounds = spanned(self._estimates, now, self._steps())
        if bounds is None:
            return ServerTime(-math.inf, self._clock.time() + max(0.0, self.offset, self.suspected))
        return ServerTime(now + bounds.low, now + bounds.high)

    def read(self, date: str | None) -> float | None:
        """Return the Unix time of a ``Date`` header; None if it is absent or malformed."""
        if date != self._date[0]:
            self._date = date, http_date(date)
        return self._date[1]

    def skew(self, exchange: Exchange) -> float | None:
        """Return the gateway's time minus the time that a request was signed with; None if within the tolerance.

        Elapsed time is measured by the steady clock: our wall clock may have been set meanwhile.
        """
        date = self.read(exchange.date)
        if date is None:
            return None
        ahead = date - exchange.stamp
        # The Date was set at some moment between sending and receiving: a slow answer is no skew.
        skew = max(ahead - (exchange.received - exchange.sent), 0.0) or min(ahead, 0.0)
        return skew if abs(skew) > defaults.CLOCK_TOLERANCE else None

    def needed_offset(self, exchange: Exchange) -> float:
        """Return the offset by which our clock would agree with an answer's ``Date``; seconds."""
        date = self.read(exchange.date)
        elapsed = self.steady() - exchange.received
        return self.offset if date is None else date + elapsed - self._clock.time()

    def _steps(self) -> Steps:
        """Return how far the wall clock has stepped against the steady one; noise is not accumulated."""
        if self._counts_suspend:
            return self._seen
        gap = self._clock.time() - self._clock.monotonic()
        by = gap - self._gap
        steps = Steps(self._seen.down + min(by, 0.0), self._seen.up + max(by, 0.0))
        if abs(by) >= defaults.CLOCK_STEP:
            self._gap, self._seen = gap, steps
        return steps
