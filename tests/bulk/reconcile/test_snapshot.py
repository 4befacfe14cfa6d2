"""However its rows are divided into steps, a listing shows the same."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.bulk.reconcile.snapshot import Snapshot
from dataflow_async.models.moment import printed
from dataflow_async.wire.server_time import ServerTime
from tests.bulk.reconcile.test_dating import text
from tests.bulk.reconcile.test_matching import T

DATES = st.none() | st.tuples(
    st.floats(-9, 9).map(lambda off: T + off), st.sampled_from(("milliseconds", "seconds", "no zone"))
)


def date(shown):
    return None if shown is None else text(*shown)


@given(st.lists(st.lists(DATES, max_size=4), max_size=4))
def test_the_dates_of_a_listing_are_those_of_all_its_rows(steps):
    listing = Snapshot(ServerTime(T, T + 1))
    for number, step in enumerate(steps):
        listing.add([f"{number}-{at}" for at in range(len(step))], [printed(date(it)) for it in step])
    rows = [printed(date(it)) for step in steps for it in step]
    dated = [row for row in rows if row is not None]
    moments = [row.at for row in dated]
    assert [*listing.dates.values()] == rows
    assert listing.newest == max((row.at + row.grain for row in dated), default=-inf)
    assert listing.oldest_zoned == min((row.at + row.grain for row in dated if row.zoned), default=inf)
    assert listing.oldest_zoneless == min((row.at + row.grain for row in dated if not row.zoned), default=inf)
    in_order = len(dated) == len(rows) and moments == sorted(moments, reverse=True)
    assert listing.falls == (in_order and (len(rows) == 1 or (len(rows) > 1 and moments[0] > moments[-1])))


@given(st.lists(st.lists(DATES | st.just((T, "odd")), max_size=4), max_size=4))
def test_the_newest_of_all_dates_is_that_of_every_row(steps):
    listing = Snapshot(ServerTime(T, T + 1))
    texts = [["soon" if it == (T, "odd") else date(it) for it in step] for step in steps]
    for step in texts:
        listing.shows(step)
    read = [shown for step in texts for it in step if (shown := printed(it)) is not None]
    assert listing.newest == max((row.at + row.grain for row in read), default=-inf)
