"""A Data Flow made of arithmetic, a journal without a disk, and processes that die: for reconciliation alone.

Everything is real from `LaunchPipeline` down to the SQL of the journal, except the network, time, and the disk: what was
committed is what is there after a kill.
"""

import asyncio
import heapq
import sqlite3
import weakref
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import attrs

from dataflow_async import ExecutionFailed, Launch, Outcome, PollPolicy, ResponseLost, RetryPolicy
from dataflow_async.bulk.digests import settings_digest
from dataflow_async.bulk.journal import queries, schema
from dataflow_async.bulk.journal.header import claim, read_header
from dataflow_async.bulk.journal.operations import Operation, OperationKind
from dataflow_async.bulk.journal.store import JournalStore
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.journal_recovery import recorded_pipeline
from dataflow_async.bulk.launch_pipeline import LaunchPipeline
from dataflow_async.bulk.launch_records import JournalEntry
from dataflow_async.bulk.options import JournalOptions
from dataflow_async.bulk.outage import Outage
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches
from dataflow_async.bulk.run_ends import RunEnds
from dataflow_async.bulk.sender import Sender
from dataflow_async.emulator.service.clock import ManualClock
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import Job
from dataflow_async.models.page import Page
from dataflow_async.transport.call_control import CallControl
from dataflow_async.wire.decoding import decode
from dataflow_async.wire.failure import failure
from dataflow_async.wire.listed_rows import ModelPage
from dataflow_async.wire.server_time import ServerTime

JOB = "Jq3kT9vLmN2x"
VISIBILITY_DELAY = 120.0


@attrs.define(eq=False)
class EventClock(ManualClock):
    """A clock that goes from one due time to the next."""

    due: list[float] = attrs.field(factory=list, init=False)

    async def sleep(self, seconds: float, /) -> None:
        if seconds > 0:
            heapq.heappush(self.due, self.time() + seconds)
        await super().sleep(seconds)

    def wake_next(self) -> bool:
        """Go to the next due time; False if nobody sleeps."""
        if not self.due:
            return False
        self.advance(max(heapq.heappop(self.due) - self.time(), 0.0))
        return True


@attrs.define
class Run:
    """One execution at the service."""

    id: str
    owner: str | None
    """Key of the launch that started it; None if somebody else did."""
    sent: Mapping[str, str]
    created_at: float
    visible_at: float
    clock_off: float
    """Seconds by which the clock was off that dated it."""
    zoneless: bool
    """Whether its date has no zone."""
    status: str = "COMPLETED"
    type: str = "JOB"
    trigger_id: str | None = None
    ready_until: float = 0.0

    def date(self) -> str:
        """Its creation as the service prints it."""
        date = datetime.fromtimestamp(self.created_at + self.clock_off, UTC)
        return (date.replace(tzinfo=None) if self.zoneless else date).isoformat()

    def shown(self, echo: "Echo", now: float) -> JobExecution:
        """The run as lists show it."""
        status = "READY" if now < self.ready_until else self.status
        row: dict[str, Any] = {"jobExecutionId": self.id, "jobId": JOB, "createdDate": self.date()}
        row |= {"status": status, "type": self.type, "triggerId": self.trigger_id}
        parameters = {} if status == "READY" else echo(self, now)
        if parameters is not None:
            row["parsedParameters"] = parameters
        return decoded(row)


def decoded(row: dict[str, Any]) -> JobExecution:
    """A run as the client reads it."""
    return decode(JobExecution, row, {})


@attrs.frozen
class Echo:
    """How a service gives parameters back."""

    stored: Mapping[str, str] = attrs.field(factory=dict)
    """Settings of the job, shown beside those of the launch."""
    after: float = 0.0
    """Seconds until they are shown."""
    numbers: bool = False
    """Whether text that looks like a number comes back as one."""
    silent: bool = False
    cut: int | None = None
    """Characters of a value that come back."""

    def __call__(self, run: Run, now: float) -> dict[str, Any] | None:
        if self.silent or now < run.created_at + self.after:
            return None
        shown = {name: text[: self.cut] for name, text in {**self.stored, **run.sent}.items()}
        return {name: int(text) if self.numbers and text.isdigit() else text for name, text in shown.items()}


@attrs.frozen
class Lists:
    """How the lists of a service are."""

    order: str = "newest"
    window: int | None = None
    """How many of the newest runs are shown."""
    gap: int = 0
    """One run in so many is never shown."""
    lag: float = 0.0
    """Seconds by which lists are late."""
    short: tuple[int, ...] = ()
    """Pages that lack a row in the middle."""
    counts: bool = True
    """Whether the number of all rows is told."""


