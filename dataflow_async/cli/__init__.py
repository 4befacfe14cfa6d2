"""The `dataflow-async` command. Needs the extra ``cli``: typer and rich are imported nowhere else."""

import sys

EXTRA = frozenset({"typer", "rich", "click", "shellingham"})
"""What the extra brings, and what that brings."""


def main() -> None:
    """Run the command of this process, or say what to install first."""
    try:
        import rich  # noqa: F401 - commands use it later: half an extra is said at once

        from dataflow_async.cli.app import app

        app(prog_name="dataflow-async")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA:
            raise
        print(f"dataflow-async: {missing} is not here; install dataflow-async[cli]", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # between two commands' own handling: while modules load
        sys.exit(130)
