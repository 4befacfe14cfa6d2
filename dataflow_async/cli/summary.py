"""What became of many runs, counted as they end. Pure."""

from collections.abc import Iterator
from statistics import median

from attrs import define, field, frozen

from dataflow_async import ExecutionStatus, JobExecution, Outcome


@frozen
class Row:
    """The runs that ended in the same way; minutes, where the service names any."""

    status: str
    count: int
    shortest: float | None
    median: float | None
    longest: float | None


@define
class Summary:
    """Outcomes by status. Keeps a number for each, not the outcome."""

    failed: Outcome | None = None
    """The first that did not end COMPLETED."""
    worker_minutes: float = 0.0
    """Minutes that runs took, each times its workers, as far as the service names both."""
    _minutes: dict[str, list[float]] = field(factory=dict)
    _counts: dict[str, int] = field(factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        status = str(outcome.status)
        self._counts[status] = self._counts.get(status, 0) + 1
        if outcome.execution is not None:
            self.time(status, outcome.execution)
        if self.failed is None and outcome.status != ExecutionStatus.COMPLETED:
            self.failed = outcome

    def time(self, status: str, run: JobExecution) -> None:
        """Count how long a run took, if that is known."""
        if run.running_time is None:
            return
        self._minutes.setdefault(status, []).append(run.running_time)
        settings = run.job_condition
        workers = run.executor_num or (settings.num_worker if settings else None)
        self.worker_minutes += run.running_time * (workers or 0)

    def rows(self) -> Iterator[Row]:
        """A row for each status, COMPLETED first."""
        for status in sorted(self._counts, key=lambda it: (it != ExecutionStatus.COMPLETED, it)):
            known = self._minutes.get(status, [])
            spread = (min(known), median(known), max(known)) if known else (None, None, None)
            yield Row(status, self._counts[status], *spread)
