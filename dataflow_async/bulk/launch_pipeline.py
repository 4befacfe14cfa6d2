"""Takes one launch from its key to its outcome, step by step; with a journal it survives the death of the process.

Each send is one unit: intent, request, record of what came of it. Only a lost answer leaves open what became of a launch,
or a process that dies in between; `Recovery` finds out, in this run or in the next one with the same journal.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Collection

import attrs

from dataflow_async.bulk.launch_plan import LaunchPlan, Planner
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase, KeyRepeated
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.bulk.outage import Outage
from dataflow_async.bulk.outcomes import EndsTheRun, ended_badly, refused, sent_again, unrecorded, without_run
from dataflow_async.bulk.phases import Await, Phase, Resolve, Send
from dataflow_async.bulk.recorded_send import RecordedSend, ServerClock
from dataflow_async.bulk.recovery import Recovery
from dataflow_async.bulk.run_context import RunContext
from dataflow_async.bulk.run_ends import RunEnds
from dataflow_async.bulk.sender import Sender
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, InvalidRequest, JournalError, NotSent
from dataflow_async.models.execution import TERMINAL, JobExecution
from dataflow_async.models.launch import Launch, Outcome, after_launch
from dataflow_async.polling.waiter import require_completed
from dataflow_async.run_errors import ExecutionCanceled, ExecutionFailed
from dataflow_async.wire.retry import RetryPolicy

log = logging.getLogger("dataflow_async")

NOT_FOUND = "NOT_FOUND"
"""For ``rerun``: runs that were accepted once, and that the service has no more."""


class LaunchPipeline:
    """Launches of one bulk run.

    Always true: a launch is sent only after its intent is recorded, and never again while an earlier send of it may have
    started, unless the caller has asked for that (``on_uncertain``, ``rerun``). What provably did not start may be sent
    again, however often. Sending before the intent is durable would lose launches with the process; sending again on a
    guess would start them twice.

    Args:
        planner: Names launches and digests them.
        sender: Sends them.
        store: Where they are recorded.
        recovery: Finds out what became of those whose answer was lost.
        ends: Waits for the ends of their runs; None where ends are not waited for.
        retry: For pauses while the gateway throttles.
        clock: For pauses.
        server_time: For what is recorded.
        outage: Holds launches back while the service can't be reached.
        rerun: Statuses with which launches that ended are run again.
        final: Statuses that are certain to be ends.
    """

    def __init__(
        self,
        planner: Planner,
        sender: Sender,
        store: LaunchStore,
        recovery: Recovery,
        ends: RunEnds | None,
        *,
        retry: RetryPolicy,
        clock: Clock,
        server_time: ServerClock,
        outage: Outage,
        rerun: Collection[str] = (),
        final: Collection[str] = TERMINAL,
    ) -> None:
        self._planner = planner
        self._sender = sender
        self._store = store
        self._recovery = recovery
        self._ends = ends
        self._retry = retry
        self._clock = clock
        self._server_time = server_time
        self._outage = outage
        self._rerun = rerun
        self._final = final

    async def aclose(self) -> None:
        """Record what is to be recorded and release the store."""
        try:
            await self._recovery.aclose()
        finally:
            await self._store.aclose()

    async def outcome(self, launch: Launch, number: int, context: RunContext) -> Outcome:
        """Take a launch to its outcome; one that is recorded is resumed where it was left.

        Args:
            launch: What to launch.
            number: Its place among the launches of the run, from 0.
            context: The run it belongs to.

        Raises:
            EndsTheRun: Its key can't be used.
        """
        try:
            phase: Phase = Send(self._planner.plan(launch))
            while not isinstance(phase, Outcome):
                key = phase.plan.key
                try:
                    if isinstance(phase, Send):
                        phase = await self._send(phase, context)
                    elif isinstance(phase, Await):
                        phase = await self._await_end(phase)
                    else:
                        phase = await self._recovery.resolve(phase, context)
                except JournalError as error:
                    return unrecorded(key, launch, error)
        except InvalidRequest as error:
            return refused(launch, number, error)
        return phase

    # --- sending -------------------------------------------------------------------------------------------

    async def _send(self, send: Send, context: RunContext) -> Phase:
        plan = send.plan
        if send.pause is not None:
            await self._clock.sleep(send.pause)
        try:
            probes = self._outage.holds and await self._outage.enter()
            try:
                with self._recovery.launching(plan.launch.job_id), context.shielded():
                    return await self._send_recorded(send, context)
            finally:
                if probes:
                    self._outage.leave()
        except KeyRepeated:
            return Send(self._planner.renamed(plan))
        except JournalError as error:
            error.may_have_run = error.may_have_run or send.uncertain is not None
            raise
        except DataFlowError as error:
            if send.uncertain is not None:
                error = sent_again(send.uncertain, error)
            return without_run(plan.key, plan.given, error)

    async def _send_recorded(self, send: Send, context: RunContext) -> Phase:
        """Record the intent, send, record what came of it; one unit that is completed once it has begun.

        Raises:
            DataFlowError: It did not start, and is not sent again.
        """
        plan, record = send.plan, RecordedSend(self._store, self._server_time, send)
        recorded = await record.intend()
        self._planner.key_recorded(plan)
        if recorded is not None:
            return self._resumed(plan, recorded)
        if context.is_abandoned():
            unsent = NotSent(f"launch {plan.key!r}: the run was closed before it was sent")
            await record.refused(unsent)
            raise unsent
        try:
            execution = await self._sender.send(plan.launch, context.is_abandoned, record.widen)
        except JournalError:
            raise
        except DataFlowError as error:
            return await self._after_failure(send, record, error, context)
        self._outage.answered()
        try:
            await record.accepted(execution)
        except JournalError as error:
            after_launch(error, execution.ref)
            raise
        if context.is_abandoned() and not self._store.durable:
            log.warning("launch %r of job %s, left in flight, was started: %s", *_ids(plan), execution.ref)
        context.launched()
        if self._ends is None:
            return Outcome(plan.key, plan.given, execution, status=execution.status)
        return Await(plan, record.number, execution)

    async def _after_failure(
        self, send: Send, record: RecordedSend, error: DataFlowError, context: RunContext
    ) -> Phase:
        """Record that a send failed, and return what comes next.

        Raises:
            DataFlowError: It did not start, and is not sent again.
        """
        in_outage = self._outage.met(error)
        pause = None
        if not self._end_run_if_fatal(error, context):
            context.report()
            pause = self._pause_before_resend(error, context, in_outage=in_outage)
        if error.may_have_run:
            if context.is_abandoned() and not self._store.durable:
                log.warning(
                    "launch %r of job %s, left in flight, may have started: %s", *_ids(send.plan), error
                )
            return Resolve(send.plan, await record.lost(), error, send.lost_sends)
        entry = await record.refused(error)
        if pause is None:
            raise error
        return send._replace(entry=entry, pause=pause)

    def _end_run_if_fatal(self, error: DataFlowError, context: RunContext) -> bool:
        """End the run after an outage that has lasted too long, or a redirect; return whether it ends."""
        fatal = self._outage.ended_by or (error if error.is_redirect else None)
        if fatal is None:
            return False
        context.end_with(fatal)
        if self._outage.ended_by is not None and self._ends is not None:
            self._ends.cancel_all()
        return True

    def _pause_before_resend(
        self, error: DataFlowError, context: RunContext, *, in_outage: bool
    ) -> float | None:
        """Return the seconds after which a launch that did not start is sent again; None if it is not.

        In an outage there is none: the launch waits for its turn as all others do.
        """
        if context.is_abandoned():
            return None
        if error.is_throttled:
            # Its call has used its retries up, so the bound of this pause is higher than theirs.
            return self._retry.pause(self._retry.max_attempts, error.retry_after, random.random)
        return 0.0 if in_outage else None

    # --- what is recorded already --------------------------------------------------------------------------

    def _resumed(self, plan: LaunchPlan, entry: JournalEntry) -> Phase:
        """Return what comes next for a launch that is recorded already.

        Raises:
            EndsTheRun: It is recorded with other settings.
        """
        if entry.phase in (
            JournalPhase.REJECTED,
            JournalPhase.NOT_SENT,
        ):  # it did not start, and may be corrected
            return Send(plan, entry)
        if entry.settings != plan.settings:
            raise EndsTheRun(
                InvalidRequest(
                    f"key: {plan.key!r} stands in the journal with other settings (job {entry.job_id}); a key names"
                    " one launch for ever: choose another key or another journal",
                    field="key",
                )
            )
        if entry.phase in (JournalPhase.INTENT, JournalPhase.UNKNOWN):
            return Resolve(plan, entry, None, resumed=True)
        if entry.phase is JournalPhase.ENDED and entry.status in self._rerun:
            return Send(plan, entry)
        run = JobExecution(entry.execution_id or "", entry.job_id, status=entry.status)
        inferred = self._ends is not None and entry.status not in self._final
        if entry.phase is JournalPhase.ACCEPTED or inferred:
            self._sender.note(run)
            return Await(plan, entry.attempt, run, resumed=True, entry=entry)
        try:
            require_completed(run)
        except DataFlowError as error:
            return ended_badly(plan.key, plan.given, run, error, resumed=True)
        return Outcome(plan.key, plan.given, run, status=run.status, resumed=True)

    # --- waiting for the end -------------------------------------------------------------------------------

    async def _await_end(self, started: Await) -> Phase:
        """Wait for the end of a run and record it."""
        plan, execution = started.plan, started.execution
        if self._ends is None:  # it was resumed, or found after its answer was lost
            return _good(started, execution)
        try:
            try:
                execution = await self._ends.wait(execution)
            except (ExecutionFailed, ExecutionCanceled) as error:
                await self._ended(started, str(error.execution.status))
                raise
            await self._ended(started, str(execution.status))
        except DataFlowError as error:
            if started.entry is not None and _is_gone(error) and NOT_FOUND in self._rerun:
                await self._ended(started, NOT_FOUND)
                return Send(plan, attrs.evolve(started.entry, phase=JournalPhase.ENDED))
            return ended_badly(plan.key, plan.given, execution, error, resumed=started.resumed)
        return _good(started, execution)

    async def _ended(self, started: Await, status: str) -> None:
        await self._store.ended(started.plan.key, started.attempt, status, self._server_time().later)


def _good(started: Await, execution: JobExecution) -> Outcome:
    plan = started.plan
    return Outcome(plan.key, plan.given, execution, status=execution.status, resumed=started.resumed)


def _is_gone(error: DataFlowError) -> bool:
    """Return whether the service itself says that it has no such run."""
    return error.not_found and error.source == "service"


def _ids(plan: LaunchPlan) -> tuple[str, str]:
    return plan.key, plan.launch.job_id
