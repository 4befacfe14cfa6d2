"""One complete listing of the runs of a job, and whether two of them are consistent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from operator import ge
from typing import TYPE_CHECKING, NamedTuple

from attrs import define, field

from dataflow_async.bulk.reconcile.dating import DateReader, PlainDate
from dataflow_async.bulk.reconcile.steps import Steps, slices
from dataflow_async.models.moment import Printed, printed

_WITHOUT_ZONE = len("2026-11-01T12:00:07")

if TYPE_CHECKING:
    from dataflow_async.wire.server_time import ServerTime


class LastRun(NamedTuple):
    """What the job itself shows of its last run."""

    ran: bool
    date: Printed | None


@define(eq=False)
class Snapshot:
    """One complete listing of the runs of a job, as many rows at a time as one step handles."""

    began: ServerTime
    dates: dict[str, PlainDate | None] = field(factory=dict)
    """Creation dates by execution id, in the order of the list."""
    unreadable: int = 0
    """Rows without an id."""
    count: int | None = None
    """The ``count`` of its first page; above the rows it shows that there are more."""
    newest: float = -inf
    """The latest of all dates in it, as printed."""
    oldest_zoned: float = inf
    oldest_zoneless: float = inf
    _latest: str = ""
    """The text of `newest`."""
    _last: float = inf
    _falls: bool = True

    def shows(self, dates: Sequence[str | None]) -> None:
        """Take in dates of rows, of whatever; those that are surely not the latest are not even read.

        Texts of one form have the order of their moments. Should they not after all, the list looks older than it is, and
        proves less.
        """
        latest = self._latest
        size, second, zone = len(latest), latest[:19], latest[-6:]
        for date in dates:
            if date is None or (
                date < second and len(date) == size and (size == _WITHOUT_ZONE or date.endswith(zone))
            ):
                continue
            read = printed(date)
            if read is not None and read.at + read.grain >= self.newest:
                self.newest = read.at + read.grain
                self._latest = latest = date
                size, second, zone = len(latest), latest[:19], latest[-6:]

    def add(self, ids: Sequence[str], created: Sequence[PlainDate | None]) -> None:
        """Add rows, and when their runs were created."""
        self.dates.update(zip(ids, created, strict=True))
        dated = [date for date in created if date is not None]
        moments = [self._last, *(at for at, _, _ in dated)]
        self._falls = self._falls and len(dated) == len(created) and all(map(ge, moments, moments[1:]))
        self._last = moments[-1]
        zoned = [at + grain for at, grain, zoned in dated if zoned]
        zoneless = [at + grain for at, grain, zoned in dated if not zoned]
        self.newest = max([self.newest, *zoned, *zoneless])
        self.oldest_zoned = min([self.oldest_zoned, *zoned])
        self.oldest_zoneless = min([self.oldest_zoneless, *zoneless])

    @property
    def falls(self) -> bool:
        """Whether dates fall from the first row to the last, so that a cap hides the oldest only."""
        first = next(iter(self.dates.values()), None)
        return self._falls and first is not None and (len(self.dates) == 1 or first[0] > self._last)

    def reaches_behind(self, moment: float, reader: DateReader) -> bool:
        """Return whether a row is dated before a moment in server time."""
        shifts = (self.oldest_zoned, reader.zoned), (self.oldest_zoneless, reader.zoneless)
        return any(shift is not None and oldest - shift.least < moment for oldest, shift in shifts)

    def lacks(self, last: LastRun) -> bool:
        """Return whether the last run of the job, by its own account, is younger than all that is listed."""
        return last.ran and (last.date is None or last.date.at > self.newest)


def are_consistent(
    first: Snapshot, second: Snapshot, known: Iterable[str], reader: DateReader
) -> Steps[bool]:
    """Return whether two listings differ only as lists of a busy job do.

    That is by runs that are recorded, by runs that were created after the first listing began, and by runs that have
    left the list because they are the oldest.
    """
    gone = yield from _missing(first, second)
    come = yield from _missing(second, first)
    for ids in slices(known) if gone or come else ():
        for execution_id in ids:
            gone.pop(execution_id, None)
            come.pop(execution_id, None)
        yield
    oldest = -inf
    if gone and reader.usable and second.dates:
        oldest = inf
        for some in slices(second.dates.values()):
            oldest = min(oldest, *map(_at, some))
            yield
    for some in slices(come.values()):
        if not all(_is_younger(date, first, reader) for date in some):
            return False
        yield
    for some in slices(gone.values()):
        if not all(
            _is_younger(date, first, reader) or (date is not None and date[0] <= oldest) for date in some
        ):
            return False
        yield
    return True


def _missing(here: Snapshot, there: Snapshot) -> Steps[dict[str, PlainDate | None]]:
    """Return the dates of the rows that one listing has and the other has not, by execution id."""
    found: dict[str, PlainDate | None] = {}
    for some in slices(here.dates.items()):
        found.update((run, date) for run, date in some if run not in there.dates)
        yield
    return found


def _is_younger(date: PlainDate | None, listing: Snapshot, reader: DateReader) -> bool:
    span = reader.read(date)
    return span is not None and span.earliest >= listing.began.earlier


def _at(date: PlainDate | None) -> float:
    return -inf if date is None else date[0]
