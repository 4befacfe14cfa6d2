"""Keeps the launches of a task in Airflow's task state store, where a retry finds them, on whatever worker it runs.

The store belongs to one task instance (Dag run, task, map index). It survives retries and clears, and ends with the Dag
run. Each try of a task has an id of its own, and Airflow refuses what a worker writes under the id of an earlier try: so
a worker that was taken for dead can't record an intent any more, and sends nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, Self, TypeVar, cast

import attrs
from attrs import frozen

from dataflow_async import defaults
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase, KeyRepeated, KnownRun, Unresolved
from dataflow_async.errors import JournalError
from dataflow_async.wire.server_time import ServerTime

T = TypeVar("T")

PREFIX = "dataflow_async.launches."
"""Of the keys in a task's state under which launches stand, followed by a number from 0."""
FINDING = "dataflow_async.finding"
"""Key in a task's state under which a person may write what became of a launch: the id of its run, or `NOT_STARTED`; for a
bulk task an object of these by name."""
NOT_STARTED = "not started"
LOST = (JournalPhase.INTENT, JournalPhase.UNKNOWN)
"""Phases of launches that may have started."""
VERSION = 1
"""Of the form of what stands there."""
_REPORTED = ("running_minutes", "log_path")
"""Members of a `TaskLaunch` that are reported beside the status."""


