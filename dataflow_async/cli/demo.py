"""The demo: set up a job, start many runs of it, await them all, tell how they ended."""

import secrets
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta

from attrs import define, field, frozen

from dataflow_async import (
    DataFlow,
    DataFlowError,
    JobCondition,
    JobType,
    Launch,
    Outcome,
    PollPolicy,
    TriggerRule,
)
from dataflow_async.cli.screen import Screen
from dataflow_async.cli.summary import Summary
from dataflow_async.cli.text import one_line, printable
from dataflow_async.credentials import CredentialsChain
from dataflow_async.emulator import Emulator

FIRST_DAY = date(2026, 1, 1)
SEED = 41
"""Of the built-in service: at the default fail rate, 5 of the first 100 runs fail, one of them early."""
READY_SECONDS, RUN_SECONDS = (4.0, 10.0), (10.0, 80.0)
"""Emulated seconds that runs wait and work: at the default speed the demo takes a few seconds."""
POLL = PollPolicy(min_interval=0.25)
"""How often runs of the built-in service are polled: it is near, and its runs are short."""
EMULATED = JobCondition(
    num_worker=2, nrn="nrn:PUB:IAM::1:Role/demo", script_path="demo/daily.py", log_path="demo/logs/"
)
"""Settings of the job on the built-in service, where nothing stands behind them."""


def built_in_service(speed: float, fail_rate: float) -> Emulator:
    """The service that the demo brings along.

    Raises:
        ValueError: A number is out of range.
    """
    return Emulator(
        speed=speed, fail_rate=fail_rate, seed=SEED, ready_seconds=READY_SECONDS, run_seconds=RUN_SECONDS
    )


@frozen
class Made:
    """One thing that the demo made."""

    kind: str
    name: str
    id: str
    delete: Callable[[str], Awaitable[None]]


