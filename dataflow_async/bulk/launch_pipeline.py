"""The pipeline of one launch, from its key to its outcome, when nothing is written down."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol

import attrs

from dataflow_async import defaults, tasks
from dataflow_async.bulk.launch_keys import LaunchKeys
from dataflow_async.bulk.outage import Outage
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, DecodeError, InvalidRequest, ResponseLost
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.launch import NOT_LAUNCHED, UNCERTAIN, Launch, Outcome, after_launch
from dataflow_async.run_errors import LaunchUncertain
from dataflow_async.transport.call_control import CallControl
from dataflow_async.wire.request import check_id
from dataflow_async.wire.retry import RetryPolicy

log = logging.getLogger("dataflow_async")

Execute = Callable[[Launch, CallControl], Awaitable[JobExecution]]
"""Starts one run, or raises a `DataFlowError`."""
Finish = Callable[[JobExecution], Awaitable[JobExecution]]
"""Waits for the end of one run; raises `ExecutionFailed` and its kin unless it ended COMPLETED."""


class EndsTheRun(Exception):
    """Something is wrong with the run as a whole, not with one launch; ``error`` says what."""

    def __init__(self, error: DataFlowError) -> None:
        super().__init__(str(error))
        self.error = error


class RunContext(Protocol):
    """What a pipeline needs to know of the run it belongs to."""

    def shielded(self) -> AbstractContextManager[None]:
        """Give a block that is seen through even when the run is left meanwhile (promise 9)."""

    @property
    def abandoned(self) -> bool:
        """Whether the run has been left."""

    def is_abandoned(self) -> bool:
        """Return ``abandoned``, for calls that are under way."""

    def may_submit(self, held: int) -> bool:
        """Whether further launches may be drawn while so many of those drawn are held up."""

    def launched(self) -> None:
        """Count a run that has started."""

    def report(self) -> None:
        """Tell the caller how far the run has come, not too often."""

    def end_with(self, error: DataFlowError) -> None:
        """Draw nothing more, and raise this once all that is in flight has its outcome."""


class LaunchPipeline:
    """Launches without a journal: what is lost stays uncertain."""

    def __init__(
        self,
        execute: Execute,
        finish: Finish | None,
        retry: RetryPolicy,
        clock: Clock,
        outage: Outage | None = None,
    ) -> None:
        self._execute = execute
        self._finish = finish
        self._retry = retry
        self._clock = clock
        self.outage = outage or Outage(clock)
        self._keys = LaunchKeys()
        self._runs = KnownRuns()
        self._waiting: set[asyncio.Task[Any]] = set()
        """Workers that wait for the end of a run."""
        self._given_up: set[asyncio.Task[Any]] = set()
        """Those of them whose wait was cancelled by us."""

    async def open(self) -> None:
        """Get ready; called once, before the first launch."""

    async def aclose(self) -> None:
        """Let go of everything; nothing is under way any more."""

    async def outcome(self, launch: Launch, number: int, context: RunContext) -> Outcome:
        """Take a launch to its outcome.

        Args:
            launch: What to launch.
            number: Its place in the line, from 0.
            context: The run it belongs to.

        Raises:
            EndsTheRun: Its key can't be used.
        """
        try:
            check_ids(launch)
            key = self._keys.name(launch)
        except InvalidRequest as error:
            return refused(launch, number, error)
        try:
            execution = await self._started(key, launch, context)
        except DataFlowError as error:
            return not_started(key, launch, error)
        context.launched()
        if self._finish is None:
            return Outcome(key, launch, execution, status=execution.status)
        try:
            execution = await self.finished(self._finish, execution)
        except DataFlowError as error:
            return ended_badly(key, launch, execution, error)
        return Outcome(key, launch, execution, status=execution.status)

    async def _started(self, key: str, launch: Launch, context: RunContext) -> JobExecution:
        """Start one run; what provably did not start may be sent again, however often (promise 11)."""
        while True:
            try:
                async with self.outage.turn():
                    with context.shielded():
                        return await self._answered(key, launch, context)
            except DataFlowError as error:
                if (pause := self.pause(error, context)) is None:
                    raise
            await self._clock.sleep(pause)

    async def _answered(self, key: str, launch: Launch, context: RunContext) -> JobExecution:
        try:
            execution = await self.accepted(launch, CallControl(context.is_abandoned))
        except DataFlowError as error:
            if context.abandoned and error.may_have_run:
                log.warning(
                    "launch %r of job %s, left in flight, may have started: %s", key, launch.job_id, error
                )
            raise
        if context.abandoned:
            log.warning(
                "launch %r of job %s, left in flight, was started: %s", key, launch.job_id, execution.ref
            )
        return execution

    # --- one send, with or without a journal ---------------------------------------------------------------

    async def accepted(self, launch: Launch, control: CallControl) -> JobExecution:
        """Send a launch and return the run that its answer names.

        Raises:
            DataFlowError: There is none; ``may_have_run`` says whether one may have started.
        """
        try:
            check = partial(self._runs.check, job_id=launch.job_id)
            execution = await self._execute(launch, attrs.evolve(control, check=check))
        except asyncio.CancelledError:
            if tasks.is_cancelled():
                raise
            raise ResponseLost(
                "executeJob: something else than this run has cancelled the call, which may have taken effect",
                operation="executeJob",
                may_have_run=True,
            ) from None
        except DecodeError as error:  # an answer that is odd in a minor member names its run all the same
            if (ref := error.execution_ref) is None:
                raise
            execution = JobExecution(ref.execution_id, ref.job_id)
        self._runs.check(execution, launch.job_id)
        self._runs.note(execution.job_execution_id)
        self.outage.answered()
        return execution

    async def finished(self, finish: Finish, execution: JobExecution) -> JobExecution:
        """Wait for the end of a run.

        Raises:
            DataFlowError: It did not end COMPLETED, or the wait for it ended before.
        """
        waiting = asyncio.current_task()
        assert waiting is not None  # noqa: S101  # workers are tasks
        self._waiting.add(waiting)
        try:
            return await finish(execution)
        except asyncio.CancelledError:
            if waiting.cancelling() > (given_up := waiting in self._given_up):
                raise
            if given_up:
                waiting.uncancel()
            why = f"no answer to any call: {self.outage.ended_by}" if given_up else "cancelled from elsewhere"
            raise DataFlowError(f"{execution.ref}: the wait has ended, the run goes on: {why}") from None
        finally:
            self._waiting.discard(waiting)
            self._given_up.discard(waiting)

    def _give_up_waits(self) -> None:
        """End the waits of runs that have started: the outage has lasted too long for them as well."""
        waiting, self._waiting = self._waiting, set()
        self._given_up |= waiting
        for task in waiting:
            task.cancel()

    def pause(self, error: DataFlowError, context: RunContext) -> float | None:
        """Return the seconds after which a launch that has met this error is sent again; None if it is not.

        It must be called once for each send that failed: it tells the outage, and ends the run where need be.
        """
        waits = self.outage.met(error)
        fatal = self.outage.ended_by or (error if error.is_redirect else None)
        if fatal is not None:
            context.end_with(fatal)
            if self.outage.ended_by is not None:
                self._give_up_waits()
            return None
        context.report()
        if context.abandoned:
            return None
        if error.is_throttled:
            return self._retry.pause(self._retry.max_attempts, error.retry_after, random.random)
        return 0.0 if waits else None


class KnownRuns:
    """The execution ids that launches of this run were given last.

    A run belongs to one launch: an answer that names it again, as one that was left on a connection does, says nothing
    about the launch that it seems to answer (ruling 98).
    """

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def check(self, execution: JobExecution, job_id: str) -> None:
        """Check the run that answers a launch of a job.

        Raises:
            DecodeError: The answer is about another launch; this one may have started.
        """
        given, known = execution.job_execution_id, execution.job_execution_id in self._ids
        if execution.job_id != job_id or known:
            whose = "another launch" if known else f"job {execution.job_id}"
            raise DecodeError(
                f"executeJob: the answer to a launch of job {job_id} names execution {given} of {whose};"
                " the call may have taken effect",
                operation="executeJob",
                may_have_run=True,
            )

    def note(self, execution_id: str) -> None:
        """Remember a run that is known from elsewhere."""
        self._ids[execution_id] = None
        if len(self._ids) > defaults.KNOWN_RUNS:
            del self._ids[next(iter(self._ids))]


def check_ids(launch: Launch) -> None:
    """Check the ids that a launch names; a list or None in their place would break what is keyed by them.

    Raises:
        InvalidRequest: Field ``"job_id"``, ``"trigger_id"`` or ``"workflow_id"``.
    """
    check_id(launch.job_id, "job_id")
    for name in ("trigger_id", "workflow_id"):
        if (value := getattr(launch, name)) is not None:
            check_id(value, name)


def refused(launch: Launch, number: int, error: InvalidRequest) -> Outcome:
    """Return the outcome of a launch whose settings are wrong; a wrong key concerns the whole run.

    Raises:
        EndsTheRun: The key can't be used.
    """
    if error.field == "key":
        raise EndsTheRun(error)
    return Outcome(launch.key or str(number), launch, error=error, status=NOT_LAUNCHED)


def broken_off(launch: Launch, number: int, problem: BaseException) -> Outcome:
    """Return the outcome of a launch that something cut short of which nobody has thought; it may have started."""
    error = LaunchUncertain(
        f"launch {launch.key or number!r} may have started: {type(problem).__name__} came in between",
        launch=launch,
    )
    return Outcome(launch.key or str(number), launch, error=error, status=UNCERTAIN)


def not_started(key: str, launch: Launch, error: DataFlowError) -> Outcome:
    """Give the outcome of a launch that did not start, or may not have."""
    if isinstance(error, LaunchUncertain):
        return Outcome(key, launch, error=error, status=UNCERTAIN)
    if error.may_have_run:
        uncertain = LaunchUncertain(f"launch {key!r} may have started: {error}", launch=launch)
        return Outcome(key, launch, error=uncertain, status=UNCERTAIN)
    return Outcome(key, launch, error=error, status=NOT_LAUNCHED)


def ended_badly(
    key: str, launch: Launch, execution: JobExecution, error: DataFlowError, *, resumed: bool = False
) -> Outcome:
    """Give the outcome of a run that did not end COMPLETED, or was not seen to end."""
    after_launch(error, execution.ref)
    seen = error.execution or execution
    return Outcome(key, launch, execution=seen, error=error, status=seen.status, resumed=resumed)
