"""The pipeline of one launch when a journal is kept: it survives the death of the process (promise 6).

Each send is one unit: intent, request, record of the outcome. Only a lost answer leaves the outcome open, or a
process that dies in between; then `reconcile` finds out, in this run or in the next one with the same journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

import attrs
from attrs import frozen

from dataflow_async.bulk.digests import digests, parameters_digest, sent_parameters
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.launch_keys import Ordinals, check_key, key_repeated, made_name
from dataflow_async.bulk.launch_pipeline import (
    EndsTheRun,
    Execute,
    Finish,
    LaunchPipeline,
    RunContext,
    check_ids,
    ended_badly,
    not_started,
    refused,
)
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase, KeyRepeated, created_text
from dataflow_async.bulk.options import JournalOptions
from dataflow_async.bulk.outage import Outage
from dataflow_async.bulk.reconcile.listing_lock import ListingLocks
from dataflow_async.bulk.reconcile.matching import Adopt, Uncertain
from dataflow_async.bulk.reconcile.reconciler import Reconciler, ServerClock
from dataflow_async.clock import Clock
from dataflow_async.errors import (
    DataFlowError,
    InvalidRequest,
    JournalError,
    NotSent,
)
from dataflow_async.models.execution import TERMINAL, JobExecution
from dataflow_async.models.launch import NOT_LAUNCHED, UNCERTAIN, Launch, Outcome
from dataflow_async.polling.waiter import require_completed
from dataflow_async.run_errors import ExecutionCanceled, ExecutionFailed, LaunchUncertain
from dataflow_async.transport.call_control import CallControl
from dataflow_async.wire.retry import RetryPolicy

NOT_FOUND = "NOT_FOUND"
"""For ``rerun``: runs that were accepted once, and that the service does not know any more."""

OpenJournal = Callable[[], Awaitable[JournalWriter]]
"""Opens the journal for the service and account of the client."""
MakeReconciler = Callable[[JournalWriter, ListingLocks], Reconciler]


@frozen
class _Plan:
    """One launch as the journal knows it."""

    key: str
    launch: Launch
    """As it is sent: with its key among its parameters, if runs are to be correlated."""
    given: Launch
    settings: bytes
    parameters: bytes | None

    def was_sent_so(self, entry: JournalEntry) -> bool:
        """Whether an entry was sent with the parameters of now, and not under another name of `correlation_parameter`."""
        return entry.parameters == self.parameters

    def known_parameters(self, entry: JournalEntry) -> dict[str, str]:
        """Give those of the parameters that an entry was sent with that are known: at least the caller's own."""
        return sent_parameters(self.launch if self.was_sent_so(entry) else self.given)


