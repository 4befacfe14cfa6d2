"""Decides what comes next for launches whose answer was lost, by the journal and the service's lists."""

from __future__ import annotations

import asyncio

from dataflow_async.bulk.launch_pipeline import LaunchPipeline
from dataflow_async.bulk.launch_plan import LaunchPlan, Planner
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.bulk.options import JournalOptions
from dataflow_async.bulk.outage import Outage
from dataflow_async.bulk.outcomes import without_run
from dataflow_async.bulk.phases import Await, Phase, Resolve, Send
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunch, InFlightLaunches
from dataflow_async.bulk.reconcile.reconciler import Reconciler
from dataflow_async.bulk.reconcile.result import Adopt, Uncertain
from dataflow_async.bulk.reconcile.run_lister import Runs
from dataflow_async.bulk.recorded_send import ServerClock
from dataflow_async.bulk.run_context import RunContext
from dataflow_async.bulk.run_ends import RunEnds
from dataflow_async.bulk.sender import Sender
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, JournalError, NotSent
from dataflow_async.models.launch import UNCERTAIN, Outcome
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.run_errors import LaunchUncertain
from dataflow_async.wire.retry import RetryPolicy


class JournalRecovery:
    """Recovery of the launches of one bulk run.

    Always true: a lost launch is sent again only where the reconciler has proven that it did not start, or where the
    caller has accepted a second run; and no more often than ``max_attempts``, lost answers counted.

    Args:
        options: What the caller allows for lost launches.
        store: The journal.
        reconciler: Finds out what became of them.
        in_flight: Which launches are in flight, for the reconciler.
        sender: Is shown the runs that are found.
        max_attempts: How often a launch whose answers are lost is sent.
    """

    def __init__(
        self,
        options: JournalOptions,
        store: LaunchStore,
        reconciler: Reconciler,
        in_flight: InFlightLaunches,
        sender: Sender,
        max_attempts: int,
    ) -> None:
        self._options = options
        self._store = store
        self._reconciler = reconciler
        self._in_flight = in_flight
        self._sender = sender
        self._max_attempts = max_attempts

    def launching(self, job_id: str) -> InFlightLaunch:
        """Return a block in which a launch is in flight."""
        return self._in_flight.launching(job_id)

    async def aclose(self) -> None:
        """Stop; a launch that is not resolved yet is resolved by the next run with this journal."""
        await self._reconciler.aclose()

    async def resolve(self, lost: Resolve, context: RunContext) -> Phase:
        """Find out what became of a launch, and return what comes next.

        Raises:
            JournalError: The journal can't be read or written.
        """
        plan, entry, error = lost.plan, lost.entry, lost.error
        if error is not None and error.is_redirect:  # the lists are elsewhere as well
            return without_run(plan.key, plan.given, error)
        if context.is_abandoned():
            raise asyncio.CancelledError  # the next run with this journal finds out
        try:
            result = await self._reconciler.resolve(
                entry,
                self._reconciler.settled_at(entry, just_now=error is not None),
                plan.launch,
                plan.known_parameters(entry),
                correlated=self._options.correlation_parameter is not None and plan.was_sent_so(entry),
                more_may_come=lambda: context.may_submit(self._reconciler.undecided),
            )
        except JournalError as problem:
            problem.may_have_run = True
            raise
        if isinstance(result, Adopt):
            if not lost.resumed:
                context.launched()
            self._sender.note(result.execution)
            return Await(plan, entry.attempt, result.execution, lost.resumed)
        sends = lost.lost_sends + (error is not None)
        may_send = sends < self._max_attempts
        if isinstance(result, Uncertain):
            uncertain = _uncertain(plan, result, error)
            relaunch = self._options.relaunch or (lost.resumed and UNCERTAIN in self._options.rerun)
            if relaunch and may_send:
                return Send(plan, entry, lost_sends=sends, uncertain=uncertain)
            return without_run(plan.key, plan.given, uncertain)
        return Send(plan, entry, lost_sends=sends) if may_send else await self._unsent(lost, sends)

    async def _unsent(self, lost: Resolve, sends: int) -> Outcome:
        """Return the outcome after every send of a launch was lost, the last one provably without effect."""
        plan, error = lost.plan, lost.error
        assert error is not None  # noqa: S101  # counted sends were ours
        await self._store.not_sent(plan.key, lost.entry.attempt, type(error).__name__)
        problem = NotSent(f"launch {plan.key!r}: sent {sends} times, and it did not start: {error}")
        return without_run(plan.key, plan.given, problem)


def _uncertain(plan: LaunchPlan, result: Uncertain, error: DataFlowError | None) -> LaunchUncertain:
    cause = f" after: {error}" if error is not None else ""
    return LaunchUncertain(
        f"launch {plan.key!r} may have started, and nothing proves whether it did: {result.why}{cause}",
        launch=plan.given,
        candidates=result.candidates,
    )


def recorded_pipeline(
    store: LaunchStore,
    options: JournalOptions,
    jobs: Runs,
    sender: Sender,
    ends: RunEnds | None,
    *,
    in_flight: InFlightLaunches,
    retry: RetryPolicy,
    poll: PollPolicy,
    clock: Clock,
    server_time: ServerClock,
    outage: Outage,
) -> LaunchPipeline:
    """Return a pipeline that records its launches in a store, and recovers those whose answer was lost."""
    reconciler = Reconciler(jobs, store, in_flight, options, poll, clock, server_time)
    return LaunchPipeline(
        Planner(options.correlation_parameter, recorded=True),
        sender,
        store,
        JournalRecovery(options, store, reconciler, in_flight, sender, retry.max_attempts),
        ends,
        retry=retry,
        clock=clock,
        server_time=server_time,
        outage=outage,
        rerun=options.rerun,
        final=poll.terminal_statuses,
    )
