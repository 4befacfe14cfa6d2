"""Records one send of a launch in the store: its intent before, what came of it after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase, created_text
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.bulk.phases import Send
from dataflow_async.errors import DataFlowError, JournalError
from dataflow_async.models.execution import JobExecution
from dataflow_async.wire.server_time import ServerTime

ServerClock: TypeAlias = Callable[[], ServerTime]
"""Returns the moments between which the service's time lies now."""


class RecordedSend:
    """One send of one launch, as it is recorded; a plain class, because every launch has one. Each method is awaited.

    A send belongs to an attempt, a row of the journal; `number` is that of the attempt. A rerun is a further attempt, and a
    launch that is sent again because it did not start is a further send of the same one.

    Always true: `intend` has returned before anything is sent, `widen` before anything is sent under a corrected clock,
    and one of `accepted`, `lost` and `refused` before anything else is done with the launch. Where an earlier send of the
    same attempt may have started, a refusal is recorded as unknown: it says nothing about that one.
    """

    __slots__ = ("_at", "_clock", "_entry", "_in_question", "_plan", "_store")

    def __init__(self, store: LaunchStore, clock: ServerClock, send: Send) -> None:
        self._store = store
        self._clock = clock
        self._plan = send.plan
        self._entry = send.entry
        self._in_question = send.uncertain is not None
        self._at: ServerTime | None = None

    @property
    def number(self) -> int:
        """The number of its attempt, from 1."""
        return 1 if self._entry is None else self._entry.attempt

    @property
    def entry(self) -> JournalEntry:
        """The attempt as it is recorded by now; made late, because most launches need none."""
        if self._entry is None:
            assert self._at is not None  # noqa: S101  # its intent was recorded
            plan = self._plan
            self._entry = JournalEntry(
                plan.key,
                1,
                plan.launch.job_id,
                plan.settings,
                plan.parameters,
                JournalPhase.INTENT,
                self._at.earlier,
                self._at.later,
            )
        return self._entry

    def intend(self) -> Awaitable[JournalEntry | None]:
        """Record the intent; return the entry of a key that is recorded already instead, if this is a first attempt.

        Raises:
            KeyRepeated: This run has had a launch of this key before.
        """
        if self._entry is not None:
            return self._intend_further(self._entry)
        plan, self._at = self._plan, self._clock()
        return self._store.intend(plan.key, plan.launch.job_id, plan.settings, plan.parameters, self._at)

    async def _intend_further(self, entry: JournalEntry) -> None:
        plan, at = self._plan, self._clock()
        if entry.phase is JournalPhase.ENDED:
            self._entry = await self._store.next_attempt(entry, at, plan.settings, plan.parameters)
            return
        corrected = attrs.evolve(
            entry, job_id=plan.launch.job_id, settings=plan.settings, parameters=plan.parameters
        )
        self._entry = await self._store.intend_again(corrected, at, may_have_run=self._in_question)

    async def widen(self) -> None:
        """Widen the time of the intent, durably, before the launch is sent under a corrected clock."""
        at, entry = self._clock(), self.entry
        await self._store.widen_intent(entry.key, entry.attempt, at)
        self._entry = attrs.evolve(
            entry,
            intended_from=min(entry.intended_from, at.earlier),
            intended_until=max(entry.intended_until, at.later),
        )

    def accepted(self, execution: JobExecution) -> Awaitable[None]:
        """Record the run that was started."""
        return self._store.accepted(
            self._plan.key,
            self.number,
            execution.job_execution_id,
            at=self._clock().later,
            created=created_text(execution),
        )

    async def lost(self) -> JournalEntry:
        """Record that the answer was lost, and return the entry."""
        sent_by = self._clock().later
        try:
            await self._store.unknown(self._plan.key, self.number, sent_by)
        except JournalError as error:
            error.may_have_run = True
            raise
        return attrs.evolve(self.entry, phase=JournalPhase.UNKNOWN, sent_by=sent_by)

    async def refused(self, error: DataFlowError) -> JournalEntry:
        """Record that the send had no effect, or unknown where an earlier send may have had one; return the entry."""
        key, number = self._plan.key, self.number
        if self._in_question:
            await self._store.unknown(key, number, self._clock().later)
            phase = JournalPhase.UNKNOWN
        elif error.never_sent:
            await self._store.not_sent(key, number, type(error).__name__)
            phase = JournalPhase.NOT_SENT
        else:
            await self._store.rejected(key, number, type(error).__name__)
            phase = JournalPhase.REJECTED
        return attrs.evolve(self.entry, phase=phase)
