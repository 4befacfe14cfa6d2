"""What a bulk run takes, and what it returns."""

from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from dataflow_async.errors import DataFlowError
from dataflow_async.models.base import Value
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.models.job_settings import JobCondition


class OutcomeStatus(StrEnum):
    """How launches end, as far as known; a new status of a run arrives as plain text. Equal to its text."""

    READY = "READY"
    """Started; ends are not waited for."""
    RUNNING = "RUNNING"
    """As READY."""
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    NOT_LAUNCHED = "NOT_LAUNCHED"
    """It did not start: refused, throttled for good, or never sent."""
    UNCERTAIN = "UNCERTAIN"
    """Its answer was lost, and it may have started."""


NOT_LAUNCHED = OutcomeStatus.NOT_LAUNCHED
UNCERTAIN = OutcomeStatus.UNCERTAIN


def _outcome_status(status: str | None) -> OutcomeStatus | str | None:
    """Return the known status that equals a text, or the text."""
    return _STATUSES.get(status, status) if status is not None else None


_STATUSES: Mapping[str, OutcomeStatus] = {str(status): status for status in OutcomeStatus}


def _copied(value: Any) -> Any:
    """Return mappings and lists copied all the way down: a program may fill the same dict for its next launch."""
    try:
        return value if value is None else _taken(value)
    except RecursionError:  # it holds itself, and is refused when it is written as JSON
        return value


def _taken(value: Any) -> Any:
    if type(value) is str:
        return value
    if isinstance(value, JobCondition):
        return evolve(value, parameters=_taken(value.parameters))
    if isinstance(value, Mapping):
        return {name: _taken(member) for name, member in value.items()}
    return [_taken(member) for member in value] if type(value) is list else value


@frozen(eq=False, repr=False)
class Launch(Value):
    """One run to start; arguments as for ``jobs.execute``. Mappings are copied, whatever becomes of them later.

    Nothing is refused here: a launch that can't be sent ends in an outcome ``"NOT_LAUNCHED"`` that says why.

    Attributes:
        job_id: The job.
        parameters: Parameters of a SCRIPT job, text to text.
        condition: Settings of this run; what is left out keeps its stored value.
        trigger_id: Trigger to record the run under.
        workflow_id: Workflow to record the run under.
        key: Your name for this launch, 1 to 200 characters, repeated in its outcome; without one it is named by a
            digest of what it is.
    """

    job_id: str
    parameters: Mapping[str, str] | None = field(default=None, kw_only=True, converter=_copied)
    condition: JobCondition | Mapping[str, Any] | None = field(default=None, kw_only=True, converter=_copied)
    trigger_id: str | None = field(default=None, kw_only=True)
    workflow_id: str | None = field(default=None, kw_only=True)
    key: str | None = field(default=None, kw_only=True)


@frozen(eq=False, repr=False)
class Outcome(Value):
    """How one launch ended.

    Attributes:
        key: The launch's key, or a digest of its job, its settings and its place among identical launches.
        launch: The launch as it was given.
        execution: The run as last read, or None if none is known; only its ids and status where its end stood in
            the journal.
        error: Why there is no COMPLETED run, or None.
        status: The run's as an `OutcomeStatus` (as plain text if it is not known), or NOT_LAUNCHED, or UNCERTAIN.
        resumed: Whether the launch was resumed from the journal: it had started, or ended, before this run began.
    """

    key: str
    launch: Launch
    execution: JobExecution | None = None
    error: DataFlowError | None = None
    status: OutcomeStatus | str | None = field(default=None, converter=_outcome_status)
    resumed: bool = False


def after_launch(error: BaseException, ref: ExecutionRef) -> None:
    """Note on whatever was raised after a launch was accepted that its run exists: launched again, it runs twice."""
    with suppress(AttributeError):  # some errors of others take no attributes
        error.execution_ref = ref  # type: ignore[attr-defined]
        error.may_have_run = True  # type: ignore[attr-defined]


@frozen(eq=False, repr=False)
class Progress(Value):
    """How far a bulk run has come.

    Attributes:
        total: Launches in all, or None if their number is not known beforehand.
        submitted: Launches taken from the launches given so far.
        launched: Runs that were started.
        running: Runs that were started and have not ended.
        completed: Runs that ended COMPLETED.
        failed: Launches that ended otherwise, or did not start.
        uncertain: Launches of which it is not known whether they started.
        rate: Outcomes a second so far; what was resumed from a journal does not count, because it took no time.
        eta: Seconds to go at that rate, or None if there is no rate or no total.
        outage: Seconds for which launches have been held back because the service can't be reached; None
            while it can be.
    """

    total: int | None
    submitted: int
    launched: int
    running: int
    completed: int
    failed: int
    uncertain: int
    rate: float
    eta: float | None
    outage: float | None = None
