"""Finds out what became of launches whose answer was lost, those of one job together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from attrs import define, field

from dataflow_async import tasks
from dataflow_async.bulk.launch_records import JournalEntry, created_text
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.bulk.reconcile.candidates import prepared
from dataflow_async.bulk.reconcile.collecting import EvidenceCollector, ReconcileOptions
from dataflow_async.bulk.reconcile.evidence import Evidence, LostLaunch
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches
from dataflow_async.bulk.reconcile.matching import match_by_key, match_launches
from dataflow_async.bulk.reconcile.result import Adopt, ReconciliationResult, Uncertain
from dataflow_async.bulk.reconcile.run_index import stored_id
from dataflow_async.bulk.reconcile.run_lister import RunLister, Runs, Unlistable
from dataflow_async.bulk.reconcile.steps import slices
from dataflow_async.bulk.reconcile.turns import in_turns
from dataflow_async.bulk.reconcile.visibility import ServerClock, Visibility
from dataflow_async.clock import Clock
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job_settings import run_settings
from dataflow_async.models.launch import Launch
from dataflow_async.polling.policy import PollPolicy


@define(eq=False)
class _Case:
    """One lost launch, in one investigation."""

    attempt: int
    lost: LostLaunch
    settled: bool
    """Whether enough time has passed for its absence to prove something."""
    result: asyncio.Future[ReconciliationResult | None] = field(
        factory=lambda: asyncio.get_running_loop().create_future()
    )
    """None where a launch that has not settled is not decided yet."""


class Reconciler:
    """Resolves lost launches, those of one job together.

    Always true: there is one investigation a job at a time, and every run that it adopts is recorded before the next one
    begins. Two at a time could adopt the same run for two launches that look alike.
    """

    def __init__(
        self,
        jobs: Runs,
        store: LaunchStore,
        in_flight: InFlightLaunches,
        options: ReconcileOptions,
        policy: PollPolicy,
        clock: Clock,
        server_time: ServerClock,
    ) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._server_time = server_time
        self._visibility = Visibility(
            jobs, store, in_flight, options.visibility_delay, policy, clock, server_time
        )
        lister = RunLister(jobs, policy, clock, server_time)
        self._collector = EvidenceCollector(store, in_flight, options, lister)
        self._queued: dict[str, list[_Case]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.undecided = 0
        """Launches that are being resolved."""

    @property
    def queued(self) -> int:
        """Launches that wait for the next investigation of their job."""
        return sum(map(len, self._queued.values()))

    def settled_at(self, entry: JournalEntry, *, just_now: bool) -> float:
        """Return the time, by the monotonic clock, from which a run's absence proves that it did not start.

        Args:
            entry: The launch.
            just_now: Whether this process has sent it, and that has just ended.
        """
        return self._visibility.settled_at(entry, just_now=just_now)

    async def resolve(
        self,
        entry: JournalEntry,
        settled_at: float,
        launch: Launch,
        sent: Mapping[str, str],
        *,
        correlated: bool,
        more_may_come: Callable[[], bool],
    ) -> ReconciliationResult:
        """Return what became of a launch; a run that is adopted is recorded by then.

        Args:
            entry: The launch.
            settled_at: When its absence begins to prove something, by the monotonic clock.
            launch: What was launched.
            sent: Of the parameters it was sent with, those that are known.
            correlated: Whether they carried its key under the name of ``correlation_parameter``.
            more_may_come: Returns whether further launches may come, of whatever job.

        Raises:
            JournalError: The store can't be read or written.
        """
        lost = self._lost_launch(entry, launch, sent, correlated=correlated)
        self.undecided += 1
        try:
            return await self._decide(entry, lost, settled_at, more_may_come)
        finally:
            self.undecided -= 1

    async def aclose(self) -> None:
        """Cancel all investigations; their launches stay unresolved."""
        running = list(self._tasks.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

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
            self._visibility.opened.later if entry.sent_by is None else entry.sent_by,
            {name: value for name, value in settings.items() if name != "parameters"},
            launch.trigger_id,
            launch.workflow_id,
        )

    async def _decide(
        self,
        entry: JournalEntry,
        lost: LostLaunch,
        settled_at: float,
        more_may_come: Callable[[], bool],
    ) -> ReconciliationResult:
        """Investigate until the result is certain, or no more can be learned."""
        job_id, visibility = entry.job_id, self._visibility
        if lost.correlated:
            early = await self._queue_investigation(job_id, _Case(entry.attempt, lost, settled=False))
            if isinstance(early, Adopt):
                return early
        await visibility.settle(job_id, lost.key, settled_at)
        witnessed = False
        while True:
            result = await self._queue_investigation(job_id, _Case(entry.attempt, lost, settled=True))
            assert result is not None  # noqa: S101  # a settled launch has a result
            if not isinstance(result, Uncertain):
                return result
            ready = [run for run in result.may_still_echo if run not in visibility.unreadable]
            if ready:
                if (run := await visibility.echo_of(job_id, ready[0])) is not None:
                    self._collector.read_by_id[ready[0]] = run
            elif result.next_launch_may_decide and not witnessed:
                witnessed = await visibility.witness_for(job_id, lost, more_may_come)
                if not witnessed:
                    return result
            else:
                return result

    # --- job by job ----------------------------------------------------------------------------------------

    def _queue_investigation(self, job_id: str, case: _Case) -> asyncio.Future[ReconciliationResult | None]:
        """Queue a launch for the next investigation of its job, and return the future of its result."""
        self._queued.setdefault(job_id, []).append(case)
        if job_id not in self._tasks:
            self._tasks[job_id] = tasks.start_detached(self._investigate_all, job_id)
        return case.result

    async def _investigate_all(self, job_id: str) -> None:
        try:
            while job_id in self._queued:
                await self._investigate_queued(job_id)
        finally:
            del self._tasks[job_id]

    async def _investigate_queued(self, job_id: str) -> None:
        """Resolve the queued launches of a job, after a moment in which others may join."""
        cases: list[_Case] = []
        try:
            await self._clock.sleep(self._policy.min_interval)
            cases = self._queued.pop(job_id)
            results = await self._investigate(job_id, cases)
        except Exception as error:  # noqa: BLE001  # raised to those who wait
            for case in cases or self._queued.pop(job_id, []):
                if not case.result.done():
                    case.result.set_exception(error)
            return
        except asyncio.CancelledError:
            for case in cases or self._queued.pop(job_id, []):
                case.result.cancel()
            raise
        for case in cases:
            if not case.result.done():
                case.result.set_result(results.get(case.lost.key))

    async def _investigate(self, job_id: str, cases: list[_Case]) -> Mapping[str, ReconciliationResult]:
        """Return what can be decided of these launches; of those that have not settled, only what is certain."""
        settled = [case.lost for case in cases if case.settled]
        try:
            evidence = await self._collector.collect(
                job_id, [case.lost for case in cases], settled=bool(settled)
            )
        except Unlistable as problem:
            uncertain = Uncertain(f"the runs of the job can't be listed: {problem}")
            return {lost.key: uncertain for lost in settled}
        await in_turns(prepared(settled, evidence))
        attempts = {case.lost.key: case.attempt for case in cases}
        results: dict[str, ReconciliationResult] = {}
        for key, result in chain(_match_early(cases, evidence), match_launches(settled, evidence)):
            results[key] = result
            await asyncio.sleep(0)  # a thousand launches are not matched in one step of the event loop
        adopted = [(key, result) for key, result in results.items() if isinstance(result, Adopt)]
        for some in slices(adopted):  # together: a journal writes them to disk at once
            recording = (self._adopt(key, attempts[key], result.execution) for key, result in some)
            for failure in await asyncio.gather(*recording, return_exceptions=True):
                if failure is not None:
                    raise failure
        await in_turns(evidence.emptied())
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


def _match_early(cases: Iterable[_Case], evidence: Evidence) -> Iterator[tuple[str, ReconciliationResult]]:
    """Return what is certain of launches that have not settled: that a run echoes their key."""
    for case in cases:
        lost = case.lost
        if not case.settled:
            result = match_by_key(lost, evidence.runs, evidence.dating.reader_near(lost.intended_until))
            if isinstance(result, Adopt):
                evidence.runs.forget([stored_id(result.execution)])
                yield lost.key, result
