"""The errors that carry a run or a launch: the other errors do not import the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow_async.errors import DataFlowError

if TYPE_CHECKING:
    from dataflow_async.models.execution import ExecutionRef, JobExecution
    from dataflow_async.models.launch import Launch


class _EndedBadly(DataFlowError):
    """A run reached its end and it was not COMPLETED."""

    def __init__(self, execution: JobExecution) -> None:
        settings = execution.job_condition
        log = settings and (settings.console_log_path or settings.log_path)
        super().__init__(
            f"execution {execution.job_execution_id} of job {execution.job_id} ended {execution.status}"
            + (f"; its log: {log}" if log else ""),
            may_have_run=True,
            execution_ref=execution.ref,
        )
        self.execution = execution


class ExecutionFailed(_EndedBadly):
    """The run ended, and neither COMPLETED nor CANCELED. ``execution`` holds it."""


class ExecutionCanceled(_EndedBadly):
    """The run was cancelled. ``execution`` holds it."""


class WaitTimeout(DataFlowError, TimeoutError):
    """The time-out of a wait is over and the run has not ended; it goes on unless cancelled. Also a `TimeoutError`.

    Attributes:
        execution: The run as last seen, or None if it was never seen.
    """

    def __init__(self, message: str, *, execution: JobExecution | None, ref: ExecutionRef | None) -> None:
        super().__init__(message, may_have_run=True, execution_ref=ref)
        self.execution = execution


class LaunchUncertain(DataFlowError):
    """A launch that may or may not have started: its answer was lost, and the service's lists do not show which.

    Attributes:
        launch: What was to be launched.
        candidates: Runs that could be it.
    """

    def __init__(
        self, message: str, *, launch: Launch | None = None, candidates: tuple[JobExecution, ...] = ()
    ) -> None:
        super().__init__(message, may_have_run=True)
        self.launch = launch
        self.candidates = candidates
