"""Runs of earlier starts by themselves."""

import math
from datetime import datetime

from dataflow_async import (
    JobExecution,
)
from dataflow_async.models.moment import KST, proven_time, read_moment
from dataflow_async.workflows.earlier_runs import EarlierRuns


def test_a_time_proves_something_only_with_a_zone():
    aware = datetime(2026, 11, 1, tzinfo=KST)
    assert proven_time(read_moment("2026-11-01T00:00:00+09:00")) == aware.timestamp()
    assert proven_time(read_moment("2026-10-31T15:00:00Z")) == aware.timestamp()
    for text in ("2026-11-01T00:00:00", "some day"):
        assert proven_time(read_moment(text)) is None
    assert proven_time(None) is None


def test_a_hundred_thousand_earlier_runs_are_counted_once():
    """Each poll asks which jobs they may still bring a run of."""
    earlier = EarlierRuns(frozenset({"COMPLETED"}), math.inf)
    for n in range(1000):
        earlier.note(JobExecution(f"o{n}", "a", status="COMPLETED"))
    asked = []

    def is_of_trigger(trigger):
        asked.append(trigger)
        return True

    assert earlier.open_jobs({"a": (), "b": ("a",)}, is_of_trigger, math.inf) == {"b": "o999"}
    assert len(asked) < 20
