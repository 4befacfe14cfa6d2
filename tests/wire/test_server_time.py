"""What answers tell of the service's time, joined: ruling 87. Steady time starts at 0 here, the service's at 1000."""

import math

import pytest

from dataflow_async import defaults
from dataflow_async.wire.server_time import (
    Bounds,
    ServerTime,
    Steps,
    TimeEstimate,
    joined,
    observed_bounds,
    spanned,
)

OFFSET = 1000.0


def estimate(low, high, confirmed=0.0):
    return TimeEstimate(Bounds(low, high), confirmed)


def join(*estimates):
    found = ()
    for one in estimates:
        found = joined(found, one)
    return found


def test_a_date_tells_the_time_to_its_second_and_the_round_trip():
    assert observed_bounds(1005.0, 1005.2, sent=5.0, received=5.5) == Bounds(1005 - 5.5, 1006 - 5.0)


def test_a_date_that_fits_the_accepted_timestamp_holds_even_at_its_edge():
    assert observed_bounds(1300.0, 1000.0, sent=0.0, received=0.1) == Bounds(1299.9, 1301.0)


@pytest.mark.parametrize("wrong", [-7200.0, 660.0, 7200.0])
def test_a_date_and_a_timestamp_that_contradict_each_other_span_both(wrong):
    assert observed_bounds(1000.0 + wrong, 1000.0, sent=0.0, received=0.0) == Bounds(
        min(1000 + wrong, 700), max(1001 + wrong, 1300)
    )


def test_without_a_date_the_timestamp_tells_ten_minutes():
    assert observed_bounds(None, 1000.0, sent=0.0, received=0.0) == Bounds(700, 1300)


def test_answers_that_agree_narrow_each_other():
    (one,) = join(estimate(999.2, 1000.7), estimate(999.9, 1001.1, confirmed=0.5))
    assert one.bounds.low == 999.9
    assert one.bounds.high == pytest.approx(1000.7, abs=1e-3)


def test_a_contradiction_spans_both_until_it_is_long_over():
    first, second = estimate(999, 1000), estimate(1200, 1201, confirmed=1.0)
    estimates = join(first, second)
    assert spanned(estimates, 1.0, Steps()) == pytest.approx((999, 1201), abs=1e-3)
    turns = join(first, second, estimate(999, 1000, confirmed=2.0), estimate(1200, 1201, confirmed=3.0))
    assert spanned(turns, 3.0, Steps()) == pytest.approx((999, 1201), abs=1e-3)
    later = joined(turns, estimate(999, 1000, confirmed=4.0 + defaults.CONTRADICTED))
    assert spanned(later, 4.0 + defaults.CONTRADICTED, Steps()) == pytest.approx((999, 1000), abs=0.1)


def test_a_wide_answer_neither_narrows_nor_joins_two_that_contradict_each_other():
    estimates = join(estimate(999, 1000), estimate(1200, 1201), estimate(700, 1300))
    assert spanned(estimates, 0.0, Steps()) == (999, 1201)
    assert len(estimates) == 2


def test_contradictions_without_end_take_no_memory():
    estimates = join(*(estimate(n * 10.0, n * 10.0 + 1, confirmed=float(n)) for n in range(500)))
    assert len(estimates) <= defaults.MAX_TIME_ESTIMATES
    low, high = spanned(estimates, 499.0, Steps())
    assert low <= 10
    assert high >= 4991


def test_bounds_widen_as_clocks_drift_apart():
    (one,) = join(estimate(999, 1000))
    low, high = one.carried(86_400.0, Steps())
    assert 999 - low == high - 1000 == pytest.approx(8.64)


@pytest.mark.parametrize("step", [-10_800.0, 10_800.0])
def test_bounds_widen_by_what_wall_and_steady_clock_disagree(step):
    low, high = estimate(999, 1000).carried(0.0, Steps(min(step, 0), max(step, 0)))
    assert (low, high) == pytest.approx((999 + min(step, 0), 1000 + max(step, 0)), abs=2)


def test_a_sleep_that_the_steady_clock_did_not_count_lies_within():
    before = joined((), estimate(999, 1000))
    slept = 3600.0
    low, high = spanned(before, 10.0, Steps(up=slept))
    assert low <= OFFSET - 0.5 + slept <= high


def test_nothing_heard_has_no_lower_end():
    assert spanned((), 0.0, Steps()) is None
    assert ServerTime(-math.inf, 5.0).earlier == -math.inf
