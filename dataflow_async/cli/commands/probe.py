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
    report: Annotated[
        Path, typer.Option("--report", metavar="FILE", help="Where to write the report, in JSON.")
    ] = Path("probe.json"),
) -> None:
    """Compare an account with what the contract notes assume, and write an anonymised report.

    It only reads. The report holds shapes of answers: no id, name, path, parameter, key or address.
    """
    from dataflow_async.cli import probing

    await probing.run(context, report)