@attrs.frozen
class Send:
    """What becomes of one request."""

    effect: bool = True
    heard: bool = True
    """Whether the answer comes back."""
    throttled: bool = False
    unseen: float = 0.0
    """Seconds until a run shows in lists."""
    zoneless: bool = False
    status: str = "COMPLETED"
    ready: float = 0.0
    """Seconds for which a run is READY."""


class InstantCommits:
    """The commits of a journal where they take no time, until its process dies."""

    def __init__(self, db: sqlite3.Connection, process: "Process") -> None:
        self._store = JournalStore(Path("memory"), db, claim(db, read_header(db)))
        self._process = process

    def submit(self, kind: OperationKind, key: str | None, arguments: Any) -> asyncio.Future[Any]:
        waiter = asyncio.get_running_loop().create_future()
        if self._process.lives_on():
            operation = Operation(kind, key, arguments)
            self._store.commit([operation])
            waiter.set_result(operation.result)
        return waiter

    async def aclose(self) -> None:
        """Nothing is left to be written."""


@attrs.define
class Process:
    """One life of the program; it dies after so many steps, if at all."""

    steps_left: int | None
    dead: bool = False
    abandoned: bool = False

    def lives_on(self) -> bool:
        if self.steps_left is not None:
            self.steps_left -= 1
            self.dead = self.dead or self.steps_left < 0
        return not self.dead

    @contextmanager
    def shielded(self) -> Generator[None, None, None]:
        yield

    def is_abandoned(self) -> bool:
        return self.abandoned

    def may_submit(self, held: int) -> bool:
        return False

    def launched(self) -> None:
        """Nobody counts here."""

    def report(self) -> None:
        """Nobody is told."""

    def end_with(self, error: Exception) -> None:
        """The launches are all drawn."""


