"""The columns of each kind of thing."""

from dataflow_async import InvalidRequest, TriggerRule
from dataflow_async.cli.output import Column, minutes, moment, plain
from dataflow_async.models.schedule import RULE
from dataflow_async.models.schedule_words import in_words
from dataflow_async.models.trigger import rule_to_wire


def rule_text(rule: object) -> str:
    """Say when a trigger is due, in UTC+9; a rule that can't be read as it is."""
    if not isinstance(rule, dict):
        return "-"
    try:
        words = in_words(rule_to_wire(TriggerRule(str(rule.get("type")), *map(rule.get, RULE[1:]))))
    except InvalidRequest:
        return plain(rule)
    return words.removesuffix(" (UTC+9)")


def node_text(node: object) -> str:
    """Name a node of a workflow, and say if what is behind it is gone."""
    if not isinstance(node, dict):
        return "-"
    gone = " (deleted)" if node.get("isValid") is False else ""
    return f"{str(node.get('type')).lower()} {node.get('name') or node.get('id')}{gone}"


_DATES = [
    Column("created (KST)", "createdDate", moment, wide=True),
    Column("updated (KST)", "updatedDate", moment, wide=True),
]
_SIZE = [
    Column("workers", "jobCondition.numWorker", wide=True),
    Column("time limit (min)", "jobCondition.timeout", wide=True),
]
JOBS = [
    Column("id", "jobId"),
    Column("name", "name", elastic=True),
    Column("type", "type"),
    Column("last run (KST)", "lastExecutionDate", moment),
    Column("ended", "lastExecutionStatus"),
    Column("status", "status", wide=True),
    *_DATES,
]
JOB = [
    *JOBS,
    *_SIZE,
    Column("role", "jobCondition.nrn", wide=True),
    Column("script", "jobCondition.scriptPath", wide=True),
    Column("logs", "jobCondition.logPath", wide=True),
    Column("parameters", "jobCondition.parameters", wide=True),
    Column("runs at a time", "maxConcurrentRuns", wide=True),
    Column("nodes", "nodes", lambda nodes: f"{len(nodes)}" if isinstance(nodes, list) else "-", wide=True),
]
RUNS = [
    Column("run", "jobExecutionId"),
    Column("job", "jobName", elastic=True),
    Column("status", "status"),
    Column("created (KST)", "createdDate", moment),
    Column("min:sec", "runningTime", minutes, right=True),
    Column("usual", "usualRunningTime", minutes, right=True),
    Column("trigger", "triggerName", elastic=True),
    Column("job id", "jobId", wide=True),
    Column("started (KST)", "startDate", moment, wide=True),
    Column("ended (KST)", "endDate", moment, wide=True),
    Column("waited", "waitingTime", minutes, wide=True),
    Column("trigger id", "triggerId", wide=True),
    Column("parameters", "parsedParameters", wide=True),
]
RUN = [
    *RUNS,
    Column("started by", "type", wide=True),
    Column("workers used", "executorNum", wide=True),
    *_SIZE,
    Column("script", "jobCondition.scriptPath", wide=True),
    Column("logs", "jobCondition.logPath", wide=True),
    Column("console log", "jobCondition.consoleLogPath", wide=True),
]
WORKFLOWS = [
    Column("id", "workflowId"),
    Column("name", "name", elastic=True),
    Column("rule", "triggerRuleType"),
    Column("last run (KST)", "lastExecutionDate", moment),
    *_DATES,
]
TRIGGERS = [
    Column("id", "triggerId"),
    Column("name", "name", elastic=True),
    Column("rule (KST)", "triggerRule", rule_text, elastic=True),
    Column("type", "type", wide=True),
    *_DATES,
]

NODES = Column(
    "nodes",
    "nodes",
    lambda nodes: ", ".join(map(node_text, nodes)) if isinstance(nodes, list) else "-",
    wide=True,
)
WORKFLOW = [*WORKFLOWS, NODES]
RECEIPT = [Column("workflow", "workflowId"), Column("trigger", "triggerId"), Column("status", "status")]
DASHBOARD = [
    Column("from (KST)", "startDate", moment),
    Column("to (KST)", "endDate", moment),
    Column("runs", "totalCount"),
    Column("completed", "completedCount"),
    Column("failed", "failedCount"),
]
DAYS = [
    Column("from (KST)", "startDate", moment),
    Column("to (KST)", "endDate", moment),
    Column("runs", "totalCount", right=True),
]
