"""What it takes before a run that is not listed counts as never started (ruling 89). Pure: values in, values out.

A list may be a window, lag, or miss rows, and two such lists agree. So the absence of a run needs witnesses: runs of
which it is known when they were created, on either side of the launch, and all of our own that should be listed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, NamedTuple, Protocol

from attrs import define, field

from dataflow_async import defaults
from dataflow_async.bulk.reconcile.dating import Reader
from dataflow_async.models.moment import Printed

if TYPE_CHECKING:
    from dataflow_async.bulk.launch_records import KnownRun
    from dataflow_async.wire.server_time import ServerTime


class Sent(Protocol):
    """When a launch may have started, in server time."""

    @property
    def intended_from(self) -> float:
        """Nothing was sent before."""

    @property
    def intended_until(self) -> float:
        """The same moment, by the later end of what is known of server time."""

    @property
    def sent_by(self) -> float:
        """Nothing was sent after."""


class Missing(NamedTuple):
    """What keeps the absence of a run from proving anything."""

    why: str
    later: bool = False
    """Whether the next launch of the job may supply it."""


class LastRun(NamedTuple):
    """What the job itself says of its last run."""

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
    """The ``count`` of its first page; above the rows it shows that there are more (ruling 71)."""
    newest: float = -inf
    """The latest of all dates in it, as printed."""
    oldest_zoned: float = inf
    oldest_zoneless: float = inf
    _last: float = inf
    _falls: bool = True

    def add(self, execution_id: str, created: Printed | None, *others: Printed | None) -> None:
        """Take in a row: its creation date, and its other dates."""
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

    def reaches_behind(self, moment: float, reader: Reader) -> bool:
        """Whether a row is dated before a moment in server time."""
        shifts = (self.oldest_zoned, reader.zoned), (self.oldest_zoneless, reader.zoneless)
        return any(shift is not None and oldest - shift.least < moment for oldest, shift in shifts)

    def lacks(self, last: LastRun) -> bool:
        """Whether the last run of the job, by its own account, is younger than all that is listed."""
        return last.ran and (last.date is None or last.date.at > self.newest)


def agree(first: Snapshot, second: Snapshot, known: Collection[str], reader: Reader) -> bool:
    """Whether two listings differ only as lists of a busy job do.

    That is by runs the journal knows, by runs that were created after the first listing began, and by runs that have
    left the list because they are the oldest.
    """
    gone = [date for run, date in first.dates.items() if run not in second.dates and run not in known]
    come = [date for run, date in second.dates.items() if run not in first.dates and run not in known]
    oldest = min(map(_at, second.dates.values()), default=-inf) if gone and reader.usable else -inf
    return all(_is_younger(date, first, reader) for date in come) and all(
        _is_younger(date, first, reader) or (date is not None and date.at <= oldest) for date in gone
    )


def _is_younger(date: Printed | None, listing: Snapshot, reader: Reader) -> bool:
    span = reader.read(date)
    return span is not None and span.earliest >= listing.began.earlier


def _at(date: Printed | None) -> float:
    return -inf if date is None else date.at


class Witnesses:
    """Runs of the journal, by the time of their intent; those that were adopted witness nothing."""

    def __init__(self, runs: Iterable[KnownRun]) -> None:
        sure = [run for run in runs if run.accepted_at is not None and not run.adopted]
        self._runs = sorted(sure, key=_intended_until)
        self._until = [run.intended_until for run in self._runs]

    def accepted_after(self, launch: Sent) -> float | None:
        """Return when a run that was intended after a launch was accepted; None if there is none.

        Both ends of its intent must be later: server time may have been known better for one than for the other.
        """
        for run in islice(self._runs, bisect_left(self._until, launch.sent_by), None):
            if run.intended_from >= launch.intended_from:
                return run.accepted_at
        return None


def _intended_until(run: KnownRun) -> float:
    return run.intended_until


class Absence:
    """Tells for each launch what keeps its absence from two listings from proving that it did not start.

    Always true: `missing` is None only if two listings agree, every run of ours that should be listed is, and the list
    reaches over the launch. Take any of these away, and a run that is merely not shown is started a second time.

    Args:
        listing: The last of the two.
        own: Runs that the journal knows by now.
        last: What the job says of its last run; None where it could not be asked.
        delay: Seconds that a run takes to be listed, at most (ruling 88).
        agreed: Whether the two listings agree.
    """

    def __init__(
        self,
        listing: Snapshot,
        own: Sequence[KnownRun],
        last: LastRun | None,
        delay: float,
        *,
        agreed: bool,
    ) -> None:
        self._list = listing
        self._last = last
        self._delay = delay
        self.agreed = agreed
        self._own = sorted(own, key=_accepted)
        self._accepted = [_accepted(run) for run in self._own]
        listed = [run for run in self._own if run.execution_id in listing.dates]
        old = listing.began.earlier - delay
        """What was accepted by then should be listed: server time is known to a second or so, and a run is not asked for
        before its delay is surely over."""
        hidden = [run for run in self._own if run.execution_id not in listing.dates and _accepted(run) <= old]
        self._earliest_listed = _accepted(listed[0]) if listed else inf
        self._last_hidden = hidden[-1] if hidden else None
        oldest = min((run.intended_until for run in listed), default=inf)
        unlisted = min((_accepted(run) for run in own if run.execution_id not in listing.dates), default=inf)
        self._in_order = unlisted >= max(map(_intended_until, listed), default=-inf)
        """Whether all of ours that are not listed are younger than those that are: a list that lags is like that, and a
        window is not."""
        self._holes = [_accepted(run) for run in hidden if _accepted(run) > oldest]
        """When those were accepted that are hidden and may be younger than one that is listed."""
        self._after = Witnesses(run for run in listed if _accepted(run) <= old)

    def missing(self, launch: Sent, reader: Reader) -> Missing | None:
        """Tell what keeps the absence of a launch's run from proving anything; None if nothing does."""
        listing = self._list
        if listing.unreadable:
            return Missing(f"{listing.unreadable} rows of the list of runs have no id")
        if not self.agreed:
            return Missing("the list of runs kept changing")
        if (hidden := self._hidden(launch)) is not None:
            return Missing(f"the list of runs does not show {hidden}, which it should")
        if self._lacks_last_run(reader):
            return Missing("the list of runs does not show the last run of the job")
        if not listing.dates:
            never = self._last is not None and not self._last.ran and self._last_hidden is None
            return None if never else Missing("the list of runs is empty, and the job may have run before")
        if not self._reaches_behind(launch, reader):
            return Missing("no run listed is known to be older, so the list may not reach back to it")
        if not self._reaches_beyond(launch, reader):
            return Missing(
                "no run listed is known to be younger, so the list may not reach up to it", later=True
            )
        return None

    def _hidden(self, launch: Sent) -> str | None:
        """Give a run of ours that the list should show beside this launch."""
        last = self._last_hidden
        if last is not None and _accepted(last) > launch.intended_from:
            return f"run {last.execution_id} of this journal"
        if self._holes:
            at = bisect_left(self._accepted, launch.intended_until)
            near = self._accepted[max(at - defaults.NEAR_RUNS, 0)] if self._accepted else inf
            if self._holes[-1] >= near:
                return "runs of this journal that are as old"
        return None

    def _lacks_last_run(self, reader: Reader) -> bool:
        """Whether the list lacks a last run that is old enough to be listed."""
        if self._last is None or not self._list.lacks(self._last):
            return False
        span = reader.read(self._last.date)
        return span is not None and span.latest < self._list.began.earlier - self._delay

    def _reaches_behind(self, launch: Sent, reader: Reader) -> bool:
        listing = self._list
        # The later end of an acceptance against the earlier end of an intent: what is known of server time grows narrower.
        if self._earliest_listed <= launch.intended_from:
            return True
        if listing.reaches_behind(launch.intended_from - defaults.CLOCK_MARGIN, reader):
            return True
        whole = self._in_order and listing.count is not None and listing.count <= len(listing.dates)
        return whole and self._last is not None and not listing.lacks(self._last)

    def _reaches_beyond(self, launch: Sent, reader: Reader) -> bool:
        listing = self._list
        if self._after.accepted_after(launch) is not None:
            return True
        if not reader.usable or not listing.falls:
            return False
        return len(listing.dates) > 1 or (self._last is not None and not listing.lacks(self._last))


def _accepted(run: KnownRun) -> float:
    return inf if run.accepted_at is None else run.accepted_at