class JournaledPipeline(LaunchPipeline):
    """Launches with a journal."""

    def __init__(
        self,
        options: JournalOptions,
        open_journal: OpenJournal,
        make_reconciler: MakeReconciler,
        execute: Execute,
        finish: Finish | None,
        retry: RetryPolicy,
        clock: Clock,
        server_time: ServerClock,
        outage: Outage | None = None,
        final: Collection[str] = TERMINAL,
    ) -> None:
        super().__init__(execute, finish, retry, clock, outage)
        self._final = final
        """Statuses that are certain to be ends."""
        self._options = options
        self._open_journal = open_journal
        self._make_reconciler = make_reconciler
        self._server_time = server_time
        self._locks = ListingLocks()
        self._ordinals = Ordinals()
        self._opened: tuple[JournalWriter, Reconciler] | None = None

    async def open(self) -> None:
        """Take hold of the journal.

        Raises:
            InvalidRequest: Field ``"journal"``: it is held, foreign, or no journal.
            CredentialsError: Whose journal it is can't be told without keys.
        """
        journal = await self._open_journal()
        self._opened = journal, self._make_reconciler(journal, self._locks)

    async def aclose(self) -> None:
        """Write what is to be written and let go of the journal."""
        if self._opened is not None:
            try:
                await self._reconciler.aclose()
            finally:
                await self._journal.aclose()
        await super().aclose()

    @property
    def _journal(self) -> JournalWriter:
        assert self._opened is not None  # noqa: S101  # opened before the first launch
        return self._opened[0]

    @property
    def _reconciler(self) -> Reconciler:
        assert self._opened is not None  # noqa: S101  # as above
        return self._opened[1]

    # --- from key to outcome -------------------------------------------------------------------------------

    async def outcome(self, launch: Launch, number: int, context: RunContext) -> Outcome:
        """Take a launch to its outcome; one that the journal has is taken up where it was left."""
        try:
            check_ids(launch)
            settings, parameters = digests(launch)
            ordinal = 1 if launch.key is not None else self._ordinals.next(settings)
            while True:
                plan = self._planned(launch, settings, parameters, ordinal)
                try:
                    return await self._launched(plan, None, context)
                except KeyRepeated:  # the journal knows which names this run has given away
                    if launch.key is not None:
                        raise key_repeated(plan.key) from None
                    ordinal = self._ordinals.after_taken(settings)
                except JournalError as error:
                    return _unrecorded(plan, error)
        except InvalidRequest as error:
            return refused(launch, number, error)

    def _planned(self, launch: Launch, settings: bytes, parameters: dict[str, str], ordinal: int) -> _Plan:
        key = made_name(settings, ordinal) if launch.key is None else check_key(launch.key)
        sent = launch
        if (name := self._options.correlation_parameter) is not None:
            if name in parameters:
                raise InvalidRequest(
                    f"correlation_parameter: launch {key!r} has a parameter {name!r} of its own; choose another name",
                    field="correlation_parameter",
                )
            parameters = {**parameters, name: key}
            sent = _with_parameters(launch, parameters)
        return _Plan(key, sent, launch, settings, parameters_digest(parameters))

    async def _resumed(self, plan: _Plan, entry: JournalEntry, context: RunContext) -> Outcome:
        """Take up a launch that the journal has."""
        if entry.phase in (
            JournalPhase.REJECTED,
            JournalPhase.NOT_SENT,
        ):  # it did not start, and may be corrected
            return await self._launched(plan, entry, context)
        if entry.settings != plan.settings:
            raise EndsTheRun(
                InvalidRequest(
                    f"key: {plan.key!r} stands in the journal with other settings (job {entry.job_id}); a key names"
                    " one launch for ever: choose another key or another journal",
                    field="key",
                )
            )
        if entry.phase in (JournalPhase.INTENT, JournalPhase.UNKNOWN):
            lost = _Lost(entry, None, self._reconciler.settled_at(entry, just_now=False))
            return await self._after_loss(plan, lost, context, resumed=True)
        run = JobExecution(entry.execution_id or "", entry.job_id, status=entry.status)
        if entry.phase is JournalPhase.ENDED and entry.status in self._options.rerun:
            return await self._launched(plan, entry, context)
        inferred = self._finish is not None and entry.status not in self._final
        if entry.phase is JournalPhase.ACCEPTED or inferred:
            return await self._reattached(plan, entry, run, context)
        try:
            require_completed(run)
        except DataFlowError as error:
            return ended_badly(plan.key, plan.given, run, error, resumed=True)
        return Outcome(plan.key, plan.given, run, status=run.status, resumed=True)

    async def _reattached(
        self, plan: _Plan, entry: JournalEntry, run: JobExecution, context: RunContext
    ) -> Outcome:
        """Wait for a run that an earlier process has started, or has seen in a status of which nobody knows."""
        outcome = await self._awaited(plan, entry.attempt, run, resumed=True)
        error = outcome.error
        gone = error is not None and error.not_found and error.source == "service"
        if not gone or NOT_FOUND not in self._options.rerun:
            return outcome
        await self._journal.ended(plan.key, entry.attempt, NOT_FOUND, self._server_time().later)
        return await self._launched(plan, attrs.evolve(entry, phase=JournalPhase.ENDED), context)

    async def _launched(
        self,
        plan: _Plan,
        entry: JournalEntry | None,
        context: RunContext,
        sends: int = 0,
        doubt: LaunchUncertain | None = None,
    ) -> Outcome:
        """Launch what is new, what provably did not start, or what is to run again.

        Args:
            plan: The launch.
            entry: Its attempt as the journal has it; None for a new launch.
            context: The run it belongs to.
            sends: How often it was sent and lost before.
            doubt: Why an earlier send of this attempt may have started all the same: that it is refused now does not
                tell what came of that one.
        """
        while True:
            try:
                found = await self._sent(plan, entry, context, in_doubt=doubt is not None)
            except _Lost as lost:
                return await self._after_loss(plan, lost, context, sends=sends)
            except _Again as again:
                entry = again.entry
                await self._clock.sleep(again.pause)
                continue
            except JournalError as error:
                error.may_have_run = error.may_have_run or doubt is not None
                raise
            except DataFlowError as error:
                return not_started(plan.key, plan.given, error if doubt is None else _still(doubt, error))
            if isinstance(found, JournalEntry):
                return await self._resumed(plan, found, context)
            context.launched()
            return await self._awaited(plan, *found)

    async def _after_loss(
        self, plan: _Plan, lost: _Lost, context: RunContext, *, sends: int = 0, resumed: bool = False
    ) -> Outcome:
        """Find out what became of a launch whose answer was lost, and go on from there."""
        if lost.error is not None and lost.error.is_redirect:  # the lists are elsewhere as well
            return not_started(plan.key, plan.given, lost.error)
        if context.abandoned:
            raise asyncio.CancelledError  # the next run with this journal finds out
        entry = lost.entry
        try:
            result = await self._reconciler.resolve(
                entry,
                lost.settled_at,
                plan.launch,
                plan.known_parameters(entry),
                correlated=self._options.correlation_parameter is not None and plan.was_sent_so(entry),
                goes_on=lambda: context.may_submit(self._reconciler.undecided),
            )
        except JournalError as error:
            error.may_have_run = True
            raise
        if isinstance(result, Adopt):
            if not resumed:
                context.launched()
            return await self._awaited(plan, entry.attempt, result.execution, resumed=resumed)
        sends += lost.error is not None
        again = sends < self._retry.max_attempts
        if isinstance(result, Uncertain):
            doubt = _uncertain(plan, result, lost)
            relaunch = self._options.relaunch or (resumed and UNCERTAIN in self._options.rerun)
            if relaunch and again:
                return await self._launched(plan, entry, context, sends, doubt)
            return not_started(plan.key, plan.given, doubt)
        if again:
            return await self._launched(plan, entry, context, sends)
        return await self._gives_up(plan, lost, sends)

    async def _gives_up(self, plan: _Plan, lost: _Lost, sends: int) -> Outcome:
        """Say so after every send of a launch was lost, the last one provably without effect."""
        assert lost.error is not None  # noqa: S101  # counted sends were ours
        await self._journal.not_sent(plan.key, lost.entry.attempt, type(lost.error).__name__)
        error = NotSent(f"launch {plan.key!r}: sent {sends} times, and it did not start: {lost.error}")
        return not_started(plan.key, plan.given, error)

    async def _awaited(
        self, plan: _Plan, attempt: int, execution: JobExecution, *, resumed: bool = False
    ) -> Outcome:
        """Wait for the end of a run and record it."""
        self._runs.note(execution.job_execution_id)
        if self._finish is None:
            return Outcome(plan.key, plan.given, execution, status=execution.status, resumed=resumed)
        try:
            try:
                execution = await self.finished(self._finish, execution)
            except (ExecutionFailed, ExecutionCanceled) as error:
                await self._ended(plan, attempt, error.execution)
                raise
            await self._ended(plan, attempt, execution)
        except DataFlowError as error:
            return ended_badly(plan.key, plan.given, execution, error, resumed=resumed)
        return Outcome(plan.key, plan.given, execution, status=execution.status, resumed=resumed)

    async def _ended(self, plan: _Plan, attempt: int, execution: JobExecution) -> None:
        await self._journal.ended(plan.key, attempt, str(execution.status), self._server_time().later)

    # --- one send ------------------------------------------------------------------------------------------

    async def _sent(
        self, plan: _Plan, entry: JournalEntry | None, context: RunContext, *, in_doubt: bool
    ) -> tuple[int, JobExecution] | JournalEntry:
        """Record the intent, send, record what came of it; one unit that is completed once it has begun.

        Returns:
            Attempt and run; or, for a first intent, the entry of a key that the journal has already.

        Raises:
            _Again: It did not start, and is to be sent again.
            _Lost: It may have started.
            DataFlowError: It did not start.
        """
        async with self.outage.turn():
            with self._locks.launching(plan.launch.job_id), context.shielded():
                known, entry = await self._intended(plan, entry, in_doubt=in_doubt)
                if known:
                    return entry
                if context.abandoned:
                    error = NotSent(f"launch {plan.key!r}: the run was left before it was sent")
                    await self._record_refusal(entry, error, in_doubt=in_doubt)
                    raise error
                return entry.attempt, await self._recorded(plan, entry, context, in_doubt=in_doubt)

    async def _intended(
        self, plan: _Plan, entry: JournalEntry | None, *, in_doubt: bool
    ) -> tuple[bool, JournalEntry]:
        """Record an intent; tell whether the key was known instead, and give the entry."""
        at = self._server_time()
        job_id = plan.launch.job_id
        if entry is None:
            known = await self._journal.intend(plan.key, job_id, plan.settings, plan.parameters, at)
            new = JournalEntry(plan.key, 1, job_id, plan.settings, plan.parameters, JournalPhase.INTENT, *at)
            return known is not None, known or new
        if entry.phase is JournalPhase.ENDED:
            return False, await self._journal.next_attempt(entry, at, plan.settings, plan.parameters)
        again = attrs.evolve(
            entry, job_id=job_id, settings=plan.settings, parameters=plan.parameters
        )  # corrected, perhaps
        return False, await self._journal.intend_again(again, at, may_have_run=in_doubt)

    async def _recorded(
        self, plan: _Plan, entry: JournalEntry, context: RunContext, *, in_doubt: bool
    ) -> JobExecution:

        async def before_resend() -> None:
            nonlocal entry
            entry = await self._resend(entry)

        control = CallControl(context.is_abandoned, before_resend)
        try:
            execution = await self.accepted(plan.launch, control)
        except JournalError:
            raise
        except DataFlowError as error:
            pause = self.pause(error, context)
            if error.may_have_run:
                raise await self._lost(entry, error) from None
            entry = await self._record_refusal(entry, error, in_doubt=in_doubt)
            if pause is not None:
                raise _Again(entry, pause) from None
            raise
        try:
            await self._journal.accepted(
                entry.key,
                entry.attempt,
                execution.job_execution_id,
                at=self._server_time().later,
                created=created_text(execution),
            )
        except JournalError as error:
            error.execution_ref = execution.ref
            error.may_have_run = True
            raise
        return execution

    async def _resend(self, entry: JournalEntry) -> JournalEntry:
        """Widen the time of an intent, durably, before it is sent under a corrected clock (ruling 87)."""
        at = self._server_time()
        await self._journal.resend(entry.key, entry.attempt, at)
        return attrs.evolve(
            entry,
            intended_from=min(entry.intended_from, at.earlier),
            intended_until=max(entry.intended_until, at.later),
        )

    async def _lost(self, entry: JournalEntry, error: DataFlowError) -> _Lost:
        """Record that nobody knows what came of a send."""
        sent_by = self._server_time().later
        try:
            await self._journal.unknown(entry.key, entry.attempt, sent_by)
        except JournalError as unwritten:
            unwritten.may_have_run = True
            raise
        entry = attrs.evolve(entry, phase=JournalPhase.UNKNOWN, sent_by=sent_by)
        return _Lost(entry, error, self._reconciler.settled_at(entry, just_now=True))

    async def _record_refusal(
        self, entry: JournalEntry, error: DataFlowError, *, in_doubt: bool
    ) -> JournalEntry:
        """Record that a send had no effect; where an earlier one of the same attempt may have had, that stays so."""
        if in_doubt:
            await self._journal.unknown(entry.key, entry.attempt, self._server_time().later)
            return attrs.evolve(entry, phase=JournalPhase.UNKNOWN)
        record = self._journal.not_sent if error.never_sent else self._journal.rejected
        await record(entry.key, entry.attempt, type(error).__name__)
        return attrs.evolve(entry, phase=JournalPhase.NOT_SENT if error.never_sent else JournalPhase.REJECTED)


