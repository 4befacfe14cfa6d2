"""Finds the latest run of a job in a period, also one that has not begun yet."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Self, TypeVar

from attrs import field, frozen

from dataflow_async import defaults
from dataflow_async.airflow.run_wait import Log
from dataflow_async.airflow.shared_reads import SharedReads
from dataflow_async.client import DataFlow
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError
from dataflow_async.models import checks
from dataflow_async.models.execution import JobExecution
from dataflow_async.polling.policy import is_suspect

T = TypeVar("T")
_reads = SharedReads()


class NoRunInPeriod(DataFlowError):
    """The period is over, and the job has no run that was requested in it."""


@frozen(kw_only=True)
class RunSearch:
    """What is searched for.

    Attributes:
        job_id: The job; None for all jobs of a name.
        job_name: The exact name of the job, where ``job_id`` is None; several jobs may have it.
        start: Unix seconds from which on a run must have been requested.
        end: Unix seconds before which it must have been requested.
        deadline: Unix seconds until which is searched; None for as long as the period lasts.
        interval: Seconds between two searches.
    """

    job_id: str | None = None
    job_name: str | None = None
    start: float
    end: float
    deadline: float | None = None
    interval: float = field(default=defaults.SEARCH_INTERVAL)

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the search that the arguments of a trigger describe.

        Raises:
            InvalidRequest: They name no job or no period.
        """
        job_id, job_name = arguments.get("job_id"), arguments.get("job_name")
        if not any(isinstance(each, str) and each for each in (job_id, job_name)):
            raise checks.refuse("job_id", job_id, "the id of a job, unless job_name is given")
        deadline = arguments.get("deadline")
        return cls(
            job_id=job_id or None,
            job_name=job_name or None,
            start=_seconds(arguments, "window_start"),
            end=_seconds(arguments, "window_end"),
            deadline=None if deadline is None else _seconds(arguments, "deadline"),
            interval=defaults.SEARCH_INTERVAL
            if arguments.get("poll_interval") is None
            else _seconds(arguments, "poll_interval"),
        )

    async def find(self, flow: DataFlow, clock: Clock, log: Log) -> JobExecution | None:
        """Wait until there is a run; None if there is none by the deadline.

        Transient errors do not end the search.

        Raises:
            NoRunInPeriod: The period is over, by ``defaults.VISIBILITY_DELAY``, and there is none.
            DataFlowError: An error that does not pass: keys, permission, quota, no such job.
        """
        while True:
            try:
                run = await self.latest(flow, clock, max_age=self.interval * defaults.SEARCH_SHARE)
                if run is not None:  # another one may have begun since
                    run = await self.latest(flow, clock)
            except DataFlowError as error:
                if error.ends_wait or (error.not_found and error.is_authentic):
                    raise
                log.warning("the runs could not be listed, which is repeated: %s", error)
            else:
                if run is not None:
                    return run
                self.check_period(clock.time())
            if self.deadline is not None and clock.time() >= self.deadline:
                return None
            await clock.sleep(self._pause(clock.time()))

    async def latest(
        self, flow: DataFlow, clock: Clock, *, max_age: float = defaults.POLL_MIN_INTERVAL
    ) -> JobExecution | None:
        """Return the latest run of the period; one that goes on comes before all that have ended.

        Args:
            flow: The client.
            clock: Time.
            max_age: Seconds for which a list that was read for another search counts.

        Raises:
            DataFlowError: The runs can't be listed.
        """

        async def shared(key: Hashable, read: Callable[[], Awaitable[list[T]]]) -> list[T]:
            return await _reads.get(flow, key, read, now=clock.monotonic, max_age=max_age)

        found = [self.job_id or ""]
        if self.job_id is None:
            found = await shared(("jobs", self.job_name), lambda: self._job_ids(flow))
        runs: list[JobExecution] = []
        for job_id in found:
            runs += await shared(("runs", job_id, self.start), partial(self._recent, flow, job_id))
        return latest_of(run for run in runs if self.start <= _requested_at(run) < self.end)

    async def _job_ids(self, flow: DataFlow) -> list[str]:
        return [job.job_id async for job in flow.jobs.list(self.job_name) if job.name == self.job_name]

    async def _recent(self, flow: DataFlow, job_id: str) -> list[JobExecution]:
        """List the runs of a job, no further than into the time before the period, if they stand in the order of time."""
        runs: list[JobExecution] = []
        earlier, rows = float("inf"), 0
        async for run in flow.jobs.executions(job_id):
            at = _requested_at(run)
            if at >= self.start:
                runs.append(run)
            if at > earlier:
                rows, earlier = 0, float("-inf")  # they are in no order
            elif isinstance(run.created_date, datetime):
                rows, earlier = rows + 1, at
            if rows >= defaults.SEARCH_ORDER_ROWS and earlier < self.start - defaults.CLOCK_MARGIN:
                break
        return runs

    def check_period(self, now: float) -> None:
        """Raise if a run can't come any more.

        Raises:
            NoRunInPeriod: The period is over.
        """
        if now >= self.end + defaults.VISIBILITY_DELAY:
            name = self.job_id or self.job_name
            raise NoRunInPeriod(
                f"job {name} has no run that was requested from {_shown(self.start)} to {_shown(self.end)}"
            )

    def _pause(self, now: float) -> float:
        spread = 1 + defaults.POLL_JITTER * random.uniform(-1, 1)
        pause = max(self.interval * spread, defaults.POLL_MIN_INTERVAL)
        return pause if self.deadline is None else min(pause, max(self.deadline - now, 0.0))


def latest_of(runs: Iterable[JobExecution]) -> JobExecution | None:
    """Return the run that was requested last among those that go on, else among those that have ended; None for none."""
    return max(runs, key=lambda run: (not _has_ended(run), _requested_at(run)), default=None)


def _has_ended(run: JobExecution) -> bool:
    return run.is_terminal or is_suspect(run)


def _requested_at(run: JobExecution) -> float:
    """Return when a run was requested, in Unix seconds; before all time where that can't be read."""
    return run.created_date.timestamp() if isinstance(run.created_date, datetime) else float("-inf")


def _seconds(arguments: Mapping[str, Any], name: str) -> float:
    value = arguments.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise checks.refuse(name, value, "a number of seconds")
    return float(value)


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
