"""Asyncio client for NAVER Cloud Platform Data Flow."""

from dataflow_async._version import __version__
from dataflow_async.bulk.journal.writer import Journal
from dataflow_async.bulk.worker_pool import BulkRun
from dataflow_async.client import DataFlow
from dataflow_async.credentials import Credentials
from dataflow_async.errors import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    BadState,
    CredentialsError,
    DataFlowError,
    DecodeError,
    FieldError,
    InvalidRequest,
    JournalError,
    NotFound,
    NotSent,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ResponseLost,
    RunRef,
    ServerError,
    TransportError,
)
from dataflow_async.models.dashboard import (
    ExecutionInterval,
    ExecutionResult,
    ExecutionTimes,
    IntervalRow,
    TimesRow,
)
from dataflow_async.models.execution import ExecutionRef, ExecutionStatus, JobExecution
from dataflow_async.models.job import Job, JobCondition, JobSettings, JobSummary, JobType
from dataflow_async.models.launch import Launch, Outcome, OutcomeStatus, Progress
from dataflow_async.models.page import Page
from dataflow_async.models.trigger import (
    Interval,
    RuleType,
    Trigger,
    TriggerRule,
    TriggerRuleInfo,
    TriggerType,
)
from dataflow_async.models.workflow import (
    Workflow,
    WorkflowJobNode,
    WorkflowNode,
    WorkflowReceipt,
    WorkflowSummary,
    WorkflowTriggerNode,
)
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.polling.tracker import PollStats
from dataflow_async.polling.waiter import FinishedRuns
from dataflow_async.run_errors import ExecutionCanceled, ExecutionFailed, LaunchUncertain, WaitTimeout
from dataflow_async.wire.retry import RetryPolicy

__all__ = [
    "APIError",
    "AuthenticationFailed",
    "BadRequest",
    "BadState",
    "BulkRun",
    "Credentials",
    "CredentialsError",
    "DataFlow",
    "DataFlowError",
    "DecodeError",
    "ExecutionCanceled",
    "ExecutionFailed",
    "ExecutionInterval",
    "ExecutionRef",
    "ExecutionResult",
    "ExecutionStatus",
    "ExecutionTimes",
    "FieldError",
    "FinishedRuns",
    "Interval",
    "IntervalRow",
    "InvalidRequest",
    "Job",
    "JobCondition",
    "JobExecution",
    "JobSettings",
    "JobSummary",
    "JobType",
    "Journal",
    "JournalError",
    "Launch",
    "LaunchUncertain",
    "NotFound",
    "NotSent",
    "Outcome",
    "OutcomeStatus",
    "Page",
    "PermissionDenied",
    "PollPolicy",
    "PollStats",
    "Progress",
    "QuotaExceeded",
    "RateLimited",
    "ResponseLost",
    "RetryPolicy",
    "RuleType",
    "RunRef",
    "ServerError",
    "TimesRow",
    "TransportError",
    "Trigger",
    "TriggerRule",
    "TriggerRuleInfo",
    "TriggerType",
    "WaitTimeout",
    "Workflow",
    "WorkflowJobNode",
    "WorkflowNode",
    "WorkflowReceipt",
    "WorkflowSummary",
    "WorkflowTriggerNode",
    "__version__",
]
