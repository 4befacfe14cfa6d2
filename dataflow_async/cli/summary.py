"""What became of many runs, counted as they end. Pure."""

from collections.abc import Iterator
from statistics import median

from attrs import define, field, frozen

from dataflow_async import ExecutionStatus, Outcome


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
    _minutes: dict[str, list[float | None]] = field(factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        minutes = outcome.execution.running_time if outcome.execution else None
        self._minutes.setdefault(str(outcome.status), []).append(minutes)
        if self.failed is None and outcome.status != ExecutionStatus.COMPLETED:
            self.failed = outcome

    def rows(self) -> Iterator[Row]:
        """A row for each status, COMPLETED first."""
        for status in sorted(self._minutes, key=lambda it: (it != ExecutionStatus.COMPLETED, it)):
            ended = self._minutes[status]
            known = [minutes for minutes in ended if minutes is not None]
            spread = (min(known), median(known), max(known)) if known else (None, None, None)
            yield Row(status, len(ended), *spread)


def duration(minutes: float | None) -> str:
    """Minutes as ``m:ss`` or ``h:mm:ss``; a dash for none."""
    if minutes is None:
        return "-"
    whole, seconds = divmod(round(minutes * 60), 60)
    hours, whole = divmod(whole, 60)
    return f"{hours}:{whole:02}:{seconds:02}" if hours else f"{whole}:{seconds:02}"
