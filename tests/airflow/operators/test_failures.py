"""What a person reads when a try has failed, and whether Airflow tries again."""

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dataflow_async import InvalidRequest, LaunchUncertain, ResponseLost, ServerError
from dataflow_async.airflow.events import RunError, RunEvent, RunReport
from dataflow_async.airflow.launching import OtherSettings, RunGone
from dataflow_async.airflow.operators.failures import failure_of, require_success
from dataflow_async.airflow.task_state import FINDING, NOT_STARTED
from dataflow_async.models.execution import JobExecution

CANDIDATE = JobExecution("run-7", "job-1", status="RUNNING")
CANDIDATE.raw["createdDate"] = "2026-01-01T00:00:00+0900"
UNCERTAIN = LaunchUncertain("it may have started", candidates=(CANDIDATE,))


def test_an_uncertain_launch_names_the_runs_that_could_be_it_and_how_to_decide():
    error = failure_of(UNCERTAIN, durable=True)
    assert type(error) is AirflowException
    for words in ("run-7 (RUNNING, created 2026-01-01T00:00:00+0900)", "No second one was started", FINDING):
        assert words in str(error)
    assert NOT_STARTED in str(error)


def test_without_a_record_it_is_final():
    error = failure_of(UNCERTAIN, durable=False)
    assert isinstance(error, AirflowFailException)
    assert "run-7" in str(error)
    assert FINDING not in str(error)


@pytest.mark.parametrize(
    ("error", "durable", "final"),
    [
        (InvalidRequest("job_id must be text", field="job_id"), True, True),
        (OtherSettings("it goes on"), True, True),
        (RunGone("it is gone"), True, True),
        (ResponseLost("no answer", may_have_run=True), True, False),
        (ResponseLost("no answer", may_have_run=True), False, True),
        (ServerError("500", status=500), True, False),
    ],
)
def test_another_try_is_spared_where_it_would_meet_the_same_or_start_a_second_run(error, durable, final):
    found = failure_of(error, durable=durable)
    assert isinstance(found, AirflowFailException) is final
    assert str(found) == f"{type(error).__name__}: {error}"


def test_a_run_that_did_not_complete_is_named_with_its_status_and_its_log():
    runs = (
        RunReport("job-1", "run-1", "COMPLETED"),
        RunReport("job-1", "run-2", "FAILED", log_path="/bucket/log", job_name="stock_import"),
        RunReport("job-2", "run-3"),
    )
    with pytest.raises(AirflowException) as failed:
        require_success(RunEvent(runs, "terminal"))
    assert str(failed.value) == (
        "2 of 3 runs did not complete. run run-2 of job stock_import: FAILED, its log: /bucket/log;"
        " run run-3 of job job-2: state unknown"
    )
    with pytest.raises(AirflowException, match="1 of 1 runs had not ended in time"):
        require_success(RunEvent(runs[2:], "deadline"))
    with pytest.raises(AirflowException, match="go on: Forbidden: no permission"):
        require_success(RunEvent(runs[2:], "error", RunError("Forbidden", "no permission")))
    require_success(RunEvent(runs[:1], "terminal"))
