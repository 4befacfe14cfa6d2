"""All rows of the table in README.md in one run: medians of interleaved rounds, with the extra ``speed`` and without it.

Every measure of a round runs in a process of its own, which prints its figures; ratios are those of one round. Without the extra
every third round is measured, because there is less to find. What does not vary, memory and the largest simulation, is measured
once.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import attrs

from benchmarks import bulk, calls, cli, emulator, reconcile, simulation, waiting
from benchmarks.leaping import await_runs
from benchmarks.service import Lengths, length_of, service
from benchmarks.stub import stub_server

Figures = dict[str, float]
PLAIN = "DATAFLOW_BENCHMARKS_PLAIN"
AT_ONCE = 64
RUNS = 10_000
GETS = 10_000
"""GETs that are measured; they are alike, so those that runs would need are computed."""
LAUNCHES = 5_000
CALLS = 3_000


# --- measures, each in a process of its own -----------------------------------------------------------------


def watching(jobs: int) -> Figures:
    """Runs of 10 to 60 s, against a GET for each of the polls of the schedule."""
    with stub_server() as url:
        _, each = asyncio.run(_bare_gets(url))
    gc.collect()
    with service(jobs, RUNS, Lengths(10.0, 60.0)) as running:
        needed = sum(_polls(length_of(run)) for run in running.executions)
        waited = await_runs(running, AT_ONCE)
    assert len(waited.late) == RUNS
    blocks = sorted(waited.blocks)
    return {
        "less": needed * each / waited.cpu,
        "bytes": waited.received / RUNS,
        "requests": waited.requests,
        "late": statistics.median(waited.late),
        "block": blocks[int(len(blocks) * 0.99)] * 1000,
    }


async def _bare_gets(url: str) -> tuple[float, float]:
    """Wall and CPU seconds of a GET by aiohttp alone."""
    async with bulk.session(AT_ONCE) as http:
        one = calls.bare(http, url)
        await calls.measure(one, 2 * AT_ONCE, AT_ONCE)
        wall, cpu = await calls.measure(one, GETS, AT_ONCE)
    return wall / GETS, cpu / GETS


def _polls(length: float) -> int:
    """How often a run of so many seconds is polled until it is seen to have ended."""
    age, polls = 0.0, 1
    while age < length:
        age += waiting.POLICY.interval(age, None, random.random)
        polls += 1
    return polls


def launching() -> Figures:
    """``launch_all`` against 64 bare workers."""
    lengths = Lengths(1000, 1000)
    names = [bulk.WORKERS, "launch_all", "launch_all, journal"]
    random.shuffle(names)
    took = {name: bulk.measure(bulk.LAUNCHING[name], LAUNCHES, lengths).seconds for name in names}
    base = took[bulk.WORKERS]
    return {"launch": base / took["launch_all"], "journal": base / took["launch_all, journal"]}


def calling() -> Figures:
    """A call against bare aiohttp, and against what one writes by hand."""
    with stub_server() as url:
        rounds = asyncio.run(calls.compare(url, 1, CALLS, AT_ONCE))
    (bare, _), (_, by_hand), (rate, cpu) = (
        rounds[name][0] for name in ("bare aiohttp + json", "hand-written, signed, typed", "ours")
    )
    return {"bare": rate / bare, "hand": cpu / by_hand}


def starting() -> Figures:
    """Processes against what they can't do without."""

    def cpu(name: str) -> float:
        it = cli.COUNTED[name]
        return statistics.median(cli.run(it.code, *it.arguments)[0] for _ in range(3))

    pairs = {
        "import": ("a client, used", "aiohttp, attrs and cattrs"),
        "help": ("--help", "typer and rich"),
        "version": ("--version", "Python's start"),
    }
    return {key: cpu(ours) / cpu(theirs) for key, (ours, theirs) in pairs.items()}


def serving() -> Figures:
    """The emulator against a bare handler."""
    ratios = emulator.ratios(1, CALLS, AT_ONCE)
    return {"read": ratios["getJobExecutionById"], "start": ratios["executeJob"]}


def reconciling() -> Figures:
    """1,000 lost launches against 100,000 listed runs."""
    it = reconcile.measured("foreign", 1_000, 100_000)
    return {"seconds": it.seconds, "step": it.longest * 1000, "own": it.longest_own * 1000}


def simulating(runs: int) -> Figures:
    """CPU microseconds of a poll, by a clock that leaps."""
    return {f"poll{runs}": simulation.cpu_of_a_poll(runs)}


def remembering() -> Figures:
    """Bytes of a run that is waited for."""
    return {"memory": waiting.bytes_of_a_run(RUNS)}


ROUNDS: dict[str, Callable[[], Figures]] = {
    "one job": partial(watching, 1),
    "100 jobs": partial(watching, 100),
    "launching": launching,
    "calls": calling,
    "start": starting,
    "emulator": serving,
    "reconcile": reconciling,
    "simulated": partial(simulating, 1_000),
}
ONCE: dict[str, Callable[[], Figures]] = {
    "memory": remembering,
    "simulated at length": partial(simulating, 1_000_000),
}


