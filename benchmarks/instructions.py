"""Count the instructions of a unit of work: the figure that a busy machine does not change.

A benchmark is imported under ``valgrind --tool=cachegrind``, and each rival runs in a copy of that process. When it has done a
few units, a further copy does many more and it does few: the difference, divided by the units, is free of start-up and of what
is done once. What is started and ends is counted whole. Servers that are not measured run outside.
"""

import asyncio
import gc
import itertools
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from importlib import import_module
from shutil import which
from typing import Any

import attrs

from dataflow_async import clock

NEEDED = "valgrind is not to be had (Debian: apt-get install valgrind)"
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", "")}
"""Nothing that differs from day to day: hashes decide how often tables are searched."""
_RUN = "import sys; from benchmarks.instructions import run; run(*sys.argv[1:])"
_TOTAL = re.compile(r"==(\d+)== I\s+refs:\s+([\d,]+)")

Work = Callable[[str, int, str], Awaitable[object]]
"""Does so many units against the server at a URL; may use a folder of its own."""


@attrs.frozen
class Counted:
    """One rival: what it does, how often, against which server, and against which rival it stands, if any."""

    work: Work
    unit: str
    few: int
    many: int
    server: Callable[[], AbstractContextManager[str]] = lambda: nullcontext("")
    rival: str = ""


@attrs.frozen
class Started:
    """One rival that is a process, from its start to its end: code and its arguments."""

    code: str
    arguments: tuple[str, ...] = ()
    unit: str = "start"
    rival: str = ""


Rival = Counted | Started


def counted(benchmark: str) -> Mapping[str, Rival]:
    """Return the rivals that a benchmark counts, by name; none if it counts nothing."""
    rivals: Mapping[str, Rival] = getattr(import_module(f"benchmarks.{benchmark}"), "COUNTED", {})
    return rivals


def available() -> bool:
    """Return whether instructions can be counted here."""
    return which("valgrind") is not None


def count(benchmarks: Sequence[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Count a unit of every rival of every benchmark, as many benchmarks at a time as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(benchmarks, pool.map(_count, benchmarks), strict=True)


def _count(benchmark: str) -> dict[str, float]:
    rivals = counted(benchmark)
    worked = {name: rival for name, rival in rivals.items() if isinstance(rival, Counted)}
    each = _worked(benchmark, worked) if worked else {}
    return {
        name: _started(rival) if isinstance(rival, Started) else each[name] for name, rival in rivals.items()
    }


def _started(rival: Started) -> float:
    """Return the instructions of a process."""
    command = [sys.executable, "-c", rival.code, *rival.arguments]
    # Modules are compiled, and their files written, before anything is counted.
    subprocess.run(command, check=True, capture_output=True, env=_ENVIRONMENT)
    [whole] = _instructions(command)[1].values()
    return whole


def _worked(benchmark: str, rivals: Mapping[str, Counted]) -> dict[str, float]:
    """Return the instructions of a unit of each rival."""
    with ExitStack() as stack:
        urls = [stack.enter_context(rival.server()) for rival in rivals.values()]
        printed, totals = _instructions([sys.executable, "-c", _RUN, benchmark, *urls])
    each = {}
    for name, rival, line in zip(rivals, rivals.values(), printed.splitlines(), strict=True):
        few, many = (totals[process] for process in line.split())
        each[name] = (many - few) / (rival.many - rival.few)
    return each


def _instructions(command: list[str]) -> tuple[str, dict[str, int]]:
    """Return what a command prints, and how many instructions it and each process that it forks executes, by process id."""
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    done = subprocess.run([*tool, *command], capture_output=True, check=False, text=True, env=_ENVIRONMENT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed under valgrind:\n{done.stderr}")
    return done.stdout, {
        process: int(total.replace(",", "")) for process, total in _TOTAL.findall(done.stderr)
    }


# --- under valgrind ----------------------------------------------------------------------------------------


def run(benchmark: str, *urls: str) -> None:
    """Do the work of every rival in copies of this process, which has imported everything."""
    _count_time()
    rivals = (rival for rival in counted(benchmark).values() if isinstance(rival, Counted))
    for rival, url in zip(rivals, urls, strict=True):
        if not _copied():
            _few_and_many(rival, url)
            return


def _count_time() -> None:
    """Let time pass with its reading alone: work that valgrind slows down must not find its connections idle for too long."""
    vars(clock)["_boottime"] = lambda: None
    for name, start in (("time", time.time()), ("monotonic", 0.0)):
        setattr(clock.SystemClock, name, staticmethod(itertools.count(start, 1e-6).__next__))


def _few_and_many(rival: Counted, url: str) -> None:
    """Do many units in a copy of this process and few in this one; print the ids of this process and of the copy."""
    _work(rival, rival.few, url)  # so that both find everything loaded, and every table grown
    gc.collect()
    gc.freeze()  # what was loaded is not walked by full collections, which come once more or once less often
    copy = _copied()
    _work(rival, rival.few if copy else rival.many, url)
    if copy:
        print(os.getpid(), copy, flush=True)


def _copied() -> int:
    """Copy this process; in the copy return 0, here wait for its end and return its id."""
    copy = os.fork()
    if copy and os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]):
        sys.exit(1)
    return copy


def _work(rival: Counted, units: int, url: str) -> None:
    random.seed(7)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_awaited(rival.work(url, units, folder)))


async def _awaited(work: Awaitable[Any]) -> None:
    await work
