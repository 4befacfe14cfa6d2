"""The form in which a start travels to another process."""

import json
from math import inf

import pytest

from dataflow_async import InvalidRequest
from dataflow_async.models.execution import JobExecution
from dataflow_async.wire.server_time import ServerTime
from dataflow_async.workflows.start import WorkflowStart, is_long_before

START = WorkflowStart(
    "W", {"a": (), "b": ("a",)}, ServerTime(-inf, 1_800_000_000.0), frozenset({"run1", "run2"}), "T"
)


@pytest.mark.parametrize("start", [START, WorkflowStart("W", {"a": ()}, ServerTime(1.5, 2.5), frozenset())])
def test_a_start_comes_back_from_json_as_it_was(start):
    assert WorkflowStart.from_json(json.loads(json.dumps(start.to_json(), allow_nan=False))) == start


def test_members_of_a_later_version_are_ignored():
    assert WorkflowStart.from_json({**START.to_json(), "more": 1}) == START


@pytest.mark.parametrize("found", [{}, None, "text", {**START.to_json(), "version": 2}, {"version": 1}])
def test_what_is_no_start_is_refused(found):
    with pytest.raises(InvalidRequest, match=r"start must be what WorkflowStart\.to_json returned"):
        WorkflowStart.from_json(found)


def row(created):
    execution = JobExecution("run", "a")
    execution.raw["createdDate"] = created
    return execution


@pytest.mark.parametrize(
    ("created", "long_before"),
    [
        ("2027-01-13T00:00:00+09:00", True),
        ("2027-01-15T00:00:00+09:00", False),
        ("2027-01-13T00:00:00", False),  # without a zone it proves nothing
        (None, False),
    ],
)
def test_only_a_proven_date_a_day_earlier_is_long_before(created, long_before):
    began = ServerTime(1_800_000_000.0, 1_800_000_001.0)  # 2027-01-15T08:00:00Z
    assert is_long_before(row(created), began) is long_before
