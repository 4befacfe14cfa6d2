"""Run one benchmark by name, by time and ratio, or with ``--instructions`` by instructions executed; or all of them."""

import argparse
import sys
from importlib import import_module

from benchmarks import instructions

QUICK = {
    "bulk": "--rounds 3 --count 3000 --many 0 --runs 0",
    "calls": "--rounds 3 --count 1000",
    "cli": "--rounds 5",
    "emulator": "--rounds 3 --count 1000",
    "waiting": "--runs 1000 --shortest 2 --longest 8 --jobs 1 --simulate 1000",
}
"""The benchmarks, and the options with which each ends within half a minute."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, add_help=False)
    parser.add_argument("name", choices=[*QUICK, "all"])
    parser.add_argument("--instructions", action="store_true", help="count instructions, with valgrind")
    parser.add_argument("--keep", action="store_true", help="keep the instructions counted in the repository")
    parser.add_argument("--quick", action="store_true", help="with all: few rounds")
    arguments, own = parser.parse_known_args()
    if arguments.name == "all":
        if own:
            parser.error(f"all takes no options of its own, got {' '.join(own)}")
        _all(quick=arguments.quick, keep=arguments.keep)
    elif arguments.instructions:
        if own:
            parser.error(f"--instructions takes no options of its own, got {' '.join(own)}")
        _count([arguments.name], keep=arguments.keep)
    else:
        import_module(f"benchmarks.{arguments.name}").main(own)


def _all(*, quick: bool, keep: bool) -> None:
    """Measure everything by time, then by instructions."""
    for name, few in QUICK.items():
        print(f"\n== {name}", flush=True)
        import_module(f"benchmarks.{name}").main(few.split() if quick else [])
    print("\n== instructions", flush=True)
    _count([name for name in QUICK if hasattr(import_module(f"benchmarks.{name}"), "COUNTED")], keep=keep)


def _count(names: list[str], *, keep: bool) -> None:
    """Count instructions, and fail where they have grown by more than a fifth."""
    regressions = [it for name in names for it in instructions.report(name, keep=keep)]
    if regressions and not keep:
        sys.exit("\n".join(["", f"more than {instructions.LIMIT} of the figures kept:", *regressions]))


main()
