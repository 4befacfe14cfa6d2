"""Everything the emulated service remembers, in one object of plain data.

Nothing moves by itself: `State.settle` brings the books up to a moment on the clock, which only means entering those runs
of workflows whose time has come. What a run is doing is asked of its `Life`.
"""

import heapq
import random
import string
from collections.abc import Callable, Iterator, Mapping, Sized
from itertools import count
from typing import Any

import attrs

from dataflow_async.emulator.clock import Clock
from dataflow_async.emulator.life import Fate, Life, Status

ALPHABET = string.ascii_letters + string.digits
"""Every printed id is 12 of these (ruling 85)."""


def _size(things: Sized) -> str:
    return f"<{len(things)}>"


@attrs.define(eq=False)
class Execution:
    """One run of a job."""

    execution_id: str
    job_id: str
    job_name: str
    kind: str
    """``JOB`` or ``WORKFLOW``: what started it."""
    life: Life
    condition: dict[str, Any]
    """Settings of this run, with the wire's names."""
    parameters: dict[str, Any]
    trigger_id: str | None
    trigger_name: str | None


@attrs.define(eq=False)
class Job:
    """A job and its runs, oldest first."""

    job_id: str
    name: str
    type: str
    condition: dict[str, Any]
    """Stored settings, with the wire's names; replaced, never changed in place."""
    nodes: list[dict[str, Any]]
    max_concurrent_runs: int | None
    created_at: float
    updated_at: float
    executions: list[Execution] = attrs.field(factory=list, repr=_size)


@attrs.define(eq=False)
class Trigger:
    """A trigger; none of them ever fires."""

    trigger_id: str
    name: str
    type: str
    rule: dict[str, Any]
    created_at: float


@attrs.define(eq=False)
class Workflow:
    """A workflow and the job runs that belong to it, oldest first."""

    workflow_id: str
    name: str
    nodes: list[dict[str, Any]]
    created_at: float
    updated_at: float
    executions: list[Execution] = attrs.field(factory=list, repr=_size)


@attrs.define(eq=False)
class WorkflowRun:
    """One start of a workflow: who follows whom among its jobs, and which of them have a run already."""

    workflow: Workflow
    trigger: Trigger
    conditions: dict[str, dict[str, Any]]
    """Settings by job id."""
    parents: dict[str, list[str]]
    executions: dict[str, Execution] = attrs.field(factory=dict)

    @classmethod
    def of(cls, workflow: Workflow, trigger: Trigger) -> "WorkflowRun":
        """A start of the workflow as it stands now."""
        jobs = {node["id"]: node for node in workflow.nodes if node["type"] == "JOB"}
        return cls(
            workflow,
            trigger,
            {job_id: node["jobCondition"] for job_id, node in jobs.items()},
            {
                job_id: [parent for parent in node["parentNodeIds"] if parent in jobs]
                for job_id, node in jobs.items()
            },
        )

    def following(self, job_id: str) -> Iterator[tuple[float, str]]:
        """The jobs that this one was the last to hold back, each with the time its parents are done."""
        for child, parents in self.parents.items():
            if job_id in parents and all(parent in self.executions for parent in parents):
                yield max(self.executions[parent].life.ends_at for parent in parents), child

    def may_begin(self, job_id: str, now: float) -> bool:
        """Whether every parent has completed."""
        return all(
            self.executions[parent].life.status(now) is Status.COMPLETED for parent in self.parents[job_id]
        )