@define(kw_only=True)
class Demo:
    """One showing.

    Args:
        screen: Where it is shown.
        count: Runs to start.
        max_in_flight: Runs that are unfinished at a time.
    """

    screen: Screen
    count: int
    max_in_flight: int
    _made: list[Made] = field(factory=list, init=False)
    _making: str = field(default="", init=False)
    """What is being made: its answer may come, or not."""
    _unended: int = field(default=0, init=False)
    """Launches that were submitted and have not ended."""
    _stays: bool = field(default=False, init=False)
    """Whether what was made outlives the demo unless it is deleted."""

    async def on_built_in_service(self, server: Emulator) -> None:
        """Show it on an emulator in this process, one of `built_in_service`."""
        async with server:
            self._open(f"built-in service, time passing {server.speed:g} times as fast")
            async with DataFlow(server.credentials, base_url=server.url, poll=POLL) as flow:
                await self._play(flow, "demo", EMULATED)
        self._close()

    async def on_account(self, url: str, profile: str | None, settings: JobCondition) -> None:
        """Show it on a real account, under names of its own, and delete afterwards what was made."""
        self._stays = True
        async with DataFlow(CredentialsChain(profile), base_url=url) as flow:
            self._open("real account, what is made is deleted at the end")
            try:
                await self._play(flow, f"demo-{secrets.token_hex(4)}", settings)
            except DataFlowError:
                await self._delete()
                raise
            await self._delete()
        self._close()

    def interruption(self) -> str:
        """What somebody should know who has stopped it."""
        line = (
            f"interrupted: up to {self._unended} launched runs go on"
            if self._unended
            else "interrupted: no run goes on"
        )
        if not self._stays:
            return f"{line} (here the service ends with the demo)"
        names = ", ".join(filter(None, (*(made.name for made in self._made), self._making)))
        return f"{line}; not deleted: {names}" if names else line

    # --- the scenes ----------------------------------------------------------------------------------------

    async def _play(self, flow: DataFlow, prefix: str, settings: JobCondition) -> None:
        launches = await self._set_up(flow, prefix, settings)
        began = datetime.now(UTC)
        summary = await self._launch(flow, launches)
        self.screen.say()
        self.screen.outcomes(summary.rows())
        if summary.failed:
            self._show_failed(summary.failed)
        until = datetime.now(UTC) + timedelta(seconds=1)
        counted = await flow.dashboard.execution_result(began, until)
        self.screen.say()
        self.screen.say(
            f"The dashboard: {counted.total_count} runs, {counted.completed_count} completed,"
            f" {counted.failed_count} failed. Requests for waiting: {flow.poll_stats.requests:,}."
        )

    async def _set_up(self, flow: DataFlow, prefix: str, settings: JobCondition) -> list[Launch]:
        """Make a trigger, a job and the workflow that joins them; give a launch of the job for each day."""
        trigger_name, job_name, workflow_name = (
            f"{prefix}-{kind}" for kind in ("trigger", "job", "workflow")
        )
        self._making = trigger_name
        trigger = await flow.triggers.create(trigger_name, TriggerRule.manual())
        self._note("trigger", trigger_name, trigger.trigger_id, flow.triggers.delete)
        self._making = job_name
        job = await flow.jobs.create(job_name, type=JobType.SCRIPT, condition=settings)
        self._note("job", job_name, job.job_id, flow.jobs.delete)
        self._making = workflow_name
        workflow = await flow.workflows.create(workflow_name, trigger=trigger, jobs=[job])
        self._note("workflow", workflow_name, workflow.workflow_id, flow.workflows.delete)
        days = (str(FIRST_DAY + timedelta(days=number)) for number in range(self.count))
        return [
            Launch(
                job.job_id,
                parameters={"day": day},
                trigger_id=trigger.trigger_id,
                workflow_id=workflow.workflow_id,
                key=day,
            )
            for day in days
        ]

    async def _launch(self, flow: DataFlow, launches: list[Launch]) -> Summary:
        """Start all, await all."""
        summary = Summary()
        self.screen.say()
        with self.screen.progress(len(launches)) as view:
            async with flow.run_all(
                self._submitted(launches),
                total=len(launches),
                max_in_flight=self.max_in_flight,
                on_progress=view.show,
            ) as outcomes:
                async for outcome in outcomes:
                    self._unended -= 1
                    summary.add(outcome)
        return summary

    def _submitted(self, launches: list[Launch]) -> Iterator[Launch]:
        for launch in launches:
            self._unended += 1
            yield launch

    def _show_failed(self, outcome: Outcome) -> None:
        facts = {"key": outcome.key}
        if error := outcome.error:
            facts["error"], facts["message"] = type(error).__name__, printable(str(error))
            if error.execution_ref:
                facts["ref"] = str(error.execution_ref)
        self.screen.say()
        self.screen.say("One that did not complete:")
        self.screen.facts(facts)

    def _open(self, place: str) -> None:
        self.screen.say(f"{self.count} runs of one job ({place})", "bold")

    def _note(self, kind: str, name: str, made_id: str, delete: Callable[[str], Awaitable[None]]) -> None:
        self._made.append(Made(kind, name, made_id, delete))
        self._making = ""
        self.screen.say(f"made {kind:8}  {name:{len(name) - len(kind) + 8}}  {made_id}")

    async def _delete(self) -> None:
        """Delete what was made, the last first; say what could not be deleted."""
        while self._made:
            made = self._made[-1]
            try:
                await made.delete(made.id)
            except DataFlowError as error:
                self.screen.say(f"could not delete {made.kind} {made.name}: {one_line(error)}", "red")
            else:
                self.screen.say(f"deleted {made.kind:8}  {made.name}")
            self._made.pop()

    def _close(self) -> None:
        self.screen.say()
        self.screen.say("Next, with keys in NCLOUD_ACCESS_KEY_ID and NCLOUD_SECRET_ACCESS_KEY:")
        self.screen.say("    async with DataFlow() as flow:", "cyan")
        self.screen.say('        run = await flow.run("YOUR_JOB_ID")', "cyan")
