"""Waiting for runs until they end, or until a deadline that cancels them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, Self

from attrs import frozen

from dataflow_async import defaults, tasks
from dataflow_async.airflow.events import EndedBy, RunError, RunEvent, RunReport
from dataflow_async.client import DataFlow
from dataflow_async.clock import Clock
from dataflow_async.errors import BadState, DataFlowError
from dataflow_async.models import checks
from dataflow_async.models.execution import ExecutionRef, JobExecution
from dataflow_async.run_errors import WaitTimeout

_log = logging.getLogger(__name__)


class Log(Protocol):
    """What is used of a logger, of the standard library or of Airflow."""

    def info(self, event: Any, /, *args: Any) -> Any:
        """Log at level INFO."""

    def warning(self, event: Any, /, *args: Any) -> Any:
        """Log at level WARNING."""

    def exception(self, event: Any, /, *args: Any) -> Any:
        """Log the exception that is being handled."""


@frozen
class RunEnd:
    """How the wait for one run ended.

    Attributes:
        ref: The run.
        last: The run as it was seen last; None if it never was.
        ended_by: Why it is no longer waited for.
        error: Where that is ``"error"``: what happened.
    """

    ref: ExecutionRef
    last: JobExecution | None
    ended_by: EndedBy
    error: DataFlowError | None = None

    @property
    def report(self) -> RunReport:
        """Return what is reported of the run."""
        if self.last is None:
            return RunReport(self.ref.job_id, self.ref.execution_id)
        return RunReport.of(self.last)


@frozen
class RunWait:
    """A wait for runs.

    Attributes:
        refs: The runs.
        deadline: Unix seconds until which they are waited for; None for as long as it takes.
        cancel_on_deadline: Whether those that have not ended by then are cancelled.
        refill_delay: Seconds from the first end until the wait is over though others go on; None waits for all.
    """

    refs: tuple[ExecutionRef, ...]
    deadline: float | None = None
    cancel_on_deadline: bool = True
    refill_delay: float | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the wait that the arguments of a trigger describe.

        Raises:
            InvalidRequest: They name no run, or hold what no version of the operators writes.
        """
        return cls(
            run_refs(arguments.get("job_id"), arguments.get("execution_ids")),
            _seconds(arguments, "deadline"),
            bool(arguments.get("cancel_on_deadline", True)),
            _seconds(arguments, "refill_delay"),
        )

    async def event(self, flow: DataFlow, clock: Clock, log: Log = _log) -> RunEvent:
        """Wait, and return what is to be reported to the task.

        Transient errors do not end the wait. An error that does is reported once the other runs have ended.

        Args:
            flow: The client.
            clock: Time; the deadline is read on its wall clock.
            log: Where changes of status are logged: the log of the task.
        """
        timeout = None if self.deadline is None else max(self.deadline - clock.time(), 0.0)
        waits = [_Wait(flow, ref, log) for ref in self.refs]
        ends = [
            tasks.start(partial(wait.end, timeout, cancel_on_deadline=self.cancel_on_deadline))
            for wait in waits
        ]
        try:
            await self._enough(ends)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        return event_of(
            [wait.open if end.cancelled() else end.result() for wait, end in zip(waits, ends, strict=True)]
        )

    async def _enough(self, ends: Sequence[asyncio.Task[RunEnd]]) -> None:
        """Return when all runs have ended, or as many as are asked for, unless the time was over or an error came up."""
        if self.refill_delay is not None:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(ends, timeout=self.refill_delay)
            if all(end.result().ended_by == "terminal" for end in ends if end.done()):
                return
        await asyncio.wait(ends)


