"""Run one benchmark by name, by time and ratio, or with ``--instructions`` by instructions executed."""

import importlib
import sys

NAMES = ("bulk", "calls", "cli", "emulator", "waiting")
USAGE = f"usage: python -m benchmarks {'|'.join(NAMES)} [--instructions [--keep] | options of its own]"


def main() -> None:
    name, *options = sys.argv[1:] or [""]
    if name not in NAMES:
        sys.exit(USAGE)
    if "--instructions" not in options:
        importlib.import_module(f"benchmarks.{name}").main(options)
        return
    if unknown := set(options) - {"--instructions", "--keep"}:
        sys.exit(f"{USAGE}\nwith --instructions, {' '.join(sorted(unknown))} is not known")
    if not hasattr(importlib.import_module(f"benchmarks.{name}"), "COUNTED"):
        sys.exit(f"{name} is measured by time alone")
    importlib.import_module("benchmarks.instructions").report(name, keep="--keep" in options)


main()
