"""A run that is not listed counts as never started only where witnesses show that it would be listed (ruling 89)."""

from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.bulk.launch_records import KnownRun
from dataflow_async.bulk.reconcile.absence import Absence
from dataflow_async.bulk.reconcile.dating import DateReader, Dating
from dataflow_async.bulk.reconcile.snapshot import LastRun, Snapshot, are_consistent
from dataflow_async.bulk.reconcile.steps import at_once
from dataflow_async.models.moment import Printed, printed
from dataflow_async.wire.server_time import ServerTime
from tests.bulk.reconcile.test_dating import text

T = 1_793_458_800.0
DELAY = 120.0
NOW = T + 1_000.0


@attrs.frozen
class Lost:
    """A launch whose answer was lost."""

    intended_from: float = T
    intended_until: float = T + 1
    sent_by: float = T + 31


def own(name, at, *, adopted=False, created=None):
    """A run of ours that was intended at a moment and accepted a second later."""
    return KnownRun(name, name, at, at + 1, at + 2, created or text(at + 1), adopted, ended=False)


def listed(*rows, began=NOW, count=0, unreadable=0):
    """A listing of runs of ours, or of others' by their date."""
    listing = Snapshot(ServerTime(began, began + 1), unreadable=unreadable)
    for n, row in enumerate(rows):
        if isinstance(row, KnownRun):
            listing.add([row.execution_id], [printed(row.created)])
        else:
            listing.add([f"other{n}" if row else "undated"], [row and Printed(row, 1.0, True)])
    listing.count = len(rows) + count
    return listing


BEFORE, AFTER, YOUNG = own("before", T - 50), own("after", T + 60), own("young", NOW - 60)
NEVER, LAST = LastRun(False, None), LastRun(True, Printed(T - 49, 1.0, True))

