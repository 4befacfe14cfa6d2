"""The calls of the API as rows: name, method, path, parameters, body and effect."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from dataflow_async.emulator.api import request_schemas
from dataflow_async.emulator.api.checks import Check, Invalid
from dataflow_async.emulator.api.handlers import dashboard, jobs, triggers, workflows
from dataflow_async.emulator.api.handlers.request import CallHandler
from dataflow_async.emulator.api.parsing import base64_json, json_value, query_members
from dataflow_async.emulator.api.responses import bad_parameter
from dataflow_async.emulator.service import dates

NEEDED: Final = object()
"""The default of a query parameter that must be given."""


@attrs.frozen
class Parameter:
    """A query parameter: the reader of its text, and its default."""

    read: Callable[[str], Any]
    """Raises `Invalid`."""
    default: Any = None


def _whole_number(low: int) -> Callable[[str], int]:
    digits = re.compile(r"[0-9]{1,18}", re.ASCII).fullmatch

    def read(text: str) -> int:
        if not digits(text) or int(text) < low:
            raise Invalid(f"a whole number, {low} or more")
        return int(text)

    return read


def _moment(text: str) -> float:
    seconds = dates.parsed(text)
    if seconds is None:
        years = f"{dates.YEARS.start} to {dates.YEARS.stop - 1}"
        raise Invalid(
            f"a date like 2026-11-01T00:00:00, with or without fraction and zone, of the years {years}"
        )
    return seconds


TEXT = Parameter(str, "")
ID = Parameter(str)
PAGING = {"page": Parameter(_whole_number(0), 0), "limit": Parameter(_whole_number(0), 1000)}
PAGING_FROM_ONE = PAGING | {"limit": Parameter(_whole_number(1), 1000)}
"""getJobs alone refuses a limit of 0 (contract/notes.md#ruling-59)."""
PERIOD = {"startDate": Parameter(_moment, NEEDED), "endDate": Parameter(_moment, NEEDED)}
PAYLOAD = "x-ncp-dataflow-payload"


@attrs.frozen
class Endpoint:
    """One call of the API."""

    name: str
    """The contract's operationId."""
    method: str
    path: str
    effect: CallHandler
    query: Mapping[str, Parameter] = attrs.field(factory=dict, kw_only=True)
    body: Check | None = attrs.field(default=None, kw_only=True)
    body_may_be_absent: bool = attrs.field(default=False, kw_only=True)
    payload: bool = attrs.field(default=False, kw_only=True)
    """Whether it accepts a note about its caller in a header (contract/notes.md#ruling-76)."""
    _defaults: Mapping[str, Any] | None = attrs.field(init=False)
    """The parameters of an empty query, or None if one must be given."""

    @_defaults.default
    def _of_empty_query(self) -> Mapping[str, Any] | None:
        defaults = {name: parameter.default for name, parameter in self.query.items()}
        return None if NEEDED in defaults.values() else defaults

    def read_query(self, query: str) -> Mapping[str, Any]:
        """Return the query parameters of this call, read and with their defaults; others are ignored."""
        if not query and self._defaults is not None:
            return self._defaults
        given = query_members(query)
        return {name: _read(name, given.get(name), parameter) for name, parameter in self.query.items()}

    def read_body(self, data: bytes) -> Any:
        """Return the request body as a JSON value."""
        if self.body is None:
            return None
        if not data and self.body_may_be_absent:
            return {}
        return json_value(data, "The body")

    def check_body(self, value: Any) -> None:
        """Raise `Refused` for a body that breaks a rule of this call."""
        if self.body is None:
            return
        try:
            self.body(value)
        except Invalid as wrong:
            raise bad_parameter(str(wrong)) from None

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Raise `Refused` for a payload header that is not valid."""
        if self.payload and PAYLOAD in headers:
            base64_json(headers[PAYLOAD], PAYLOAD)


def _read(name: str, text: str | None, parameter: Parameter) -> Any:
    if text is None:
        if parameter.default is NEEDED:
            raise bad_parameter(f"{name} must be present.")
        return parameter.default
    try:
        return parameter.read(text)
    except Invalid as wrong:
        raise bad_parameter(str(wrong.under(f".{name}"))) from None


JOBS, JOB = "/api/v1/jobs", "/api/v1/jobs/{jobId}"
RUNS, RUN = f"{JOB}/executions", f"{JOB}/executions/{{executionId}}"
WORKFLOWS, WORKFLOW = "/api/v1/workflows", "/api/v1/workflows/{workflowId}"
TRIGGERS, TRIGGER = "/api/v1/triggers", "/api/v1/triggers/{triggerId}"
STATS = "/api/v1/stats"

ENDPOINTS = (
    Endpoint(
        "getExecutionResult", "GET", f"{STATS}/executions", dashboard.get_execution_result, query=PERIOD
    ),
    Endpoint(
        "getExecutionInterval",
        "GET",
        f"{STATS}/executions-interval",
        dashboard.get_execution_interval,
        query=PERIOD,
    ),
    Endpoint(
        "getExecutionTimes", "GET", f"{STATS}/execution-times", dashboard.get_execution_times, query=PERIOD
    ),
    Endpoint(
        "createWorkflow", "POST", WORKFLOWS, workflows.create_workflow, body=request_schemas.WRITE_WORKFLOW
    ),
    Endpoint("getWorkflows", "GET", WORKFLOWS, workflows.get_workflows, query=PAGING),
    Endpoint("getWorkflowById", "GET", WORKFLOW, workflows.get_workflow_by_id),
    Endpoint(
        "updateWorkflow", "PUT", WORKFLOW, workflows.update_workflow, body=request_schemas.WRITE_WORKFLOW
    ),
    Endpoint("deleteWorkflow", "DELETE", WORKFLOW, workflows.delete_workflow),
    Endpoint(
        "getWorkflowExecutions",
        "GET",
        f"{WORKFLOW}/executions",
        workflows.get_workflow_executions,
        query=PAGING | {"filter": TEXT},
    ),
    Endpoint("executeWorkflow", "POST", f"{WORKFLOW}/executions", workflows.execute_workflow, payload=True),
    Endpoint("createJob", "POST", JOBS, jobs.create_job, body=request_schemas.CREATE_JOB),
    Endpoint("getJobs", "GET", JOBS, jobs.get_jobs, query=PAGING_FROM_ONE | {"name": TEXT}),
    Endpoint("getJobById", "GET", JOB, jobs.get_job_by_id),
    Endpoint("updateJob", "PATCH", JOB, jobs.update_job, body=request_schemas.UPDATE_JOB),
    Endpoint("deleteJob", "DELETE", JOB, jobs.delete_job),
    Endpoint("verifyJob", "POST", f"{JOBS}/verify", jobs.verify_job, body=request_schemas.VERIFY_JOB),
    Endpoint(
        "executeJob",
        "POST",
        RUNS,
        jobs.execute_job,
        query={"triggerId": ID, "workflowId": ID},
        body=request_schemas.EXECUTE_JOB,
        body_may_be_absent=True,
    ),
    Endpoint("getJobExecutions", "GET", RUNS, jobs.get_job_executions, query=PAGING),
    Endpoint(
        "updateJobExecuteConfig",
        "PUT",
        RUNS,
        jobs.update_job_execute_config,
        body=request_schemas.UPDATE_JOB_EXECUTE_CONFIG,
    ),
    Endpoint("getJobExecutionById", "GET", RUN, jobs.get_job_execution_by_id),
    Endpoint("cancelJobExecution", "POST", f"{RUN}/cancel", jobs.cancel_job_execution),
    Endpoint("createTrigger", "POST", TRIGGERS, triggers.create_trigger, body=request_schemas.CREATE_TRIGGER),
    Endpoint("getTriggers", "GET", TRIGGERS, triggers.get_triggers, query=PAGING | {"name": TEXT}),
    Endpoint("getTriggerById", "GET", TRIGGER, triggers.get_trigger_by_id),
    Endpoint("deleteTrigger", "DELETE", TRIGGER, triggers.delete_trigger),
)
