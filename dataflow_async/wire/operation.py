"""The table of calls: all of the contract, and no others.

A call is its method and path; names are those of the API guide. What a call answers with is named here, and loaded with the
first answer: many programs use a few calls, and attrs compiles each model when it is loaded.
"""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from dataflow_async.errors import APIError, BadState, NotFound

if TYPE_CHECKING:
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


class Operation(Generic[T]):
    """One call of the API.

    Attributes:
        name: Name in the API guide, and operationId in the contract.
        method: In capitals.
        path: Template with ``{jobId}`` and the like.
        effect: What repeating it does.
        done_by: Errors of the service which, after an unclear first attempt, say that it worked.
        bodyless: Statuses whose body may be missing although one is modelled.
        template: ``path`` with ``%s`` for each id.
        id_names: The wire's names of its ids, in order.
    """

    def __init__(
        self,
        name: str,
        method: str,
        path: str,
        effect: Effect,
        model: str | None = None,
        done_by: tuple[type[APIError], ...] = (),
        bodyless: frozenset[int] = frozenset(),
    ) -> None:
        self.name = name
        self.method = method
        self.path = path
        self.effect = effect
        self._model = model
        self.done_by = done_by
        self.bodyless = bodyless
        pieces = path.split("{")
        self.template = "%s".join(piece.rpartition("}")[2] for piece in pieces)
        self.id_names = tuple(piece.partition("}")[0] for piece in pieces[1:])

    @cached_property
    def answers(self) -> type[T] | None:
        """What a success holds; None where its body means nothing."""
        if self._model is None:
            return None
        name, _, row = self._model.partition(" of ")
        return cast("type[T]", _loaded(name)[_loaded(row)] if row else _loaded(name))


def _loaded(model: str) -> Any:
    module, _, name = model.rpartition(".")
    return getattr(import_module(f"dataflow_async.models.{module}"), name)


_READ, _IDEMPOTENT, _CREATES = Effect.READ, Effect.IDEMPOTENT, Effect.CREATES
_GONE = (NotFound,)
_GONE_OR_ENDED = (NotFound, BadState)

_STATS = "/api/v1/stats"
_WORKFLOWS, _WORKFLOW = "/api/v1/workflows", "/api/v1/workflows/{workflowId}"
_JOBS, _JOB = "/api/v1/jobs", "/api/v1/jobs/{jobId}"
_TRIGGERS, _TRIGGER = "/api/v1/triggers", "/api/v1/triggers/{triggerId}"

# fmt: off
GET_EXECUTION_RESULT: Operation[ExecutionResult] = Operation("getExecutionResult", "GET", f"{_STATS}/executions", _READ, "dashboard.ExecutionResult")
GET_EXECUTION_INTERVAL: Operation[ExecutionInterval] = Operation("getExecutionInterval", "GET", f"{_STATS}/executions-interval", _READ, "dashboard.ExecutionInterval")
GET_EXECUTION_TIMES: Operation[ExecutionTimes] = Operation("getExecutionTimes", "GET", f"{_STATS}/execution-times", _READ, "dashboard.ExecutionTimes")

CREATE_WORKFLOW: Operation[Workflow] = Operation("createWorkflow", "POST", _WORKFLOWS, _CREATES, "workflow.Workflow")
GET_WORKFLOWS: Operation[Page[WorkflowSummary]] = Operation("getWorkflows", "GET", _WORKFLOWS, _READ, "page.Page of workflow.WorkflowSummary")
GET_WORKFLOW: Operation[Workflow] = Operation("getWorkflowById", "GET", _WORKFLOW, _READ, "workflow.Workflow")
UPDATE_WORKFLOW: Operation[Workflow] = Operation("updateWorkflow", "PUT", _WORKFLOW, _IDEMPOTENT, "workflow.Workflow")
DELETE_WORKFLOW: Operation[None] = Operation("deleteWorkflow", "DELETE", _WORKFLOW, _IDEMPOTENT, None, _GONE)
GET_WORKFLOW_EXECUTIONS: Operation[Page[JobExecution]] = Operation("getWorkflowExecutions", "GET", f"{_WORKFLOW}/executions", _READ, "page.Page of execution.JobExecution")
EXECUTE_WORKFLOW: Operation[WorkflowReceipt] = Operation("executeWorkflow", "POST", f"{_WORKFLOW}/executions", _CREATES, "workflow.WorkflowReceipt")

CREATE_JOB: Operation[Job] = Operation("createJob", "POST", _JOBS, _CREATES, "job.Job")
GET_JOBS: Operation[Page[JobSummary]] = Operation("getJobs", "GET", _JOBS, _READ, "page.Page of job.JobSummary")
GET_JOB: Operation[Job] = Operation("getJobById", "GET", _JOB, _READ, "job.Job")
UPDATE_JOB: Operation[Job] = Operation("updateJob", "PATCH", _JOB, _IDEMPOTENT, "job.Job")
DELETE_JOB: Operation[None] = Operation("deleteJob", "DELETE", _JOB, _IDEMPOTENT, None, _GONE)
VERIFY_JOB: Operation[bool] = Operation("verifyJob", "POST", f"{_JOBS}/verify", _READ)
EXECUTE_JOB: Operation[JobExecution] = Operation("executeJob", "POST", f"{_JOB}/executions", _CREATES, "execution.JobExecution")
GET_JOB_EXECUTIONS: Operation[Page[JobExecution]] = Operation("getJobExecutions", "GET", f"{_JOB}/executions", _READ, "page.Page of execution.JobExecution")
UPDATE_JOB_EXECUTE_CONFIG: Operation[Job] = Operation("updateJobExecuteConfig", "PUT", f"{_JOB}/executions", _IDEMPOTENT, "job.Job")
GET_JOB_EXECUTION: Operation[JobExecution] = Operation("getJobExecutionById", "GET", f"{_JOB}/executions/{{executionId}}", _READ, "execution.JobExecution", bodyless=frozenset({202}))
CANCEL_JOB_EXECUTION: Operation[None] = Operation("cancelJobExecution", "POST", f"{_JOB}/executions/{{executionId}}/cancel", _IDEMPOTENT, None, _GONE_OR_ENDED)

CREATE_TRIGGER: Operation[Trigger] = Operation("createTrigger", "POST", _TRIGGERS, _CREATES, "trigger.Trigger")
GET_TRIGGERS: Operation[Page[Trigger]] = Operation("getTriggers", "GET", _TRIGGERS, _READ, "page.Page of trigger.Trigger")
GET_TRIGGER: Operation[Trigger] = Operation("getTriggerById", "GET", _TRIGGER, _READ, "trigger.Trigger")
DELETE_TRIGGER: Operation[None] = Operation("deleteTrigger", "DELETE", _TRIGGER, _IDEMPOTENT, None, _GONE)
# fmt: on

OPERATIONS: tuple[Operation[Any], ...] = tuple(
    row for row in globals().values() if isinstance(row, Operation)
)
"""Every call, in the contract's order."""
