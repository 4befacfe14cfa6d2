"""A sample account: the jobs, runs, workflows and triggers that show what the report of a probe shows."""

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import attrs

from dataflow_async.emulator import defaults
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
    facts: Mapping[str, Any]
    now: float

    def add(self) -> None:
        """Add everything that the report has seen."""
        triggers = self._triggers()
        jobs = self._jobs()
        workflows = self._workflows(jobs, triggers)
        statuses = self._fact("jobs: last statuses", [None])
        planned: list[tuple[str, Job, str | None]] = [
            ("runs", job, None) for job in self._jobs_with_runs(jobs)
        ]
        if workflows:
            job = jobs[len(jobs) // 2] if jobs and self._fact("runs: rows", 0) else self._deleted_job()
            planned += [("workflow runs", job, workflow.workflow_id) for workflow in workflows]
        number = sum(len(self._moments(kind)) for kind, _, _ in planned)
        moments = iter(self._minutes(number))
        for (kind, job, workflow_id), last in zip(planned, cycle(statuses), strict=False):
            for status, kind_of_origin in self._run_kinds(kind, last):
                origin = self._origin(kind, kind_of_origin, triggers, workflow_id)
                self._launch(job, next(moments), status, origin)

    def _fact(self, name: str, otherwise: Any) -> Any:
        value = self.facts.get(name)
        return otherwise if value is None else value

    def _moments(self, kind: str) -> list[float]:
        """Return when things were created: as many as show the order, the count and the cap that were seen."""
        number, cap = self._fact(f"{kind}: rows", 0), self._fact(f"{kind}: cap", 0)
        if number >= defaults.SAMPLE_FEW:
            number = max(defaults.SAMPLE_ROWS, cap + defaults.SAMPLE_FEW if cap else 0)
        return self._minutes(number)

    def _minutes(self, number: int) -> list[float]:
        return [self.now - defaults.SAMPLE_INTERVAL * (number - place) for place in range(number)]

    def _triggers(self) -> list[Trigger]:
        kinds = cycle(self._fact("triggers: types", ["NONE"]))
        for place, (moment, kind) in enumerate(zip(self._moments("triggers"), kinds, strict=False), 1):
            trigger = Trigger(self.state.new_id(), f"sample-trigger-{place}", kind, {"type": kind}, moment)
            self.state.triggers[trigger.trigger_id] = trigger
        return list(self.state.triggers.values())

    def _jobs(self) -> list[Job]:
        kinds = cycle(self._fact("jobs: types", ["SCRIPT"]))
        settings = self._fact("job: settings members", [])
        condition: dict[str, Any] = {name: "sample" for name in settings if name not in _OWN_SETTINGS}
        if "parameters" in settings:
            condition["parameters"] = {"sample": "value"}
        most = defaults.MAX_WHOLE if "maxConcurrentRuns" in self._fact("job: members", []) else None
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
        if "lastExecutionDate" in self._fact("job: members", []):
            return jobs
        return jobs[1:2]

    def _workflows(self, jobs: Sequence[Job], triggers: Sequence[Trigger]) -> list[Workflow]:
        for place, moment in enumerate(self._moments("workflows"), 1):
            nodes = list(self._nodes(jobs, triggers))
            workflow = Workflow(self.state.new_id(), f"sample-workflow-{place}", nodes, moment, moment)
            self.state.workflows[workflow.workflow_id] = workflow
        return list(self.state.workflows.values())

    def _nodes(self, jobs: Sequence[Job], triggers: Sequence[Trigger]) -> list[dict[str, Any]]:
        nodes = []
        for kind, fact, thing in (
            ("TRIGGER", "workflow: trigger node", triggers[-1].trigger_id if triggers else None),
            ("JOB", "workflow: job node", jobs[-1].job_id if jobs else None),
        ):
            if (members := self.facts.get(fact)) and thing:
                given = {"type": kind, "id": thing, "name": "sample", "parentNodeIds": [], "jobCondition": {}}
                nodes.append(
                    {name: value for name, value in given.items() if name in {*members, "type", "id"}}
                )
        return nodes

    def _run_kinds(self, kind: str, last: str | None) -> list[tuple[str, str]]:
        """Return a status and the cause of each run: those that were seen in turn, and one status for the last run."""
        number = len(self._moments(kind))
        statuses = list(islice(cycle(self._fact(f"{kind}: statuses", ["COMPLETED"])), number))
        if last in statuses:
            statuses[statuses.index(last)], statuses[-1] = statuses[-1], last
        causes = cycle(self._fact(f"{kind}: types", ["JOB"]))
        return list(zip(statuses, causes, strict=False))

    def _origin(self, kind: str, cause: str, triggers: Sequence[Trigger], workflow_id: str | None) -> Origin:
        if not triggers or "triggerId" not in self._fact(f"{kind}: members", []):
            return Origin(cause, workflow_id=workflow_id)
        return Origin(cause, triggers[-1].trigger_id, triggers[-1].name, workflow_id)

    def _launch(self, job: Job, moment: float, status: str, origin: Origin) -> None:
        echoes = self.facts.get("run: parameters") == "echoed"
        # A run whose time fits several units was too short to show which one it is.
        has_unit = self.facts.get("run: running time") is not None
        seconds = defaults.SAMPLE_INTERVAL / 4 if has_unit else defaults.SAMPLE_SHORT
        job.script = Script.of(_scripted(status, seconds))
        self.state.launch(
            job, moment, overrides={"parameters": {"sample": "value"} if echoes else {}}, origin=origin
        )
        job.script = None


def _scripted(status: str, seconds: float) -> ScriptedRun:
    """Return a run that has this status now, and for long if it goes on; else it has worked for some seconds."""
    if status == "READY":
        return ScriptedRun(ready_seconds=defaults.SAMPLE_GOING)
    if status == "RUNNING":
        return ScriptedRun(ready_seconds=0, run_seconds=defaults.SAMPLE_GOING)
    return ScriptedRun(status, ready_seconds=1, run_seconds=seconds)
