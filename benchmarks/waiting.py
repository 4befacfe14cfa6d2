"""Waiting for 10,000 runs: requests, CPU, how late an end is seen, memory, and how long a page blocks the event loop.

Rivals, each against a service of its own whose runs begin as it starts; all poll by the same schedule:

- ours: ``flow.as_finished``: one loop, polls shared through the list call;
- a task each: 10,000 tasks, each a GET (bare aiohttp and JSON, no signature, no types) and a sleep;
- 64 workers: bare GETs off one heap of due polls.
"""

import argparse
import asyncio
import gc
import heapq
import random
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import attrs

from benchmarks.calls import COUNTED as CALLS
from benchmarks.instructions import Counted
from benchmarks.service import Lengths, Running, length_of, service
from benchmarks.simulation import await_all, heading, simulate
from dataflow_async import Credentials, DataFlow, ExecutionRef, PollPolicy
from dataflow_async.polling.polls import Polls
from dataflow_async.polling.tracker import Tracker
from dataflow_async.wire.run_rows import page_of

try:
    from orjson import loads
except ImportError:
    from json import loads  # type: ignore[assignment]

KEYS = Credentials("AKIDEXAMPLE", "a-secret-of-some-length-0123456789")
POLICY = PollPolicy()
AT_ONCE = 64


@attrs.define
class Result:
    """What one rival took."""

    requests: int = 0
    received: int = 0
    """Bytes of bodies."""
    cpu: float = 0.0
    late: dict[str, float] = attrs.field(factory=dict)
    """Seconds from the end of a run to its being seen, by id."""
    blocks: list[float] = attrs.field(factory=list)
    """Longest time the event loop was blocked around each page, in seconds of the thread's CPU: other processes don't count."""

    def overdue(self) -> list[float]:
        """Lateness as a share of what is allowed: max(1 s, an eighth of the run) plus one interval."""
        return [late / _allowed(length_of(execution_id)) for execution_id, late in self.late.items()]


def _allowed(length: float) -> float:
    even = min(max(length / POLICY.age_divisor, POLICY.min_interval), POLICY.max_interval)
    return max(1.0, length / 8) + even * (1 + POLICY.jitter)


Watch = Callable[[Running, float, Result], Awaitable[None]]


# --- rivals ------------------------------------------------------------------------------------------------


async def ours(running: Running, began: float, result: Result) -> None:
    refs = [ExecutionRef(*pair) for pair in running.pairs()]
    async with DataFlow(KEYS, base_url=running.url, max_concurrency=AT_ONCE) as flow:
        async for run in flow.as_finished(refs):
            _note(run.job_execution_id, began, result)


async def observed(running: Running, began: float, result: Result) -> None:
    """The same with a heartbeat beside it, whose own CPU is not ours."""
    refs = [ExecutionRef(*pair) for pair in running.pairs()]
    async with DataFlow(KEYS, base_url=running.url, max_concurrency=AT_ONCE) as flow:
        beats = asyncio.create_task(_heartbeat(flow._tracker, result))
        async for run in flow.as_finished(refs):
            _note(run.job_execution_id, began, result)
        beats.cancel()


async def _heartbeat(tracker: Tracker, result: Result) -> None:
    """Note for every page how long the loop was blocked at a time while it was read and taken in."""
    pages, worst, last = 0, 0.0, time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        worst = max(worst, now - last)
        await asyncio.sleep(0.001)
        last = time.thread_time()
        if tracker.fetcher.pages != pages:
            pages = tracker.fetcher.pages
            result.blocks.append(worst)
            worst = 0.0


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE), timeout=aiohttp.ClientTimeout(total=300)
    )


async def _get(http: aiohttp.ClientSession, running: Running, pair: tuple[str, str]) -> Any:
    async with http.get(f"{running.url}/api/v1/jobs/{pair[0]}/executions/{pair[1]}") as response:
        return loads(await response.read())


async def task_each(running: Running, began: float, result: Result) -> None:
    async def watch(pair: tuple[str, str]) -> None:
        first = time.monotonic()
        while (await _get(http, running, pair))["status"] != "COMPLETED":
            await asyncio.sleep(POLICY.interval(time.monotonic() - first, None, random.random))
        _note(pair[1], began, result)

    async with _session() as http:
        await asyncio.gather(*map(watch, running.pairs()))


async def workers(running: Running, began: float, result: Result) -> None:
    first = time.monotonic()
    due = [(first, number, pair) for number, pair in enumerate(running.pairs())]

    async def work() -> None:
        while due:
            at, number, pair = heapq.heappop(due)
            await asyncio.sleep(max(at - time.monotonic(), 0))
            if (await _get(http, running, pair))["status"] == "COMPLETED":
                _note(pair[1], began, result)
            else:
                now = time.monotonic()
                heapq.heappush(due, (now + POLICY.interval(now - first, None, random.random), number, pair))

    async with _session() as http:
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def _note(execution_id: str, began: float, result: Result) -> None:
    result.late[execution_id] = time.time() - began - length_of(execution_id)


RIVALS: dict[str, Watch] = {
    "ours": ours,
    "ours, observed": observed,
    "a task each": task_each,
    "64 workers": workers,
}


# --- measuring ---------------------------------------------------------------------------------------------


