"""``probe``: what a real account answers where the contract notes are uncertain."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_async.cli.command import command

if TYPE_CHECKING:
    from dataflow_async.cli.context import Context


def add(parent: typer.Typer) -> None:
    """Add the command."""
    command(parent, "probe", confirms=True)(probe)


async def probe(
    context: "Context",
    with_runs: Annotated[
        str | None,
        typer.Option(
            "--with-runs",
            metavar="JOB",
            help="Start one run of this job too, which costs money, after a question.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", metavar="S", min=0, help="Ask no questions after S seconds; report what was seen."
        ),
    ] = 300.0,
    run_timeout: Annotated[
        float,
        typer.Option(
            "--run-timeout", metavar="S", min=0, help="Observe the run no longer than S seconds more."
        ),
    ] = 3600.0,
    hold_idle: Annotated[
        float | None,
        typer.Option(
            "--hold-idle",
            metavar="S",
            min=0,
            help="Hold a connection idle for S seconds, else 2.",
            show_default=False,
        ),
    ] = None,
    notes: Annotated[
        bool, typer.Option("--notes", help="Print a Markdown table for the contract notes.")
    ] = False,
    report: Annotated[
        Path, typer.Option("--report", metavar="FILE", help="Where to write the report, in JSON.")
    ] = Path("probe.json"),
) -> None:
    """Compare an account with the contract notes, and report it.

    It only reads, unless --with-runs names a job. The report is anonymised: it holds shapes of answers: no id, name, path, parameter, key or address.
    """
    from dataflow_async.cli import probing

    seconds = {"timeout": timeout, "run_timeout": run_timeout}
    await probing.run(context, report, with_runs, **seconds, hold_idle=hold_idle, notes=notes)
