"""When a run was created, read from dates that a service prints (rulings 86, 87, 90). Pure: values in, values out.

A printed date is a span, as wide as its last digit is coarse. It may be in the wrong zone, or off otherwise, so it is
read through runs of which the journal knows when they were created: those that the service accepted at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from dataflow_async import defaults
from dataflow_async.models.moment import Printed, printed

if TYPE_CHECKING:
    from dataflow_async.bulk.journal import KnownRun


class Span(NamedTuple):
    """Between which moments something was, in server time."""

    earliest: float
    latest: float


class Reader(NamedTuple):
    """How to read the dates that a service prints, near some moment."""

    least: float = 0.0
    """Seconds by which dates are ahead of server time, at least."""
    most: float = 0.0
    calibrated: bool = False
    """Whether runs of ours show it, so that a date without a zone can be read as well."""
    usable: bool = True
    """False where runs of ours show that dates say nothing."""

    def read(self, date: Printed | None) -> Span | None:
        """Tell between which moments something with this date was; None where that can't be told."""
        if date is None or not self.usable or not (date.zoned or self.calibrated):
            return None
        return Span(date.at - self.most, date.at + date.grain - self.least)


class _Sample(NamedTuple):
    """A run of which is known when it was created, and its date."""

    intended_until: float
    ahead: float
    """Date less intent."""
    least: float
    """Seconds by which the date is ahead, at least: it was created before it was accepted."""
    most: float
    """At most: it was created after it was intended."""


class Dating:
    """What the runs of a journal show about the dates of their job.

    Runs that were adopted show nothing: their dates were believed in order to adopt them.
    """

    def __init__(self, runs: Iterable[KnownRun] = ()) -> None:
        self._samples = sorted(sample for run in runs if (sample := _sample(run)) is not None)

    def reader_near(self, moment: float) -> Reader:
        """Give the reader for dates near a moment in server time."""
        samples = self._nearest(moment)
        if not samples:
            return Reader()
        ahead = [sample.ahead for sample in samples]
        if max(ahead) - min(ahead) > defaults.DATE_SPREAD:
            return Reader(calibrated=True, usable=False)
        least, most = max(sample.least for sample in samples), min(sample.most for sample in samples)
        if least > most:  # dates that wander: whatever one of the runs shows may hold
            least, most = min(sample.least for sample in samples), max(sample.most for sample in samples)
        return Reader(least, most, calibrated=True)

    def _nearest(self, moment: float) -> list[_Sample]:
        at = bisect_left(self._samples, moment, key=lambda sample: sample.intended_until)
        count = defaults.DATE_SAMPLES
        around = self._samples[max(at - count, 0) : at + count]
        return sorted(around, key=lambda sample: abs(sample.intended_until - moment))[:count]


def _sample(run: KnownRun) -> _Sample | None:
    date = printed(run.created)
    if run.adopted or date is None or not isfinite(run.intended_from):
        return None
    accepted_by = run.accepted_at
    if accepted_by is None:
        accepted_by = run.intended_until + defaults.CLOCK_MARGIN
    return _Sample(
        run.intended_until,
        date.at - run.intended_from,
        date.at - max(accepted_by, run.intended_from),
        date.at + date.grain - run.intended_from,
    )