def measure(watch: Watch, jobs: int, runs: int, lengths: Lengths, older: int) -> Result:
    result = Result()
    with service(jobs, runs, lengths, older) as running:
        began = time.time()
        cpu = time.process_time()
        asyncio.run(_watch(watch, running, began, result))
        result.cpu = time.process_time() - cpu
        result.requests, result.received = running.traffic()
    assert len(result.late) == runs
    return result


async def _watch(watch: Watch, running: Running, began: float, result: Result) -> None:
    await watch(running, began, result)


def report(jobs: int, runs: int, older: int, results: dict[str, Result]) -> None:
    base = results.get("a task each", results["ours"])
    behind = f", behind {older:,} older ones" if older else ""
    print(f"\n{runs:,} runs of {jobs} job{'s' * (jobs > 1)}{behind}\n")
    print(
        f"{'rival':<14}{'requests':>10}{'fewer':>8}{'CPU s':>8}{'less':>7}{'bytes/run':>11}{'late p50 s':>12}"
        f"{'late/allowed: p99':>19}{'max':>7}"
    )
    for name, result in results.items():
        overdue = sorted(result.overdue())
        print(
            f"{name:<14}{result.requests:>10,}{base.requests / result.requests:>8.1f}{result.cpu:>8.1f}"
            f"{base.cpu / result.cpu:>7.1f}{result.received / runs:>11,.0f}{statistics.median(result.late.values()):>12.2f}"
            f"{overdue[int(len(overdue) * 0.99)]:>19.2f}{overdue[-1]:>7.2f}"
        )
    if blocks := sorted(block for result in results.values() for block in result.blocks):
        print(
            f"ours, {len(blocks)} pages: event loop blocked for {blocks[len(blocks) // 2] * 1000:.1f} ms at the median,"
            f" {blocks[int(len(blocks) * 0.99)] * 1000:.1f} ms at the 99th percentile"
        )


def bytes_of_a_run(runs: int) -> float:
    """Bytes a waited-for run takes, beyond the reference that the caller holds and the run it will get."""

    async def wait() -> float:
        refs = [ExecutionRef("job000000000", f"r{number:07d}x000000") for number in range(runs)]
        # Made before anything is counted: what is kept of a row is not what a wait takes.
        page = page_of(
            [{"jobExecutionId": ref.execution_id, "status": "RUNNING"} for ref in refs], "job000000000"
        )
        async with DataFlow(KEYS, base_url="http://127.0.0.1:9", max_concurrency=1) as flow:
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            endings = flow.as_finished(refs)
            first = asyncio.ensure_future(anext(endings))
            while flow.poll_stats.watched < runs:
                await asyncio.sleep(0)
            job = flow._tracker.jobs["job000000000"]
            await flow._tracker.apply_page(job, page)
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            first.cancel()
            await endings.aclose()
        return taken / runs

    return asyncio.run(wait())


async def _simulated(_: str, count: int, __: str) -> None:
    # A loop of its own, whose time leaps: in a thread, because this one runs already.
    await asyncio.to_thread(await_all, count)


@contextmanager
def _long_runs() -> Iterator[str]:
    with service(1, 1000, Lengths(50_000.0, 90_000.0)) as running:
        yield running.url


async def _pages(url: str, count: int, _: str) -> None:
    """Receive and apply so many pages of 1,000 runs that all go on, with nothing of the schedule around it."""
    async with DataFlow(KEYS, base_url=url, max_concurrency=AT_ONCE) as flow:
        tracker, polls = flow._tracker, Polls(flow._calls)
        first = await polls.run_page("job000000000", 0, 1000)
        waits = [
            tracker.subscribe(ExecutionRef("job000000000", row.job_execution_id or ""), lambda _: None)
            for row in first.rows
        ]
        tracker.poll_loop.stop()
        await tracker.apply_page(waits[0].run.job, first)
        for _number in range(count):
            await tracker.apply_page(waits[0].run.job, await polls.run_page("job000000000", 0, 1000))
        for wait in waits:
            tracker.unsubscribe(wait)


GETS = "a GET each, bare aiohttp"
COUNTED = {
    GETS: attrs.evolve(CALLS["bare aiohttp + json"], unit="poll"),
    "a page of 1,000 that go on": Counted(_pages, "page", 5, 25, _long_runs, GETS),
    "as_finished, simulated": Counted(_simulated, "run", 200, 600, rival=GETS),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks waiting", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--shortest", type=float, default=10.0, help="seconds of the shortest run")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of the longest run")
    parser.add_argument("--rivals", default=";".join(RIVALS), help="separated by semicolons")
    parser.add_argument("--jobs", default="1,100", help="comma-separated")
    parser.add_argument("--older", type=int, default=0, help="runs of these jobs that ended before")
    parser.add_argument(
        "--simulate", default="1000,10000,100000,1000000", help="runs, comma-separated; empty for none"
    )
    options = parser.parse_args(argv)
    lengths = Lengths(options.shortest, options.longest)
    for jobs in map(int, filter(None, options.jobs.split(","))):
        names = options.rivals.split(";")
        results = {name: measure(RIVALS[name], jobs, options.runs, lengths, options.older) for name in names}
        report(jobs, options.runs, options.older, results)
    print(f"\nmemory: {bytes_of_a_run(options.runs):.0f} bytes a waited-for run, of {options.runs:,}")
    sizes = [int(size) for size in options.simulate.split(",") if size]
    if sizes:
        heading()
    for size in sizes:
        simulate(size)
