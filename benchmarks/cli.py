"""The start of the command line against what it can't do without: CPU of a process, interleaved round by round.

- ``--version`` against Python's own start;
- ``--help`` against the import of typer and rich alone.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.instructions import Started

COMMAND = "import sys; sys.argv[0] = 'dataflow-async'; from dataflow_async.cli import main; main()"
PAIRS = (
    ("--version", (COMMAND, "--version"), "Python's start", ("pass",)),
    ("--help", (COMMAND, "--help"), "typer and rich", ("import typer, rich, rich.console",)),
)
TARGET = 1.3
CLIENT = "import asyncio\nfrom dataflow_async import DataFlow\nasync def use():\n    async with DataFlow(): pass\nasyncio.run(use())"
COUNTED = {
    "Python's start": Started("pass"),
    "--version": Started(COMMAND, ("--version",), rival="Python's start"),
    "typer and rich": Started("import typer, rich, rich.console"),
    "--help": Started(COMMAND, ("--help",), rival="typer and rich"),
    "aiohttp, attrs and cattrs": Started("import asyncio, aiohttp, attrs, cattrs"),
    "a client, used": Started(CLIENT, rival="aiohttp, attrs and cattrs"),
}


def main(options: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks cli", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args(options).rounds
    with tempfile.TemporaryDirectory() as bytecode:
        # As pip installs a package: compiled. Without this, PYTHONDONTWRITEBYTECODE would measure Python's compiler.
        os.environ["PYTHONPYCACHEPREFIX"] = bytecode
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        measure(rounds)


def measure(rounds: int) -> None:
    print(
        f"{'start':12} {'CPU ms':>8} {'wall ms':>8}   {'against':16} {'CPU ms':>8} {'wall ms':>8}   ratio of CPU"
    )
    for name, ours, rival, bare in PAIRS:
        times: dict[str, list[tuple[float, float]]] = {name: [], rival: []}
        run(*bare), run(*ours)
        for _ in range(rounds):
            times[rival].append(run(*bare))
            times[name].append(run(*ours))
        (cpu, wall), (bare_cpu, bare_wall) = (
            tuple(statistics.median(column) * 1000 for column in zip(*times[it], strict=True))
            for it in (name, rival)
        )
        ratio = cpu / bare_cpu
        place = "within" if ratio <= TARGET else "above"
        print(
            f"{name:12} {cpu:8.1f} {wall:8.1f}   {rival:16} {bare_cpu:8.1f} {bare_wall:8.1f}"
            f"   {ratio:.2f} ({place} {TARGET})"
        )


def run(code: str, *arguments: str) -> tuple[float, float]:
    """Run Python code in a process of its own and return its CPU and wall seconds."""
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{arguments} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - began
