"""The policy by itself: intervals and pauses."""

import pytest

from dataflow_async import PollPolicy


def test_interval_is_a_share_of_the_age_within_bounds():
    policy = PollPolicy()
    assert policy.interval(0, None, lambda: 0.0) == pytest.approx(0.8)
    assert policy.interval(0, None, lambda: 1.0) == pytest.approx(1.2)
    assert policy.interval(80, None, lambda: 0.5) == 10
    assert policy.interval(1e6, None, lambda: 0.5) == 30
    assert policy.interval(80, 3, lambda: 0.5) == 10
    assert policy.interval(80, 33, lambda: 0.5) == 33


def test_pauses_double_from_the_shortest_interval_to_the_longest():
    policy = PollPolicy(min_interval=2, max_interval=30)
    pauses = [policy.backoff(failures, None, lambda: 0.5) for failures in range(2, 9)]
    assert pauses == [2, 4, 8, 16, 30, 30, 30]
    assert policy.backoff(2, 20.0, lambda: 0.5) == 20
    assert policy.backoff(2, 43_200.0, lambda: 0.5) == 60
