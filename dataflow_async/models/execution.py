"""Runs of a job."""

from enum import StrEnum
from typing import Any, cast
from urllib.parse import quote, unquote

from attrs import frozen

from dataflow_async.models import checks
from dataflow_async.models.base import Response
from dataflow_async.models.job_settings import JobSettings
from dataflow_async.models.moment import Moment


class ExecutionStatus(StrEnum):
    """States of a run known so far; others arrive as plain text."""

    READY = "READY"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


TERMINAL = frozenset({ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELED})
"""States after which nothing changes any more."""

_PREFIX = "dataflow-execution:1:"
_FORM = f"text like {_PREFIX}JOB:EXECUTION"


@frozen
class ExecutionRef:
    """What it takes to find a run again, from this process or another one.

    ``str(ref)`` is a versioned text that `parse` reads back.

    Attributes:
        job_id: Job id.
        execution_id: Run id.
    """

    job_id: str
    execution_id: str

    def __str__(self) -> str:
        """Return the text form, safe in a file name, a URL or a log line."""
        return f"{_PREFIX}{quote(self.job_id, safe='')}:{quote(self.execution_id, safe='')}"

    @classmethod
    def parse(cls, text: str) -> "ExecutionRef":
        """Return the reference that a text form names.

        Raises:
            InvalidRequest: ``text`` is not a text form of a reference.
        """
        if not isinstance(cast("object", text), str):
            raise checks.refuse("ref", text, _FORM)
        job, colon, execution = text.removeprefix(_PREFIX).partition(":")
        if not (text.startswith(_PREFIX) and job and colon and execution) or ":" in execution:
            raise checks.refuse("ref", text, _FORM)
        return cls(unquote(job), unquote(execution))


@frozen(eq=False, repr=False)
class JobExecution(Response):
    """One run of a job.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getjobexecutionbyid

    Attributes:
        job_execution_id: Run id.
        job_id: Job id; from the request where the answer leaves it out.
        job_name: Name of the job.
        job_condition: Settings of this run.
        status: State, an unknown one as its text; None where a 202 came without a body.
        created_date: When it was requested: an aware time, or the text as received where it can't be read.
        start_date: When it began to run; as ``created_date``.
        end_date: When it ended; as ``created_date``.
        trigger_id: Trigger that started the run.
        trigger_name: Name of that trigger.
        waiting_time: Minutes waited.
        running_time: Minutes run.
        executor_num: Workers used.
        parsed_parameters: Parameters as the service read them.
        type: What started the run: JOB or WORKFLOW so far.
    """

    job_execution_id: str
    job_id: str = ""
    job_name: str | None = None
    job_condition: JobSettings | None = None
    status: ExecutionStatus | str | None = None
    created_date: Moment | None = None
    start_date: Moment | None = None
    end_date: Moment | None = None
    trigger_id: str | None = None
    trigger_name: str | None = None
    waiting_time: float | None = None
    running_time: float | None = None
    executor_num: float | None = None
    parsed_parameters: dict[str, Any] | None = None
    type: str | None = None

    @property
    def ref(self) -> ExecutionRef:
        """Return what another process needs to wait for this run."""
        return ExecutionRef(self.job_id, self.job_execution_id)

    @property
    def is_terminal(self) -> bool:
        """Return whether the run has reached COMPLETED, FAILED or CANCELED."""
        return self.status in TERMINAL