# --- the table ----------------------------------------------------------------------------------------------


@attrs.frozen
class Row:
    """One line of the table: what, by which measure and figure, the target, the figure before, and its decimals."""

    what: str
    measure: str
    figure: str
    target: str
    before: str
    decimals: int = 2


ROWS = (
    Row("10,000 runs of one job: CPU less than a GET each, times", "one job", "less", "8", "3.0", 1),
    Row("10,000 runs over 100 jobs, the same", "100 jobs", "less", "8", "3.2", 1),
    Row("bytes received a run, one job", "one job", "bytes", "half", "30,800", 0),
    Row("bytes received a run, 100 jobs", "100 jobs", "bytes", "", "", 0),
    Row("requests, one job", "one job", "requests", "", "460", 0),
    Row("requests, 100 jobs", "100 jobs", "requests", "", "2,732", 0),
    Row("an end is seen late by, median, s, one job", "one job", "late", "", "1.27"),
    Row("a page blocks the loop, 99th percentile, ms, one job", "one job", "block", "10", "58", 1),
    Row("a page blocks the loop, 99th percentile, ms, 100 jobs", "100 jobs", "block", "10", "24.4", 1),
    Row("CPU a poll, simulation of 1,000, µs", "simulated", "poll1000", "5", "6.7"),
    Row("CPU a poll, simulation of 1,000,000, µs", "simulated at length", "poll1000000", "7", "11.8"),
    Row("memory a run that is waited for, bytes", "memory", "memory", "500", "689", 0),
    Row("`launch_all` of 64 bare workers", "launching", "launch", "0.62", "0.46 to 0.60"),
    Row("the same with a journal", "launching", "journal", "0.50", "0.30 to 0.43"),
    Row("calls of bare aiohttp, 64 at once", "calls", "bare", "0.68", "0.65"),
    Row("CPU of a call of the hand-written one's", "calls", "hand", "1.0", "1.01 to 1.11"),
    Row("start with a client of that of its dependencies", "start", "import", "1.05", "1.2"),
    Row("`dataflow-async --help` of typer and rich", "start", "help", "1.3", "1.11"),
    Row("`dataflow-async --version` of Python's start", "start", "version", "1.3", "1.05"),
    Row("emulator, reading a run, of a bare handler", "emulator", "read", "0.6", "0.43 to 0.56"),
    Row("emulator, starting a run, of a bare handler", "emulator", "start", "0.45", "0.29 to 0.42"),
    Row("1,000 lost against 100,000 listed runs, CPU s", "reconcile", "seconds", "2", "7.8 for 20,000"),
    Row("longest step of the loop meanwhile, ms", "reconcile", "step", "20", "7,800", 1),
    Row("the same without garbage collections, ms", "reconcile", "own", "", "", 1),
)
Found = Mapping[tuple[str, str], Iterable[float]]
"""What each figure of each measure was, round by round."""


def tabulate(rounds: int, names: Iterable[str] = ()) -> None:
    """Measure all rows, or those of some measures, and print the table."""
    chosen = list(names) or [*ROUNDS, *ONCE]
    fast: dict[tuple[str, str], list[float]] = {}
    plain: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds):
        began = time.monotonic()
        for name in filter(chosen.__contains__, ROUNDS):
            _take(name, fast)
            if turn % 3 == 0:
                _take(name, plain, PLAIN)
        print(f"round {turn + 1} of {rounds}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    for name in filter(chosen.__contains__, ONCE):
        _take(name, fast)
    print(f"\nMedians of {rounds} interleaved rounds; without the extra of {(rounds + 2) // 3}.\n")
    print(markdown(fast, plain))


def _take(name: str, found: dict[tuple[str, str], list[float]], *switches: str) -> None:
    """Add the figures of one measure, from a process of its own, which may compile what it loads, as installers do."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.table", name],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env=environment | dict.fromkeys(switches, "1"),
    )
    for figure, value in json.loads(done.stdout.splitlines()[-1]).items():
        found.setdefault((name, figure), []).append(value)


def markdown(fast: Found, plain: Found) -> str:
    """The table of the rows that were measured."""

    def median(found: Found, row: Row) -> str:
        values = found.get((row.measure, row.figure))
        return f"{statistics.median(values):,.{row.decimals}f}" if values else ""

    lines = ["| what | target | last | now | without `speed` |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.what} | {row.target} | {row.before} | {median(fast, row)} | {median(plain, row)} |"
        for row in ROWS
        if (row.measure, row.figure) in fast
    ]
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Print the figures of one measure, for `tabulate`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("name", choices=[*ROUNDS, *ONCE])
    print(json.dumps((ROUNDS | ONCE)[parser.parse_args(argv).name]()))


if __name__ == "__main__":
    main(sys.argv[1:])
