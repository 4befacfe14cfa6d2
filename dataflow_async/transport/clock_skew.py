"""The gateway's time as far as we know it (promise 10, rulings 15 and 87)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.wire.headers import http_date
from dataflow_async.wire.server_time import (
    Account,
    Accounts,
    ServerTime,
    Steps,
    joined,
    observed_bounds,
    spanned,
)


class Exchange(NamedTuple):
    """One request and the answer to it, as far as they tell the time."""

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
    """Two notions of the gateway's time, which are kept apart.

    Requests are signed by our wall clock plus ``offset``, which only an accepted repeat of a 401 changes. What
    `interval` gives rests on accepted answers alone and is carried forward by a steady clock, so that a wall clock
    that steps does not move it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset = 0.0
        """Seconds to add to our wall clock when signing."""
        self.suspected = 0.0
        """The offset that a refusal has last suggested; seconds."""
        boottime = cast("Callable[[], float] | None", getattr(clock, "boottime", None))
        self.steady = boottime or clock.monotonic
        """A time that never steps, seconds; counts suspend where it can."""
        self._counts_suspend = boottime is not None
        self._gap = clock.time() - clock.monotonic()
        """Wall time minus steady time when the last step was seen."""
        self._seen = Steps()
        self._accounts: Accounts = ()
        self._last: Exchange | None = None
        """The last exchange that was taken in."""
        self._date: tuple[str | None, float | None] = (None, None)
        """The last ``Date`` that was read, and what it says: many answers come in one second."""

    def now(self) -> float:
        """Return the wall time by the adopted offset."""
        return self._clock.time() + self.offset

    def milliseconds(self, offset: float) -> int:
        """Return the timestamp to sign with by an offset, Unix milliseconds."""
        return int((self._clock.time() + offset) * 1000)

    @property
    def has_observed(self) -> bool:
        """Whether any accepted answer has observed_bounds the time yet."""
        return bool(self._accounts)

    def observe(self, exchange: Exchange) -> None:
        """Take in what an answer tells that certainly comes from the gateway or the service, to an accepted request."""
        if exchange.cached or self._tells_nothing_new(exchange):
            return
        self._last = exchange
        date = self.read(exchange.date)
        bounds = observed_bounds(date, exchange.stamp, exchange.sent, exchange.received)
        self._accounts = joined(self._accounts, Account(bounds, exchange.received, self._steps()))

    def _tells_nothing_new(self, exchange: Exchange) -> bool:
        """Return whether an answer says the same as one of a moment ago, as most do on a busy client."""
        last, moment = self._last, defaults.SAME_MOMENT
        return (
            last is not None
            and exchange.date == last.date
            and exchange.received - last.received < moment
            and abs(exchange.stamp - last.stamp) < moment
        )

    def interval(self) -> ServerTime:
        """Return bounds on the service's time now (ruling 87)."""
        now = self.steady()
        bounds = spanned(self._accounts, now, self._steps())
        if bounds is None:
            return ServerTime(-math.inf, self._clock.time() + max(0.0, self.offset, self.suspected))
        return ServerTime(now + bounds.low, now + bounds.high)

    def read(self, date: str | None) -> float | None:
        """Return the Unix time of a ``Date`` header; None without one that can be read."""
        if date != self._date[0]:
            self._date = date, http_date(date)
        return self._date[1]

    def skew(self, exchange: Exchange) -> float | None:
        """Return gateway minus the clock that a request was signed by, if its answer's ``Date`` shows over a minute.

        The passing of time is measured by the steady clock: our wall clock may have been set meanwhile.
        """
        date = self.read(exchange.date)
        if date is None:
            return None
        ahead = date - exchange.stamp
        # The Date was made at some moment between sending and receiving: what a slow answer explains is no skew.
        skew = max(ahead - (exchange.received - exchange.sent), 0.0) or min(ahead, 0.0)
        return skew if abs(skew) > defaults.CLOCK_TOLERANCE else None

    def needed_offset(self, exchange: Exchange) -> float:
        """Return the offset that signs by an answer's ``Date`` from now on, as if it were right; seconds."""
        date = self.read(exchange.date)
        elapsed = self.steady() - exchange.received
        return self.offset if date is None else date + elapsed - self._clock.time()

    def _steps(self) -> Steps:
        """Return how far the wall clock has moved against the steady one; noise is not added up."""
        if self._counts_suspend:
            return self._seen
        gap = self._clock.time() - self._clock.monotonic()
        by = gap - self._gap
        steps = Steps(self._seen.down + min(by, 0.0), self._seen.up + max(by, 0.0))
        if abs(by) >= defaults.CLOCK_STEP:
            self._gap, self._seen = gap, steps
        return steps
