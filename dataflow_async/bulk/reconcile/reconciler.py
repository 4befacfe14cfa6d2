"""Finds out what became of launches whose answer was lost (promise 6): waits until the service has settled, lists the
runs of their job twice, waits for launches that were in flight meanwhile, and asks `matching` what that proves.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Protocol

from attrs import define, field

from dataflow_async import defaults, tasks
from dataflow_async.bulk.launch_records import JournalEntry, KnownRun, Unresolved, created_text
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.bulk.reconcile.absence import Absence, Witnesses, agree
from dataflow_async.bulk.reconcile.dating import Dating, Reader
from dataflow_async.bulk.reconcile.listing_lock import ListingLocks
from dataflow_async.bulk.reconcile.matching import (
    Adopt,
    Evidence,
    LostLaunch,
    ReconciliationResult,
    Uncertain,
    match_by_key,
    match_launches,
)
from dataflow_async.bulk.reconcile.run_index import (
    ListedRun,
    RunIndex,
    echo,
    echoed_digest,
    echoed_name,
    is_plain,
    is_since,
    listed_run,
    stored_id,
)
from dataflow_async.bulk.reconcile.run_lister import JobLook, RunLister, Runs, Unlistable
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import ExecutionStatus, JobExecution
from dataflow_async.models.job import run_settings
from dataflow_async.models.launch import Launch
from dataflow_async.models.moment import Printed
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.wire.server_time import ServerTime

log = logging.getLogger("dataflow_async")

ServerClock = Callable[[], ServerTime]
"""Tells between which moments the service's time lies now (ruling 87)."""


@define(eq=False)
class _Question:
    """One launch in doubt."""

    job_id: str
    attempt: int
    lost: LostLaunch
    settled: bool
    """Whether enough time has passed for its absence to prove something (ruling 88)."""
    answer: asyncio.Future[ReconciliationResult | None] = field(
        factory=lambda: asyncio.get_running_loop().create_future()
    )


@define(eq=False)
class _Shown:
    """What the listings of one job have shown, row by row."""

    unknown: RunIndex
    keys: Mapping[str, str]
    """Keys of the runs that the journal knew before, by execution id."""
    correlation_parameter: str | None
    watched: Mapping[str, JobExecution]
    """Runs that were read by id, which tells more than the list."""
    asked: Collection[str]
    """Keys of the launches in question."""
    reader: Reader
    since: float
    """Server time: runs dated before are left out, because a long list is not held whole (promise 5)."""
    left_out: Printed | None = None
    """The date of the youngest of these."""
    digests: set[bytes] = field(factory=set)
    """Of parameters that runs of ours echo."""
    echoes_keys: bool = False
    """Whether a run of ours echoes its key."""
    garbles: bool = False
    """Whether one echoes another text in its place."""
    plain: bool | None = None
    """Whether all runs of ours show that they were started directly; None without one."""
    _sampled: int = 0

    def take(self, run: JobExecution) -> None:
        """Take in a row."""
        key = self.keys.get(stored_id(run))
        if key is None:
            self._take_unknown(
                listed_run(self.watched.get(run.job_execution_id, run), self.correlation_parameter)
            )
            return
        self.plain = is_plain(run) and self.plain is not False
        if self._sampled < defaults.OWN_SAMPLES and echo(run):
            self._sampled += 1
            name = echoed_name(run, self.correlation_parameter)
            self.echoes_keys = self.echoes_keys or name == key
            self.garbles = self.garbles or name not in (None, key)
            if (digest := echoed_digest(run)) is not None:
                self.digests.add(digest)

    def _take_unknown(self, run: ListedRun) -> None:
        if is_since(run, self.since, self.reader) or run.name in self.asked:
            self.unknown.add(run)
        elif self.left_out is None or (run.created is not None and run.created.at > self.left_out.at):
            self.left_out = run.created

    def is_whole(self, reader: Reader) -> bool:
        """Whether no run was left out that may be younger after all, as dates are read by now."""
        span = reader.read(self.left_out)
        return self.left_out is None or (span is not None and span.latest < self.since + defaults.DAY)


class Options(Protocol):
    """What the caller says of how lost launches may be found again; see ``bulk.options.JournalOptions``."""

    @property
    def correlation_parameter(self) -> str | None:
        """Name of the parameter that carries the key of a launch."""

    @property
    def assume_exclusive(self) -> bool:
        """Whether nobody else launches these jobs."""

    @property
    def visibility_delay(self) -> float:
        """Seconds until a list shows every run that was started."""


