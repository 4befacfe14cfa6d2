"""Run one benchmark by name, by time and ratio, or with ``--instructions`` by instructions executed; or all of them."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from benchmarks import instructions
from benchmarks.kept import LIMIT, Kept, differences, incomparable, regressions, versions

QUICK = {
    "bulk": "--rounds 3 --count 3000 --many 0 --runs 0",
    "calls": "--rounds 3 --count 1000",
    "cli": "--rounds 5",
    "emulator": "--rounds 3 --count 1000",
    "reconcile": "--lost 200 --listed 20000 --rounds 1",
    "waiting": "--runs 1000 --shortest 2 --longest 8 --jobs 1 --simulate 1000",
}
"""The benchmarks, and the options with which each ends within half a minute."""


def main(argv: Sequence[str]) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, add_help=False)
    parser.add_argument("name", choices=[*QUICK, "all"])
    parser.add_argument("--instructions", action="store_true", help="count instructions, with valgrind")
    parser.add_argument("--keep", action="store_true", help="keep the instructions counted in the repository")
    parser.add_argument("--quick", action="store_true", help="with all: few rounds")
    parser.add_argument("--table", type=int, metavar="ROUNDS", help="with all: the table of README.md")
    arguments, own = parser.parse_known_args(argv)
    if own and (arguments.name == "all" or arguments.instructions):
        parser.error(f"all and --instructions take no options of their own, got {' '.join(own)}")
    names = QUICK if arguments.name == "all" else [arguments.name]
    if arguments.instructions:
        if not instructions.available():
            sys.exit(f"--instructions: {instructions.NEEDED}")
        guard([name for name in names if instructions.counted(name)], keep=arguments.keep)
    elif arguments.name == "all" and arguments.table:
        import_module("benchmarks.table").tabulate(arguments.table)
    elif arguments.name == "all":
        measure_all(quick=arguments.quick, keep=arguments.keep)
    else:
        import_module(f"benchmarks.{arguments.name}").main(own)


def measure_all(*, quick: bool, keep: bool) -> None:
    """Measure everything by time, then by instructions."""
    for name, few in QUICK.items():
        print(f"\n== {name}", flush=True)
        import_module(f"benchmarks.{name}").main(few.split() if quick else [])
    print("\n== instructions", flush=True)
    if instructions.available():
        guard([name for name in QUICK if instructions.counted(name)], keep=keep)
    else:
        print(f"not counted, and not compared: {instructions.NEEDED}")


def guard(names: Sequence[str], *, keep: bool) -> None:
    """Count instructions; keep them, or fail where they have risen by more than a fifth."""
    kept, here = Kept.read(), versions()
    if different := differences(kept.versions, here):
        print(f"other versions than the figures were kept with: {', '.join(different)}")
    unlike = incomparable(kept.versions, here)
    now = {}
    for name, rows in instructions.count(names):
        _print(name, rows, kept.figures.get(name, {}))
        now[name] = rows
    if keep:
        # Figures that were counted with anything else do not stand beside these.
        Kept(here, {**({} if different else kept.figures), **now}).write()
    elif unlike:
        print(f"\nnothing is failed, these differ too much: {unlike}")
    elif found := regressions(kept.figures, now, _rivals(names)):
        sys.exit("\n".join(["", f"more than {LIMIT} of the instructions kept:", *found]))


def _rivals(names: Sequence[str]) -> dict[str, dict[str, str]]:
    return {name: {it: rival.rival for it, rival in instructions.counted(name).items()} for name in names}


def _print(benchmark: str, rows: Mapping[str, float], kept: Mapping[str, float]) -> None:
    """Print instructions per unit of every rival beside the figures kept."""
    print(
        f"\n{benchmark:<36}{'unit':<10}{'instructions':>16}{'kept':>16}{'change':>9}{'of rival':>10}",
    )
    for name, rival in instructions.counted(benchmark).items():
        each, old = rows[name], kept.get(name)
        before = f"{old:>16,}{each / old - 1:>+9.1%}" if old else f"{'':>16}{'new':>9}"
        ratio = f"{each / rows[rival.rival]:>10.2f}" if rival.rival else ""
        print(f"{name:<36}{rival.unit:<10}{each:>16,.0f}{before}{ratio}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
