"""Workflows: a trigger joined to jobs."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from attrs import frozen

from dataflow_async.models import checks
from dataflow_async.models.base import Response, Value
from dataflow_async.models.graph import check_parents
from dataflow_async.models.job import Job
from dataflow_async.models.job_settings import JobCondition, JobSettings, condition_to_wire
from dataflow_async.models.moment import Moment
from dataflow_async.models.naming import to_wire
from dataflow_async.models.schedule import RuleType
from dataflow_async.models.trigger import Trigger

_WORKER_TYPES = ("DATAFLOW", "DEFAULT")
"""Allowed on workflow nodes only; better left out."""


@frozen(eq=False, repr=False)
class WorkflowNode(Response):
    """One node of a workflow in an answer; a job may come before its trigger.

    Attributes:
        id: Trigger id or job id, by ``type`` (contract/notes.md#ruling-49).
        name: Label of the node.
        type: TRIGGER or JOB.
        parent_node_ids: Ids of the nodes that come before.
        trigger_rule: RECURRING, ONE_TIME or NONE, a text; on a trigger itself the same name is an object.
        job_condition: Settings of the runs of this node; JOB nodes only.
        is_valid: False once the job or trigger behind the node is deleted.
    """

    id: str | None = None
    name: str | None = None
    type: str | None = None
    parent_node_ids: list[str] | None = None
    trigger_rule: RuleType | str | None = None
    job_condition: JobSettings | None = None
    is_valid: bool | None = None


@frozen(eq=False, repr=False)
class Workflow(Response):
    """A workflow.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getworkflowbyid

    Attributes:
        workflow_id: Workflow id.
        name: Its name.
        nodes: Its nodes.
        created_date: When it was made: an aware time, or the text as received where it can't be read.
        updated_date: When it was last changed; as ``created_date``.
        is_temp: Saved as a draft; the feature ended in 2026-09.
    """

    workflow_id: str
    name: str | None = None
    nodes: list[WorkflowNode] | None = None
    created_date: Moment | None = None
    updated_date: Moment | None = None
    is_temp: bool | None = None


@frozen(eq=False, repr=False)
class WorkflowSummary(Response):
    """One row of the list of workflows.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getworkflows

    Attributes:
        workflow_id: Workflow id.
        name: Its name.
        created_date: When it was made: an aware time, or the text as received where it can't be read.
        updated_date: When it was last changed; as ``created_date``.
        last_execution_date: When its last run was; as ``created_date``.
        is_temp: Saved as a draft; the feature ended in 2026-09.
        trigger_rule_type: Execution option of its trigger: RECURRING, ONE_TIME or NONE.
        nodes: Its nodes.
        resource_id: The platform's id of it.
        disabled: As received, a bool, a text or None; its meaning is not settled (contract/notes.md#ruling-69).
    """

    workflow_id: str
    name: str | None = None
    created_date: Moment | None = None
    updated_date: Moment | None = None
    last_execution_date: Moment | None = None
    is_temp: bool | None = None
    trigger_rule_type: RuleType | str | None = None
    nodes: list[WorkflowNode] | None = None
    resource_id: str | None = None
    disabled: Any = None


@frozen(eq=False, repr=False)
class WorkflowReceipt(Response):
    """The answer to a workflow's start. It names no run (contract/notes.md#ruling-74).

    Source: https://api.ncloud-docs.com/docs/executeworkflow

    Attributes:
        workflow_id: Workflow id.
        trigger_id: The start trigger that was fired.
        status: ACCEPTED so far.
    """

    workflow_id: str
    trigger_id: str | None = None
    status: str | None = None


@frozen(eq=False, repr=False)
class WorkflowTriggerNode(Value):
    """The start node of a workflow in a request.

    Attributes:
        id: Trigger id.
        name: Label of the node.
        trigger_rule: Execution option of the trigger: RECURRING, ONE_TIME or NONE.
        parent_node_ids: Empty: a trigger comes first.
        type: TRIGGER.
    """

    id: str
    name: str
    trigger_rule: RuleType | str | None = None
    parent_node_ids: Sequence[str] = ()
    type: str = attrs.field(default="TRIGGER", init=False)

    @classmethod
    def of(cls, trigger: Trigger) -> "WorkflowTriggerNode":
        """Return the node for a trigger as the service sent it.

        Raises:
            InvalidRequest: Its rule came in a form that can't be read, so it can't be sent back.
        """
        rule = None
        if (info := trigger.trigger_rule) is not None:
            checks.readable(info.unreadable, ("type",), info.raw, "trigger.triggerRule")
            rule = info.type
        return cls(trigger.trigger_id, trigger.name or trigger.trigger_id, rule)


@frozen(eq=False, repr=False)
class WorkflowJobNode(Value):
    """A job node of a workflow in a request.

    Attributes:
        id: Job id.
        name: Label of the node.
        parent_node_ids: Ids of the nodes that come before.
        job_condition: Settings of its runs; ``nrn``, ``script_path`` and ``log_path`` are required.
        type: JOB.
    """

    id: str
    name: str
    parent_node_ids: Sequence[str]
    job_condition: JobCondition | Mapping[str, Any]
    type: str = attrs.field(default="JOB", init=False)

    @classmethod
    def of(cls, job: Job, parents: Sequence[str]) -> "WorkflowJobNode":
        """Return the node for a job as the service sent it, with the settings that a node must have.

        Raises:
            InvalidRequest: One of them came in a form that can't be read, so it can't be sent back.
        """
        stored = job.job_condition or JobSettings()
        checks.readable(stored.unreadable, ("nrn", "scriptPath", "logPath"), stored.raw, "job.jobCondition")
        condition = JobCondition(nrn=stored.nrn, script_path=stored.script_path, log_path=stored.log_path)
        return cls(job.job_id, job.name or job.job_id, parents, condition)


def nodes_to_wire(nodes: object) -> list[dict[str, Any]]:
    """Return the nodes of a workflow under the wire's names after a check.

    Raises:
        InvalidRequest: Naming the node and member at fault.
    """
    rows = [_node(node, f"nodes[{index}]") for index, node in enumerate(checks.sequence(nodes, "nodes"))]
    check_parents(rows)
    return rows


def _node(node: object, where: str) -> dict[str, Any]:
    typed = isinstance(node, WorkflowTriggerNode | WorkflowJobNode)
    row = to_wire(node) if typed else checks.members(node, where)
    checks.text(row.get("id"), f"{where}.id")
    checks.text(row.get("name"), f"{where}.name")
    kind = row["type"] = checks.one_of(row.get("type"), ("TRIGGER", "JOB"), f"{where}.type")
    parents = checks.sequence(row.get("parentNodeIds"), f"{where}.parentNodeIds")
    row["parentNodeIds"] = [checks.text(parent, f"{where}.parentNodeIds") for parent in parents]
    if kind == "TRIGGER":
        if parents:
            raise checks.refuse(f"{where}.parentNodeIds", parents, "[] for a trigger, which has no parents")
        if row.get("triggerRule") is not None:
            row["triggerRule"] = checks.one_of(row["triggerRule"], RuleType, f"{where}.triggerRule")
    else:
        settings = condition_to_wire(row.get("jobCondition"), f"{where}.jobCondition", is_open=True)
        if "workerType" in settings:
            checks.one_of(settings["workerType"], _WORKER_TYPES, f"{where}.jobCondition.workerType")
        for member in ("nrn", "scriptPath", "logPath"):
            checks.text(settings.get(member), f"{where}.jobCondition.{member}")
        row["jobCondition"] = settings
    return row