class TaskState(Protocol):
    """A task's state, such as ``context["task_state_store"]``; it blocks."""

    def get(self, key: str, default: None = None) -> Any:
        """Return the value of a key, or the default."""

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Store a JSON value."""

    def delete(self, key: str) -> None:
        """Delete a key, if it exists."""


@frozen
class TaskTry:
    """One try of a task instance.

    Attributes:
        number: From 1.
        max_tries: Airflow's own bound on tries. A clear sets it anew, to the tries so far and the ``retries`` of now; a retry
            does not change it. So it shows whether a launch of an earlier try was before a clear. It may fall, where
            ``retries`` was lowered meanwhile.
    """

    number: int
    max_tries: int


@frozen
class TaskLaunch:
    """The latest attempt at a launch, and the try that has recorded it."""

    entry: JournalEntry
    by: TaskTry
    superseded: bool = False
    """Whether another run is due if its run ends CANCELED: this package has cancelled it, or the task was cleared."""
    running_minutes: float | None = None
    """Minutes run, of a run that has ended."""
    log_path: str | None = None
    """Where its log is in Object Storage."""


class TaskStateLaunchStore:
    """A `LaunchStore` in the state of one task instance; made by `open`, belongs to one event loop.

    Always true: a method that records returns when Airflow has confirmed the write, and writes are confirmed in the order
    of the calls, because one thread does them all. Once one has failed, it and all later ones raise `JournalError`. What
    changes while a write is on its way is written by the next one, for all who wait.

    Launches are kept in pages, each a value of its own: a write sends one page, however many launches a task has.
    """

    durable = True

    def __init__(
        self, state: TaskState, *, service: str, by: TaskTry, retention: timedelta | None = None
    ) -> None:
        self._state = state
        self._service = service
        self._by = by
        self._retention = retention
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dataflow_async.task_state")
        self._launches: list[list[TaskLaunch]] = []
        """The attempts at each launch; launches are in the order of their first intent."""
        self._places: dict[str, int] = {}
        """Where the attempts at a launch stand, by its key."""
        self._submitted: set[str] = set()
        """Keys that this run has had."""
        self._changed: set[int] = set()
        """Pages that are to be written."""
        self._writing = asyncio.Lock()
        self._failed: JournalError | None = None

    @classmethod
    async def open(
        cls, state: TaskState, *, service: str, by: TaskTry, retention: timedelta | None = None
    ) -> Self:
        """Read what earlier tries of the task have recorded.

        Args:
            state: The task's state.
            service: Address of the service that launches go to.
            by: The try that writes from now on.
            retention: For how long Airflow keeps each value; its default unless given.

        Raises:
            JournalError: The state can't be read, or holds launches at another service.
        """
        store = cls(state, service=service, by=by, retention=retention)
        try:
            while (page := await store._read(len(store._launches) // defaults.TASK_STATE_PAGE)) is not None:
                store._take(page)
                if len(store._launches) % defaults.TASK_STATE_PAGE:
                    break
        except BaseException:
            await store.aclose()
            raise
        return store

    @property
    def last(self) -> TaskLaunch | None:
        """The latest attempt of all; None where nothing was launched yet."""
        return self._launches[-1][-1] if self._launches else None

    def latest(self, prefix: str = "") -> list[TaskLaunch]:
        """Return the latest attempt at each launch whose key begins so, in the order of their first intents."""
        return [attempts[-1] for attempts in self._launches if attempts[-1].entry.key.startswith(prefix)]

    async def resolve(self, launch: TaskLaunch) -> bool:
        """Record what a person has found out about a launch that may have started; return whether there is such a finding.

        Raises:
            JournalError: The state can't be read or written.
        """
        if launch.entry.phase not in LOST:
            return False
        finding = await self._in_thread(partial(self._state.get, FINDING))
        if not isinstance(finding, str) or not finding:
            return False
        await self._found(launch.entry, finding)
        await self._in_thread(partial(self._state.delete, FINDING))
        return True

    async def resolve_all(self, launches: Mapping[str, TaskLaunch]) -> bool:
        """Record what a person has found out about launches that may have started; return whether there is such a finding.

        It is a JSON object, or the text of one: what became of each launch, by name.

        Raises:
            JournalError: The state can't be read or written.
        """
        lost = {name: launch.entry for name, launch in launches.items() if launch.entry.phase in LOST}
        findings = _members(await self._in_thread(partial(self._state.get, FINDING))) if lost else {}
        found = {name: finding for name in lost if isinstance(finding := findings.get(name), str) and finding}
        for name, finding in found.items():
            await self._found(lost[name], finding)
        if found:
            await self._in_thread(partial(self._state.delete, FINDING))
        return bool(found)

    async def _found(self, entry: JournalEntry, finding: str) -> None:
        if finding == NOT_STARTED:
            await self.not_sent(entry.key, entry.attempt, "Resolved")
            return
        await self.examined(entry.key)  # the clear came with the finding: it is for this run
        await self.accepted(
            entry.key, entry.attempt, finding, at=entry.intended_until, created=None, adopted=True
        )

    # --- an attempt begins ---------------------------------------------------------------------------------

    async def intend(
        self, key: str, job_id: str, settings: bytes, parameters: bytes | None, at: ServerTime
    ) -> JournalEntry | None:
        """Record the intent of a first attempt, unless the key is known; see `LaunchStore.intend`."""
        if key in self._submitted:
            raise KeyRepeated
        self._submitted.add(key)
        if (place := self._places.get(key)) is not None:
            return self._launches[place][-1].entry
        self._places[key] = len(self._launches)
        self._launches.append([])
        await self._intend(
            JournalEntry(key, 1, job_id, settings, parameters, JournalPhase.INTENT, at.earlier, at.later)
        )
        return None

    async def intend_again(self, entry: JournalEntry, at: ServerTime, *, may_have_run: bool) -> JournalEntry:
        """Record that an attempt is sent again; see `LaunchStore.intend_again`."""
        again = JournalEntry(
            entry.key,
            entry.attempt,
            entry.job_id,
            entry.settings,
            entry.parameters,
            JournalPhase.INTENT,
            min(at.earlier, entry.intended_from) if may_have_run else at.earlier,
            at.later,
        )
        await self._intend(again)
        return again

    async def next_attempt(
        self, entry: JournalEntry, at: ServerTime, settings: bytes, parameters: bytes | None
    ) -> JournalEntry:
        """Record the intent of a further attempt beside one that has ended."""
        further = JournalEntry(
            entry.key,
            entry.attempt + 1,
            entry.job_id,
            settings,
            parameters,
            JournalPhase.INTENT,
            at.earlier,
            at.later,
        )
        await self._intend(further)
        return further

    async def widen_intent(self, key: str, attempt: int, at: ServerTime) -> None:
        """Widen the time of an intent, before it is sent under a corrected clock."""
        entry = self._attempt(key, attempt)
        await self._change(
            key,
            attempt,
            intended_from=min(entry.intended_from, at.earlier),
            intended_until=max(entry.intended_until, at.later),
        )

    # --- what came of it -----------------------------------------------------------------------------------

    async def accepted(
        self,
        key: str,
        attempt: int,
        execution_id: str,
        *,
        at: float,
        created: str | None,
        adopted: bool = False,
    ) -> None:
        """Record the run that an attempt has started."""
        await self._change(
            key,
            attempt,
            phase=JournalPhase.ACCEPTED,
            execution_id=execution_id,
            accepted_at=at,
            created=created,
            adopted=adopted,
        )

    async def rejected(self, key: str, attempt: int, reason: str) -> None:
        """Record a refusal; ``reason`` is the class name of the error."""
        await self._change(key, attempt, phase=JournalPhase.REJECTED, status=reason)

    async def not_sent(self, key: str, attempt: int, reason: str) -> None:
        """Record that nothing reached the service; ``reason`` as for `rejected`."""
        await self._change(key, attempt, phase=JournalPhase.NOT_SENT, status=reason)

    async def unknown(self, key: str, attempt: int, sent_by: float | None) -> None:
        """Record a lost answer; the send was over by ``sent_by``, in server time, later end."""
        await self._change(key, attempt, phase=JournalPhase.UNKNOWN, sent_by=sent_by)

    async def ended(self, key: str, attempt: int, status: str, at: float) -> None:
        """Record the last status of a run, and the server time at which it was observed."""
        await self._change(key, attempt, phase=JournalPhase.ENDED, status=status, ended_at=at)

    async def reported(self, key: str, running_minutes: float | None, log_path: str | None) -> None:
        """Record what is reported of the run of the latest attempt beside its status."""
        await self._change_latest(key, running_minutes=running_minutes, log_path=log_path)

    async def supersede(self, key: str) -> None:
        """Record that the run of the latest attempt was cancelled by this package."""
        await self._change_latest(key, superseded=True)

    async def taken_up(self, key: str) -> None:
        """Record that this try waits for the run of the latest attempt, after a clear: no later try need launch for that."""
        await self._change_latest(key, by=self._by, superseded=True)

    async def examined(self, key: str) -> None:
        """Record that this try has examined a launch that may have started: what was cleared before counts no more."""
        await self._change_latest(key, by=self._by)

    async def _change_latest(self, key: str, **members: Any) -> None:
        attempts = self._launches[self._places[key]]
        await self._put(len(attempts), attrs.evolve(attempts[-1], **members))

    # --- evidence about lost launches ----------------------------------------------------------------------

    async def known_runs(self, job_id: str) -> list[KnownRun]:
        """Return the runs of this job that any attempt has, those with the earliest intent first."""
        return sorted(
            (
                KnownRun(
                    it.execution_id,
                    it.key,
                    it.intended_from,
                    it.intended_until,
                    it.accepted_at,
                    it.created,
                    it.adopted,
                    it.phase is JournalPhase.ENDED,
                )
                for it in self._entries(job_id)
                if it.execution_id is not None
            ),
            key=lambda run: (run.intended_from, run.key),
        )

    async def unresolved(self, job_id: str) -> list[Unresolved]:
        """Return the attempts at this job of which it is not recorded whether they started."""
        return [
            Unresolved(it.key, it.attempt, it.settings, it.parameters)
            for it in self._entries(job_id)
            if it.phase in (JournalPhase.INTENT, JournalPhase.UNKNOWN)
        ]

    async def count_parameters(self, job_id: str, digests: Collection[bytes]) -> dict[bytes, int]:
        """Count the keys of this job that carry each of these digests of parameters."""
        carried: dict[bytes, set[str]] = {}
        for it in self._entries(job_id):
            if it.parameters is not None and it.parameters in digests:
                carried.setdefault(it.parameters, set()).add(it.key)
        return {digest: len(keys) for digest, keys in carried.items()}

    async def aclose(self) -> None:
        """Write what is still to be written and release the thread; may be called twice."""
        try:
            for page in sorted(self._changed) if self._failed is None else ():
                await self._write(page)
        finally:
            self._thread.shutdown(wait=False)

    # --- pages ---------------------------------------------------------------------------------------------

    def _entries(self, job_id: str) -> Iterable[JournalEntry]:
        return (it.entry for attempts in self._launches for it in attempts if it.entry.job_id == job_id)

    def _attempt(self, key: str, attempt: int) -> JournalEntry:
        return self._launches[self._places[key]][attempt - 1].entry

    async def _intend(self, entry: JournalEntry) -> None:
        """Record an intent, and refuse it if that took long: by now a next try may have found it, and have taken it up.

        Raises:
            JournalError: It is not recorded, or was recorded long ago.
        """
        began = time.monotonic()
        await self._put(entry.attempt, TaskLaunch(entry, self._by))
        if (took := time.monotonic() - began) > defaults.TASK_INTENT_AGE:
            raise JournalError(
                f"task state: its intent took {took:.0f} s to record, so the launch is not sent: the next try finds out"
                " that it did not start"
            )

    async def _change(self, key: str, attempt: int, **members: Any) -> None:
        launch = self._launches[self._places[key]][attempt - 1]
        await self._put(attempt, attrs.evolve(launch, entry=attrs.evolve(launch.entry, **members)))

    async def _put(self, attempt: int, launch: TaskLaunch) -> None:
        """Record an attempt, durably."""
        place = self._places[launch.entry.key]
        self._launches[place][attempt - 1 : attempt] = [launch]
        page = place // defaults.TASK_STATE_PAGE
        self._changed.add(page)
        await self._write(page)

    async def _write(self, page: int) -> None:
        """Write a page, unless another caller has done so since it was changed.

        Raises:
            JournalError: Airflow has not confirmed it.
        """
        async with self._writing:
            if self._failed is not None:
                raise JournalError(str(self._failed))
            if page not in self._changed:
                return
            value = self._value(page)
            self._changed.discard(page)
            await self._in_thread(partial(self._state.set, _key(page), value, retention=self._retention))

    def _value(self, page: int) -> dict[str, Any]:
        size = defaults.TASK_STATE_PAGE
        launches = self._launches[page * size : (page + 1) * size]
        return {
            "version": VERSION,
            "service": self._service,
            "launches": [[_written(it) for it in attempts] for attempts in launches],
        }

    async def _read(self, page: int) -> Any:
        return await self._in_thread(partial(self._state.get, _key(page)))

    def _take(self, page: Any) -> None:
        """Take in what stands under a key.

        Raises:
            JournalError: It is of another version, or of another service.
        """
        try:
            if page["version"] != VERSION:
                raise JournalError(f"task state: version must be {VERSION}, got {page['version']!r}")
            if page["service"] != self._service:
                raise JournalError(
                    f"task state: earlier tries have launched at {page['service']}, and the connection names"
                    f" {self._service}: nothing there shows what became of them"
                )
            launches = [[_launch(it) for it in attempts] for attempts in page["launches"]]
        except (KeyError, TypeError, ValueError) as problem:
            raise JournalError(
                f"task state: {PREFIX}* does not hold launches: {type(problem).__name__} {problem}"
            ) from None
        for attempts in launches:
            self._places[attempts[0].entry.key] = len(self._launches)
            self._launches.append(attempts)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """Return what a function of the task's state returns; it is completed also where its caller is cancelled.

        Raises:
            JournalError: It has failed.
        """
        call = asyncio.get_running_loop().run_in_executor(self._thread, _caught, function)
        try:
            result = await asyncio.shield(call)
        except asyncio.CancelledError:
            call.add_done_callback(lambda done: self._fail(done.result()))
            raise
        self._fail(result)
        if self._failed is not None:
            raise JournalError(str(self._failed))
        return cast("T", result)

    def _fail(self, result: object) -> None:
        """Record that a function has failed, if it has."""
        if isinstance(result, _Problem):
            self._failed = JournalError(f"task state: Airflow can't read or write it: {result.text}")


@frozen
class _Problem:
    """What a function of the task's state has raised."""

    text: str


