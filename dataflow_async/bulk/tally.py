"""Counts how far a bulk run has come, and tells the caller, not too often."""

from __future__ import annotations

from collections.abc import Callable

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.models.launch import UNCERTAIN, Outcome, Progress

OnProgress = Callable[[Progress], object]


class Tally:
    """The counts behind `Progress`."""

    def __init__(
        self,
        total: int | None,
        on_progress: OnProgress | None,
        clock: Clock,
        outage: Callable[[], float | None],
    ) -> None:
        self._outage = outage
        self._total = total
        self._on_progress = on_progress
        self._clock = clock
        self._began = clock.monotonic()
        self._reported = float("-inf")
        self.drawn = 0
        self.launched = 0
        self.completed = 0
        self.failed = 0
        self.uncertain = 0
        self._resumed = 0
        self.setbacks = 0
        """Launches that this run took to an outcome that is not a good one; those taken up from a journal don't count."""

    def count(self, outcome: Outcome) -> None:
        """Take in an outcome; where ends are not waited for, a run that has started counts as completed."""
        if outcome.resumed:
            self._resumed += 1
        elif outcome.error is not None:
            self.setbacks += 1
        if outcome.status == UNCERTAIN:
            self.uncertain += 1
        elif outcome.error is None:
            self.completed += 1
        else:
            self.failed += 1

    def withdraw(self) -> None:
        """Take back a launch that was drawn and has no outcome."""
        self.drawn -= 1

    def progress(self) -> Progress:
        """Give the counts of this moment."""
        ended = self.completed + self.failed + self.uncertain
        elapsed = self._clock.monotonic() - self._began
        rate = (ended - self._resumed) / elapsed if elapsed > 0 else 0.0
        total = self._total
        return Progress(
            total=total,
            drawn=self.drawn,
            launched=self.launched,
            running=self.drawn - ended,
            completed=self.completed,
            failed=self.failed,
            uncertain=self.uncertain,
            rate=rate,
            outage=self._outage(),
            eta=None if total is None or rate == 0 else (total - ended) / rate,
        )

    def report(self, *, last: bool = False) -> Exception | None:
        """Tell the caller at most ten times a second, and at the end; give what that raised."""
        if self._on_progress is None:
            return None
        now = self._clock.monotonic()
        if not last and now - self._reported < defaults.PROGRESS_INTERVAL:
            return None
        self._reported = now
        try:
            self._on_progress(self.progress())
        except Exception as problem:  # noqa: BLE001  # the caller's own code; it ends the run
            return problem
        return None
