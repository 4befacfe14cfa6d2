"""Jobs: units of ETL, and their nodes."""

from enum import StrEnum
from typing import Any, Literal

from attrs import frozen

from dataflow_async.models import checks
from dataflow_async.models.base import Response
from dataflow_async.models.draft import JobDraft
from dataflow_async.models.graph import check_parents
from dataflow_async.models.job_settings import JobSettings
from dataflow_async.models.moment import Moment
from dataflow_async.models.nodes.base import JobNode

_INT64 = 2**63
_NOT_SENT = frozenset({"TRANSFORM_DROP_NULL", "TRANSFORM_SPLIT_FIELD"})
"""Node types of the oldest pages only: read, never sent."""


class JobType(StrEnum):
    """Types of a job that requests may name; older jobs read as the plain text ``"DATAFLOW"``."""

    VISUAL = "VISUAL"
    SCRIPT = "SCRIPT"


JobTypeName = JobType | Literal["VISUAL", "SCRIPT"]
"""A kind of job, or its text."""


@frozen(eq=False, repr=False)
class Job(Response):
    """A job.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getjobbyid

    Attributes:
        job_id: Job id.
        name: Its name.
        description: Oldest answers only.
        type: VISUAL or SCRIPT; older jobs read as DATAFLOW.
        status: READY in the newest docs, seven other values before (contract/notes.md#ruling-63).
        max_concurrent_runs: Most runs at a time.
        last_execution_status: State of the last run; some answers hold a date in its place.
        nodes: Its nodes: typed, or a `RawNode` where type or form is unknown; each is sent back as it came.
        job_condition: Stored run settings; older names of this member read alike.
        created_date: When it was made: an aware time, or the text as received where it can't be read.
        updated_date: When it was last changed; as ``created_date``.
        last_execution_date: When its last run was; as ``created_date``.
    """

    job_id: str
    name: str | None = None
    description: str | None = None
    type: JobType | str | None = None
    status: str | None = None
    max_concurrent_runs: int | None = None
    last_execution_status: str | None = None
    nodes: list[JobNode] | None = None
    job_condition: JobSettings | None = None
    created_date: Moment | None = None
    updated_date: Moment | None = None
    last_execution_date: Moment | None = None


@frozen(eq=False, repr=False)
class JobSummary(Response):
    """One row of the list of jobs.

    Source: https://api.ncloud-docs.com/docs/analytics-dataflow-getjobs

    Attributes:
        job_id: Job id.
        name: Its name.
        type: VISUAL or SCRIPT; older jobs read as DATAFLOW.
        status: READY in the newest docs, seven other values before (contract/notes.md#ruling-63).
        last_execution_status: State of the last run; some answers hold a date in its place.
        created_date: When it was made: an aware time, or the text as received where it can't be read.
        updated_date: When it was last changed; as ``created_date``.
        last_execution_date: When its last run was; as ``created_date``.
        resource_id: The platform's id of it.
        disabled: As received, a bool, a text or None; its meaning is not settled (contract/notes.md#ruling-69).
    """

    job_id: str
    name: str | None = None
    type: JobType | str | None = None
    status: str | None = None
    last_execution_status: str | None = None
    created_date: Moment | None = None
    updated_date: Moment | None = None
    last_execution_date: Moment | None = None
    resource_id: str | None = None
    disabled: Any = None


def job_type(value: object) -> str:
    """Return the type of a job in a request after a check.

    Raises:
        InvalidRequest: Neither VISUAL nor SCRIPT.
    """
    return checks.one_of(value, JobType, "type")


def nodes_to_wire(nodes: object, field: str = "nodes") -> list[dict[str, Any]]:
    """Return the nodes of a job after a check of ids, labels and parents.

    Args:
        nodes: Typed or raw nodes, mappings with the wire's names, or a draft that has nodes. What else a mapping has is not
            checked.
        field: What they are called in errors.

    Raises:
        InvalidRequest: Naming the node and member at fault.
    """
    listed = nodes.to_nodes() if isinstance(nodes, JobDraft) else nodes
    rows = [
        checks.members(node.to_wire() if isinstance(node, JobNode) else node, f"{field}[{index}]")
        for index, node in enumerate(checks.sequence(listed, field))
    ]
    seen: set[int] = set()
    for index, row in enumerate(rows):
        where = f"{field}[{index}]"
        kind = checks.text(row.get("type"), f"{where}.type")
        if kind in _NOT_SENT:
            raise checks.refuse(f"{where}.type", kind, "a type that requests may name")
        node_id = checks.whole(row.get("id"), f"{where}.id", -_INT64, _INT64 - 1)
        if node_id in seen:
            raise checks.refuse(f"{where}.id", node_id, "an id that no other node has")
        seen.add(node_id)
        checks.text(row.get("name"), f"{where}.name")
        row["parentNodeIds"] = [
            checks.whole(parent, f"{where}.parentNodeIds", -_INT64, _INT64 - 1)
            for parent in checks.sequence(row.get("parentNodeIds"), f"{where}.parentNodeIds")
        ]
    check_parents(rows, field)
    return rows
