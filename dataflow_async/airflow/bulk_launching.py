"""Starts the runs of a bulk task, as many at a time as may be in flight, whatever has become of its earlier tries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs
from attrs import frozen

from dataflow_async import defaults
from dataflow_async.airflow.events import RunReport
from dataflow_async.airflow.launching import LaunchOptions, OpenStore, bounded_name, new_key
from dataflow_async.airflow.next_step import Step, next_step, was_cleared
from dataflow_async.airflow.task_state import LOST, TaskLaunch, TaskStateLaunchStore, TaskTry
from dataflow_async.bulk.digests import settings_digest
from dataflow_async.bulk.launch_records import JournalPhase
from dataflow_async.bulk.options import BulkOptions
from dataflow_async.client import DataFlow
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.execution import TERMINAL, ExecutionRef, ExecutionStatus
from dataflow_async.models.launch import NOT_LAUNCHED, UNCERTAIN, Launch, Outcome

_OPEN = (Step.ATTACH, Step.RESUME)


@frozen
class ItemEnd:
    """How a launch of a bulk task has ended, as far as the task's state shows.

    Attributes:
        key: Its name within the task.
        job_id: The job.
        execution_id: The run; None where none is known.
        status: Of the run; ``"NOT_LAUNCHED"`` or ``"UNCERTAIN"`` without one.
        running_minutes: Minutes run, as the service counts them; None while the run goes on, and without one.
        log_path: Where its log is in Object Storage; None as before, and where lists were read.
    """

    key: str
    job_id: str
    execution_id: str | None
    status: str
    running_minutes: float | None = None
    log_path: str | None = None


@frozen
class Wave:
    """What a bulk task has in flight.

    Attributes:
        refs: The runs that are to be awaited; empty where all launches have ended.
        problems: Why launches have no run, by name: what this call has met.
        has_more: Whether launches wait for the end of one of these.
    """

    refs: tuple[ExecutionRef, ...]
    problems: Mapping[str, str]
    has_more: bool = False


class BulkLauncher:
    """Launches for one try of a bulk task.

    Always true: a launch is sent at most once in a try, and only as `next_step` allows: one that this try has seen fail, or
    could not resolve, is left to the next one. No more runs are in flight than may be.

    Args:
        open_store: Opens the store of the task.
        by: This try.
        task: Names the task instance, in keys.
        options: How lost launches may be found again.
        max_in_flight: Runs that may go on at a time.
        by_place: Names of launches that were given no key.
    """

    def __init__(
        self,
        open_store: OpenStore,
        by: TaskTry,
        task: str,
        options: LaunchOptions,
        max_in_flight: int,
        by_place: Collection[str] = (),
    ) -> None:
        self._open_store = open_store
        self._by = by
        self._task = bounded_name(task, defaults.TASK_NAME - defaults.ITEM_NAME - 1)
        self._options = options
        self._max_in_flight = max_in_flight
        self._by_place = by_place

    async def next_wave(
        self, flow: DataFlow, launches: Mapping[str, Launch], refused: Collection[str] = ()
    ) -> Wave:
        """Launch as many as may be in flight beside those that go on.

        Args:
            flow: The client.
            launches: All launches of the task, by their names within it.
            refused: Names of those that this try has met a problem with.

        Raises:
            DataFlowError: An error that every launch would meet.
        """
        store = await self._open_store()
        try:
            recorded = self._recorded(store)
            if await store.resolve_all(recorded):
                recorded = self._recorded(store)
            steps = {name: self._step(recorded.get(name)) for name in launches if name not in refused}
            others = {
                name: problem
                for name, step in steps.items()
                if (problem := self._objection(name, launches[name], recorded.get(name), step)) is not None
            }
            steps = {name: step for name, step in steps.items() if name not in others}
            open_ones = [recorded[name] for name, step in steps.items() if step in _OPEN and name in recorded]
            await asyncio.gather(
                *(store.taken_up(it.entry.key) for it in open_ones if was_cleared(it, self._by))
            )
            going = [ref_of(recorded[name]) for name, step in steps.items() if step is Step.ATTACH]
            due = [name for name, step in steps.items() if step in (Step.RESUME, Step.LAUNCH)]
            chosen = due[: max(self._max_in_flight - len(going), 0)]
            if not chosen:
                return Wave(tuple(going), others, has_more=bool(due))
            keys = {self._key(name, steps[name], recorded.get(name)): name for name in chosen}
            outcomes = await self._launch(
                flow, store, [attrs.evolve(launches[name], key=key) for key, name in keys.items()]
            )
        finally:
            await store.aclose()
        await self._mark_unresolved(outcomes)
        started = [outcome.execution.ref for outcome in outcomes if outcome.execution is not None]
        problems = {keys[it.key]: str(it.error) for it in outcomes if it.execution is None}
        return Wave((*going, *started), others | problems, has_more=len(due) > len(chosen))

    async def record_ends(self, runs: Iterable[RunReport], *, superseded: bool = False) -> None:
        """Record how runs have ended.

        Args:
            runs: The runs; of those that have not ended nothing is recorded.
            superseded: Whether this task has cancelled them, so that the next try needs others.
        """
        store = await self._open_store()
        try:
            found = {it.entry.execution_id: it for it in store.latest()}
            known = [(found[run.execution_id], run) for run in runs if run.execution_id in found]
            if superseded:
                unfinished = [it for it, run in known if run.status != ExecutionStatus.COMPLETED]
                await asyncio.gather(*(store.supersede(it.entry.key) for it in unfinished))
            ended = [(it.entry, run) for it, run in known if run.status in TERMINAL]
            await asyncio.gather(
                *(store.ended(it.key, it.attempt, str(run.status), time.time()) for it, run in ended),
                *(store.reported(it.key, run.running_minutes, run.log_path) for it, run in ended),
            )
        finally:
            await store.aclose()

    async def ends(self, launches: Mapping[str, Launch]) -> list[ItemEnd]:
        """Return how each launch has ended, in order."""
        store = await self._open_store()
        await store.aclose()
        recorded = self._recorded(store)
        return [_end(name, launch.job_id, recorded.get(name)) for name, launch in launches.items()]

    # --- one launch ----------------------------------------------------------------------------------------

    def _recorded(self, store: TaskStateLaunchStore) -> dict[str, TaskLaunch]:
        """Return the latest attempt at each launch, by its name."""
        prefix, found = f"{self._task}/", {}
        for launch in store.latest(prefix):
            found[launch.entry.key.removeprefix(prefix).rpartition("/")[0]] = launch
        return found

    def _step(self, last: TaskLaunch | None) -> Step:
        if last is None:
            return Step.LAUNCH
        step = next_step(last, last.entry.status, self._by)
        if last.by.number != self._by.number:
            return step
        replaced = last.superseded and last.entry.status == ExecutionStatus.CANCELED
        settled = (step is Step.LAUNCH and not replaced) or (step is Step.RESUME and not last.superseded)
        return Step.REPORT if settled else step

    def _objection(self, name: str, launch: Launch, last: TaskLaunch | None, step: Step) -> str | None:
        """Return why what an earlier try has launched is not this launch, if its settings show that.

        A launch without a key is known by its place alone: where the list has changed, another one has that now.
        """
        if last is None or last.by.number == self._by.number or step is Step.LAUNCH:
            return None
        if not _may_have_run(last) or _has_settings(launch, last):
            return None
        by = f"try {last.by.number} has launched it with other settings"
        if name in self._by_place:
            return f"{by}: give launches keys of their own if their list may change, and clear the task"
        if step is Step.RESUME:
            return f"{by}, and it is not known whether it has started"
        if step is Step.ATTACH and was_cleared(last, self._by):
            return f"{by}, and its run goes on: wait for its end or cancel it, then clear the task again"
        return None

    def _key(self, name: str, step: Step, last: TaskLaunch | None) -> str:
        if step is Step.RESUME and last is not None:
            return last.entry.key
        return new_key(f"{self._task}/{name}")

    async def _launch(
        self, flow: DataFlow, store: TaskStateLaunchStore, launches: Sequence[Launch]
    ) -> list[Outcome]:
        options: BulkOptions = {
            **self._options.of_bulk_run(store),
            "max_in_flight": min(len(launches) + 1, defaults.MAX_IN_FLIGHT),
        }
        async with flow.launch_all(launches, **options) as outcomes:
            return [outcome async for outcome in outcomes]

    async def _mark_unresolved(self, outcomes: Iterable[Outcome]) -> None:
        """Record which launches this try could not resolve: they are left to the next one."""
        keys = {outcome.key for outcome in outcomes if outcome.execution is None}
        if not keys:
            return
        store = await self._open_store()
        try:
            await asyncio.gather(
                *(store.examined(it.entry.key) for it in store.latest() if it.entry.key in keys)
            )
        finally:
            await store.aclose()


def item_name(key: str | None, number: int) -> str:
    """Return the name of a launch within its task: its own key, or its place."""
    return f"{number:04}" if key is None else bounded_name(key, defaults.ITEM_NAME)


def _may_have_run(launch: TaskLaunch) -> bool:
    return launch.entry.phase not in (JournalPhase.REJECTED, JournalPhase.NOT_SENT)


def _has_settings(launch: Launch, recorded: TaskLaunch) -> bool:
    """Return whether a launch has the settings that are recorded; one that is malformed is refused where it is sent."""
    try:
        return settings_digest(launch) == recorded.entry.settings
    except InvalidRequest:
        return True


def ref_of(launch: TaskLaunch) -> ExecutionRef:
    """Return the run of a recorded launch."""
    return ExecutionRef(launch.entry.job_id, launch.entry.execution_id or "")


def _end(name: str, job_id: str, last: TaskLaunch | None) -> ItemEnd:
    if last is None:
        return ItemEnd(name, job_id, None, NOT_LAUNCHED)
    entry = last.entry
    if entry.execution_id is None:
        lost = entry.phase in LOST
        return ItemEnd(name, entry.job_id, None, UNCERTAIN if lost else NOT_LAUNCHED)
    status = entry.status or ExecutionStatus.RUNNING
    return ItemEnd(name, entry.job_id, entry.execution_id, status, last.running_minutes, last.log_path)
