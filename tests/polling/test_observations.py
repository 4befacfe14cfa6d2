"""What polls say about a run, without a tracker: values in, values out."""

import pytest

from dataflow_async import APIError, JobExecution, NotFound, PermissionDenied, PollPolicy, ServerError
from dataflow_async.polling.observations import CHANGED, ENDED, UNCHANGED, ends_wait, observe
from dataflow_async.polling.state import PolledJob, PolledRun, Subscription

POLICY = PollPolicy(min_interval=10.0)
ENDED_AT = "2026-11-01T00:00:00"


def polled_run(status="RUNNING", *, now=0.0):
    run = PolledRun(PolledJob("job"), "r", now)
    if status is not ...:
        saw(run, state(status), now)
    return run


def saw(run, shown, now):
    run.observed(shown, shown, now)


def state(status, end_date=None):
    return JobExecution("r", "job", status=status, end_date=end_date)


@pytest.mark.parametrize(
    ("known", "shown", "meaning"),
    [
        (..., "READY", CHANGED),
        (..., None, CHANGED),
        ("READY", "READY", UNCHANGED),
        ("READY", "RUNNING", CHANGED),
        ("RUNNING", "READY", CHANGED),
        ("RUNNING", None, UNCHANGED),
        (None, "RUNNING", CHANGED),
        ("RUNNING", "WARMING_UP", CHANGED),
        ("WARMING_UP", "WARMING_UP", UNCHANGED),
        ("RUNNING", "COMPLETED", ENDED),
        (..., "CANCELED", ENDED),
    ],
)
def test_observe_compares_a_status_with_the_one_that_is_known(known, shown, meaning):
    assert observe(POLICY, polled_run(known), state(shown), 1.0) is meaning


@pytest.mark.parametrize(("later", "meaning"), [(4.9, UNCHANGED), (5.0, ENDED)])
def test_observe_ends_a_run_of_an_unknown_status_with_an_end_date_at_a_later_poll(later, meaning):
    run, odd = polled_run(), state("ABORTED", ENDED_AT)
    assert observe(POLICY, run, odd, 100.0) is CHANGED
    saw(run, odd, 100.0)
    assert observe(POLICY, run, odd, 100.0 + later) is meaning


def test_observe_forgets_a_suspicion_that_a_later_poll_does_not_repeat():
    run, odd = polled_run(), state("ABORTED", ENDED_AT)
    saw(run, odd, 0.0)
    saw(run, state("RUNNING"), 50.0)
    assert observe(POLICY, run, odd, 100.0) is CHANGED


def test_observe_changes_nothing():
    run = polled_run()
    before = {name: getattr(run, name) for name in PolledRun.__slots__}
    observe(POLICY, run, state("COMPLETED"), 9.0)
    ends_wait(POLICY, run, NotFound("HTTP 404", status=404), 0.0, 9.0)
    assert {name: getattr(run, name) for name in PolledRun.__slots__} == before


@pytest.mark.parametrize(
    ("error", "foreign", "seconds", "ends"),
    [
        (ServerError("HTTP 503", status=503, source="gateway"), 0.0, 1e6, False),
        (NotFound("HTTP 404", status=404, source="service"), 0.0, 59.0, False),
        (NotFound("HTTP 404", status=404, source="service"), 0.0, 60.0, True),
        (APIError("HTTP 403", status=403), 1799.0, 1e6, False),
        (APIError("HTTP 403", status=403), 1800.0, 0.0, True),
        (PermissionDenied("HTTP 401", status=401, source="gateway"), 0.0, 0.0, True),
    ],
)
def test_ends_wait_by_what_an_error_means_and_how_long_it_lasts(error, foreign, seconds, ends):
    run = polled_run()
    run.poll_failed(error, 100.0)
    assert ends_wait(POLICY, run, error, foreign, 100.0 + seconds) is ends


def test_a_subscription_that_leaves_makes_the_last_one_take_its_index():
    run = polled_run()
    first, second, third = (Subscription(run, lambda _: None, every_change=False) for _ in range(3))
    first.unsubscribe()
    assert run.subscriptions == [third, second] and (third.index, second.index) == (0, 1)
    assert first.index is None
