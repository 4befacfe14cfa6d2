"""When a run was created, read from dates that a service prints. Pure: values in, values out.

A printed date is a span, as wide as its last digit is coarse. It may be in the wrong zone, or off otherwise, so it is
read through runs of ours whose time of creation is recorded: those that the service accepted at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from dataflow_async import defaults
from dataflow_async.bulk.reconcile.steps import Columns, Steps, at_once, slices
from dataflow_async.models.moment import printed

if TYPE_CHECKING:
    from array import array

    from dataflow_async.bulk.launch_records import KnownRun


PlainDate: TypeAlias = tuple[float, float, bool]
"""What a `Printed` holds, as a tuple of Python's own: garbage collections don't walk a hundred thousand of those."""


class PrintedDates(dict[str | None, PlainDate | None]):
    """Dates by their texts, each read once: a list is read at least twice, and a journal keeps the same texts."""

    def __missing__(self, text: str | None) -> PlainDate | None:
        """Read a date."""
        read = printed(text)
        self[text] = plain = None if read is None else (read.at, read.grain, read.zoned)
        return plain


class Span(NamedTuple):
    """Between which moments something was, in server time."""

    earliest: float
    latest: float


_NO_DATES: Mapping[str, PlainDate | None] = {}


class Shift(NamedTuple):
    """Seconds by which dates are ahead of server time, at least and at most."""

    least: float
    most: float


class DateReader(NamedTuple):
    """How to read the dates that a service prints, near some moment."""

    zoned: Shift | None = Shift(0.0, 0.0)
    """For dates with a zone; None where runs of ours show that they prove nothing."""
    zoneless: Shift | None = None
    """For dates without one; None unless runs of ours show it."""
    calibrated: frozenset[bool] = frozenset()
    """Which of these are read through runs of ours: True stands for dates with a zone."""

    def shift(self, *, zoned: bool) -> Shift | None:
        """Return the shift of dates with or without a zone; None where they prove nothing."""
        return self.zoned if zoned else self.zoneless

    def read(self, date: PlainDate | None) -> Span | None:
        """Return the moments between which something with this date was; None where the date proves nothing."""
        if date is None:
            return None
        at, grain, zoned = date
        shift = self.shift(zoned=zoned)
        return None if shift is None else Span(at - shift.most, at + grain - shift.least)

    @property
    def usable(self) -> bool:
        """Whether dates prove anything."""
        return self.zoned is not None or self.zoneless is not None


_Sample: TypeAlias = tuple[float, ...]
"""A run whose time of creation is recorded, and its date: when it was intended; seconds by which the date is ahead of
that; those by which it is ahead at least, as it was created before it was accepted, and at most.
"""


class Dating:
    """What the runs of a journal show about the dates of their job, those with a zone and those without.

    Always true: a reader never excludes a moment at which a run of ours near in time may have been created, whatever the
    dates are off by. Runs that were adopted show nothing: their dates were believed in order to adopt them.

    Args:
        runs: Runs that are recorded, with the dates that came when they were accepted.
        listed: The dates that a list shows, by execution id: lists may print them otherwise.
        dates: What was read of dates before.
    """

    def __init__(
        self,
        runs: Iterable[KnownRun] = (),
        listed: Mapping[str, PlainDate | None] = _NO_DATES,
        dates: PrintedDates | None = None,
    ) -> None:
        self._dates = PrintedDates() if dates is None else dates
        self._samples: dict[bool, tuple[array[float], ...]] = {}
        """Column by column, in the order of their moments; by whether their dates have a zone."""
        at_once(self._learn(runs, listed))

    @classmethod
    def in_steps(
        cls, runs: Iterable[KnownRun], listed: Mapping[str, PlainDate | None], dates: PrintedDates
    ) -> Steps[Self]:
        """Make the same in steps."""
        made = cls(dates=dates)
        yield from made._learn(runs, listed)
        return made

    def _learn(self, runs: Iterable[KnownRun], listed: Mapping[str, PlainDate | None]) -> Steps[None]:
        found = {True: Columns(4), False: Columns(4)}
        for some in slices(runs):
            for zoned, samples in self._read(some, listed).items():
                found[zoned].extend(samples)
            yield
        for zoned, columns in found.items():
            if columns:
                self._samples[zoned] = yield from columns.in_order()

    def _read(
        self, runs: Iterable[KnownRun], listed: Mapping[str, PlainDate | None]
    ) -> Mapping[bool, Sequence[_Sample]]:
        found: dict[bool, list[_Sample]] = {True: [], False: []}
        for run in runs:
            if not run.adopted and isfinite(run.intended_from):
                one, other = self._dates[run.created], listed.get(run.execution_id)
                if one is not None:
                    found[one[2]].append(_sample(run, one))
                if other is not None and other != one:
                    found[other[2]].append(_sample(run, other))
        return found

    def reader_near(self, moment: float) -> DateReader:
        """Return the reader for dates near a moment in server time."""
        calibrated = frozenset(self._samples)
        if not calibrated:
            return DateReader()
        shifts = {zoned: self._shift_near(moment, zoned=zoned) for zoned in calibrated}
        return DateReader(shifts.get(True, Shift(0.0, 0.0)), shifts.get(False), calibrated)

    def _shift_near(self, moment: float, *, zoned: bool) -> Shift | None:
        """Return by how much dates are off near a moment, as the samples nearest to it show; None if they differ too much.

        An example: a run was intended at 100 s and accepted at 102 s, and its date, in whole seconds, is 3,701. So dates are
        3,599 to 3,602 s ahead: by an hour. A second sample that shows 3,600 to 3,603 narrows that to 3,600 to 3,602.
        """
        _, ahead, leasts, mosts = zip(*self._nearest(moment, self._samples[zoned]), strict=True)
        least, most = max(leasts), min(mosts)
        if least <= most:  # one shift explains all of them, however long some took to be created
            return Shift(least, most)
        if max(ahead) - min(ahead) > defaults.DATE_SPREAD:
            return None
        # Dates that wander: whatever one of the runs shows may hold.
        return Shift(min(leasts), max(mosts))

    def _nearest(self, moment: float, samples: tuple[array[float], ...]) -> list[_Sample]:
        at = bisect_left(samples[0], moment)
        count = defaults.DATE_SAMPLES
        around = zip(*(column[max(at - count, 0) : at + count] for column in samples), strict=True)
        return sorted(around, key=lambda sample: abs(sample[0] - moment))[:count]


def _sample(run: KnownRun, date: PlainDate) -> _Sample:
    at, grain, _ = date
    accepted_by = run.accepted_at
    if accepted_by is None:
        accepted_by = run.intended_until + defaults.CLOCK_MARGIN
    return (
        run.intended_until,
        at - run.intended_from,
        at - max(accepted_by, run.intended_from),
        at + grain - run.intended_from,
    )
