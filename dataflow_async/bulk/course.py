"""The course of one launch, from its key to its outcome, when nothing is written down."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol

from dataflow_async.bulk.keys import KeyRing
from dataflow_async.call_control import CallControl
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError, InvalidRequest, LaunchUncertain, RateLimited
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.launch import NOT_LAUNCHED, UNCERTAIN, Launch, Outcome, after_launch
from dataflow_async.wire.request import check_id
from dataflow_async.wire.retry import RetryPolicy, is_throttled

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


class Crew(Protocol):
    """What a course needs to know of the run it belongs to."""

    def uninterrupted(self) -> AbstractContextManager[None]:
        """Give a block that is seen through even when the run is left meanwhile (promise 9)."""

    @property
    def abandoned(self) -> bool:
        """Whether the run has been left."""

    def is_abandoned(self) -> bool:
        """Return ``abandoned``, for calls that are under way."""

    def launched(self) -> None:
        """Count a run that has started."""


class Course:
    """Launches without a journal: what is lost stays uncertain."""

    def __init__(self, execute: Execute, finish: Finish | None, retry: RetryPolicy, clock: Clock) -> None:
        self._execute = execute
        self._finish = finish
        self._retry = retry
        self._clock = clock
        self._keys = KeyRing()

    async def open(self) -> None:
        """Get ready; called once, before the first launch."""

    async def aclose(self) -> None:
        """Let go of everything; nothing is under way any more."""
        self._keys.close()

    async def outcome(self, launch: Launch, number: int, crew: Crew) -> Outcome:
        """Take a launch to its outcome.

        Args:
            launch: What to launch.
            number: Its place in the line, from 0.
            crew: The run it belongs to.

        Raises:
            EndsTheRun: Its key can't be used.
        """
        try:
            check_ids(launch)
            key = self._keys.name(launch)
        except InvalidRequest as error:
            return refused(launch, number, error)
        try:
            execution = await self._started(key, launch, crew)
        except DataFlowError as error:
            return not_started(key, launch, error)
        crew.launched()
        if self._finish is None:
            return Outcome(key, launch, execution, status=execution.status)
        try:
            execution = await self._finish(execution)
        except DataFlowError as error:
            return ended_badly(key, launch, execution, error)
        return Outcome(key, launch, execution, status=execution.status)

    async def _started(self, key: str, launch: Launch, crew: Crew) -> JobExecution:
        """Start one run; a throttled launch goes back into the line, however often (promise 11)."""
        while True:
            try:
                with crew.uninterrupted():
                    return await self._answered(key, launch, crew)
            except RateLimited as error:
                if crew.abandoned or not is_throttled(error):
                    raise
                pause = self.pause(error)
            await self._clock.sleep(pause)

    async def _answered(self, key: str, launch: Launch, crew: Crew) -> JobExecution:
        try:
            execution = await self._execute(launch, CallControl(crew.is_abandoned))
        except DataFlowError as error:
            if crew.abandoned and error.may_have_run:
                log.warning(
                    "launch %r of job %s, left in flight, may have started: %s", key, launch.job_id, error
                )
            raise
        if crew.abandoned:
            log.warning(
                "launch %r of job %s, left in flight, was started: %s", key, launch.job_id, execution.ref
            )
        return execution

    def pause(self, error: RateLimited) -> float:
        """Give the seconds for which a throttled launch steps back."""
        return self._retry.pause(self._retry.attempts, error.retry_after, random.random)


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
    seen = getattr(error, "execution", None) or execution
    return Outcome(key, launch, execution=seen, error=error, status=seen.status, resumed=resumed)
