"""Makes the outcomes of launches that did not end well. Pure."""

from __future__ import annotations

from dataflow_async.errors import DataFlowError, InvalidRequest, JournalError
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.launch import NOT_LAUNCHED, UNCERTAIN, Launch, Outcome, after_launch
from dataflow_async.run_errors import LaunchUncertain


class EndsTheRun(Exception):
    """Something is wrong with the run as a whole, not with one launch; ``error`` says what."""

    def __init__(self, error: DataFlowError) -> None:
        super().__init__(str(error))
        self.error = error


def refused(launch: Launch, number: int, error: InvalidRequest) -> Outcome:
    """Return the outcome of a launch whose settings are wrong.

    Raises:
        EndsTheRun: Its key can't be used, which concerns the whole run.
    """
    if error.field == "key":
        raise EndsTheRun(error)
    return Outcome(launch.key or str(number), launch, error=error, status=NOT_LAUNCHED)


def broken_off(launch: Launch, number: int, problem: BaseException) -> Outcome:
    """Return the outcome of a launch that an unforeseen exception has cut short; it may have started."""
    error = LaunchUncertain(
        f"launch {launch.key or number!r} may have started: {type(problem).__name__} came in between",
        launch=launch,
    )
    return Outcome(launch.key or str(number), launch, error=error, status=UNCERTAIN)


def without_run(key: str, launch: Launch, error: DataFlowError) -> Outcome:
    """Return the outcome of a launch of which no run is known: NOT_LAUNCHED if it did not start, UNCERTAIN if it may have."""
    if isinstance(error, LaunchUncertain):
        return Outcome(key, launch, error=error, status=UNCERTAIN)
    if error.may_have_run:
        uncertain = LaunchUncertain(f"launch {key!r} may have started: {error}", launch=launch)
        return Outcome(key, launch, error=uncertain, status=UNCERTAIN)
    return Outcome(key, launch, error=error, status=NOT_LAUNCHED)


def sent_again(uncertain: LaunchUncertain, error: DataFlowError) -> LaunchUncertain:
    """Return the error of a launch that was sent again while uncertain, and did not start this time."""
    return LaunchUncertain(
        f"{uncertain}; sent again, it did not start: {error}",
        launch=uncertain.launch,
        candidates=uncertain.candidates,
    )


def ended_badly(
    key: str, launch: Launch, execution: JobExecution, error: DataFlowError, *, resumed: bool = False
) -> Outcome:
    """Return the outcome of a run that did not end COMPLETED, or was not observed to end."""
    after_launch(error, execution.ref)
    last = error.execution or execution
    return Outcome(key, launch, execution=last, error=error, status=last.status, resumed=resumed)


def unrecorded(key: str, launch: Launch, error: JournalError) -> Outcome:
    """Return the outcome of a launch that could not be recorded to its end; the run ends with it."""
    ref = error.execution_ref
    if ref is not None:
        return Outcome(key, launch, JobExecution(ref.execution_id, ref.job_id), error=error)
    return Outcome(key, launch, error=error, status=UNCERTAIN if error.may_have_run else NOT_LAUNCHED)