def _unrecorded(plan: _Plan, error: JournalError) -> Outcome:
    """Give the outcome of a launch of which the journal no longer takes what came of it; the run ends with it."""
    ref = error.execution_ref
    if ref is not None:
        return Outcome(plan.key, plan.given, JobExecution(ref.execution_id, ref.job_id), error=error)
    status = UNCERTAIN if error.may_have_run else NOT_LAUNCHED
    return Outcome(plan.key, plan.given, error=error, status=status)


class _Again(Exception):
    """A launch did not start; it goes back into the line (promise 11)."""

    def __init__(self, entry: JournalEntry, pause: float) -> None:
        super().__init__()
        self.entry = entry
        self.pause = pause


class _Lost(Exception):
    """Nobody knows whether a launch started."""

    def __init__(self, entry: JournalEntry, error: DataFlowError | None, settled_at: float) -> None:
        super().__init__()
        self.entry = entry
        self.error = error
        """What was met instead of an answer; None where an earlier process left it so."""
        self.settled_at = settled_at


def _with_parameters(launch: Launch, parameters: dict[str, str]) -> Launch:
    """Give the same launch with these parameters, which hold those it had, wherever they stood."""
    condition = launch.condition
    if isinstance(condition, Mapping):
        condition = {name: value for name, value in condition.items() if name != "parameters"}
    elif condition is not None:
        condition = attrs.evolve(condition, parameters=None)
    return attrs.evolve(launch, parameters=parameters, condition=condition)


def _uncertain(plan: _Plan, doubt: Uncertain, lost: _Lost) -> LaunchUncertain:
    cause = f" after: {lost.error}" if lost.error is not None else ""
    return LaunchUncertain(
        f"launch {plan.key!r} may have started, and it can't be told: {doubt.why}{cause}",
        launch=plan.given,
        candidates=doubt.candidates,
    )


def _still(doubt: LaunchUncertain, error: DataFlowError) -> LaunchUncertain:
    """Return the error of a launch that was sent again in doubt, and did not start this time."""
    return LaunchUncertain(
        f"{doubt}; sent again, it did not start: {error}", launch=doubt.launch, candidates=doubt.candidates
    )
