"""Names of the account's things, for a shell that completes a word.

They come from the service, by this very command in a process of its own: it may be stopped at any moment, and says nothing.
"""

import re
import sys
from collections.abc import Callable
from typing import Any

import typer

TIMEOUT = 2.0
"""Seconds that a person may be kept waiting for names."""
_MOST = "50"
_PLAIN = re.compile(r"[\w-]+")
"""Names that no shell takes for anything else; others are left out."""


def _of(kind: str) -> Callable[[typer.Context, str], list[str]]:
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        words = ["--name", incomplete] if incomplete else []
        found = _printed(
            f"{kind}s", "list", "--query", "[].name", "--limit", _MOST, *words, *_options(ctx.params)
        )
        return [name for name in found if name.startswith(incomplete) and _PLAIN.fullmatch(name)]

    return complete


job = _of("job")
workflow = _of("workflow")
trigger = _of("trigger")


def _options(given: dict[str, Any]) -> list[str]:
    """Return the options that lead to the same service and account as those of the line so far."""
    texts = [word for name in ("url", "profile") if given.get(name) for word in (f"--{name}", given[name])]
    return [*texts, *(["--allow-insecure-http"] if given.get("allow_insecure_http") else [])]


def _printed(*words: str) -> list[str]:
    import os
    import subprocess

    environment = {name: value for name, value in os.environ.items() if not name.endswith("_COMPLETE")}
    try:
        done = subprocess.run(  # noqa: S603  # this command
            [sys.executable, "-m", "dataflow_async", *words],
            env=environment | {"PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else []
