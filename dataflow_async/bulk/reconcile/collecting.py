"""Collects the evidence about the lost launches of one job: lists its runs twice, and reads what is recorded meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from attrs import define, field

from dataflow_async import defaults
from dataflow_async.bulk.launch_records import KnownRun, Unresolved
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.bulk.reconcile.absence import Absence
from dataflow_async.bulk.reconcile.dating import Dating, PrintedDates
from dataflow_async.bulk.reconcile.evidence import Evidence, LostLaunch
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches
from dataflow_async.bulk.reconcile.observed_runs import ObservedRuns
from dataflow_async.bulk.reconcile.run_index import RunIndex
from dataflow_async.bulk.reconcile.run_lister import JobState, RunLister
from dataflow_async.bulk.reconcile.snapshot import are_consistent
from dataflow_async.bulk.reconcile.steps import Steps, emptied, slices
from dataflow_async.bulk.reconcile.turns import in_turns
from dataflow_async.models.execution import JobExecution


class ReconcileOptions(Protocol):
    """How lost launches may be found again, by the caller's word; see ``bulk.options.JournalOptions``."""

    @property
    def correlation_parameter(self) -> str | None:
        """Name of the parameter that carries the key of a launch."""

    @property
    def assume_exclusive(self) -> bool:
        """Whether nobody else launches these jobs."""

    @property
    def visibility_delay(self) -> float:
        """Seconds until a list shows every run that was started."""


class _Recorded(NamedTuple):
    """What the store has of a job when a listing has ended."""

    own: Sequence[KnownRun]
    unresolved: list[Unresolved]

    def ids(self) -> Iterator[str]:
        """Return the ids of our own."""
        return (run.execution_id for run in self.own)


@define(eq=False)
class EvidenceCollector:
    """Collects evidence, job by job.

    Always true: what is recorded is read after a listing has ended, and after the launches that were in flight then have
    their outcome recorded. Read earlier, a run of a launch in flight would look like nobody's, and could be adopted for
    another launch; and launches that begin later are left out, for that listing can't show their runs.
    """

    store: LaunchStore
    in_flight: InFlightLaunches
    options: ReconcileOptions
    lister: RunLister
    read_by_id: dict[str, JobExecution] = field(factory=dict)
    """Runs that were read by id, which shows more than a list."""

    async def collect(self, job_id: str, lost: Sequence[LostLaunch], *, settled: bool) -> Evidence:
        """List the runs of a job, twice and more if absence is to be proven, and return what that shows.

        Args:
            job_id: The job.
            lost: Its launches in question.
            settled: Whether one of them may be proven absent.

        Raises:
            Unlistable: The runs of the job can't be listed.
            JournalError: The store can't be read.
        """
        dates = PrintedDates()
        observed = await in_turns(self._observed(job_id, lost, await self.store.known_runs(job_id), dates))
        job = await self.lister.read_job(job_id) if settled else JobState(None, {})
        earlier = await self.lister.complete(job_id, observed.take, dates) if settled else None
        consistent = False
        for _ in range(defaults.CONSISTENT_TRIES):
            listing = await self.lister.complete(job_id, observed.take, dates)
            recorded = await self._recorded_after(job_id)
            dating = await in_turns(Dating.in_steps(recorded.own, listing.dates, dates))
            if earlier is None:  # nothing is to be proven absent
                break
            reader = dating.reader_near(listing.began.later)
            consistent = await in_turns(are_consistent(earlier, listing, recorded.ids(), reader))
            await in_turns(emptied(earlier.dates))
            if consistent:
                break
            earlier = listing
        for some in slices(recorded.ids()):
            observed.unrecorded.forget(some)
            await asyncio.sleep(0)
        consistent = consistent and observed.is_whole(dating.reader_near(observed.since))
        delay = self.options.visibility_delay
        absence = await in_turns(
            Absence.in_steps(listing, recorded.own, job.last, delay, consistent=consistent)
        )
        carried, echoes = await self._carried(job_id, lost, observed)
        await in_turns(emptied(dates))
        return Evidence(
            observed.unrecorded,
            dating,
            absence,
            assume_exclusive=self.options.assume_exclusive,
            carried=carried,
            unresolved=recorded.unresolved,
            echoes=echoes,
            garbles=observed.garbles,
            ours_started_directly=bool(observed.ours_started_directly),
            stored=job.stored,
        )

    def _observed(
        self, job_id: str, lost: Sequence[LostLaunch], own: Sequence[KnownRun], dates: PrintedDates
    ) -> Steps[ObservedRuns]:
        earliest = min(it.intended_from for it in lost)
        keys: dict[str, str] = {}
        for some in slices(own):
            keys.update((run.execution_id, run.key) for run in some)
            yield
        dating = yield from Dating.in_steps(own, {}, dates)
        return ObservedRuns(
            job_id,
            RunIndex(lost),
            keys,
            self.options.correlation_parameter,
            self.read_by_id,
            {it.key for it in lost},
            dating.reader_near(earliest),
            earliest - defaults.CLOCK_MARGIN - defaults.DAY,
        )

    async def _recorded_after(self, job_id: str) -> _Recorded:
        """Return what is recorded of a job as far as a listing that has just ended can show it.

        That is: once the launches that were in flight are recorded, and without those that began later.
        """
        in_flight = self.in_flight.of_job(job_id)
        before = {(it.key, it.attempt) for it in await self.store.unresolved(job_id)}
        for launch in in_flight:
            await launch.wait()
        own = await self.store.known_runs(job_id)
        unresolved = [it for it in await self.store.unresolved(job_id) if (it.key, it.attempt) in before]
        return _Recorded(own, unresolved)

    async def _carried(
        self, job_id: str, lost: Sequence[LostLaunch], observed: ObservedRuns
    ) -> tuple[Mapping[bytes, int], bool]:
        """Return how many recorded keys carry the parameters of each lost launch, and whether the service echoes parameters."""
        sent = {it.parameters for it in lost if it.parameters is not None}
        carried = await self.store.count_parameters(job_id, sent | observed.digests)
        if observed.garbles:  # a key that comes back altered disproves all of it
            return carried, False
        if observed.shows_echoes(carried):
            return carried, True
        # No run of ours shows it. One with the parameters of a lost launch may, or else one with those of any launch.
        ours = {digest for digest, count in carried.items() if count}
        shown = await in_turns(observed.unrecorded.digests(until=ours))
        if not shown.isdisjoint(ours):
            return carried, True
        found = await self.store.count_parameters(job_id, shown)
        return carried, any(found.values())
