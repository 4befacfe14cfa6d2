"""A Data Flow made of arithmetic: what the tracker asks of a service, without a network. Counts what it is asked."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from dataflow_async import ExecutionRef, JobExecution, NotFound, PollPolicy, ServerError
from dataflow_async.polling.tracker import Tracker
from dataflow_async.wire.run_rows import RunPage, page_of
from tests.support.warp import LoopClock

JOB = "job000000001"


def outage(status: int = 503, retry_after: float | None = None) -> ServerError:
    error = ServerError("HTTP 503", status=status, source="gateway")
    error.retry_after = retry_after
    return error


def missing() -> NotFound:
    return NotFound("HTTP 404", status=404, source="service")


@attrs.define(eq=False)
class FakeRun:
    """A run as a function of time; ``script`` overrides what a GET answers, poll by poll."""

    ref: ExecutionRef
    created: float = 0.0
    ends: float = 60.0
    status: str = "COMPLETED"
    script: list[Any] = attrs.field(factory=list)

    def status_at(self, now: float) -> str:
        return self.status if now >= self.ends else "RUNNING" if now > self.created else "READY"

    def row(self, now: float) -> dict[str, Any]:
        row = {
            "jobExecutionId": self.ref.execution_id,
            "jobId": self.ref.job_id,
            "status": self.status_at(now),
            "createdDate": f"2026-11-01T00:00:00.{round(self.created * 1000):09}",
        }
        if now >= self.ends:
            row["endDate"] = "2026-11-01T00:00:00"
        return row


class FakeService:
    """Runs by job, their lists newest first. ``pages`` may be replaced to answer a page in another way."""

    def __init__(self, *, latency: float = 0.0, cap: int = 1000) -> None:
        self.latency = latency
        self.cap = cap
        self.jobs: dict[str, list[FakeRun]] = {}
        self.runs: dict[ExecutionRef, FakeRun] = {}
        self.gets: list[tuple[float, ExecutionRef]] = []
        self.read: list[tuple[float, str, int]] = []
        self.in_flight = self.most_in_flight = 0
        self.page: Callable[[str, int, list[Any]], list[Any]] = lambda job, number, rows: rows
        """Called with every page's rows; gives others in their place, or raises."""
        self.get: Callable[[FakeRun, JobExecution], JobExecution] = lambda run, execution: execution
        """The same for a single run."""

    @property
    def requests(self) -> int:
        return len(self.gets) + len(self.read)

    def start(self, ends: float = 60.0, job: str = JOB, **settings: Any) -> ExecutionRef:
        """Begin a run that ends at this time."""
        rows = self.jobs.setdefault(job, [])
        ref = ExecutionRef(job, f"r{len(rows):07d}")
        run = FakeRun(ref, created=asyncio.get_running_loop().time(), ends=ends, **settings)
        rows.append(run)
        self.runs[ref] = run
        return ref

    def gets_of(self, ref: ExecutionRef) -> list[float]:
        return [when for when, asked in self.gets if asked == ref]

    async def execution(self, job_id: str, execution_id: str, /) -> JobExecution:
        ref = ExecutionRef(job_id, execution_id)
        self.gets.append((asyncio.get_running_loop().time(), ref))
        await self.travel()
        run = self.runs.get(ref)
        if run is None:
            raise missing()
        now = asyncio.get_running_loop().time()
        answer = run.script.pop(0) if run.script else run.status_at(now)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = run.status_at(asyncio.get_running_loop().time())
        if not isinstance(answer, JobExecution):
            answer = JobExecution(execution_id, job_id, status=answer)
        return self.get(run, answer)

    async def run_page(self, job_id: str, page: int, limit: int, /) -> RunPage:
        self.read.append((asyncio.get_running_loop().time(), job_id, page))
        await self.travel()
        now = asyncio.get_running_loop().time()
        size = min(limit, self.cap)
        runs = self.jobs.get(job_id, [])[::-1]
        rows = [run.row(now) for run in runs[page * size : (page + 1) * size]]
        return page_of(self.page(job_id, page, rows), job_id)

    async def travel(self) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight -= 1


class Waits:
    """A tracker of a fake service, and the waits begun with it."""

    def __init__(
        self,
        service: FakeService,
        policy: PollPolicy | None = None,
        *,
        capacity: Callable[[], int] = lambda: 32,
        clock: Any = None,
        draw: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.tracker = Tracker(service, policy or PollPolicy(), clock or LoopClock(), capacity, draw)
        self.tasks: list[asyncio.Task[JobExecution]] = []
        self.notifications: Counter[ExecutionRef] = Counter()

    async def wait(self, ref: ExecutionRef, timeout: float | None = None) -> JobExecution:
        """Wait with nothing between the caller and the tracker."""
        over = asyncio.Event()
        subscription = self.tracker.subscribe(ref, lambda _: over.set(), timeout=timeout)
        try:
            await over.wait()
        finally:
            self.tracker.unsubscribe(subscription)
        if subscription.error is not None:
            raise subscription.error
        assert subscription.over
        (execution,) = subscription.news
        return execution

    def begin(self, refs: Iterable[ExecutionRef], timeout: float | None = None) -> None:
        self.tasks += [asyncio.ensure_future(self.wait(ref, timeout)) for ref in refs]

    async def all(self) -> list[Any]:
        return await asyncio.gather(*self.tasks, return_exceptions=True)

    async def at_rest(self) -> None:
        """Nothing is left of waits that are over."""
        for _ in range(10):
            await asyncio.sleep(0)
        tracker = self.tracker
        assert tracker.stats.watched == tracker.stats.waiters == 0
        assert not tracker.jobs and not tracker.schedule.ready and not tracker.poll_loop.tasks
        assert not tracker.poll_loop.is_running and len(tracker.schedule.due_jobs) == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
