"""The command ``dataflow-async``: its groups of commands, each in a module of ``commands``."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dataflow_async import __version__
from dataflow_async.cli.commands import (
    account,
    bulk,
    completion,
    demo,
    emulator,
    executions,
    jobs,
    journal,
    probe,
    triggers,
    workflows,
)


class DailyWorkFirst(TyperGroup):
    """Commands in the order of a day's work; typer would put the groups last."""

    def list_commands(self, _: Any) -> list[str]:
        """Return the names in the order in which help shows them."""
        return sorted(self.commands, key=ORDER.index)


ORDER = (
    *("jobs", "executions", "workflows", "triggers", "dashboard", "bulk", "journal"),
    *("whoami", "probe", "emulator", "demo", "completion"),
)
app = typer.Typer(
    name="dataflow-async",
    cls=DailyWorkFirst,
    help="NAVER Cloud Platform Data Flow from the shell: jobs and their runs, backfills, and a service to try things on.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: no frames, and the same in a pipe
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with locals would print secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_given: bool) -> None:
    if is_given:
        typer.echo(f"dataflow-async {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before a command."""


for module in (
    jobs,
    executions,
    workflows,
    triggers,
    account,
    bulk,
    journal,
    probe,
    emulator,
    demo,
    completion,
):
    module.add(app)
