"""The event of a trigger: JSON there and back, across versions, and refused with the reason where it can't be read."""

import json

import pytest

from dataflow_async.airflow.events import RunError, RunEvent, RunReport, UnknownEvent
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job_settings import JobSettings
from dataflow_async.models.moment import read_moment

EVENT = RunEvent(
    (
        RunReport("job", "run1", "COMPLETED", 2.5, "/bucket/log", "stock", "c", "s", "e"),
        RunReport("job", "run2"),
    ),
    "deadline",
)


@pytest.mark.parametrize(
    "event", [EVENT, RunEvent((), "terminal"), RunEvent((), "error", RunError("NotFound", "gone"))]
)
def test_an_event_comes_back_from_json_as_it_was(event):
    assert RunEvent.from_event(json.loads(json.dumps(event.to_event(), allow_nan=False))) == event


def test_the_members_are_those_that_operators_of_other_versions_read():
    assert EVENT.to_event() == {
        "version": 1,
        "runs": [
            {
                "job_id": "job",
                "execution_id": "run1",
                "status": "COMPLETED",
                "running_minutes": 2.5,
                "log_path": "/bucket/log",
                "job_name": "stock",
                "created": "c",
                "started": "s",
                "ended": "e",
            },
            {"job_id": "job", "execution_id": "run2"}
            | dict.fromkeys(
                ("status", "running_minutes", "log_path", "job_name", "created", "started", "ended")
            ),
        ],
        "ended_by": "deadline",
        "error": None,
    }


def test_members_of_a_later_version_are_ignored():
    event = EVENT.to_event()
    event["more"] = 1
    event["runs"][0]["more"] = 2
    event["error"] = {"kind": "K", "message": "m", "more": 3}
    assert RunEvent.from_event(event) == RunEvent(EVENT.runs, "deadline", RunError("K", "m"))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (None, "event must be an object, got NoneType"),
        ({}, "version must be 1, got None"),
        ({**EVENT.to_event(), "version": 2}, "version must be 1, got 2"),
        (
            {**EVENT.to_event(), "ended_by": "moon"},
            "ended_by must be one of terminal, some, deadline, error, got 'moon'",
        ),
        ({**EVENT.to_event(), "runs": None}, "runs must be a list, got NoneType"),
        ({**EVENT.to_event(), "runs": ["x"]}, "runs must hold objects, got str"),
        ({**EVENT.to_event(), "runs": [{"job_id": "j"}]}, "runs must hold execution_id, got job_id"),
        ({**EVENT.to_event(), "error": {}}, "error must hold kind, message, got nothing"),
    ],
)
def test_an_event_that_can_not_be_read_is_refused_with_the_reason(event, why):
    with pytest.raises(UnknownEvent) as refused:
        RunEvent.from_event(event)
    assert str(refused.value) == why


def test_a_report_holds_what_the_service_showed_of_a_run():
    execution = JobExecution(
        "run",
        "job",
        job_name="stock",
        job_condition=JobSettings(log_path="/b/log", console_log_path="/b/console"),
        status="MOON",
        created_date="no date",
        start_date=read_moment("2026-11-29T10:00:00Z"),
        running_time=float("nan"),
    )
    assert RunReport.of(execution) == RunReport(
        "job", "run", "MOON", None, "/b/console", "stock", "no date", "2026-11-29T10:00:00+00:00", None
    )
    assert RunReport.of(JobExecution("run", "job", job_condition=JobSettings(log_path="/b"))).log_path == "/b"