@attrs.define(eq=False)
class State:
    """The books of the service.

    Args:
        clock: Where the time comes from.
        fate: Where the lives of runs come from.
        seed: Start of the source of ids.
    """

    clock: Clock
    fate: Fate
    seed: int
    jobs: dict[str, Job] = attrs.field(factory=dict, init=False, repr=_size)
    workflows: dict[str, Workflow] = attrs.field(factory=dict, init=False, repr=_size)
    triggers: dict[str, Trigger] = attrs.field(factory=dict, init=False, repr=_size)
    executions: dict[str, Execution] = attrs.field(factory=dict, init=False, repr=_size)
    """Every run by id, in the order of creation; those of deleted jobs too."""
    on_launch: Callable[[Execution], None] = attrs.field(
        default=lambda _: None, init=False, repr=False, kw_only=True
    )
    """Told of every run that begins, whatever began it."""
    _ids: random.Random = attrs.field(init=False, repr=False)
    _taken: set[str] = attrs.field(factory=set, init=False, repr=False)
    _waiting: list[tuple[float, int, WorkflowRun, str]] = attrs.field(factory=list, init=False, repr=False)
    """Heap of jobs inside workflow runs that begin once their parents are done, by that time."""
    _order: Iterator[int] = attrs.field(factory=count, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._ids = random.Random(f"ids {self.seed}")

    def settle(self) -> float:
        """Enter the workflow runs that have begun by now, and return now."""
        now = self.clock.time()
        while self._waiting and self._waiting[0][0] <= now:
            due, _, run, job_id = heapq.heappop(self._waiting)
            if run.may_begin(job_id, now):
                self._begin(run, job_id, due)
        return now

    def new_id(self) -> str:
        """An id that nothing has had yet."""
        while (fresh := "".join(self._ids.choices(ALPHABET, k=12))) in self._taken:
            pass
        self._taken.add(fresh)
        return fresh

    def launch(
        self,
        job: Job,
        created_at: float,
        *,
        kind: str = "JOB",
        overrides: Mapping[str, Any] | None = None,
        parameters: dict[str, Any] | None = None,
        trigger: Trigger | None = None,
        workflow: Workflow | None = None,
    ) -> Execution:
        """Start a run of a job and book it under the job, and under the workflow if there is one.

        Args:
            job: The job.
            created_at: When the run comes into being, seconds.
            kind: ``JOB`` or ``WORKFLOW``.
            overrides: Settings for this run only; each member replaces the stored one.
            parameters: Parameters given beside the settings; those inside win (ruling 44).
            trigger: Shown on the run.
            workflow: Whose runs it is listed with.
        """
        condition, effective = _settings(job, overrides or {}, parameters)
        execution = Execution(
            self.new_id(),
            job.job_id,
            job.name,
            kind,
            self.fate.draw(created_at),
            condition,
            effective,
            trigger.trigger_id if trigger else None,
            trigger.name if trigger else None,
        )
        self.executions[execution.execution_id] = execution
        job.executions.append(execution)
        if workflow:
            workflow.executions.append(execution)
        self.on_launch(execution)
        return execution

    def launch_workflow(self, workflow: Workflow, trigger: Trigger, now: float) -> None:
        """Start the jobs that follow nothing but the trigger; the others begin when their parents complete."""
        run = WorkflowRun.of(workflow, trigger)
        for job_id in [job_id for job_id, parents in run.parents.items() if not parents]:
            self._begin(run, job_id, now)

    def _begin(self, run: WorkflowRun, job_id: str, created_at: float) -> None:
        job = self.jobs.get(job_id)
        if job is None:  # deleted since; what follows it never begins
            return
        run.executions[job_id] = self.launch(
            job,
            created_at,
            kind="WORKFLOW",
            overrides=run.conditions[job_id],
            trigger=run.trigger,
            workflow=run.workflow,
        )
        for due, child in run.following(job_id):
            heapq.heappush(self._waiting, (due, next(self._order), run, child))


def _settings(
    job: Job, overrides: Mapping[str, Any], beside: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and parameters of one run; only SCRIPT jobs have parameters."""
    condition = {**job.condition, **overrides}
    stored = condition.pop("parameters", {})
    if job.type != "SCRIPT":
        return condition, {}
    parameters = stored if beside is None or "parameters" in overrides else beside
    return {**condition, "parameters": parameters}, parameters