def _caught(function: Callable[[], T]) -> T | _Problem:
    try:
        return function()
    except Exception as problem:  # noqa: BLE001  # Airflow's own errors, the network's, a backend's
        return _Problem(f"{type(problem).__name__}: {problem}")


def _members(finding: Any) -> Mapping[str, Any]:
    """Return the members of an object, or of the text of one; none of anything else."""
    with suppress(ValueError):
        finding = json.loads(finding) if isinstance(finding, str) else finding
    return finding if isinstance(finding, Mapping) else {}


def _key(page: int) -> str:
    return f"{PREFIX}{page}"


def _written(launch: TaskLaunch) -> dict[str, Any]:
    """Return an attempt as JSON; what is None is left out."""
    found: dict[str, Any] = {
        name: _text_of(value) for name, value in attrs.asdict(launch.entry).items() if value is not None
    }
    found["try"] = [launch.by.number, launch.by.max_tries]
    found |= {name: value for name in _REPORTED if (value := getattr(launch, name)) is not None}
    return found | ({"superseded": True} if launch.superseded else {})


def _text_of(value: Any) -> Any:
    """Return a member as JSON has it: digests as text, and so are numbers that are not finite."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return str(value)
    return str(value) if value in (float("inf"), float("-inf")) else value


def _launch(found: Mapping[str, Any]) -> TaskLaunch:
    """Return the attempt that JSON holds; members that are not known are ignored."""
    known = {it.name: found[it.name] for it in attrs.fields(JournalEntry) if it.name in found}
    for name in ("settings", "parameters"):
        if known.setdefault(name, None) is not None:
            known[name] = bytes.fromhex(known[name])
    for name in ("intended_from", "intended_until", "sent_by", "accepted_at", "ended_at"):
        if known.get(name) is not None:
            known[name] = float(known[name])
    known["phase"] = JournalPhase(known["phase"])
    return TaskLaunch(
        JournalEntry(**known),
        TaskTry(*found["try"]),
        bool(found.get("superseded", False)),
        *(found.get(name) for name in _REPORTED),
    )