TABLE = {
    # name: (listing, own runs, last run of the job, what is missing: None is proof)
    "runs of ours on either side": (listed(AFTER, BEFORE), [BEFORE, AFTER], None, None),
    "in whatever order": (listed(BEFORE, AFTER), [BEFORE, AFTER], None, None),
    "a younger one of ours is not listed yet": (
        listed(AFTER, BEFORE),
        [BEFORE, AFTER, YOUNG],
        None,
        None,
    ),
    "one of ours since the launch is not listed": (
        listed(own("later", T + 90), BEFORE),
        [BEFORE, AFTER, own("later", T + 90)],
        None,
        "does not show run after",
    ),
    "one of ours since the launch and one long before it are not listed": (
        listed(own("later", T + 90), BEFORE),
        [own("first", T - 90), BEFORE, AFTER, own("later", T + 90)],
        None,
        "does not show run after",
    ),
    "one of ours before it is not listed, and an older one is": (
        listed(AFTER, own("first", T - 90)),
        [own("first", T - 90), BEFORE, AFTER],
        None,
        "as old",
    ),
    "the oldest of ours have left the list": (
        listed(AFTER, BEFORE),
        [own("first", T - 90), BEFORE, AFTER],
        None,
        None,
    ),
    "none is older": (listed(AFTER, count=1), [BEFORE, AFTER], LAST, "older"),
    "the older one may have been accepted after the intent": (
        listed(AFTER, own("near", T - 1.5), count=1),
        [own("near", T - 1.5), AFTER],
        None,
        "older",
    ),
    "one of ours that may be younger is not listed": (
        listed(AFTER, BEFORE),
        [BEFORE, own("near", T - 1.5), AFTER],
        None,
        "does not show run near",
    ),
    "another's is older by more than ten minutes": (listed(AFTER, T - 605), [AFTER], None, None),
    "another's is older by less": (listed(AFTER, T - 600), [AFTER], None, "older"),
    "the count is not above the rows, and the last run is listed": (
        listed(own("after", T + 60, created=text(T - 48))),
        [own("after", T + 60, created=text(T - 48))],
        LAST,
        None,
    ),
    "so it is, and the youngest of ours is not listed yet": (
        listed(own("after", T + 60, created=text(T - 48))),
        [own("after", T + 60, created=text(T - 48)), YOUNG],
        LAST,
        None,
    ),
    "so it is, and a young one of ours is not listed, but a younger one is": (
        listed(own("younger", NOW - 20), own("after", T + 60)),
        [own("after", T + 60), YOUNG, own("younger", NOW - 20)],
        LAST,
        "older",
    ),
    "none is younger": (listed(BEFORE, T - 900), [BEFORE], None, None),
    "none is younger, and dates do not fall": (listed(T - 900, BEFORE), [BEFORE], None, "younger"),
    "the younger one is adopted": (
        listed(T - 900, BEFORE, own("after", T + 60, adopted=True)),
        [BEFORE, own("after", T + 60, adopted=True)],
        None,
        "younger",
    ),
    "the younger one is too young": (listed(T - 900, BEFORE, YOUNG), [BEFORE, YOUNG], None, "younger"),
    "dates fall, but one is missing": (listed(BEFORE, None), [BEFORE], None, "younger"),
    "an empty list, and the job never ran": (listed(), [], NEVER, None),
    "an empty list, and the job ran": (listed(), [], LAST, "last run"),
    "an empty list, and nothing is known of the job": (listed(), [], None, "may have run"),
    "an empty list, the job never ran, and yet we know better": (listed(), [BEFORE], NEVER, "may have run"),
    "a row without an id": (listed(AFTER, BEFORE, unreadable=1), [BEFORE, AFTER], None, "no id"),
    "the last run of the job is not listed": (
        listed(AFTER, BEFORE),
        [BEFORE, AFTER],
        LastRun(True, Printed(T + 500, 1.0, True)),
        "last run",
    ),
    "it is young": (
        listed(AFTER, BEFORE),
        [BEFORE, AFTER],
        LastRun(True, Printed(NOW - 30, 1.0, True)),
        None,
    ),
}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("listing", "ours", "last", "missing"), TABLE.values(), ids=TABLE)
def test_absence_needs_witnesses_on_either_side(listing, ours, last, missing, order):
    absence = Absence(listing, ours[::order], last, DELAY, consistent=True)
    found = absence.gap(Lost(), Dating(ours).reader_near(T))
    assert (found is None) if missing is None else (missing in found.why)
    assert found is None or found.next_launch_may_decide == (missing == "younger")


def test_lists_that_disagree_prove_nothing():
    absence = Absence(listed(AFTER, BEFORE), [BEFORE, AFTER], None, DELAY, consistent=False)
    assert "kept changing" in absence.gap(Lost(), DateReader()).why


@pytest.mark.parametrize(
    ("first", "second", "consistent"),
    [
        ((T, T - 9), (T, T - 9), True),
        ((T, T - 9), (T,), True),
        ((T, T - 9), (T - 9,), False),
        ((T, T - 9), (), False),
        ((T,), (NOW + 1, T), True),
        ((T,), (NOW - 1, T), False),
        ((T,), (T, None), False),
        ((T,), (AFTER, T), True),
        ((AFTER, T), (T,), True),
    ],
)
def test_two_listings_agree_but_for_ours_new_ones_and_the_oldest(first, second, consistent):
    def listing(rows):
        made = Snapshot(ServerTime(NOW, NOW + 1))
        for row in rows:
            name = row.execution_id if isinstance(row, KnownRun) else str(row)
            made.add([name], [None if isinstance(row, KnownRun) or row is None else Printed(row, 1.0, True)])
        return made

    steps = are_consistent(listing(first), listing(second), {"after"}, DateReader())
    assert at_once(steps) is consistent


# --- a service that loses rows, shows windows, lags, and shifts dates ---------------------------------------


