"""Turns what the library raises, and how runs ended, into exceptions that Airflow understands."""

from __future__ import annotations

from collections.abc import Iterable

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dataflow_async.airflow.events import RunEvent, RunReport
from dataflow_async.airflow.launching import OtherSettings, RunGone
from dataflow_async.airflow.task_state import FINDING, NOT_STARTED
from dataflow_async.errors import DataFlowError, InvalidRequest
from dataflow_async.models.execution import ExecutionStatus
from dataflow_async.run_errors import LaunchUncertain


def failure_of(error: DataFlowError, *, durable: bool) -> AirflowException:
    """Return the exception with which a try ends that could not launch.

    It is final where another try would meet the same, or could start a second run. A durable task may be tried again after
    an uncertain launch: the next try finds out anew, and starts nothing while it stays uncertain.

    Args:
        error: What was raised.
        durable: Whether the launches of the task are recorded.
    """
    if isinstance(error, LaunchUncertain):
        return _uncertain(error, durable=durable)
    final = isinstance(error, InvalidRequest | OtherSettings | RunGone) or (
        error.may_have_run and not durable
    )
    return (AirflowFailException if final else AirflowException)(f"{type(error).__name__}: {error}")


def _uncertain(error: LaunchUncertain, *, durable: bool) -> AirflowException:
    found = [
        f"{run.ref.execution_id} ({run.status}, created {run.raw.get('createdDate')})"
        for run in error.candidates
    ]
    text = (
        f"{error}. No second one was started. Runs that could be it: {'; '.join(found) or 'none is listed'}."
    )
    if not durable:
        return AirflowFailException(text)
    return AirflowException(
        f"{text} The next try looks for it again; to decide it yourself, write the id of its run, or {NOT_STARTED!r}, into the"
        f" task's state under {FINDING!r}, and clear the task"
    )


def require_success(event: RunEvent) -> None:
    """Raise unless all runs of an event have completed.

    Raises:
        AirflowException: One has not; the message names each of them.
    """
    unfinished = [run for run in event.runs if run.status != ExecutionStatus.COMPLETED]
    if event.error is not None:
        raise AirflowException(
            f"runs can't be waited for any more, and go on: {event.error.kind}: {event.error.message}."
            f" {_listed(unfinished)}"
        )
    if unfinished:
        why = "had not ended in time" if event.ended_by == "deadline" else "did not complete"
        raise AirflowException(f"{len(unfinished)} of {len(event.runs)} runs {why}. {_listed(unfinished)}")


def _listed(runs: Iterable[RunReport]) -> str:
    return "; ".join(
        f"run {run.execution_id} of job {run.job_name or run.job_id}: {run.status or 'state unknown'}"
        + (f", its log: {run.log_path}" if run.log_path else "")
        for run in runs
    )