class Reconciler:
    """Answers questions about lost launches, those of one job together.

    Always true: one investigation a job at a time, and every run that it adopts is in the journal before the next one
    begins. Two at a time could take the same run for two launches that look alike.
    """

    def __init__(
        self,
        jobs: Runs,
        store: LaunchStore,
        locks: ListingLocks,
        terms: Options,
        policy: PollPolicy,
        clock: Clock,
        server_time: ServerClock,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._locks = locks
        self._terms = terms
        self._policy = policy
        self._clock = clock
        self._server_time = server_time
        self._lister = RunLister(jobs, policy, clock, server_time)
        self._opened_at = clock.monotonic()
        self._opened = server_time()
        self._open: dict[str, list[_Question]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[str, JobExecution] = {}
        """Runs that were read by id because they were READY and echoed nothing (ruling 91)."""
        self._unwatchable: set[str] = set()
        """Runs that can't be read by id."""
        self._witnesses: dict[str, tuple[float, Witnesses]] = {}
        """What the journal showed of the runs of a job, and when, by the monotonic clock."""
        self.undecided = 0
        """Launches of which nobody knows yet what became of them."""

    def settled_at(self, entry: JournalEntry, *, just_now: bool) -> float:
        """Return the time, by the monotonic clock, from which a run's absence proves that it did not start.

        It is counted from the last send. Of a launch that an earlier process has left behind that is known
        only roughly: it was over when this process got hold of the journal, or when the journal says, by a
        clock that may have been off (ruling 87).
        """
        if just_now:
            return self._clock.monotonic() + self._terms.visibility_delay
        now = self._server_time().earlier
        age = 0.0 if entry.sent_by is None else now - entry.sent_by - defaults.CLOCK_MARGIN
        return self._opened_at + max(self._terms.visibility_delay - max(age, 0.0), 0.0)

    async def resolve(
        self,
        entry: JournalEntry,
        settled_at: float,
        launch: Launch,
        sent: Mapping[str, str],
        *,
        correlated: bool,
        goes_on: Callable[[], bool],
    ) -> ReconciliationResult:
        """Tell what became of a launch; a run that is found is in the journal by then.

        Args:
            entry: The launch.
            settled_at: When its absence begins to prove something.
            launch: What was launched.
            sent: Of the parameters it was sent with, those that are known.
            correlated: Whether they carried its key under the name of `Options.correlation_parameter`.
            goes_on: Tells whether further launches may come, of whatever job.

        Raises:
            JournalError: The journal can't be read or written.
        """
        lost = self._lost_launch(entry, launch, sent, correlated=correlated)
        self.undecided += 1
        try:
            return await self._decided(entry, lost, settled_at, goes_on)
        finally:
            self.undecided -= 1

    async def aclose(self) -> None:
        """Leave all questions open."""
        answering = list(self._tasks.values())
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)

    # --- one launch ----------------------------------------------------------------------------------------

    def _lost_launch(
        self, entry: JournalEntry, launch: Launch, sent: Mapping[str, str], *, correlated: bool
    ) -> LostLaunch:
        settings = run_settings(launch.condition, launch.parameters) or {}
        return LostLaunch(
            entry.key,
            entry.settings,
            entry.parameters,
            sent,
            correlated,
            entry.intended_from,
            entry.intended_until,
            self._opened.later if entry.sent_by is None else entry.sent_by,
            {name: value for name, value in settings.items() if name != "parameters"},
            launch.trigger_id,
            launch.workflow_id,
        )

    async def _decided(
        self, entry: JournalEntry, lost: LostLaunch, settled_at: float, goes_on: Callable[[], bool]
    ) -> ReconciliationResult:
        """Ask until an answer is certain, or no more can be learned."""
        job_id = entry.job_id
        if lost.correlated:
            early = await self._ask(_Question(job_id, entry.attempt, lost, settled=False))
            if isinstance(early, Adopt):
                return early
        pause = max(settled_at - self._clock.monotonic(), 0.0)
        log.info("launch %r of job %s: its run is looked for in %.0f s", lost.key, job_id, pause)
        await self._clock.sleep(pause)
        witnessed = False
        while True:
            result = await self._ask(_Question(job_id, entry.attempt, lost, settled=True))
            assert result is not None  # noqa: S101  # a settled question has an answer
            if not isinstance(result, Uncertain):
                return result
            silent = [run for run in result.silent if run not in self._unwatchable]
            if silent:
                await self._watch(job_id, silent[0])
            elif result.later and not witnessed and await self._witness_comes(job_id, lost, goes_on):
                witnessed = True
            else:
                return result

    async def _watch(self, job_id: str, execution_id: str) -> None:
        """Wait until a run echoes its parameters or is no longer READY (ruling 91)."""
        log.info("job %s: run %s is READY; what it echoes is waited for", job_id, execution_id)
        began = self._clock.monotonic()
        hint: float | None = None
        while True:
            age = self._clock.monotonic() - began
            await self._clock.sleep(self._policy.interval(age, hint, random.random))
            hint = None
            try:
                run = await self._jobs.execution(job_id, execution_id)
            except DataFlowError as error:
                if error.not_found or not self._policy.forgives(error, 0.0):
                    self._unwatchable.add(execution_id)
                    return
                hint = error.retry_after
                continue
            if echo(run) or run.status not in (None, ExecutionStatus.READY):
                self._watched[execution_id] = run
                return

    async def _witness_comes(self, job_id: str, lost: LostLaunch, goes_on: Callable[[], bool]) -> bool:
        """Wait for the next launch of a job, and then until lists must show its run; False if none comes in time."""
        patience = defaults.WITNESS_PATIENCE
        log.info(
            "launch %r of job %s: the next launch of this job is waited for, %.0f s at most, because %s",
            lost.key,
            job_id,
            patience,
            "it shows that lists reach up to this one",
        )
        until = self._clock.monotonic() + patience
        while (accepted_at := (await self._journal_shows(job_id)).accepted_after(lost)) is None:
            left = until - self._clock.monotonic()
            if left <= 0.0 or not (self._locks.in_flight(job_id) or goes_on()):
                return False
            await self._clock.sleep(min(self._policy.max_interval, left))
        young = accepted_at + self._terms.visibility_delay - self._server_time().earlier
        await self._clock.sleep(max(young, 0.0) + self._policy.min_interval)
        return True

    async def _journal_shows(self, job_id: str) -> Witnesses:
        """Return the runs of the journal as they were a moment ago: many may wait for the same one."""
        now = self._clock.monotonic()
        read_at, witnesses = self._witnesses.get(job_id, (-math.inf, Witnesses(())))
        if now - read_at > defaults.KNOWN_FOR:
            witnesses = Witnesses(await self._store.known_runs(job_id))
            self._witnesses[job_id] = now, witnesses
        return witnesses

    # --- job by job ----------------------------------------------------------------------------------------

    def _ask(self, question: _Question) -> asyncio.Future[ReconciliationResult | None]:
        job_id = question.job_id
        self._open.setdefault(job_id, []).append(question)
        if job_id not in self._tasks:
            self._tasks[job_id] = tasks.start_detached(self._answer_all, job_id)
        return question.answer

    async def _answer_all(self, job_id: str) -> None:
        try:
            while job_id in self._open:
                await self._answer(job_id)
        finally:
            del self._tasks[job_id]

    async def _answer(self, job_id: str) -> None:
        """Answer the open questions of a job, after a moment in which others may join."""
        questions: list[_Question] = []
        try:
            await self._clock.sleep(self._policy.min_interval)
            questions = self._open.pop(job_id)
            answers = await self._investigated(job_id, questions)
        except Exception as error:  # noqa: BLE001  # raised to those who ask
            for question in questions or self._open.pop(job_id, []):
                if not question.answer.done():
                    question.answer.set_exception(error)
            return
        except asyncio.CancelledError:
            for question in questions or self._open.pop(job_id, []):
                question.answer.cancel()
            raise
        for question in questions:
            if not question.answer.done():
                question.answer.set_result(answers.get(question.lost.key))

    async def _investigated(
        self, job_id: str, questions: list[_Question]
    ) -> Mapping[str, ReconciliationResult]:
        """Give what can be told of the launches in question; of those that have not settled, only what is certain."""
        try:
            evidence = await self._gathered(job_id, questions)
        except Unlistable as problem:
            uncertain = Uncertain(f"the runs of the job can't be listed: {problem}")
            return {it.lost.key: uncertain for it in questions if it.settled}
        settled = [it.lost for it in questions if it.settled]
        attempts = {it.lost.key: it.attempt for it in questions}
        results: dict[str, ReconciliationResult] = {}
        for key, result in chain(_early(questions, evidence), match_launches(settled, evidence)):
            results[key] = result
            if isinstance(result, Adopt):
                await self._adopt(key, attempts[key], result.execution)
            await asyncio.sleep(0)  # a thousand launches are not matched in one step of the event loop
        return results

    async def _adopt(self, key: str, attempt: int, run: JobExecution) -> None:
        await self._store.accepted(
            key,
            attempt,
            run.job_execution_id,
            at=self._server_time().later,
            created=created_text(run),
            adopted=True,
        )

    # --- evidence ------------------------------------------------------------------------------------------

    async def _gathered(self, job_id: str, questions: list[_Question]) -> Evidence:
        """List the runs of a job, twice and more if absence is to be proven, and read what the journal knows."""
        settled = any(it.settled for it in questions)
        own = await self._store.known_runs(job_id)
        shown = self._shown(questions, own)
        job = await self._lister.look_at(job_id) if settled else JobLook(None, {})
        listing = await self._lister.complete(job_id, shown.take)
        own, unresolved = await self._known_after(job_id)
        agreed = False
        for _ in range(defaults.AGREEING_TRIES if settled else 0):
            first, listing = listing, await self._lister.complete(job_id, shown.take)
            own, unresolved = await self._known_after(job_id)
            reader = Dating(own, listing.dates).reader_near(listing.began.later)
            if agreed := agree(first, listing, {run.execution_id for run in own}, reader):
                break
        shown.unknown.forget(run.execution_id for run in own)
        dating = Dating(own, listing.dates)
        agreed = agreed and shown.is_whole(dating.reader_near(shown.since))
        absence = Absence(listing, own, job.last, self._terms.visibility_delay, agreed=agreed)
        return await self._evidence(job_id, questions, shown, absence, dating, unresolved, job.stored)

    def _shown(self, questions: list[_Question], own: list[KnownRun]) -> _Shown:
        lost = [it.lost for it in questions]
        earliest = min(it.intended_from for it in lost)
        return _Shown(
            RunIndex({name for it in lost for name in it.sent}),
            {run.execution_id: run.key for run in own},
            self._terms.correlation_parameter,
            self._watched,
            {it.key for it in lost},
            Dating(own).reader_near(earliest),
            earliest - defaults.CLOCK_MARGIN - defaults.DAY,
        )

    async def _known_after(self, job_id: str) -> tuple[list[KnownRun], list[Unresolved]]:
        """Return the runs that the journal knows, and the launches that are lost, as far as a listing that has just
        ended can show them: once those that were in flight have left, and without those that came later.
        """
        in_flight = self._locks.in_flight(job_id)
        before = {(lost.key, lost.attempt) for lost in await self._store.unresolved(job_id)}
        for launch in in_flight:
            await launch.wait()
        own = await self._store.known_runs(job_id)
        lost = [it for it in await self._store.unresolved(job_id) if (it.key, it.attempt) in before]
        return own, lost

    async def _evidence(
        self,
        job_id: str,
        questions: list[_Question],
        shown: _Shown,
        absence: Absence,
        dating: Dating,
        unresolved: list[Unresolved],
        stored: Mapping[str, Any],
    ) -> Evidence:
        asked = {it.lost.parameters for it in questions if it.lost.parameters is not None}
        carried = await self._store.count_parameters(job_id, shown.unknown.digests() | shown.digests | asked)
        return Evidence(
            shown.unknown,
            dating,
            absence,
            assume_exclusive=self._terms.assume_exclusive,
            carried=carried,
            unresolved=unresolved,
            echoes=not shown.garbles
            and (
                shown.echoes_keys
                or shown.unknown.any_echoes(carried)
                or any(carried.get(digest) for digest in shown.digests)
            ),
            garbles=shown.garbles,
            plain=bool(shown.plain),
            stored=stored,
        )


def _early(questions: Iterable[_Question], evidence: Evidence) -> Iterator[tuple[str, ReconciliationResult]]:
    """Tell what is certain of launches that have not settled: that a run echoes their key."""
    for question in questions:
        lost = question.lost
        if not question.settled:
            result = match_by_key(lost, evidence.runs, evidence.dating.reader_near(lost.intended_until))
            if isinstance(result, Adopt):
                evidence.runs.forget([stored_id(result.execution)])
                yield lost.key, result
