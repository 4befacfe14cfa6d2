"""The whole state of the emulated service, in one object of plain data.

The state has no timers: `State.settle` brings it up to the present. The status of a run comes from its `RunLifecycle`.
"""

import random
import string
from collections.abc import Callable, Mapping, Sized
from typing import Any

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.service import schedule
from dataflow_async.emulator.service.clock import Clock
from dataflow_async.emulator.service.lifecycle import LifecycleSettings, RunLifecycle, Status
from dataflow_async.emulator.service.scripts import UNSCRIPTED, Script
from dataflow_async.emulator.service.timeline import DueQueue, Firing, Origin, Step, WorkflowRun

ALPHABET = string.ascii_letters + string.digits
"""Every printed id is 12 of these (contract/notes.md#ruling-85)."""
_OF_BYTES = (ALPHABET * 5)[:256].encode()
"""A character for each byte. That the first eight come more often than the others makes no id less unique."""
INITIAL_CONDITION: dict[str, Any] = {"numWorker": 2, "timeout": 360}
"""Workers and minutes that a new job starts with (contract/notes.md#ruling-42)."""
BY_HAND = Origin()
"""The origin of a run that a call has started."""


def random_id(source: random.Random) -> str:
    """Return an id of the usual shape."""
    return source.randbytes(12).translate(_OF_BYTES).decode()


def _size(things: Sized) -> str:
    return f"<{len(things)}>"


@attrs.define(eq=False)
class Execution:
    """One run of a job."""

    execution_id: str
    job_id: str
    job_name: str
    origin: Origin
    lifecycle: RunLifecycle
    condition: dict[str, Any]
    """Settings of this run, with the wire's names."""
    parameters: dict[str, Any]


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
    script: Script | None = None
    """The script of its next runs."""
    executions: list[Execution] = attrs.field(factory=list, init=False, repr=_size)
    _live: list[Execution] = attrs.field(factory=list, init=False, repr=False)
    """Runs that had not ended at the last check; ended ones are dropped, so that a launch costs the same after many runs."""

    def add_execution(self, execution: Execution) -> None:
        """Add a new run."""
        self.executions.append(execution)
        self._live.append(execution)

    def next_free_at(self, moment: float) -> float:
        """Return the first time, from this moment on, at which the job may have one more run in progress.

        A limit below 1 counts as no limit: the contract prints neither its range nor what happens beyond it (contract/notes.md#ruling-47).
        """
        limit = self.max_concurrent_runs
        if limit is None or limit < 1:
            return moment
        self._live = [it for it in self._live if not it.lifecycle.has_ended(moment)]
        if len(self._live) < limit:
            return moment
        return sorted(it.lifecycle.ends_at for it in self._live)[-int(limit)]  # 2.0 is an integer in JSON


@attrs.define(eq=False)
class Trigger:
    """A trigger."""

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
    executions: list[Execution] = attrs.field(factory=list, init=False, repr=_size)

    @property
    def start_trigger_id(self) -> str | None:
        """The id of its first trigger node, or None if it has none."""
        return next((node["id"] for node in self.nodes if node["type"] == "TRIGGER"), None)

    def begin(self, trigger: Trigger) -> WorkflowRun:
        """Return a new start of the workflow as it is now."""
        jobs = {node["id"]: node for node in self.nodes if node["type"] == "JOB"}
        return WorkflowRun(
            Origin("WORKFLOW", trigger.trigger_id, trigger.name, self.workflow_id),
            {job_id: node["jobCondition"] for job_id, node in jobs.items()},
            {
                job_id: [parent for parent in node["parentNodeIds"] if parent in jobs]
                for job_id, node in jobs.items()
            },
        )


