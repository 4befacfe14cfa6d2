"""A sample account: the jobs, runs, workflows and triggers that show what the report of a probe shows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from typing import Any

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.faults.kinds.lists import swapped
from dataflow_async.emulator.likeness import Likeness
from dataflow_async.emulator.service.scripts import Script, ScriptedRun
from dataflow_async.emulator.service.state import Job, State, Trigger, Workflow
from dataflow_async.emulator.service.timeline import Origin

_OWN_SETTINGS = frozenset({"numWorker", "timeout", "parameters", "consoleLogPath"})
"""Settings of a job that the emulator fills in by itself, or in another place."""


@attrs.frozen
class Sample:
    """Adds an account to an empty state.

    Always true: things of one kind are a minute apart, the last one being the newest, so that every list has an order.
    """

    state: State
    likeness: Likeness
    now: float

    def add(self) -> None:
        """Add everything that the report has seen."""
        with self._ids_of("triggers"):
            triggers = self._triggers()
        with self._ids_of("jobs"):
            jobs = self._jobs()
        with self._ids_of("workflows"):
            workflows = self._workflows(jobs, triggers)
        statuses: list[str | None] = [*self._words("jobs: last statuses")] or [None]
        planned: list[tuple[str, Job, str | None]] = [
            ("runs", job, None) for job in self._jobs_with_runs(jobs)
        ]
        if workflows:
            job = self._listed(jobs)[-1] if jobs and self._number("runs: rows") else self._deleted_job()
            planned += [("workflow runs", job, workflow.workflow_id) for workflow in workflows]
        number = sum(len(self._moments(kind)) for kind, _, _ in planned)
        moments = iter(self._minutes(number))
        for (kind, job, workflow_id), last in zip(planned, cycle(statuses), strict=False):
            for status, kind_of_origin in self._run_kinds(kind, last):
                origin = self._origin(kind, kind_of_origin, triggers, workflow_id)
                moment = next(moments)
                with self._ids_of(kind):
                    self._launch(job, moment if self._has_order(kind) else self._alike, status, origin)

    def _words(self, name: str) -> list[str]:
        return self.likeness.words(name)

    def _number(self, name: str) -> int:
        return self.likeness.number(name)

    @contextmanager
    def _ids_of(self, kind: str) -> Iterator[None]:
        """Make ids of the shape that this kind of things has; later ones have that of jobs."""
        before, self.state.make_id = self.state.make_id, partial(self.likeness.new_id, kind=kind)
        yield
        self.state.make_id = before

    def _has_order(self, kind: str) -> bool:
        """Return whether things of a kind are a minute apart: they are not where several rows showed no order."""
        return bool(self.likeness.word(f"{kind}: order")) or self._number(f"{kind}: rows") < 2

    def _moments(self, kind: str) -> list[float]:
        """Return when things were created: as many as show the order, the count and the cap that were seen."""
        number, cap = self._number(f"{kind}: rows"), self._number(f"{kind}: cap")
        if number >= defaults.SAMPLE_FEW or cap:
            words = max(
                len(self._words(f"{kind}: {name}"))
                for name in ("statuses", "types", "last statuses", "disabled", "ids")
            )
            number = max(defaults.SAMPLE_ROWS, words, cap + defaults.SAMPLE_FEW if cap else 0)
        return self._minutes(number) if self._has_order(kind) else [self._alike] * number

    @property
    def _alike(self) -> float:
        """When things were created that have no order."""
        return self.now - defaults.SAMPLE_INTERVAL

    def _minutes(self, number: int) -> list[float]:
        return [self.now - defaults.SAMPLE_INTERVAL * (number - place) for place in range(number)]

    def _triggers(self) -> list[Trigger]:
        kinds = cycle(self._words("triggers: types") or ["NONE"])
        for place, (moment, kind) in enumerate(zip(self._moments("triggers"), kinds, strict=False), 1):
            trigger = Trigger(self.state.new_id(), f"sample-trigger-{place}", kind, {"type": kind}, moment)
            self.state.triggers[trigger.trigger_id] = trigger
        return list(self.state.triggers.values())

    def _jobs(self) -> list[Job]:
        kinds = cycle(self._words("jobs: types") or ["SCRIPT"])
        settings = self._words("job: settings members")
        condition: dict[str, Any] = {name: "sample" for name in settings if name not in _OWN_SETTINGS}
        if "parameters" in settings:
            condition["parameters"] = {"sample": "value"}
        most = defaults.MAX_WHOLE if "maxConcurrentRuns" in self._words("job: members") else None
        return [
            self.state.add_job(
                moment,
                name=f"sample-job-{place}",
                type=kind,
                condition=condition,
                nodes=[],
                max_concurrent_runs=most,
            )
            for place, (moment, kind) in enumerate(zip(self._moments("jobs"), kinds, strict=False), 1)
        ]

    def _deleted_job(self) -> Job:
        """Return a job that no list shows: the workflow has runs, and no listed job had any."""
        job = self.state.add_job(
            self.now,
            name="sample-deleted-job",
            type="SCRIPT",
            condition={},
            nodes=[],
            max_concurrent_runs=None,
        )
        return self.state.jobs.pop(job.job_id)

    def _jobs_with_runs(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Return all jobs if the one that the probe has read had runs, else one that is not the first of a list."""
        is_named = "lastExecutionDate" in self._words("job: members")
        is_named_nowhere = "lastExecutionDate" not in self._words("jobs: members")
        is_unknown = not self._words("job: members")
        return (
            jobs if is_named or is_named_nowhere or is_unknown or len(jobs) < 2 else self._listed(jobs)[1:2]
        )

    def _listed(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Return jobs as a list shows them: a probe reads the runs of the first that has any."""
        order = self.likeness.word("jobs: order")
        newest_first = [*reversed(jobs)]
        return (
            jobs
            if order == "oldest first"
            else swapped(newest_first)
            if order == "no order"
            else newest_first
        )

    def _workflows(self, jobs: Sequence[Job], triggers: Sequence[Trigger]) -> list[Workflow]:
        for place, moment in enumerate(self._moments("workflows"), 1):
            nodes = list(self._nodes(jobs, triggers))
            workflow = Workflow(self.state.new_id(), f"sample-workflow-{place}", nodes, moment, moment)
            self.state.workflows[workflow.workflow_id] = workflow
        return list(self.state.workflows.values())

    def _nodes(self, jobs: Sequence[Job], triggers: Sequence[Trigger]) -> list[dict[str, Any]]:
        """Return a trigger and a job, each if such a node was seen, with the ids that were seen on them."""
        ids = {"TRIGGER": [it.trigger_id for it in triggers], "JOB": [it.job_id for it in jobs]}
        whose = self.likeness.word("workflow: node ids")
        if whose == "swapped":
            ids = {"TRIGGER": ids["JOB"], "JOB": ids["TRIGGER"]}
        elif not whose:
            ids = {"TRIGGER": [], "JOB": []}
        nodes = []
        for kind, known in ids.items():
            if members := self._words(f"workflow: {kind.lower()} node"):
                node = {"name": "sample", "parentNodeIds": [], "jobCondition": {}}
                kept = {name: value for name, value in node.items() if name in members}
                nodes.append({"type": kind, "id": known[-1] if known else self.state.new_id(), **kept})
        return nodes

    def _run_kinds(self, kind: str, last: str | None) -> list[tuple[str, str]]:
        """Return a status and the cause of each run: those that were seen in turn, and one status for the last run."""
        number = len(self._moments(kind))
        statuses = list(islice(cycle(self._words(f"{kind}: statuses") or ["COMPLETED"]), number))
        if last in statuses:
            statuses[statuses.index(last)], statuses[-1] = statuses[-1], last
        causes = cycle(self._words(f"{kind}: types") or ["JOB"])
        return list(zip(statuses, causes, strict=False))

    def _origin(self, kind: str, cause: str, triggers: Sequence[Trigger], workflow_id: str | None) -> Origin:
        if not triggers or "triggerId" not in self._words(f"{kind}: members"):
            return Origin(cause, workflow_id=workflow_id)
        return Origin(cause, triggers[-1].trigger_id, triggers[-1].name, workflow_id)

    def _launch(self, job: Job, moment: float, status: str, origin: Origin) -> None:
        echoes = self.likeness.word("run: parameters") == "echoed"
        # A run whose time fits several units was too short to show which one it is.
        has_unit = bool(self.likeness.word("run: running time"))
        seconds = defaults.SAMPLE_INTERVAL / 4 if has_unit else defaults.SAMPLE_SHORT
        job.script = Script.of(_scripted(status, seconds))
        run = self.state.launch(job, moment, overrides={}, origin=origin)
        run.parameters = {"sample": "value"} if echoes else {}
        job.script = None


def _scripted(status: str, seconds: float) -> ScriptedRun:
    """Return a run that has this status now, and for long if it goes on; else it has worked for some seconds."""
    if status == "READY":
        return ScriptedRun(ready_seconds=defaults.SAMPLE_GOING)
    if status == "RUNNING":
        return ScriptedRun(ready_seconds=0, run_seconds=defaults.SAMPLE_GOING)
    return ScriptedRun(status, ready_seconds=1, run_seconds=seconds)
