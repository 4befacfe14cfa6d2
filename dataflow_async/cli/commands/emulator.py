"""``emulator``: a service on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from dataflow_async.cli.command import errors_in_one_line, fail

if TYPE_CHECKING:
    from dataflow_async.emulator import Emulator

CLOSING = 10.0
"""Seconds that an emulator may take after Ctrl-C to write its state."""


def add(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("emulator", cls=ExplainsFaults)(emulator)


def accepted(make: Callable[[], "Emulator"]) -> "Emulator":
    """Make an emulator, or say which setting it refuses: it speaks of arguments, a person of options."""
    try:
        return make()
    except (ValueError, OSError) as error:
        fail(f"refused: {error}".replace("allow_remote=True", "--allow-remote"), 2)


class ExplainsFaults(TyperCommand):
    """A command whose help ends with the faults; the list is in the emulator, which is not loaded for less."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        from dataflow_async.cli.emulator import FAULTS_HELP

        self.epilog = FAULTS_HELP
        super().format_epilog(ctx, formatter)


def emulator(
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8787,
    host: Annotated[str, typer.Option(metavar="IP", help="Address to listen on.")] = "127.0.0.1",
    speed: Annotated[
        float | None,
        typer.Option(metavar="X", min=0.01, help="How fast its time passes: 1, or that of --state."),
    ] = None,
    fail_rate: Annotated[
        float | None,
        typer.Option(metavar="P", min=0, max=1, help="Share of runs that fail: 0, or that of --state."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Start of chance: same seed, same ids and runs; 0, or that of --state."
        ),
    ] = None,
    fire_triggers: Annotated[
        bool | None,
        typer.Option(
            "--fire-triggers/--no-fire-triggers",
            help="Let scheduled triggers start their workflows: no, or as in --state.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Go on with what is in this file, if it is there, and write it at the end.",
        ),
    ] = None,
    job: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Have a SCRIPT job of this name; may be given several times."),
    ] = None,
    jobs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Have the jobs of this JSON or YAML file: a list of objects with name, type, condition,"
            " maxConcurrentRuns, and runs, such as [FAILED, [COMPLETED, 90]].",
            show_default=False,
        ),
    ] = None,
    run_seconds: Annotated[
        str | None,
        typer.Option(metavar="S", help="How long a run works: seconds, or a range such as 60-300."),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Behave as the account of this report of `dataflow-async probe`, and have things that show it.",
            show_default=False,
        ),
    ] = None,
    faults: Annotated[str, typer.Option(metavar="SPEC", help="What goes wrong on purpose; see below.")] = "",
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append what happens to FILE, in JSON Lines.", show_default=False),
    ] = None,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Allow --host off loopback.")] = False,
) -> None:
    """Run a Data Flow service on this machine, until Ctrl-C."""
    given = {"speed": speed, "fail_rate": fail_rate, "seed": seed, "fire_triggers": fire_triggers}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if like is not None:
        if state is not None and state.exists():
            fail("refused: --like makes an account of its own; it does not go with the one in --state", 2)
        settings["like"] = like
    settings |= {"host": host, "port": port, "faults": faults, "log": log, "allow_remote": allow_remote}
    from dataflow_async.cli import signals
    from dataflow_async.cli.emulator import (
        CannotListen,
        CannotSave,
        JobOfFile,
        load_or_create,
        range_of_seconds,
        read_jobs,
        serve,
    )
    from dataflow_async.cli.screen import Screen

    with errors_in_one_line():
        if run_seconds is not None:
            settings["run_seconds"] = range_of_seconds(run_seconds)
        created = [*(read_jobs(jobs) if jobs else ()), *(JobOfFile(name) for name in job or ())]
    server = accepted(lambda: load_or_create(state, settings))
    with errors_in_one_line(CannotListen, CannotSave):
        try:
            signals.run(serve(server, Screen(), state, created), grace=CLOSING)
        except signals.Stopped:
            typer.echo("\nstopped")  # below the ^C of a terminal