@attrs.define(eq=False)
class State:
    """The state of the service.

    Always true: a run is in `executions`, in the list of its job and in the list of its workflow, or in none of them; runs stand in
    the order of their creation; an id is never used twice. After `settle`, nothing in the due queue is due. Code that reads a list
    without settling first, or that waits for something between settling and changing, would see or make a state that a real
    service never shows; so both happen in one step of the event loop.

    Args:
        clock: Source of the time.
        lifecycle_settings: Fixes the lifecycle of each new run.
        seed: Start of the source of ids.
        fire_triggers: Whether scheduled triggers start their workflows when they are due.
    """

    clock: Clock
    lifecycle_settings: LifecycleSettings
    seed: int
    fire_triggers: bool = False
    jobs: dict[str, Job] = attrs.field(factory=dict, init=False, repr=_size)
    workflows: dict[str, Workflow] = attrs.field(factory=dict, init=False, repr=_size)
    triggers: dict[str, Trigger] = attrs.field(factory=dict, init=False, repr=_size)
    executions: dict[str, Execution] = attrs.field(factory=dict, init=False, repr=_size)
    """Every run by id, in the order of creation; those of deleted jobs too."""
    due_queue: DueQueue = attrs.field(factory=DueQueue, init=False, repr=False)
    ids: random.Random = attrs.field(init=False, repr=False)
    """Random source of ids."""
    make_id: Callable[[random.Random], str] = attrs.field(default=random_id, init=False, repr=False)
    """Makes an id; it may repeat one."""
    on_launch: Callable[[Execution], None] = attrs.field(default=lambda _: None, init=False, repr=False)
    """Called with every run that begins, whatever started it."""
    on_end: Callable[[Execution, str], None] = attrs.field(default=lambda *_: None, init=False, repr=False)
    """Called with every run that is ended or canceled, and its status."""
    _used_ids: set[str] = attrs.field(factory=set, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.ids = random.Random(f"ids {self.seed}")

    def settle(self) -> float:
        """Process everything that is due by now, in order of time, and return now."""
        now = self.clock.time()
        while happened := self.due_queue.pop_due(now):
            due, item = happened
            if isinstance(item, Firing):
                self._fire(item, due, now)
            else:
                self._begin_or_wait(item, due)
        return now

    def new_id(self) -> str:
        """Return an id that was never used before."""
        while (fresh := self.make_id(self.ids)) in self._used_ids:
            pass
        self._used_ids.add(fresh)
        return fresh

    # --- adding -------------------------------------------------------------------------------------------------------

    def add_job(
        self,
        now: float,
        *,
        name: str,
        type: str,  # noqa: A002 - the wire's name
        condition: dict[str, Any],
        nodes: list[dict[str, Any]],
        max_concurrent_runs: int | None,
    ) -> Job:
        """Add a new job; settings that are not given have their initial values."""
        stored = INITIAL_CONDITION | condition
        job = Job(self.new_id(), name, type, stored, nodes, max_concurrent_runs, now, now)
        self.jobs[job.job_id] = job
        return job

    def add_trigger(self, trigger: Trigger) -> None:
        """Add a new trigger."""
        self.triggers[trigger.trigger_id] = trigger
        self.schedule(trigger, trigger.created_at)

    def schedule(self, trigger: Trigger, moment: float) -> None:
        """Add the next firing of a trigger after a moment to the due queue, if triggers fire and there is a next one."""
        if not self.fire_triggers or trigger.type != "SCHEDULED":
            return
        due = schedule.next_after(trigger.rule, moment)
        if due is not None:
            self.due_queue.add(due, Firing(trigger.trigger_id))

    def launch(
        self,
        job: Job,
        created_at: float,
        *,
        overrides: Mapping[str, Any] | None = None,
        parameters: dict[str, Any] | None = None,
        origin: Origin = BY_HAND,
    ) -> Execution:
        """Start a run of a job and add it to the job, and to the workflow if there is one.

        The limit on concurrent runs is checked before, with `Job.next_free_at`.

        Args:
            job: The job.
            created_at: Creation of the run, seconds.
            overrides: Settings for this run only; each member replaces the stored one.
            parameters: Parameters given beside the settings; those inside win (contract/notes.md#ruling-44).
            origin: The cause of the run.
        """
        condition, effective = _settings(job, overrides or {}, parameters)
        scripted = job.script.next() if job.script else UNSCRIPTED
        lifecycle = self.lifecycle_settings.draw(created_at, scripted=scripted, timeout=condition["timeout"])
        execution = Execution(self.new_id(), job.job_id, job.name, origin, lifecycle, condition, effective)
        self.add_execution(execution)
        self.on_launch(execution)
        return execution

    def add_execution(self, execution: Execution) -> None:
        """Add a run to every list that shows it."""
        self.executions[execution.execution_id] = execution
        if job := self.jobs.get(execution.job_id):
            job.add_execution(execution)
        if workflow := self.workflows.get(execution.origin.workflow_id or ""):
            workflow.executions.append(execution)

    def launch_workflow(self, workflow: Workflow, trigger: Trigger, now: float) -> None:
        """Start the jobs that follow only the trigger; the others begin when their parents complete."""
        run = workflow.begin(trigger)
        for job_id in [job_id for job_id, parents in run.parents.items() if not parents]:
            self._begin_or_wait(Step(run, job_id), now)

    def deleted_jobs(self, workflow: Workflow) -> list[str]:
        """Return the ids of its jobs that were deleted; a workflow that has any does not start."""
        return [
            node["id"] for node in workflow.nodes if node["type"] == "JOB" and node["id"] not in self.jobs
        ]

    # --- ending -------------------------------------------------------------------------------------------------------

    def cancel(self, execution: Execution, now: float, takes: float = 0.0) -> bool:
        """Cancel a run; return false if it has ended before. See `RunLifecycle.cancel`."""
        return execution.lifecycle.cancel(now, takes) and self._ended(execution, Status.CANCELED)

    def end(self, execution: Execution, now: float, outcome: str) -> bool:
        """End a run now with this outcome; return false if it has ended before."""
        return execution.lifecycle.end(now, outcome) and self._ended(execution, outcome)

    def _ended(self, ended: Execution, outcome: str) -> bool:
        """Report the end of a run, and bring forward the steps that wait for it or for its job to be free."""
        self.on_end(ended, outcome)

        def concerned(step: Step) -> bool:
            return step.job_id == ended.job_id or ended.execution_id in step.run.executions.values()

        self.due_queue.bring_forward(ended.lifecycle.ends_at, concerned)
        return True

    # --- what comes due -----------------------------------------------------------------------------------------------

    def _fire(self, firing: Firing, due: float, now: float) -> None:
        trigger = self.triggers.get(firing.trigger_id)
        if trigger is None or not self.fire_triggers:
            return
        since = now - defaults.CATCH_UP
        self.schedule(trigger, max(due, since))
        if due < since and trigger.rule["type"] == "RECURRING":
            return
        for workflow in self.workflows.values():
            if workflow.start_trigger_id == trigger.trigger_id and not self.deleted_jobs(workflow):
                self.launch_workflow(workflow, trigger, due)

    def _begin_or_wait(self, step: Step, due: float) -> None:
        """Begin a step, delay it for as long as it can't begin, or drop it when it never will.

        It waits for a job that has as many runs in progress as it may (what the service does then is unknown, contract/notes.md#ruling-47).
        """
        run, job = step.run, self.jobs.get(step.job_id)
        parents = [self.executions[run.executions[parent]].lifecycle for parent in run.parents[step.job_id]]
        parents_end = max((parent.ends_at for parent in parents), default=due)
        if job is None:  # deleted since; the jobs after it never begin
            return
        if parents_end > due:
            self.due_queue.add(parents_end, step)
        elif all(parent.outcome == Status.COMPLETED for parent in parents):
            if (free_at := job.next_free_at(due)) > due:
                self.due_queue.add(free_at, step)
            else:
                self._begin(step, job, due)

    def _begin(self, step: Step, job: Job, created_at: float) -> None:
        run = step.run
        overrides = run.conditions[step.job_id]
        execution = self.launch(job, created_at, overrides=overrides, origin=run.origin)
        run.executions[step.job_id] = execution.execution_id
        for child in run.unblocked_by(step.job_id):
            ends = (
                self.executions[run.executions[parent]].lifecycle.ends_at for parent in run.parents[child]
            )
            self.due_queue.add(max(ends), Step(run, child))


def _settings(
    job: Job, overrides: Mapping[str, Any], beside: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return settings and parameters of one run; only SCRIPT jobs have parameters."""
    condition = {**job.condition, **overrides}
    stored = condition.pop("parameters", {})
    if job.type != "SCRIPT":
        return condition, {}
    parameters = stored if beside is None or "parameters" in overrides else beside
    return {**condition, "parameters": parameters}, parameters
