"""How long polls are held back while they fail. Pure: times and pauses are arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

Pause: TypeAlias = Callable[[int], float]
"""Returns for a number of failures in a row how many seconds to hold polls back."""


class Backoff:
    """Failures in a row of the polls of one job, or of one client.

    Polls that were in flight together count as one failure, because they say the same: counted one by one, 32 polls
    that met one lost connection would look like a long outage. A single failure holds nothing back, because one call
    may always be lost; from the second one on polls start one at a time, with a pause in between. Any answer
    ends that.
    """

    __slots__ = ("_burst", "_last", "failures", "foreign_since", "logged", "resume_at", "since")

    def __init__(self) -> None:
        self.failures = 0
        self.resume_at = -math.inf
        """Monotonic time before which no poll starts."""
        self.since: float | None = None
        """When the first of these failures came."""
        self.logged = False
        """Whether these failures have been logged."""
        self.foreign_since: float | None = None
        """Since when the only answers have been of neither gateway nor service."""
        self._burst = 0
        self._last: str | None = None

    @property
    def is_outage(self) -> bool:
        """Whether polls are held back."""
        return self.failures > 1

    def begin(self) -> int:
        """Return what `failed` needs to count a poll that starts now."""
        return self._burst

    def failed(self, burst: int, now: float, pause: Pause, *, who: str | None = None) -> None:
        """Count the failure of a poll.

        Args:
            burst: What `begin` returned when it started.
            now: Monotonic seconds.
            pause: Returns the pause; called from the second failure on.
            who: What failed; if it failed last as well, that says nothing about others and does not count.
        """
        if burst != self._burst or (who is not None and who == self._last):
            return
        self._burst += 1
        self._last = who
        self.failures += 1
        self.since = now if self.since is None else self.since
        if self.is_outage:
            self.resume_at = now + pause(self.failures)

    def hold(self, until: float) -> None:
        """Start no poll before a time, in monotonic seconds: the service asked for it."""
        self.resume_at = max(self.resume_at, until)

    def answer_met(self, now: float, *, foreign: bool) -> None:
        """Record that a poll got an answer; ``foreign`` if neither gateway nor service sent it."""
        if not foreign:
            self.foreign_since = None
        elif self.foreign_since is None:
            self.foreign_since = now

    def answered(self) -> None:
        """Count a poll that was answered by gateway or service."""
        self.foreign_since = None
        self.failures = 0
        self.resume_at = -math.inf
        self.since = self._last = None
        self.logged = False

    def admits(self, now: float, pause: Pause) -> bool:
        """Whether a poll may start now; if so, and polls fail, the next one may a pause later."""
        if now < self.resume_at:
            return False
        if self.is_outage:
            self.resume_at = now + pause(self.failures)
        return True
