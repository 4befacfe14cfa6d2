"""Launching many runs: launches per second, memory, bytes on disk; and awaiting them, with 5,000 unfinished at a time.

Rivals, each in a process of its own against a service of its own, interleaved round by round:

- gather: a task each behind a semaphore, bare aiohttp POST and JSON: no signature, no types, no care;
- 64 workers: the same POSTs by 64 workers over one iterator, the cheapest way there is;
- ours: ``launch_all``, without a journal and with one;
- for awaiting: workers that launch and then GET each run until it has ended, on the schedule that ours uses.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import attrs

from benchmarks.instructions import Counted
from benchmarks.service import Lengths, service
from dataflow_async import Credentials, DataFlow, Launch, PollPolicy

try:
    from orjson import loads
except ImportError:
    from json import loads  # type: ignore[assignment]

KEYS = Credentials("AKIDEXAMPLE", "a-secret-of-some-length-0123456789")
JOB = "job000000000"
AT_ONCE = 64
POLICY = PollPolicy()


@attrs.frozen
class Cost:
    """What a rival took."""

    seconds: float
    cpu: float
    memory: int
    """Bytes of resident memory at the peak."""
    requests: int
    on_disk: int


# --- rivals ------------------------------------------------------------------------------------------------


def session(limit: int = AT_ONCE) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit), timeout=aiohttp.ClientTimeout(total=300)
    )


async def _post(http: aiohttp.ClientSession, url: str, number: int) -> Any:
    body = {"jobCondition": {"parameters": {"day": f"day{number:07d}"}}}
    async with http.post(f"{url}/api/v1/jobs/{JOB}/executions", json=body) as response:
        return loads(await response.read())


async def gather(url: str, count: int, _: str) -> None:
    capacity = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with capacity:
            await _post(http, url, number)

    async with session() as http:
        await asyncio.gather(*map(one, range(count)))


async def workers(url: str, count: int, _: str) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await _post(http, url, number)

    async with session() as http:
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def _launches(count: int) -> Iterator[Launch]:
    return (
        Launch(JOB, parameters={"day": f"day{number:07d}"}, key=f"day{number:07d}") for number in range(count)
    )


async def launch_all(url: str, count: int, _: str) -> None:
    async with DataFlow(KEYS, base_url=url, max_concurrency=AT_ONCE) as flow:
        async for outcome in flow.launch_all(_launches(count), max_in_flight=AT_ONCE):
            assert outcome.error is None


async def launch_all_journal(url: str, count: int, folder: str) -> None:
    journal = f"{folder}/bulk.db"
    async with DataFlow(KEYS, base_url=url, max_concurrency=AT_ONCE) as flow:
        # More are started than are in flight: some of them wait for the disk.
        async for outcome in flow.launch_all(_launches(count), max_in_flight=4 * AT_ONCE, journal=journal):
            assert outcome.error is None


IN_FLIGHT = 5_000


async def run_all(url: str, count: int, _: str) -> None:
    async with DataFlow(KEYS, base_url=url, max_concurrency=AT_ONCE) as flow:
        async for outcome in flow.run_all(_launches(count), max_in_flight=IN_FLIGHT):
            assert outcome.status == "COMPLETED"


async def get_each(url: str, count: int, _: str) -> None:
    numbers = iter(range(count))

    async def get(execution_id: str) -> Any:
        async with http.get(f"{url}/api/v1/jobs/{JOB}/executions/{execution_id}") as response:
            return loads(await response.read())

    async def work() -> None:
        for number in numbers:
            run = await _post(http, url, number)
            began = time.monotonic()
            while run["status"] != "COMPLETED":
                await asyncio.sleep(POLICY.interval(time.monotonic() - began, None, random.random))
                run = await get(run["jobExecutionId"])

    async with session() as http:
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


Rival = Callable[[str, int, str], Awaitable[None]]
LAUNCHING: dict[str, Rival] = {
    "gather + semaphore": gather,
    "64 bare workers": workers,
    "launch_all": launch_all,
    "launch_all, journal": launch_all_journal,
}
AWAITING: dict[str, Rival] = {"GET each until it ends": get_each, "run_all": run_all}


# --- measuring ---------------------------------------------------------------------------------------------


def _child(pipe: Connection, rival: Rival, url: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        asyncio.run(_run(rival, url, count, folder))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        on_disk = sum(entry.stat().st_size for entry in os.scandir(folder))
    pipe.send((wall, cpu, memory, on_disk))


async def _run(rival: Rival, url: str, count: int, folder: str) -> None:
    await rival(url, count, folder)


def measure(rival: Rival, count: int, lengths: Lengths) -> Cost:
    with service(1, 0, lengths) as running:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_child, args=(theirs, rival, running.url, count)
        )
        process.start()
        wall, cpu, memory, on_disk = ours.recv()
        process.join()
        return Cost(wall, cpu, memory, running.requests(), on_disk)


def launching(rounds: int, count: int) -> None:
    lengths = Lengths(1000, 1000)
    costs: dict[str, list[Cost]] = {name: [] for name in LAUNCHING}
    for turn in range(rounds):
        for name in LAUNCHING if turn % 2 else reversed(LAUNCHING):
            costs[name].append(measure(LAUNCHING[name], count, lengths))
    print(
        f"\n{count:,} launches, {AT_ONCE} in flight; medians of {rounds} rounds, ratios of the same round\n"
    )
    print(f"{'rival':<24}{'launches/s':>12}{'CPU us':>9}{'of workers':>12}")
    for name, rows in costs.items():
        ratios = [
            base.seconds / row.seconds for row, base in zip(rows, costs["64 bare workers"], strict=True)
        ]
        rate = statistics.median(count / row.seconds for row in rows)
        cpu = statistics.median(row.cpu / count for row in rows) * 1e6
        print(f"{name:<24}{rate:>12,.0f}{cpu:>9.0f}{statistics.median(ratios):>12.2f}")


def memory(few: int, many: int) -> None:
    print(f"\nmemory added by {many:,} launches over {few:,}, and bytes on disk a launch\n")
    for name, rival in LAUNCHING.items():
        small, large = (measure(rival, count, Lengths(1000, 1000)) for count in (few, many))
        disk = f"{large.on_disk / many:>10.0f}" if large.on_disk else ""
        print(f"{name:<24}{(large.memory - small.memory) / 1e6:>10.1f} MB{disk}")


def awaiting(count: int) -> None:
    print(f"\n{count:,} runs of 5 to 15 s, {IN_FLIGHT:,} unfinished at a time\n")
    print(f"{'rival':<24}{'runs/s':>10}{'requests':>12}{'CPU s':>9}")
    for name, rival in AWAITING.items():
        cost = measure(rival, count, Lengths(5, 15))
        print(f"{name:<24}{count / cost.seconds:>10.0f}{cost.requests:>12,}{cost.cpu:>9.1f}")


@contextmanager
def _long_runs() -> Iterator[str]:
    with service(1, 0, Lengths(1000, 1000)) as running:
        yield running.url


WORKERS = "64 bare workers"
COUNTED = {
    name: Counted(rival, "launch", 256, 1024, _long_runs, "" if name == WORKERS else WORKERS)
    for name, rival in LAUNCHING.items()
    if rival is not gather
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks bulk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20_000, help="launches per rival and round")
    parser.add_argument(
        "--many", type=int, default=100_000, help="launches for the measure of memory; 0 for none"
    )
    parser.add_argument("--runs", type=int, default=20_000, help="runs to await; 0 for none")
    options = parser.parse_args(argv)
    launching(options.rounds, options.count)
    if options.many:
        memory(1_000, options.many)
    if options.runs:
        awaiting(options.runs)
