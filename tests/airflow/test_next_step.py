"""What a try does with the launch of an earlier one: a retry and a clear mean different things."""

import pytest

from dataflow_async.airflow.next_step import Step, next_step, was_cleared
from dataflow_async.airflow.task_state import TaskLaunch, TaskTry
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase

FIRST, RETRY, CLEARED = TaskTry(1, 3), TaskTry(2, 3), TaskTry(2, 4)


def recorded(phase, *, superseded=False):
    return TaskLaunch(JournalEntry("k", 1, "J", b"", None, phase, 0.0, 0.0), FIRST, superseded=superseded)


@pytest.mark.parametrize(
    ("phase", "status", "after_retry", "after_clear"),
    [
        (JournalPhase.INTENT, None, Step.RESUME, Step.RESUME),
        (JournalPhase.UNKNOWN, None, Step.RESUME, Step.RESUME),
        (JournalPhase.NOT_SENT, "NotSent", Step.RESUME, Step.RESUME),
        (JournalPhase.REJECTED, "BadRequest", Step.RESUME, Step.RESUME),
        (JournalPhase.ACCEPTED, "READY", Step.ATTACH, Step.ATTACH),
        (JournalPhase.ACCEPTED, "RUNNING", Step.ATTACH, Step.ATTACH),
        (JournalPhase.ACCEPTED, None, Step.ATTACH, Step.ATTACH),
        (JournalPhase.ACCEPTED, "MOON", Step.ATTACH, Step.ATTACH),
        (JournalPhase.ACCEPTED, "COMPLETED", Step.REPORT, Step.LAUNCH),
        (JournalPhase.ACCEPTED, "FAILED", Step.LAUNCH, Step.LAUNCH),
        (JournalPhase.ACCEPTED, "CANCELED", Step.LAUNCH, Step.LAUNCH),
        (JournalPhase.ENDED, "COMPLETED", Step.REPORT, Step.LAUNCH),
        (JournalPhase.ENDED, "FAILED", Step.LAUNCH, Step.LAUNCH),
        (JournalPhase.ENDED, "MOON", Step.LAUNCH, Step.LAUNCH),
    ],
)
def test_a_retry_and_a_clear(phase, status, after_retry, after_clear):
    assert next_step(recorded(phase), status, RETRY) is after_retry
    assert next_step(recorded(phase), status, CLEARED) is after_clear


def test_a_run_that_is_gone_stops_a_retry_only():
    accepted = recorded(JournalPhase.ACCEPTED)
    assert next_step(accepted, None, RETRY, gone=True) is Step.STOP
    assert next_step(accepted, None, CLEARED, gone=True) is Step.LAUNCH
    superseded = recorded(JournalPhase.ACCEPTED, superseded=True)
    assert next_step(superseded, None, RETRY, gone=True) is Step.LAUNCH


def test_a_clear_shows_in_the_bound_on_tries():
    assert not was_cleared(recorded(JournalPhase.ACCEPTED), TaskTry(4, 3))
    assert was_cleared(recorded(JournalPhase.ACCEPTED), TaskTry(2, 4))
    assert was_cleared(recorded(JournalPhase.ACCEPTED), TaskTry(2, 1))  # its retries were lowered meanwhile