class _Wait:
    """The wait for one run, which keeps what it saw last."""

    def __init__(self, flow: DataFlow, ref: ExecutionRef, log: Log) -> None:
        self._flow = flow
        self._ref = ref
        self._log = log
        self._last: JobExecution | None = None

    async def end(self, timeout: float | None, *, cancel_on_deadline: bool) -> RunEnd:
        """Return how it ended; no error of the client is raised."""
        try:
            await self._seen(timeout)
        except WaitTimeout:
            if cancel_on_deadline:
                return await self._cancelled()
            return self._ended("deadline")
        except DataFlowError as error:
            return self._ended("error", error)
        return self._ended("terminal")

    @property
    def open(self) -> RunEnd:
        """What is known of a run that is no longer waited for, and goes on."""
        return self._ended("some")

    async def _seen(self, timeout: float | None) -> None:
        """Wait for the end of the run, and keep each state on the way."""
        self._last = await self._flow.wait(self._ref, timeout=timeout, on_change=self._keep, check=False)

    def _keep(self, run: JobExecution) -> None:
        self._last = run
        minutes = "" if run.running_time is None else f" after {round(run.running_time, 1):g} minutes"
        self._log.info("run %s of job %s is %s%s", run.job_execution_id, run.job_id, run.status, minutes)

    async def _cancelled(self) -> RunEnd:
        """Cancel the run and wait for its end, within bounds; it may end by itself meanwhile."""
        self._log.warning("%s has not ended by its deadline and is cancelled", shown(self._ref))
        try:
            async with asyncio.timeout(defaults.DEADLINE_CANCEL_TIMEOUT):
                with suppress(BadState):  # it has ended meanwhile
                    await self._flow.jobs.cancel_execution(self._ref.job_id, self._ref.execution_id)
                await self._seen(None)
        except (DataFlowError, TimeoutError) as problem:
            self._log.warning(
                "%s: its end is not confirmed, it may go on: %s",
                shown(self._ref),
                str(problem) or "no answer in time",
            )
            return self._ended("deadline")
        ended_by_itself = self._last is not None and self._last.status != "CANCELED"
        return self._ended("terminal" if ended_by_itself else "deadline")

    def _ended(self, ended_by: EndedBy, error: DataFlowError | None = None) -> RunEnd:
        return RunEnd(self._ref, self._last, ended_by, error)


async def cancel_runs(flow: DataFlow, refs: Iterable[ExecutionRef], log: Log) -> None:
    """Cancel runs whose task has ended, each whatever becomes of the others."""

    async def cancel(ref: ExecutionRef) -> None:
        try:
            await flow.jobs.cancel_execution(ref.job_id, ref.execution_id)
        except BadState:
            log.info("%s has ended already, and is not cancelled", shown(ref))
        except DataFlowError as error:
            log.warning("%s could not be cancelled, it may go on: %s", shown(ref), error)
        else:
            log.info("%s is cancelled, because its task has ended", shown(ref))

    await asyncio.gather(*map(cancel, refs))


def shown(ref: ExecutionRef) -> str:
    """Return a run in words."""
    return f"run {ref.execution_id} of job {ref.job_id}"


def deadline_of(arguments: Mapping[str, Any]) -> float | None:
    """Return the deadline in the arguments of a trigger.

    Raises:
        InvalidRequest: It is no number.
    """
    return _seconds(arguments, "deadline")


def _seconds(arguments: Mapping[str, Any], name: str) -> float | None:
    value = arguments.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise checks.refuse(name, value, "a number of seconds or None")


_REASONS: tuple[EndedBy, ...] = ("error", "deadline", "some", "terminal")
"""Reasons for which a wait ends: the first of those that hold is that of waits together."""


def event_of(ends: Sequence[RunEnd]) -> RunEvent:
    """Return the event for some waits."""
    errors = [end.error for end in ends if end.error is not None]
    reasons = {end.ended_by for end in ends}
    reason = next((each for each in _REASONS if each in reasons), _REASONS[-1])
    return RunEvent(
        tuple(end.report for end in ends), reason, None if not errors else error_of(errors[0], *errors[1:])
    )


def error_of(error: Exception, *others: Exception) -> RunError:
    """Return the form in which an error travels to the task.

    Args:
        error: The error.
        others: Those that other runs met; only their number is mentioned.
    """
    more = f" ({len(others) + 1} runs can't be waited for, this is the first)" if others else ""
    return RunError(type(error).__name__, f"{error}{more}")


def run_refs(job_id: object, execution_ids: object) -> tuple[ExecutionRef, ...]:
    """Return the runs that arguments of a trigger name: ids of one job's runs, or texts of references.

    Raises:
        InvalidRequest: There is none, or one that can't be read.
    """
    if not isinstance(execution_ids, list | tuple) or not execution_ids:
        raise checks.refuse("execution_ids", execution_ids, "a list of run ids")
    return tuple(_run_ref(job_id, each) for each in execution_ids)


def _run_ref(job_id: object, execution_id: object) -> ExecutionRef:
    if isinstance(execution_id, str) and ":" in execution_id:
        return ExecutionRef.parse(execution_id)
    if not (isinstance(execution_id, str) and execution_id):
        raise checks.refuse("execution_ids", execution_id, "ids of runs, or texts of references")
    if not (isinstance(job_id, str) and job_id):
        raise checks.refuse("job_id", job_id, "the id of the job whose runs are named")
    return ExecutionRef(job_id, execution_id)
