"""The question before what costs money or can't be undone; where nobody can answer, the command is refused."""

from __future__ import annotations

import sys

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode


def ask(deed: str, account: str) -> None:
    """Ask whether to do it.

    Args:
        deed: What would be done, such as ``"delete job stock_import (Jq3kT9vLmN2x)"``.
        account: Service and masked key.

    Raises:
        CommandFailed: The answer is no, or nobody is there to answer.
    """
    if not sys.stdin or not sys.stdin.isatty():
        raise CommandFailed(
            f"refused: {deed} on {account}: nobody is there to ask; add --yes if you mean it", ExitCode.USAGE
        )
    print(f"{deed} on {account}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
        raise CommandFailed("nothing was done", ExitCode.ERROR)
