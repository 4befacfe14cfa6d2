"""One complete listing of the runs of a job, and whether two of them are consistent. Pure."""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from attrs import define, field

from dataflow_async.bulk.reconcile.dating import DateReader
from dataflow_async.models.moment import Printed

if TYPE_CHECKING:
    from dataflow_async.wire.server_time import ServerTime


class LastRun(NamedTuple):
    """What the job itself shows of its last run."""

    ran: bool
    date: Printed | None


@define(eq=False)
class Snapshot:
    """One complete listing of the runs of a job, row by row as they come."""

    began: ServerTime
    dates: dict[str, Printed | None] = field(factory=dict)
    """Creation dates by execution id, in the order of the list."""
    unreadable: int = 0
    """Rows without an id."""
    count: int | None = None
    """The ``count`` of its first page; above the rows it shows that there are more."""
    newest: float = -inf
    """The latest of all dates in it, as printed."""
    oldest_zoned: float = inf
    oldest_zoneless: float = inf
    _last: float = inf
    _falls: bool = True

    def add(self, execution_id: str, created: Printed | None, *others: Printed | None) -> None:
        """Add a row: its creation date, and its other dates."""
        self.dates[execution_id] = created
        for date in (created, *others):
            if date is not None:
                self.newest = max(self.newest, date.at + date.grain)
        if created is None:
            self._falls = False
            return
        self._falls = self._falls and created.at <= self._last
        self._last = created.at
        if created.zoned:
            self.oldest_zoned = min(self.oldest_zoned, created.at + created.grain)
        else:
            self.oldest_zoneless = min(self.oldest_zoneless, created.at + created.grain)

    @property
    def falls(self) -> bool:
        """Whether dates fall from the first row to the last, so that a cap hides the oldest only."""
        first = next(iter(self.dates.values()), None)
        return self._falls and first is not None and (len(self.dates) == 1 or first.at > self._last)

    def reaches_behind(self, moment: float, reader: DateReader) -> bool:
        """Return whether a row is dated before a moment in server time."""
        shifts = (self.oldest_zoned, reader.zoned), (self.oldest_zoneless, reader.zoneless)
        return any(shift is not None and oldest - shift.least < moment for oldest, shift in shifts)

    def lacks(self, last: LastRun) -> bool:
        """Return whether the last run of the job, by its own account, is younger than all that is listed."""
        return last.ran and (last.date is None or last.date.at > self.newest)


def are_consistent(first: Snapshot, second: Snapshot, known: Collection[str], reader: DateReader) -> bool:
    """Return whether two listings differ only as lists of a busy job do.

    That is by runs that are recorded, by runs that were created after the first listing began, and by runs that have
    left the list because they are the oldest.
    """
    gone = [date for run, date in first.dates.items() if run not in second.dates and run not in known]
    come = [date for run, date in second.dates.items() if run not in first.dates and run not in known]
    oldest = min(map(_at, second.dates.values()), default=-inf) if gone and reader.usable else -inf
    return all(_is_younger(date, first, reader) for date in come) and all(
        _is_younger(date, first, reader) or (date is not None and date.at <= oldest) for date in gone
    )


def _is_younger(date: Printed | None, listing: Snapshot, reader: DateReader) -> bool:
    span = reader.read(date)
    return span is not None and span.earliest >= listing.began.earlier


def _at(date: Printed | None) -> float:
    return -inf if date is None else date.at
