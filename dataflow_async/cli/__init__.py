"""The `dataflow-async` command. Needs the extra ``cli``: typer, rich, jmespath and pyyaml are imported nowhere else."""

import os
import sys

from dataflow_async._version import __version__

EXTRA = frozenset({"typer", "rich", "click", "shellingham", "jmespath", "yaml"})
"""What the extra brings, and what that brings."""
_NOTHING_SENT = "dataflow-async: interrupted; nothing was sent\n"


def main() -> None:
    """Run the command of this process, or say what to install first."""
    if sys.argv[1:] == ["--version"]:  # before anything is loaded
        print(f"dataflow-async {__version__}")
        return
    import signal  # it loads enum, which takes as long as all of the above

    from dataflow_async.cli.streams import discard_output, leave_closed_output, open_streams

    signal.signal(signal.SIGINT, _interrupted_while_loading)
    open_streams()
    try:
        import rich  # noqa: F401 - commands use it later: half an extra is reported at once

        from dataflow_async.cli.app import app

        app(prog_name="dataflow-async")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA:
            raise
        print(f"dataflow-async: {missing} is not installed; install dataflow-async[cli]", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        leave_closed_output()
    except OSError as error:  # a full disk behind help, which no command prints
        print(f"can't write the output: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            leave_closed_output()
        except OSError:  # reported already
            discard_output()


def _interrupted_while_loading(signum: int, _: object) -> None:
    """Leave at once: modules are loading, or options are read, and there is nothing to tidy up."""
    os.write(2, _NOTHING_SENT.encode())
    os._exit(128 + signum)
