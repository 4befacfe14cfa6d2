"""What is needed before a run that is not listed counts as never started. Pure: values in, values out.

A list may be a window, lag, or miss rows, and two such lists may be equal. So the absence of a run needs witnesses: runs
whose time of creation is known, on either side of the launch, and all runs of ours that should be listed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from dataflow_async import defaults
from dataflow_async.bulk.reconcile.dating import DateReader
from dataflow_async.bulk.reconcile.snapshot import LastRun, Snapshot
from dataflow_async.bulk.reconcile.steps import Columns, Steps, at_once, emptied, slices

if TYPE_CHECKING:
    from dataflow_async.bulk.launch_records import KnownRun


class Sent(Protocol):
    """When a launch may have started, in server time."""

    @property
    def intended_from(self) -> float:
        """Nothing was sent before."""

    @property
    def intended_until(self) -> float:
        """The same moment, by the later end of the bounds of server time."""

    @property
    def sent_by(self) -> float:
        """Nothing was sent after."""


class Gap(NamedTuple):
    """What a proof that a launch did not start lacks."""

    why: str
    next_launch_may_decide: bool = False
    """Whether the next launch of the job may supply it: its run may be the younger witness."""


class Witnesses:
    """Recorded runs, by the time of their intent; those that were adopted are no witnesses.

    Always true: the service accepted each of them at once, so a list that shows one of them reaches up to its intent. An
    adopted run would prove itself: it was adopted because lists were believed.
    """

    def __init__(self, runs: Iterable[KnownRun] = ()) -> None:
        self._until, self._from, self._accepted = (array("d") for _ in range(3))
        """The bounds of their intents, and when they were accepted, in the order of the later bound."""
        at_once(self._take(runs))

    @classmethod
    def in_steps(cls, runs: Iterable[KnownRun]) -> Steps[Self]:
        """Make the same in steps."""
        made = cls()
        yield from made._take(runs)
        return made

    def _take(self, runs: Iterable[KnownRun]) -> Steps[None]:
        sure = Columns(3)
        for some in slices(runs):
            sure.extend([_witness(run) for run in some if run.accepted_at is not None and not run.adopted])
            yield
        yield from self._arrange(sure)

    @classmethod
    def of(cls, sure: Columns) -> Steps[Self]:
        """Make the same of runs that are known to be witnesses: bounds of their intents, later first, and acceptances."""
        made = cls()
        yield from made._arrange(sure)
        return made

    def _arrange(self, sure: Columns) -> Steps[None]:
        self._until, self._from, self._accepted = yield from sure.in_order()

    def accepted_after(self, launch: Sent) -> float | None:
        """Return when a run that was intended after a launch was accepted; None if there is none.

        Both ends of its intent must be later: the bounds of server time may have been narrower for one than for the other.
        """
        for at in range(bisect_left(self._until, launch.sent_by), len(self._until)):
            if self._from[at] >= launch.intended_from:
                return self._accepted[at]
        return None


class Absence:
    """Decides whether a launch whose run is in neither of two listings is proven not to have started.

    Always true: `gap` returns None, for a proof, only if two listings are consistent, every run of ours that should be listed is, and the
    list reaches over the launch. If one of these is missing, a run that the list omits would be started again.

    Args:
        listing: The last of the two.
        own: Runs that are recorded by now.
        last: What the job shows of its last run; None where it could not be read.
        delay: Seconds that a run takes to be listed, at most.
        consistent: Whether the two listings are.
    """

    def __init__(
        self,
        listing: Snapshot,
        own: Sequence[KnownRun],
        last: LastRun | None,
        delay: float,
        *,
        consistent: bool,
    ) -> None:
        self._list = listing
        self._last = last
        self._delay = delay
        self.consistent = consistent
        # An example: our runs A to E in the order in which they were accepted, of which the list shows A and C.
        #
        #     accepted    A    B    C    D  (old)  E
        #     listed      A         C
        #
        # E may not be listed yet. B and D are hidden: they should be. D is the last one hidden; both are holes, because
        # they may be younger than A, which is listed. The list is not in order: B is not listed and is older than C. With
        # A, B and C listed, it would be in order and only lag.
        self._accepted = array("d")
        """When ours were accepted, in order."""
        self._earliest_listed = inf
        """When the first of them was that is listed."""
        self._last_hidden: tuple[float, str] | None = None
        """When the last one of ours was accepted that is hidden, and its id."""
        self._last_hole: float | None = None
        """When the last one was accepted that is hidden and may be younger than one that is listed."""
        self._in_order = True
        """Whether all of ours that are not listed are younger than those that are: a list that lags is like that, and a
        window is not."""
        self._after = Witnesses()
        at_once(self._take(own))

    @classmethod
    def in_steps(
        cls,
        listing: Snapshot,
        own: Sequence[KnownRun],
        last: LastRun | None,
        delay: float,
        *,
        consistent: bool,
    ) -> Steps[Self]:
        """Make the same in steps."""
        made = cls(listing, (), last, delay, consistent=consistent)
        yield from made._take(own)
        return made

    def _take(self, own: Sequence[KnownRun]) -> Steps[None]:
        """Learn which of ours are listed."""
        # What was accepted by then should be listed: server time is known to a second or so, and no listing begins before
        # the delay of the run is surely over.
        old = self._list.began.earlier - self._delay
        accepted, witnesses = Columns(1), Columns(3)
        earliest_unlisted = oldest = inf
        youngest = -inf
        for some in slices(own):
            listed: list[KnownRun] = []
            unlisted: list[KnownRun] = []
            for run in some:
                (listed if run.execution_id in self._list.dates else unlisted).append(run)
            accepted.extend([(_accepted(run),) for run in some])
            self._earliest_listed = min([self._earliest_listed, *map(_accepted, listed)])
            oldest = min([oldest, *(run.intended_until for run in listed)])
            youngest = max([youngest, *(run.intended_until for run in listed)])
            witnesses.extend([_witness(run) for run in listed if _accepted(run) <= old and not run.adopted])
            earliest_unlisted = min([earliest_unlisted, *map(_accepted, unlisted)])
            for run in unlisted:
                if (self._last_hidden or (-inf,))[0] <= _accepted(run) <= old:
                    self._last_hidden = _accepted(run), run.execution_id
            yield
        (self._accepted,) = yield from accepted.in_order()
        self._in_order = earliest_unlisted >= youngest
        if self._last_hidden is not None and self._last_hidden[0] > oldest:
            self._last_hole = self._last_hidden[0]
        self._after = yield from Witnesses.of(witnesses)

    def emptied(self) -> Steps[None]:
        """Release the listing, in steps; nothing is proven afterwards."""
        yield from emptied(self._list.dates)

    def gap(self, launch: Sent, reader: DateReader) -> Gap | None:
        """Return what the proof that a launch did not start lacks; None if it is proven."""
        listing = self._list
        if listing.unreadable:
            return Gap(f"{listing.unreadable} rows of the list of runs have no id")
        if not self.consistent:
            return Gap("the list of runs kept changing")
        if (hidden := self._hidden(launch)) is not None:
            return Gap(f"the list of runs does not show {hidden}, which it should")
        if self._lacks_last_run(reader):
            return Gap("the list of runs does not show the last run of the job")
        if not listing.dates:
            never = self._last is not None and not self._last.ran and self._last_hidden is None
            return None if never else Gap("the list of runs is empty, and the job may have run before")
        if not self._reaches_behind(launch, reader):
            return Gap("no run listed is known to be older, so the list may not reach back to it")
        if not self._reaches_beyond(launch, reader):
            return Gap(
                "no run listed is known to be younger, so the list may not reach up to it",
                next_launch_may_decide=True,
            )
        return None

    def _hidden(self, launch: Sent) -> str | None:
        """Return a run of ours that the list should show beside this launch, in words."""
        last = self._last_hidden
        if last is not None and last[0] > launch.intended_from:
            return f"run {last[1]} of this journal"
        if self._last_hole is not None:
            at = bisect_left(self._accepted, launch.intended_until)
            near = self._accepted[max(at - defaults.NEAR_RUNS, 0)] if self._accepted else inf
            if self._last_hole >= near:
                return "runs of this journal that are as old"
        return None

    def _lacks_last_run(self, reader: DateReader) -> bool:
        """Return whether the list lacks a last run that is old enough to be listed."""
        if self._last is None or not self._list.lacks(self._last):
            return False
        span = reader.read(self._last.date)
        return span is not None and span.latest < self._list.began.earlier - self._delay

    def _reaches_behind(self, launch: Sent, reader: DateReader) -> bool:
        listing = self._list
        # The later end of an acceptance against the earlier end of an intent: the bounds of server time grow narrower.
        if self._earliest_listed <= launch.intended_from:
            return True
        if listing.reaches_behind(launch.intended_from - defaults.CLOCK_MARGIN, reader):
            return True
        whole = self._in_order and listing.count is not None and listing.count <= len(listing.dates)
        return whole and self._last is not None and not listing.lacks(self._last)

    def _reaches_beyond(self, launch: Sent, reader: DateReader) -> bool:
        listing = self._list
        if self._after.accepted_after(launch) is not None:
            return True
        if not reader.usable or not listing.falls:
            return False
        return len(listing.dates) > 1 or (self._last is not None and not listing.lacks(self._last))


def _witness(run: KnownRun) -> tuple[float, ...]:
    return run.intended_until, run.intended_from, _accepted(run)


def _accepted(run: KnownRun) -> float:
    return inf if run.accepted_at is None else run.accepted_at
