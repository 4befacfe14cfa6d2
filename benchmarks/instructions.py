"""Count the instructions of a unit of work: the figure that a busy machine does not change.

Each rival runs in a fresh interpreter under ``valgrind --tool=cachegrind``, once with few units and once with many; the
difference, divided by the units, is free of start-up. Servers that are not measured run outside. The figures that the
repository keeps stand in ``instructions.json``.
"""

import asyncio
import gc
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from shutil import which
from typing import Any

import attrs

KEPT = Path(__file__).with_suffix(".json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LIMIT = 1.2
"""What takes more instructions than this share of its kept figure is a regression."""
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", "")}
"""Nothing that differs from day to day: hashes decide how often tables are searched."""
_TOTAL = re.compile(r"I\s+refs:\s+([\d,]+)")

Work = Callable[[str, int, str], Awaitable[object]]
"""Does so many units against the server at a URL; may use a folder of its own."""


@attrs.frozen
class Counted:
    """One rival: what it does, how often, and against which server."""

    work: Work
    unit: str
    few: int
    many: int
    server: Callable[[], AbstractContextManager[str]] = lambda: nullcontext("")


def counted(benchmark: str) -> Mapping[str, Counted]:
    """Return the rivals that a benchmark counts, by name."""
    rivals: Mapping[str, Counted] = import_module(f"benchmarks.{benchmark}").COUNTED
    return rivals


def _instructions(command: list[str]) -> int:
    """Return how many instructions a command executes."""
    valgrind = which("valgrind")
    if valgrind is None:
        sys.exit("--instructions needs valgrind, which is not installed (Debian: apt-get install valgrind)")
    tool = [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    done = subprocess.run(
        [*tool, *command],
        capture_output=True,
        check=False,
        text=True,
        env=_ENVIRONMENT,
    )
    total = _TOTAL.search(done.stderr)
    if done.returncode or total is None:
        sys.exit(f"{' '.join(command)} failed under valgrind:\n{done.stderr}")
    return int(total[1].replace(",", ""))


def _child(benchmark: str, rival: str, count: int, url: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.instructions", benchmark, rival, str(count), url]


def _measure(benchmark: str, name: str, rival: Counted) -> float:
    """Return the instructions of one unit."""
    with rival.server() as url:
        # Modules are compiled, and their files written, before anything is counted.
        subprocess.run(_child(benchmark, name, 1, url), check=True, capture_output=True, env=_ENVIRONMENT)
        few, many = (_instructions(_child(benchmark, name, count, url)) for count in (rival.few, rival.many))
    return (many - few) / (rival.many - rival.few)


@contextmanager
def _kept() -> Iterator[dict[str, dict[str, int]]]:
    """Give the figures that the repository keeps; what the block changes is written.

    They are those of one version of Python: another one begins anew.
    """
    held = json.loads(KEPT.read_text())
    figures: dict[str, dict[str, int]] = held["figures"] if held["python"] == PYTHON else {}
    before = json.dumps(figures)
    yield figures
    if json.dumps(figures) != before:
        KEPT.write_text(json.dumps({"python": PYTHON, "figures": figures}, indent=2, sort_keys=True) + "\n")


def report(benchmark: str, *, keep: bool) -> list[str]:
    """Print instructions per unit of every rival beside the figures kept; write them if ``keep``.

    Returns:
        A sentence for each rival that takes more than `LIMIT` of its kept figure.
    """
    print(f"\n{'rival':<40}{'unit':<14}{'instructions':>14}{'kept':>14}{'change':>9}{'of first':>10}")
    base = None
    regressions = []
    with _kept() as figures:
        before = figures.get(benchmark, {})
        for name, rival in counted(benchmark).items():
            each = _measure(benchmark, name, rival)
            base = base or each
            old = before.get(name)
            change = f"{each / old - 1:>+9.1%}" if old else f"{'new':>9}"
            print(
                f"{name:<40}{rival.unit:<14}{each:>14,.0f}{old or 0:>14,}{change}{each / base:>10.2f}",
                flush=True,
            )
            if old and each > LIMIT * old:
                regressions.append(f"{benchmark}, {name}: {each:,.0f} instructions, {old:,} are kept")
            if keep:
                figures.setdefault(benchmark, {})[name] = round(each)
    return regressions


def _run(benchmark: str, name: str, count: str, url: str) -> None:
    """Do the work of one rival; runs under valgrind."""
    random.seed(7)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_awaited(counted(benchmark)[name].work(url, int(count), folder)))


async def _awaited(work: Awaitable[Any]) -> None:
    gc.collect()
    gc.freeze()  # what was loaded is not walked by full collections, which come once more or once less often
    await work


if __name__ == "__main__":
    _run(*sys.argv[1:])
