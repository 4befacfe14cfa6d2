"""``journal``: show the journal of a bulk run, or mend it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dataflow_async.cli.command import OUTPUT, QUERY, errors_in_one_line, fail


def add(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(journal_app, name="journal")


class ShowsByDefault(TyperGroup):
    """Commands about a journal; its path alone means to show it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in that is meant where none is named."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


journal_app = typer.Typer(cls=ShowsByDefault, no_args_is_help=True, rich_markup_mode=None)
JournalPath = Annotated[str, typer.Argument(metavar="PATH", help="File of the journal.", show_default=False)]


@journal_app.callback()
def journal_options() -> None:
    """Show the journal of a bulk run, or mend it."""


@journal_app.command("show")
def journal(
    path: JournalPath,
    rows: Annotated[bool, typer.Option("--rows", help="Show every attempt.")] = False,
    status: Annotated[
        str | None,
        typer.Option(metavar="X", help="Show the attempts in state X, such as FAILED or unknown."),
    ] = None,
    output: OUTPUT = "table",
    query: QUERY = None,
) -> None:
    """Show what a journal holds.

    It can be shown while its run goes on, and a path alone means this command. For programs (-o, --query) it is a list of attempts.
    """
    from dataflow_async import Journal
    from dataflow_async.cli.journal import COLUMNS, records
    from dataflow_async.cli.journal import show as show_journal
    from dataflow_async.cli.output import Format, Output
    from dataflow_async.cli.screen import Screen

    with errors_in_one_line(), Journal.open(path) as opened:
        if status is not None:
            _check_state(status, opened.counts())
        if output == "table" and query is None:
            show_journal(Screen(), opened, rows=rows, status=status)
        else:
            Output(Format(output), query).rows(records(opened, status), COLUMNS)


def _check_state(word: str, counts: Mapping[str, int]) -> None:
    """Refuse a misspelt state: it would show nothing, which looks as if there were nothing."""
    from dataflow_async import ExecutionStatus, JournalPhase
    from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
    from dataflow_async.cli.text import escaped

    known = {*map(str, ExecutionStatus), *(phase.value for phase in JournalPhase), "NOT_FOUND", *counts}
    if word.casefold() not in {state.casefold() for state in known}:
        allowed = ", ".join(map(escaped, sorted(known)))
        raise CommandFailed(f"--status must be one of {allowed}, got {escaped(word)}", ExitCode.USAGE)


@journal_app.command("resolve")
def journal_resolve(
    path: JournalPath,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Launch that is meant.", show_default=False)],
    execution_id: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="Run that it has started.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="X", help="How its run has ended, such as COMPLETED.")
    ] = None,
    not_started: Annotated[bool, typer.Option("--not-started", help="It did not start.")] = False,
) -> None:
    """Record what became of a launch.

    For one that is uncertain, or whose run the service no longer has.
    """
    from dataflow_async import Journal
    from dataflow_async.cli.screen import Screen
    from dataflow_async.cli.text import escaped

    if not_started == bool(execution_id or status):
        fail("give --run or --status of the run that it has started, or else --not-started", 2)
    with errors_in_one_line(), Journal.open(path) as opened:
        found = opened.resolve(key, execution_id=execution_id, status=status, started=not not_started)
        Screen().say(f"{escaped(found.key)}: {escaped(found.state)}")


@journal_app.command("rebind")
def journal_rebind(
    path: JournalPath,
    access_key: Annotated[
        str,
        typer.Option(metavar="ID", help="Id of an access key of the same account.", show_default=False),
    ],
) -> None:
    """Add an access key of the same account.

    Where no run of the journal can prove that it belongs to the account.
    """
    from dataflow_async.bulk.journal import repair
    from dataflow_async.cli.screen import Screen
    from dataflow_async.cli.text import escaped

    with errors_in_one_line():
        repair.rebind(path, access_key)
        Screen().say(f"{escaped(access_key)} belongs to the account of this journal")


@journal_app.command("trust")
def journal_trust(path: JournalPath) -> None:
    """Use a journal as it is.

    You say that no launch is missing from it although it is older than it was, or has lost its -lock file.
    """
    from dataflow_async.bulk.journal import repair
    from dataflow_async.cli.screen import Screen

    with errors_in_one_line():
        repair.trust(path)
        Screen().say("this journal is used as it is")
