"""The lifecycle of a run: its status as a function of the time.

No timer runs. How long a run waits, how long it works and how it ends is fixed when it is launched, and changes only when it is
ended earlier. All times are wall seconds since the epoch.
"""

import math
import random
from enum import StrEnum

import attrs

from dataflow_async.emulator.service.scripts import UNSCRIPTED, Range, ScriptedRun


class Status(StrEnum):
    """Statuses of a run (contract/notes.md#ruling-63)."""

    READY = "READY"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


@attrs.define
class RunLifecycle:
    """When a run is created, starts and ends.

    Always true: ``created_at <= starts_at``, and once ``ends_at`` has come, ``ends_at`` and ``outcome`` never change. So equal
    times give equal statuses, and a status never goes back unless a script says so. A change after the end would break this;
    `cancel` and `end` refuse it.
    """

    created_at: float
    starts_at: float
    """Start of its work, unless it ends before."""
    ends_at: float
    outcome: str
    """Its status at the end: COMPLETED, FAILED, CANCELED, or one from a script."""
    phases: tuple[tuple[float, str], ...] = ()
    """Scripted statuses between start and end instead of RUNNING, each with the time at which it begins."""

    def has_ended(self, now: float) -> bool:
        """Return whether the run has ended; at ``ends_at`` itself it has."""
        return now >= self.ends_at

    def status(self, now: float) -> str:
        """Return the status at a moment."""
        if now >= self.ends_at:
            return self.outcome
        if now < self.starts_at:
            return Status.READY
        return self._phase(now) if self.phases else Status.RUNNING

    def started(self, now: float) -> float | None:
        """Return when its work started, or None if it has not by now; a run that was canceled before never starts."""
        return self.starts_at if self.starts_at <= now and self.starts_at <= self.ends_at else None

    def ended(self, now: float) -> float | None:
        """Return when it ended, or None if it has not by now."""
        return self.ends_at if now >= self.ends_at else None

    def durations(self, now: float) -> tuple[float, float]:
        """Return wall seconds between creation and start, and of work, so far."""
        last = self.ends_at if now >= self.ends_at else max(self.created_at, now)
        if last < self.starts_at:
            return last - self.created_at, 0.0
        return self.starts_at - self.created_at, last - self.starts_at

    def cancel(self, now: float, takes: float = 0.0) -> bool:
        """Cancel the run; return false if it has ended before.

        Args:
            now: When the cancel is accepted.
            takes: Seconds until it takes hold; if the run ends by itself before, that end stands (contract/notes.md#ruling-79).
        """
        if self.has_ended(now):
            return False
        if now + takes < self.ends_at:
            self.ends_at, self.outcome = now + takes, Status.CANCELED
        return True

    def end(self, now: float, outcome: str) -> bool:
        """End the run now with this outcome; return false if it has ended before."""
        if self.has_ended(now):
            return False
        self.starts_at, self.ends_at, self.outcome = min(self.starts_at, now), now, outcome
        return True

    def _phase(self, now: float) -> str:
        return next(status for begins_at, status in reversed(self.phases) if begins_at <= now)


@attrs.define
class LifecycleSettings:
    """Settings of run lifecycles, and the random sources that fix the lifecycle of each new run.

    Always true: the same seed and the same launches in the same order give the same lifecycles. A draw that depends on a script, a
    cancel or the time would break this, so a scripted run takes as many random numbers as any other, and cancels have a
    random source of their own.

    Args:
        seed: Start of the random sources.
        speed: Emulated seconds per wall second.
        fail_rate: Share of the runs that fail, 0 to 1.
        ready_seconds: Shortest and longest wait before a run starts, emulated seconds.
        run_seconds: Shortest and longest work, emulated seconds.
        cancel_seconds: Shortest and longest time until a cancel takes hold, emulated seconds.
        enforce_timeout: Whether work that outlasts the timeout of its run fails then.
    """

    seed: int
    speed: float
    fail_rate: float
    ready_seconds: Range
    run_seconds: Range
    cancel_seconds: Range = (0.0, 0.0)
    enforce_timeout: bool = False
    run_random: random.Random = attrs.field(init=False, repr=False)
    """Random source of lifecycles."""
    cancel_random: random.Random = attrs.field(init=False, repr=False)
    """Random source of the durations of cancels; separate, so that a cancel changes no later run."""

    def __attrs_post_init__(self) -> None:
        # The texts keep the two sources apart, and both apart from the ids, which start from the bare seed.
        self.run_random = random.Random(f"lifecycle {self.seed}")
        self.cancel_random = random.Random(f"cancels {self.seed}")

    def draw(
        self, created_at: float, *, scripted: ScriptedRun = UNSCRIPTED, timeout: float = math.inf
    ) -> RunLifecycle:
        """Return the lifecycle of a run that is created at ``created_at``.

        Args:
            created_at: Wall seconds.
            scripted: The parts that a script fixes.
            timeout: Emulated minutes of work that the run may take.
        """
        starts_at = created_at + self._pick(scripted.ready_seconds, self.ready_seconds)
        ends_at = starts_at + self._pick(scripted.work, self.run_seconds)
        failed = self.run_random.random() < self.fail_rate
        outcome = scripted.outcome or (Status.FAILED if failed else Status.COMPLETED)
        latest = starts_at + timeout * 60 / self.speed
        if self.enforce_timeout and ends_at > latest:
            ends_at, outcome = latest, Status.FAILED
        phases = (
            tuple((starts_at + begins / self.speed, status) for begins, status in scripted.phase_starts())
            if scripted.phases
            else ()
        )
        return RunLifecycle(created_at, starts_at, ends_at, outcome, phases)

    def cancel_takes(self) -> float:
        """Return wall seconds until a cancel takes hold."""
        return self.cancel_random.uniform(*self.cancel_seconds) / self.speed

    def _pick(self, scripted: Range | None, otherwise: Range) -> float:
        """Return wall seconds from the scripted range, or else from the range of all runs."""
        return self.run_random.uniform(*(scripted or otherwise)) / self.speed