@attrs.frozen
class Service:
    """How one lists its runs."""

    order: str
    window: int | None
    lag: float
    hidden: frozenset[int]
    """Runs that are never listed, by their number; the lost launch's own may be among them."""
    shift: float
    counts: str

    def list(self, runs, began, chance):
        """A complete listing, as it is at a moment."""
        shown = [run for run in sorted(runs, reverse=True) if run[0] <= began - self.lag]
        shown = [run for run in shown if run[1] not in self.hidden]
        total = len(shown)
        shown = shown[: self.window]
        if self.order == "oldest":
            shown.reverse()
        elif self.order == "random":
            chance.shuffle(shown)
        listing = Snapshot(ServerTime(began - 0.5, began + 0.5))
        listing.count = {"total": total, "page": len(shown), "none": None}[self.counts]
        for at, number in shown:
            listing.add([str(number)], [printed(text(at + self.shift))])
        return listing


SERVICES = st.builds(
    Service,
    order=st.sampled_from(("newest", "oldest", "random")),
    window=st.none() | st.integers(0, 12),
    lag=st.sampled_from((0.0, 2.0, 60.0)),
    hidden=st.just(frozenset()),
    shift=st.sampled_from((0.0, -32_400.0, 900.0)),
    counts=st.sampled_from(("total", "page", "none")),
)
TIMES = st.lists(st.integers(0, 4_000), min_size=0, max_size=20, unique=True)


def scene(times, ours, place, shift):
    """Runs in order of time, one of which is the lost launch's; those of ours that the journal knows."""
    times = sorted(times)
    lost = times[place % len(times)]
    runs = [(T + at, at) for at in times]
    ours = ours - {lost}
    known = [own(str(at), T + at - 1, created=text(T + at + shift)) for at in times if at in ours]
    return T + lost, runs, known


@given(SERVICES, TIMES.filter(bool), st.sets(st.integers(0, 4_000)), st.integers(0), st.randoms())
def test_a_run_that_exists_and_is_not_listed_is_never_proven_absent(service, times, ours, place, random):
    """Windows and lag hide the runs at the ends, in any order; none is hidden in between."""
    began = T + 4_000 + DELAY + 1
    lost_at, runs, known = scene(times, set(times[::2]) | ours, place, service.shift)
    listing = service.list(runs, began, Random(random.random()))
    if str(int(lost_at - T)) in listing.dates or (service.shift and not known):
        return  # without a run of ours nobody can know that dates are off
    if service.counts == "page":
        listing.count = None  # of a window it would say that it is the whole list (ruling 71)
    launch = Lost(lost_at - 1, lost_at, lost_at + 1)
    last = LastRun(True, printed(text(max(runs)[0] + service.shift)))
    absence = Absence(listing, known, last, DELAY, consistent=True)
    assert absence.gap(launch, Dating(known).reader_near(launch.intended_until)) is not None


@given(SERVICES, TIMES.filter(lambda times: len(times) > 2), st.integers(0, 10_000), st.randoms())
def test_a_launch_between_listed_runs_of_ours_is_proven_absent(service, times, place, random):
    """Whatever the order, the window, the lag below the delay, the shift of dates and the count."""
    began = T + 4_000 + DELAY + 200
    times = sorted(times)
    known = [own(str(at), T + at - 1, created=text(T + at + service.shift)) for at in times]
    at = T + times[place % (len(times) - 1)] + 0.1
    launch = Lost(at + 2, at + 2.1, at + 2.2)
    listing = service.list([(T + at, at) for at in times], began, Random(random.random()))
    before = any(
        run.execution_id in listing.dates for run in known if run.accepted_at <= launch.intended_until
    )
    after = any(run.execution_id in listing.dates for run in known if run.intended_from >= launch.sent_by)
    absence = Absence(listing, known, None, DELAY, consistent=True)
    reader = Dating(known).reader_near(launch.intended_until)
    if before and after:
        assert absence.gap(launch, reader) is None
