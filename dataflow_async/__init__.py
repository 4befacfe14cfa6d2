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
    from dataflow_async.models.draft import JobDraft
    from dataflow_async.models.execution import ExecutionRef, ExecutionStatus, JobExecution
    from dataflow_async.models.job import Job, JobSummary, JobType
    from dataflow_async.models.job_settings import JobCondition, JobSettings
    from dataflow_async.models.launch import Launch, Outcome, OutcomeStatus, Progress
    from dataflow_async.models.nodes.base import JobNode, RawNode, TypedNode
    from dataflow_async.models.nodes.columns import Field
    from dataflow_async.models.nodes.parts import (
        AggregateField,
        DefineField,
        FilterCondition,
        JoinCondition,
        MissingValueField,
        RenameField,
        SourceName,
    )
    from dataflow_async.models.nodes.sources import (
        SourceCatalogNode,
        SourceCdbMysqlNode,
        SourceCdbPostgresqlNode,
        SourceObsNode,
    )
    from dataflow_async.models.nodes.targets import (
        TargetCatalogNode,
        TargetCdbMysqlNode,
        TargetCdbPostgresqlNode,
        TargetObsNode,
    )
    from dataflow_async.models.nodes.transforms import (
        TransformAggregateNode,
        TransformDefineNode,
        TransformDropDuplicationNode,
        TransformFillMissingValuesNode,
        TransformFilterNode,
        TransformJoinNode,
        TransformRenameNode,
        TransformSelectNode,
        TransformSqlNode,
        TransformUnionNode,
    )
    from dataflow_async.models.page import Page
    from dataflow_async.models.schedule import Interval, RuleType
    from dataflow_async.models.trigger import Trigger, TriggerRule, TriggerRuleInfo, TriggerType
    from dataflow_async.models.workflow import (
        Workflow,
        WorkflowJobNode,
        WorkflowNode,
        WorkflowReceipt,
        WorkflowSummary,
        WorkflowTriggerNode,
    )
    from dataflow_async.models.workflow_jobs import WorkflowJob
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
        "models.job": "Job JobSummary JobType",
        "models.job_settings": "JobCondition JobSettings",
        "models.launch": "Launch Outcome OutcomeStatus Progress",
        "models.draft": "JobDraft",
        "models.nodes.base": "JobNode RawNode TypedNode",
        "models.nodes.columns": "Field",
        "models.nodes.parts": (
            "AggregateField "
            "DefineField "
            "FilterCondition "
            "JoinCondition "
            "MissingValueField "
            "RenameField "
            "SourceName"
        ),
        "models.nodes.sources": "SourceCatalogNode SourceCdbMysqlNode SourceCdbPostgresqlNode SourceObsNode",
        "models.nodes.targets": "TargetCatalogNode TargetCdbMysqlNode TargetCdbPostgresqlNode TargetObsNode",
        "models.nodes.transforms": (
            "TransformAggregateNode "
            "TransformDefineNode "
            "TransformDropDuplicationNode "
            "TransformFillMissingValuesNode "
            "TransformFilterNode "
            "TransformJoinNode "
            "TransformRenameNode "
            "TransformSelectNode "
            "TransformSqlNode "
            "TransformUnionNode"
        ),
        "models.page": "Page",
        "models.schedule": "Interval RuleType",
        "models.trigger": "Trigger TriggerRule TriggerRuleInfo TriggerType",
        "models.workflow": (
            "Workflow WorkflowJobNode WorkflowNode WorkflowReceipt WorkflowSummary WorkflowTriggerNode"
        ),
        "models.workflow_jobs": "WorkflowJob",
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
    "AggregateField",
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
    "DefineField",
    "ExecutionCanceled",
    "ExecutionFailed",
    "ExecutionInterval",
    "ExecutionRef",
    "ExecutionResult",
    "ExecutionStatus",
    "ExecutionTimes",
    "Field",
    "FieldError",
    "FilterCondition",
    "FinishedRuns",
    "Interval",
    "IntervalRow",
    "InvalidRequest",
    "Job",
    "JobCondition",
    "JobDraft",
    "JobExecution",
    "JobNode",
    "JobSettings",
    "JobSummary",
    "JobType",
    "JoinCondition",
    "Journal",
    "JournalEntry",
    "JournalError",
    "JournalPhase",
    "Launch",
    "LaunchUncertain",
    "MissingValueField",
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
    "RawNode",
    "RenameField",
    "ResponseLost",
    "RetryPolicy",
    "RuleType",
    "RunRef",
    "ServerError",
    "SourceCatalogNode",
    "SourceCdbMysqlNode",
    "SourceCdbPostgresqlNode",
    "SourceName",
    "SourceObsNode",
    "TargetCatalogNode",
    "TargetCdbMysqlNode",
    "TargetCdbPostgresqlNode",
    "TargetObsNode",
    "TimesRow",
    "TransformAggregateNode",
    "TransformDefineNode",
    "TransformDropDuplicationNode",
    "TransformFillMissingValuesNode",
    "TransformFilterNode",
    "TransformJoinNode",
    "TransformRenameNode",
    "TransformSelectNode",
    "TransformSqlNode",
    "TransformUnionNode",
    "TransportError",
    "Trigger",
    "TriggerRule",
    "TriggerRuleInfo",
    "TriggerType",
    "TypedNode",
    "WaitTimeout",
    "Workflow",
    "WorkflowJob",
    "WorkflowJobNode",
    "WorkflowNode",
    "WorkflowReceipt",
    "WorkflowSummary",
    "WorkflowTriggerNode",
    "__version__",
]
