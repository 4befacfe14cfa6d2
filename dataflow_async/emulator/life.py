"""The life of a run, as arithmetic: what a moment on the clock says about it.

Nothing here happens by itself. How long a run waits, how long it works and how it ends is fixed when it is launched; its
status is then a question of the time alone. All times are wall seconds since the epoch.
"""

import random
from enum import StrEnum

import attrs


class Status(StrEnum):
    """States of a run (ruling 63)."""

    READY = "READY"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED})


@attrs.define
class Life:
    """When a run is created, starts and ends, unless it is canceled first."""

    created_at: float
    starts_at: float
    ends_at: float
    outcome: Status
    """COMPLETED or FAILED: how it ends if left alone."""
    canceled_at: float | None = None

    def status(self, now: float) -> Status:
        """The state at a moment; the end belongs to the moment it is reached."""
        if self.canceled_at is not None:
            return Status.CANCELED
        if now < self.starts_at:
            return Status.READY
        return Status.RUNNING if now < self.ends_at else self.outcome

    def started(self, now: float) -> float | None:
        """When it started to work, if it has by now; one that was canceled before never does."""
        until = now if self.canceled_at is None else self.canceled_at
        return self.starts_at if self.starts_at <= until else None

    def ended(self, now: float) -> float | None:
        """When it ended, if it has by now."""
        if self.canceled_at is not None:
            return self.canceled_at
        return self.ends_at if self.ends_at <= now else None

    def waiting(self, now: float) -> float:
        """Wall seconds between creation and start so far."""
        return min(self.starts_at, self._last(now)) - self.created_at

    def running(self, now: float) -> float:
        """Wall seconds of work so far."""
        return max(0.0, self._last(now) - self.starts_at)

    def cancel(self, now: float) -> bool:
        """End it now; false if it has ended before."""
        if self.status(now) in TERMINAL:
            return False
        self.canceled_at = now
        return True

    def end(self, now: float, outcome: Status) -> bool:
        """End it now, as if its work had come to this; false if it has ended before."""
        if self.status(now) in TERMINAL:
            return False
        self.starts_at, self.ends_at, self.outcome = min(self.starts_at, now), now, outcome
        return True

    def _last(self, now: float) -> float:
        """The latest moment that counts: its end, or now."""
        ended = self.ended(now)
        return max(self.created_at, now) if ended is None else ended


@attrs.define
class Fate:
    """Draws the lives of new runs from a seeded source: the same launches in the same order live the same lives.

    Args:
        seed: Start of the random source.
        speed: Emulated seconds per wall second.
        fail_rate: Share of the runs that fail, 0 to 1.
        ready_seconds: Shortest and longest wait before a run starts, emulated seconds.
        run_seconds: Shortest and longest work, emulated seconds.
    """

    seed: int
    speed: float
    fail_rate: float
    ready_seconds: tuple[float, float]
    run_seconds: tuple[float, float]
    _random: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(f"fate {self.seed}")

    def draw(self, created_at: float) -> Life:
        """A life that begins at ``created_at``."""
        starts_at = created_at + self._random.uniform(*self.ready_seconds) / self.speed
        ends_at = starts_at + self._random.uniform(*self.run_seconds) / self.speed
        failed = self._random.random() < self.fail_rate
        return Life(created_at, starts_at, ends_at, Status.FAILED if failed else Status.COMPLETED)
