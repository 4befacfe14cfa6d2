"""The gateway's time as far as we know it (promise 10, rulings 15 and 87)."""

from __future__ import annotations

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.wire.retry import http_date


class GatewayClock:
    """Our clock plus an offset that a 401 has taught us."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset = 0.0
        """Seconds to add to our wall clock when signing."""
        self._heard: tuple[str | None, float] = (None, 0.0)
        self._measured = 0.0

    def milliseconds(self, trial: float | None) -> int:
        """Give the timestamp to sign with, by the adopted offset or one on trial."""
        return int((self._clock.time() + (self.offset if trial is None else trial)) * 1000)

    def now(self) -> float:
        """Give the wall time by the adopted offset."""
        return self._clock.time() + self.offset

    @property
    def has_heard(self) -> bool:
        """Whether any answer has told the gateway's time yet."""
        return self._heard[0] is not None

    def heard(self, date: str | None) -> None:
        """Keep the ``Date`` of an answer that has just come in."""
        if date is not None:
            self._heard = (date, self._clock.time())

    def measured_offset(self) -> float:
        """Give gateway minus ours in seconds by the last ``Date`` that could be read; 0 before (ruling 87)."""
        date, at = self._heard
        if (server := http_date(date)) is not None:
            self._measured = server - at
        return self._measured

    def server_time(self) -> float:
        """Give the gateway's wall time as the last answer's ``Date`` tells it (ruling 87)."""
        return self._clock.time() + self.measured_offset()

    def skew(self, date: str | None, trial: float | None) -> float | None:
        """Give gateway minus our corrected clock, if ``date`` proves it to be more than a minute."""
        server = http_date(date)
        if server is None:
            return None
        skew = server - self._clock.time() - (self.offset if trial is None else trial)
        return skew if abs(skew) > defaults.CLOCK_TOLERANCE else None
