"""Asyncio client for NAVER Cloud Platform Data Flow.

Each public name is loaded on its first use, so that ``import dataflow_async`` costs next to nothing: pytest and the
command line load this package in every process. To pay at start-up what the first use costs, import the names themselves:
``from dataflow_async import DataFlow``.
"""

from dataflow_async._version import __version__

# What type checkers take for true. To import it from typing would cost more than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataflow_async.bulk.journal.reader import Journal
    from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase
    from dataflow_async.bulk.options import BulkOptions
    from dataflow_async.bulk.run import BulkRun
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
    from dataflow_async.polling.finished_runs import FinishedRuns
    from dataflow_async.polling.policy import PollPolicy
    from dataflow_async.polling.stats import PollStats
    from dataflow_async.run_errors import ExecutionCanceled, ExecutionFailed, LaunchUncertain, WaitTimeout
    from dataflow_async.wire.retry import RetryPolicy
else:  # a type checker must not see __getattr__: it would accept any name
    _PUBLIC = {
        "bulk.launch_records": "JournalEntry JournalPhase",
        "bulk.journal.reader": "Journal",
        "bulk.options": "BulkOptions",
        "bulk.run": "BulkRun",
        "client": "DataFlow",
        "credentials": "Credentials",
        "errors": (
            "APIError AuthenticationFailed BadRequest BadState CredentialsError DataFlowError "
            "DecodeError FieldError InvalidRequest JournalError NotFound NotSent PermissionDenied "
            "QuotaExceeded RateLimited ResponseLost RunRef ServerError TransportError"
        ),
        "models.dashboard": "ExecutionInterval ExecutionResult ExecutionTimes IntervalRow TimesRow",
        "models.execution": "ExecutionRef ExecutionStatus JobExecution",
        "models.job": "Job JobCondition JobSettings JobSummary JobType",
        "models.launch": "Launch Outcome OutcomeStatus Progress",
        "models.page": "Page",
        "models.trigger": "Interval RuleType Trigger TriggerRule TriggerRuleInfo TriggerType",
        "models.workflow": (
            "Workflow WorkflowJobNode WorkflowNode WorkflowReceipt WorkflowSummary WorkflowTriggerNode"
        ),
        "polling.policy": "PollPolicy",
        "polling.stats": "PollStats",
        "polling.finished_runs": "FinishedRuns",
        "run_errors": "ExecutionCanceled ExecutionFailed LaunchUncertain WaitTimeout",
        "wire.retry": "RetryPolicy",
    }
    _MODULES = {name: module for module, names in _PUBLIC.items() for name in names.split()}

    def __getattr__(name: str) -> object:
        """Load the module of a public name, and store the name, so that its next use costs nothing."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        loaded = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = loaded
        return loaded

    def __dir__() -> list[str]:
        """Return what is loaded and what can be."""
        return sorted({*globals(), *__all__})


__all__ = [
    "APIError",
    "AuthenticationFailed",
    "BadRequest",
    "BadState",
    "BulkOptions",
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
    "JournalEntry",
    "JournalError",
    "JournalPhase",
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
