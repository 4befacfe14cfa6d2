"""The table of calls: all of the contract, and no others.

A call is its method and path; names are those of the API guide.
"""

from enum import Enum
from typing import Generic, TypeVar

from attrs import field, frozen

from dataflow_async.errors import APIError, BadState, NotFound
from dataflow_async.models.dashboard import ExecutionInterval, ExecutionResult, ExecutionTimes
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import Job, JobSummary
from dataflow_async.models.page import Page
from dataflow_async.models.trigger import Trigger
from dataflow_async.models.workflow import Workflow, WorkflowReceipt, WorkflowSummary

T = TypeVar("T")


class Effect(Enum):
    """What repeating a call does."""

    READ = "read"
    """Changes nothing."""
    IDEMPOTENT = "idempotent-write"
    """Ends in the same state."""
    CREATES = "creates"
    """May make a second thing; repeated only where nothing has happened."""


@frozen(eq=False, repr=False)
class Operation(Generic[T]):
    """One call of the API."""

    name: str
    """Name in the API guide, and operationId in the contract."""
    method: str
    path: str
    """Template with ``{jobId}`` and the like."""
    effect: Effect
    answers: type[T] | None
    """What a success holds; None where its body means nothing."""
    done_by: tuple[type[APIError], ...] = ()
    """Errors of the service which, after an unclear first attempt, say that it worked."""
    bodyless: frozenset[int] = frozenset()
    """Statuses whose body may be missing although one is modelled."""
    template: str = field(init=False)
    """``path`` with ``%s`` for each id."""
    id_names: tuple[str, ...] = field(init=False)
    """The wire's names of its ids, in order."""

    @template.default
    def _template(self) -> str:
        return "%s".join(piece.rpartition("}")[2] for piece in self.path.split("{"))

    @id_names.default
    def _names(self) -> tuple[str, ...]:
        return tuple(piece.partition("}")[0] for piece in self.path.split("{")[1:])


_READ, _IDEMPOTENT, _CREATES = Effect.READ, Effect.IDEMPOTENT, Effect.CREATES
_GONE = (NotFound,)
_GONE_OR_ENDED = (NotFound, BadState)

_STATS = "/api/v1/stats"
_WORKFLOWS, _WORKFLOW = "/api/v1/workflows", "/api/v1/workflows/{workflowId}"
_JOBS, _JOB = "/api/v1/jobs", "/api/v1/jobs/{jobId}"
_TRIGGERS, _TRIGGER = "/api/v1/triggers", "/api/v1/triggers/{triggerId}"

# fmt: off
GET_EXECUTION_RESULT = Operation("getExecutionResult", "GET", f"{_STATS}/executions", _READ, ExecutionResult)
GET_EXECUTION_INTERVAL = Operation("getExecutionInterval", "GET", f"{_STATS}/executions-interval", _READ, ExecutionInterval)
GET_EXECUTION_TIMES = Operation("getExecutionTimes", "GET", f"{_STATS}/execution-times", _READ, ExecutionTimes)

CREATE_WORKFLOW = Operation("createWorkflow", "POST", _WORKFLOWS, _CREATES, Workflow)
GET_WORKFLOWS = Operation("getWorkflows", "GET", _WORKFLOWS, _READ, Page[WorkflowSummary])
GET_WORKFLOW = Operation("getWorkflowById", "GET", _WORKFLOW, _READ, Workflow)
UPDATE_WORKFLOW = Operation("updateWorkflow", "PUT", _WORKFLOW, _IDEMPOTENT, Workflow)
DELETE_WORKFLOW = Operation[None]("deleteWorkflow", "DELETE", _WORKFLOW, _IDEMPOTENT, None, _GONE)
GET_WORKFLOW_EXECUTIONS = Operation("getWorkflowExecutions", "GET", f"{_WORKFLOW}/executions", _READ, Page[JobExecution])
EXECUTE_WORKFLOW = Operation("executeWorkflow", "POST", f"{_WORKFLOW}/executions", _CREATES, WorkflowReceipt)

CREATE_JOB = Operation("createJob", "POST", _JOBS, _CREATES, Job)
GET_JOBS = Operation("getJobs", "GET", _JOBS, _READ, Page[JobSummary])
GET_JOB = Operation("getJobById", "GET", _JOB, _READ, Job)
UPDATE_JOB = Operation("updateJob", "PATCH", _JOB, _IDEMPOTENT, Job)
DELETE_JOB = Operation[None]("deleteJob", "DELETE", _JOB, _IDEMPOTENT, None, _GONE)
VERIFY_JOB = Operation[bool]("verifyJob", "POST", f"{_JOBS}/verify", _READ, None)
EXECUTE_JOB = Operation("executeJob", "POST", f"{_JOB}/executions", _CREATES, JobExecution)
GET_JOB_EXECUTIONS = Operation("getJobExecutions", "GET", f"{_JOB}/executions", _READ, Page[JobExecution])
UPDATE_JOB_EXECUTE_CONFIG = Operation("updateJobExecuteConfig", "PUT", f"{_JOB}/executions", _IDEMPOTENT, Job)
GET_JOB_EXECUTION = Operation("getJobExecutionById", "GET", f"{_JOB}/executions/{{executionId}}", _READ, JobExecution, bodyless=frozenset({202}))
CANCEL_JOB_EXECUTION = Operation[None]("cancelJobExecution", "POST", f"{_JOB}/executions/{{executionId}}/cancel", _IDEMPOTENT, None, _GONE_OR_ENDED)

CREATE_TRIGGER = Operation("createTrigger", "POST", _TRIGGERS, _CREATES, Trigger)
GET_TRIGGERS = Operation("getTriggers", "GET", _TRIGGERS, _READ, Page[Trigger])
GET_TRIGGER = Operation("getTriggerById", "GET", _TRIGGER, _READ, Trigger)
DELETE_TRIGGER = Operation[None]("deleteTrigger", "DELETE", _TRIGGER, _IDEMPOTENT, None, _GONE)
# fmt: on

OPERATIONS: tuple[Operation[object], ...] = tuple(
    row for row in globals().values() if isinstance(row, Operation)
)
"""Every call, in the contract's order."""