class World:
    """The service, the journal's file, and the time."""

    def __init__(self, echo: Echo, *, page: int = 1000, lists: "Lists | None" = None, seed: int = 0) -> None:
        self.clock = EventClock()
        self.runs: list[Run] = []
        self.echo = echo
        self.page = page
        self.lists = lists or Lists()
        self.chance = Random(seed)
        self.posts = 0
        self.pages = 0
        self.in_flight = InFlightLaunches()
        """Of the program that lives, or lived last."""
        # A collection in the thread of some journal may finalize it.
        self.db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self.db.close)
        schema.create(self.db, "0" * 16, "https://service", "ACCESS")

    def close(self) -> None:
        self.db.close()

    # --- the service -----------------------------------------------------------------------------------------

    def start(self, sent: Mapping[str, str], owner: str | None, send: Send, *, clock_off: float = 0.0) -> Run:
        now = self.clock.time()
        run = Run(
            f"run{len(self.runs)}", owner, sent, now, now + send.unseen, clock_off, send.zoneless, send.status
        )
        run.ready_until = now + send.ready
        self.runs.append(run)
        return run

    async def get(self, job_id: str) -> Job:
        """The job, which knows its last run."""
        await self.clock.sleep(0.1)
        dates = [run.date() for run in self.runs[-1:]]
        return decode(Job, {"jobId": job_id, "lastExecutionDate": dates[0] if dates else None}, {})

    async def execution(self, job_id: str, execution_id: str) -> JobExecution:
        """A run by its id."""
        await self.clock.sleep(0.1)
        (run,) = [run for run in self.runs if run.id == execution_id]
        return run.shown(self.echo, self.clock.time())

    async def listed_page(self, job_id: str, number: int, limit: int) -> ModelPage:
        """A page of the list of runs, while time goes on."""
        await self.clock.sleep(0.1)
        now, lists = self.clock.time(), self.lists
        listed = [run for run in reversed(self.runs) if run.visible_at <= now - lists.lag]
        listed = [run for run in listed if not lists.gap or crc32(run.id.encode()) % lists.gap]
        if lists.window is not None:
            listed = listed[: lists.window]
        if lists.order == "oldest":
            listed.reverse()
        elif lists.order == "random":
            self.chance.shuffle(listed)
        size = min(self.page, limit)
        rows = [run.shown(self.echo, now) for run in listed[number * size : (number + 1) * size]]
        if number in lists.short:
            del rows[len(rows) // 2 : len(rows) // 2 + 1]
        self.pages += 1
        return ModelPage(Page(rows, len(listed) if lists.counts else None))

    # --- the program -----------------------------------------------------------------------------------------

    def live(
        self,
        launches: Iterable[Launch],
        sends: Iterable[Send] = (),
        *,
        correlation_parameter: str | None = None,
        assume_exclusive: bool = False,
        rerun: Iterable[str] = (),
        relaunch: bool = False,
        steps: int | None = None,
        clock_off: float = 0.0,
        send_off: float = 0.0,
    ) -> list[Outcome] | None:
        """Let the program run until it is done, or dies after ``steps``; None if it died.

        Args:
            launches: What it is given.
            sends: What becomes of its requests, in order; all is well with further ones.
            correlation_parameter: As for ``run_all``.
            assume_exclusive: As for ``run_all``.
            rerun: As for ``run_all``.
            relaunch: As for ``on_uncertain``.
            steps: Requests and commits after which it is killed.
            clock_off: Seconds by which one of its ideas of server time is off; the other is right.
            send_off: Seconds by which the clock is off that dates its runs.
        """
        fates = iter(sends)
        process = Process(steps)

        async def execute(launch: Launch, control: CallControl) -> JobExecution:
            send = next(fates, Send())
            await self.reach(process)
            await self.clock.sleep(0.05)
            if send.throttled:
                body = b'{"error": {"errorCode": "410", "message": "", "details": ""}}'
                raise failure("executeJob", 429, {}, body)
            run = None
            if send.effect:
                run = self.start(launch.parameters or {}, launch.key, send, clock_off=send_off)
            await self.reach(process)
            if run is None or not send.heard:
                raise ResponseLost("executeJob: lost", operation="executeJob", may_have_run=True)
            return run.shown(self.echo, self.clock.time())

        async def finish(execution: JobExecution) -> JobExecution:
            (run,) = [run for run in self.runs if run.id == execution.job_execution_id]
            await self.clock.sleep(5.0)
            ended = JobExecution(run.id, JOB, status=run.status)
            if run.status != "COMPLETED":
                raise ExecutionFailed(ended)
            return ended

        def server_time() -> ServerTime:
            now = self.clock.time()
            return ServerTime(now + min(clock_off, 0.0) - 1.0, now + max(clock_off, 0.0) + 1.0)

        options = JournalOptions(
            "j.db", correlation_parameter, assume_exclusive, VISIBILITY_DELAY, frozenset(rerun), relaunch
        )
        outage = Outage(self.clock)

        def pipeline() -> LaunchPipeline:
            self.in_flight = InFlightLaunches()
            return recorded_pipeline(
                JournalWriter(InstantCommits(self.db, process)),
                options,
                self,
                Sender(execute),
                RunEnds(finish, outage),
                in_flight=self.in_flight,
                retry=RetryPolicy(),
                poll=PollPolicy(),
                clock=self.clock,
                server_time=server_time,
                outage=outage,
            )

        return asyncio.run(self._lived(pipeline, list(launches), process))

    async def reach(self, process: Process) -> None:
        """Go on, unless the process dies here."""
        if not process.lives_on():
            await asyncio.get_running_loop().create_future()

    async def _lived(
        self, make_pipeline: Callable[[], LaunchPipeline], launches: list[Launch], process: Process
    ) -> list[Outcome] | None:
        pipeline = make_pipeline()
        outcomes = [
            asyncio.ensure_future(pipeline.outcome(launch, n, process)) for n, launch in enumerate(launches)
        ]
        done = asyncio.gather(*outcomes)
        while not process.dead:
            await self.settled()
            if done.done() or process.dead:
                break
            assert self.clock.wake_next(), "nothing is due, and it is not done: it hangs"
        self.clock.due.clear()
        if done.done():
            await pipeline.aclose()
            assert not self.in_flight, "a launch is still taken to be in flight"
            return await done
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(done, return_exceptions=True)
        return None

    async def settled(self) -> None:
        """Let everything happen that needs no time."""
        loop: Any = asyncio.get_running_loop()
        for _ in range(10_000):
            await asyncio.sleep(0)
            if not loop._ready:
                return

    # --- afterwards ------------------------------------------------------------------------------------------

    def entries(self) -> list[JournalEntry]:
        return [*queries.rows(Path("memory"), self.db)]

    def ours(self, settings: bytes, launches: Iterable[Launch]) -> list[Run]:
        """Runs that launches with these settings have started."""
        keys = {launch.key for launch in launches if settings_digest(launch) == settings}
        return [run for run in self.runs if run.owner in keys]
