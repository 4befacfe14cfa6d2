"""A workflow written as jobs, one after the other: checked as a whole, then turned into nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from attrs import frozen

from dataflow_async.models import checks
from dataflow_async.models.base import Value
from dataflow_async.models.graph import check_parents
from dataflow_async.models.job import Job, JobSummary
from dataflow_async.models.job_settings import JobCondition, condition_to_wire
from dataflow_async.models.naming import to_wire
from dataflow_async.models.trigger import Trigger
from dataflow_async.models.workflow import WorkflowJobNode, WorkflowTriggerNode

_NEEDED = {"nrn": "nrn", "scriptPath": "script_path", "logPath": "log_path"}
"""Settings that a node must have (contract/notes.md#ruling-48): under the wire's names, and under ours."""


@frozen(eq=False, repr=False)
class WorkflowJob(Value):
    """A job in a workflow that is created or updated, and what it comes after.

    Attributes:
        job: The job, its row of a list, or its id.
        after: Jobs of the workflow that come before it, one or several, by themselves, by their ids or by their names; the
            trigger unless given.
        name: Label of its node, 1 character or more; the job's own name unless given.
        condition: Settings of its runs in this workflow. ``nrn``, ``script_path`` and ``log_path`` are those of the job
            unless given.
    """

    job: Job | JobSummary | str
    after: JobInWorkflow | Sequence[JobInWorkflow] | None = None
    name: str | None = None
    condition: JobCondition | Mapping[str, Any] | None = None


JobInWorkflow = WorkflowJob | Job | JobSummary | str
"""A job of a workflow, by itself or by its id."""


class PlannedJob(NamedTuple):
    """A job of a workflow after the checks."""

    job_id: str
    stored: Job | None
    """The job as the service sent it; None where it is to be fetched."""
    name: str | None
    parents: list[str]
    """Ids of the jobs that come before."""
    condition: dict[str, Any]
    """Settings given for it, under the wire's names."""


def plan(jobs: object) -> list[PlannedJob]:
    """Return the jobs of a workflow after a check of each, and of what comes after what.

    Raises:
        InvalidRequest: Naming the job at fault: there is none, it is given twice, or it comes after an unknown one or itself.
    """
    given = [_given(job, f"jobs[{index}]") for index, job in enumerate(checks.sequence(jobs, "jobs"))]
    if not given:
        raise checks.refuse("jobs", jobs, "one job or more")
    names = _Names(given)
    planned = [_planned(job, f"jobs[{index}]", names) for index, job in enumerate(given)]
    shown = [
        {"id": names.of(job.job_id), "parentNodeIds": [names.of(parent) for parent in job.parents]}
        for job in planned
    ]
    check_parents(shown, "jobs")
    return planned


def nodes_of(
    trigger: Trigger, planned: Iterable[PlannedJob], fetched: Mapping[str, Job]
) -> list[WorkflowTriggerNode | WorkflowJobNode]:
    """Return the nodes of a workflow: its trigger, and its jobs with the settings that a node must have.

    Args:
        trigger: What starts it; jobs without others before them come after it.
        planned: Its jobs.
        fetched: Those that were given by their ids, by these.

    Raises:
        InvalidRequest: A setting was neither given nor stored, or came in a form that can't be read.
    """
    nodes: list[WorkflowTriggerNode | WorkflowJobNode] = [WorkflowTriggerNode.of(trigger)]
    for index, job in enumerate(planned):
        stored = job.stored or fetched[job.job_id]
        copied = WorkflowJobNode.of(stored, job.parents or [trigger.trigger_id])
        condition = to_wire(copied.job_condition) | job.condition
        for wire_name, name in _NEEDED.items():
            if not condition.get(wire_name):
                allowed = f"given, because job {copied.name!r} has none stored"
                raise checks.refuse(f"jobs[{index}].condition.{name}", condition.get(wire_name), allowed)
        nodes.append(WorkflowJobNode(job.job_id, job.name or copied.name, copied.parent_node_ids, condition))
    return nodes


def _given(job: object, where: str) -> WorkflowJob:
    one = job if isinstance(job, WorkflowJob) else WorkflowJob(cast("Job", job))
    if not isinstance(one.job, Job | JobSummary | str):
        raise checks.refuse(where, one.job, "a Job, a JobSummary, a job id or a WorkflowJob of one")
    checks.text(_id(one.job), where)
    if one.name is not None:
        checks.text(one.name, f"{where}.name")
    return one


def _planned(job: WorkflowJob, where: str, names: _Names) -> PlannedJob:
    after = job.after
    if after is None:
        after = ()
    elif isinstance(after, str | Value):
        after = (after,)
    parents = [names.find(one, f"{where}.after") for one in checks.sequence(after, f"{where}.after")]
    condition = {} if job.condition is None else condition_to_wire(job.condition, f"{where}.condition")
    stored = job.job if isinstance(job.job, Job) else None
    return PlannedJob(_id(job.job), stored, job.name, [*dict.fromkeys(parents)], condition)


class _Names:
    """What the jobs of a workflow are called: each by its id, and by its name where no other has it.

    Each id is there once.
    """

    def __init__(self, jobs: Sequence[WorkflowJob]) -> None:
        called: dict[str, str] = {}
        for index, job in enumerate(jobs):
            if (id_ := _id(job.job)) in called:
                raise checks.refuse(
                    f"jobs[{index}]", called[id_], "a job that the workflow does not have yet"
                )
            called[id_] = _name(job)
        counts = Counter(called.values())
        self._names = {id_: name if counts[name] == 1 else id_ for id_, name in called.items()}
        self._ids = {name: id_ for id_, name in self._names.items()} | {id_: id_ for id_ in called}
        self._ambiguous = {name for name in counts if counts[name] > 1}

    def of(self, job_id: str) -> str:
        """Return what a job is called."""
        return self._names[job_id]

    def find(self, job: object, field: str) -> str:
        """Return the id of a job of the workflow.

        Raises:
            InvalidRequest: The workflow has no such job, or several of that name.
        """
        one = job.job if isinstance(job, WorkflowJob) else job
        if not isinstance(one, Job | JobSummary | str):
            raise checks.refuse(field, one, "a job of the workflow, its id or its name")
        word = _id(one)
        if word in self._ids:
            return self._ids[word]
        if word in self._ambiguous:
            raise checks.refuse(field, word, "an id, because several jobs of the workflow have that name")
        known = list(self._names.values())
        from difflib import get_close_matches

        near = get_close_matches(_name(WorkflowJob(one)), known, 1)
        similar = f", such as {near[0]!r}" if near else ""
        raise checks.refuse(
            field, _name(WorkflowJob(one)), f"a job of the workflow ({', '.join(known)}){similar}"
        )


def _id(job: Job | JobSummary | str) -> str:
    return job if isinstance(job, str) else job.job_id


def _name(job: WorkflowJob) -> str:
    return job.name or (job.job if isinstance(job.job, str) else job.job.name or job.job.job_id)
