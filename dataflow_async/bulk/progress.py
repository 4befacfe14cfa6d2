"""Counts how far a bulk run has come, and reports it to the caller, not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from dataflow_async import defaults, tasks
from dataflow_async.clock import Clock
from dataflow_async.models.launch import UNCERTAIN, Outcome, Progress

OnProgress = Callable[[Progress], object]
"""Called with the counts of the moment; what it returns is awaited if it can be."""


class ProgressReporter:
    """The counts behind `Progress`.

    Always true: each launch that was submitted is counted in one of ``completed``, ``failed`` and ``uncertain`` once it has
    an outcome, so what is submitted and not counted is unfinished; and one callback at most is awaited at a time. A launch
    that ends without an outcome must be taken back by `uncount`, or the run would seem to go on for ever.

    Args:
        total: How many launches there will be; None if that is not known.
        on_progress: The caller's callback.
        clock: For rates, and for the interval between reports.
        outage: Returns the seconds for which launches have been held back; None while they are not.
        fail: Called with what the callback raises.
    """

    def __init__(
        self,
        total: int | None,
        on_progress: OnProgress | None,
        clock: Clock,
        outage: Callable[[], float | None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._fail = fail
        self._reporting: asyncio.Task[None] | None = None
        """A callback that is awaited; meanwhile nothing is reported, so that callbacks can't pile up."""
        self._outage = outage
        self._total = total
        self._on_progress = on_progress
        self._clock = clock
        self._began = clock.monotonic()
        self._reported = float("-inf")
        self.submitted = 0
        self.launched = 0
        self.completed = 0
        self.failed = 0
        self.uncertain = 0
        self._resumed = 0
        self.setbacks = 0
        """Launches that this run took to an outcome that is not a good one; those taken up from a journal don't count."""

    def count(self, outcome: Outcome) -> None:
        """Count an outcome; where ends are not waited for, a run that has started counts as completed."""
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

    def uncount(self) -> None:
        """Take back a launch that was submitted and has no outcome."""
        self.submitted -= 1

    def progress(self) -> Progress:
        """Return the counts of this moment."""
        ended = self.completed + self.failed + self.uncertain
        elapsed = self._clock.monotonic() - self._began
        rate = (ended - self._resumed) / elapsed if elapsed > 0 else 0.0
        total = self._total
        return Progress(
            total=total,
            submitted=self.submitted,
            launched=self.launched,
            running=self.submitted - ended,
            completed=self.completed,
            failed=self.failed,
            uncertain=self.uncertain,
            rate=rate,
            outage=self._outage(),
            eta=None if total is None or rate == 0 else (total - ended) / rate,
        )

    def report(self, *, last: bool = False) -> None:
        """Report to the caller at most ten times a second, and at the end; what the callback raises ends the run."""
        if self._on_progress is None:
            return
        now = self._clock.monotonic()
        if not last and (self._reporting is not None or now - self._reported < defaults.PROGRESS_INTERVAL):
            return
        self._reported = now
        if self._reporting is not None:
            self._reporting = tasks.start(self._after, self._reporting)
            return
        returned = self._call()
        if isawaitable(returned):
            self._reporting = tasks.start(self._awaited, returned)

    def _call(self) -> object:
        assert self._on_progress is not None  # noqa: S101  # asked before
        try:
            return self._on_progress(self.progress())
        except Exception as problem:  # noqa: BLE001  # the caller's own code; it ends the run
            self._fail(problem)
            return None

    async def _awaited(self, returned: Awaitable[object]) -> None:
        try:
            await returned
        except Exception as problem:  # noqa: BLE001  # as above
            self._fail(problem)
        finally:
            if self._reporting is asyncio.current_task():
                self._reporting = None

    async def _after(self, before: asyncio.Task[None]) -> None:
        """Report the last counts once those before are reported."""
        await asyncio.wait([before])
        returned = self._call()
        if isawaitable(returned):
            await self._awaited(returned)

    async def aclose(self) -> None:
        """Wait until everything is reported."""
        if self._reporting is not None:
            await asyncio.wait([self._reporting])
