"""The backoff of polls by itself."""

from dataflow_async.polling.backoff import Backoff


def test_one_failure_holds_nobody_back_and_polls_of_one_burst_count_once():
    backoff = Backoff()
    burst = backoff.begin()
    for _ in range(32):
        backoff.failed(burst, 5.0, lambda failures: 10.0 * failures)
    assert backoff.failures == 1 and not backoff.is_outage
    assert backoff.admits(5.0, lambda failures: 1.0) and backoff.admits(5.0, lambda failures: 1.0)
    backoff.failed(backoff.begin(), 6.0, lambda failures: 10.0 * failures)
    assert backoff.is_outage and backoff.since == 5.0 and backoff.resume_at == 26.0


def test_in_an_outage_polls_start_one_at_a_time_a_pause_apart():
    backoff = Backoff()
    for when in (0.0, 1.0):
        backoff.failed(backoff.begin(), when, lambda failures: 4.0)
    assert [when for when in range(20) if backoff.admits(when, lambda failures: 4.0)] == [5, 9, 13, 17]
    backoff.answered()
    assert backoff.admits(0.0, lambda failures: 4.0) and backoff.since is None


def test_one_job_that_fails_again_and_again_says_nothing_about_others():
    backoff = Backoff()
    for _ in range(9):
        backoff.failed(backoff.begin(), 0.0, lambda failures: 1.0, who="a job")
    assert backoff.failures == 1
    backoff.failed(backoff.begin(), 0.0, lambda failures: 1.0, who="another job")
    assert backoff.is_outage
