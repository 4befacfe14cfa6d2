"""The commands and their options. What they do is in the modules beside; each command loads what it needs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from dataflow_async import DataFlowError, __version__, defaults

if TYPE_CHECKING:
    from dataflow_async.emulator import Emulator

app = typer.Typer(
    name="dataflow-async",
    help="NAVER Cloud Platform Data Flow from asyncio: see it at work, or have a service to try things on.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: no frames, and the same in a pipe
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with locals would print secrets
)


def _fail(text: str, exit_code: int) -> NoReturn:
    from dataflow_async.cli.screen import complain

    complain(text)
    raise typer.Exit(exit_code)


def _accepted(make: Callable[[], "Emulator"]) -> "Emulator":
    """Make an emulator, or say what it has against its settings: it speaks of arguments, we of options."""
    try:
        return make()
    except (ValueError, OSError) as error:
        _fail(f"refused: {error}".replace("allow_remote=True", "--allow-remote"), 2)


@contextmanager
def _errors_in_one_line(*others: type[Exception]) -> Iterator[None]:
    """Show errors that a person can do something about as one line each; all others are mistakes of ours."""
    try:
        yield
    except DataFlowError as error:
        from dataflow_async.cli.screen import one_line

        _fail(one_line(error), 1)
    except others as error:
        _fail(str(error), 1)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dataflow-async {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before a command."""


@app.command()
def demo(
    count: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Runs to start.")] = 100,
    max_in_flight: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="Unfinished runs at a time.")
    ] = 50,
    speed: Annotated[
        float,
        typer.Option(metavar="X", min=0.01, help="Built-in service: how fast its time passes."),
    ] = 20.0,
    fail_rate: Annotated[
        float,
        typer.Option(metavar="P", min=0, max=1, help="Built-in service: share of runs that fail."),
    ] = 0.05,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Real account: address of its service.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Real account: profile of its keys."),
    ] = None,
    nrn: Annotated[
        str | None, typer.Option(metavar="NRN", help="Real account: role that runs the job.")
    ] = None,
    script_path: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Real account: where the script is."),
    ] = None,
    log_path: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Real account: where logs go."),
    ] = None,
    launch_for_real: Annotated[
        bool,
        typer.Option(
            "--yes-launch-on-a-real-account", help="Real account: start COUNT runs that cost money."
        ),
    ] = False,
) -> None:
    """Start many runs of one job and show how they end.

    Without --url it brings a service of its own: no account, no keys, no cost.
    """
    from dataflow_async import JobCondition
    from dataflow_async.cli import signals
    from dataflow_async.cli.demo import Demo, built_in_service
    from dataflow_async.cli.screen import Screen

    show = Demo(screen=Screen(), count=count, max_in_flight=max_in_flight)
    if url is None:
        if profile or nrn or script_path or log_path or launch_for_real:
            _fail("refused: options for a real account need --url; without it nothing real is called", 2)
        work = show.on_built_in_service(_accepted(lambda: built_in_service(speed, fail_rate)))
    elif not launch_for_real:
        _fail(
            f"refused: with --url this starts {count} runs that cost money;"
            " add --yes-launch-on-a-real-account if you mean it",
            2,
        )
    elif not (nrn and script_path and log_path):
        _fail("refused: a job on a real account needs --nrn, --script-path and --log-path", 2)
    else:
        settings = JobCondition(num_worker=2, nrn=nrn, script_path=script_path, log_path=log_path)
        work = show.on_account(url, profile, settings)
    with _errors_in_one_line():
        try:
            signals.run(work)
        except signals.Stopped as stopped:
            _fail(show.interruption(), stopped.exit_code)


class ExplainsFaults(TyperCommand):
    """A command whose help ends with the faults; the list is in the emulator, which is not loaded for less."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        from dataflow_async.cli.emulator import FAULTS_HELP

        self.epilog = FAULTS_HELP
        super().format_epilog(ctx, formatter)


@app.command(cls=ExplainsFaults)
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
    faults: Annotated[str, typer.Option(metavar="SPEC", help="What goes wrong on purpose; see below.")] = "",
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append what happens to FILE, in JSON Lines.", show_default=False),
    ] = None,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Allow --host off loopback.")] = False,
) -> None:
    """Run a Data Flow service on this machine, until Ctrl-C."""
    told = {"speed": speed, "fail_rate": fail_rate, "seed": seed, "fire_triggers": fire_triggers}
    settings: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    settings |= {"host": host, "port": port, "faults": faults, "log": log, "allow_remote": allow_remote}
    from dataflow_async.cli import signals
    from dataflow_async.cli.emulator import CannotListen, CannotSave, opened, serve
    from dataflow_async.cli.screen import Screen

    server = _accepted(lambda: opened(state, settings))
    with _errors_in_one_line(CannotListen, CannotSave):
        try:
            signals.run(serve(server, Screen(), state, job or ()))
        except signals.Stopped:
            typer.echo("\nstopped")  # below the ^C of a terminal


bulk_app = typer.Typer(help="Launch many runs from a file.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(bulk_app, name="bulk")


@bulk_app.callback()
def bulk_options() -> None:
    """Launch many runs from a file."""


@bulk_app.command("run")
def bulk_run(
    launches: Annotated[
        Path,
        typer.Argument(
            metavar="LAUNCHES.jsonl",
            help="A JSON object a line: job_id, and any of key, parameters, condition, trigger_id, workflow_id.",
            show_default=False,
        ),
    ],
    journal: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Where to note what was started; the same file goes on.", show_default=False
        ),
    ],
    max_in_flight: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000, help="Unfinished runs at a time.")
    ] = defaults.MAX_IN_FLIGHT,
    correlation_parameter: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Parameter that carries each key, to find lost runs by."),
    ] = None,
    assume_exclusive: Annotated[
        bool,
        typer.Option("--assume-exclusive", help="Nobody else launches these jobs: find lost runs by number."),
    ] = False,
    visibility_delay: Annotated[
        float,
        typer.Option(
            metavar="S", min=0, help="Seconds before a run that is not listed counts as not started."
        ),
    ] = defaults.VISIBILITY_DELAY,
    rerun: Annotated[
        list[str] | None,
        typer.Option(metavar="STATUS", help="Launch anew what ended so before; may be given several times."),
    ] = None,
    relaunch_uncertain: Annotated[
        bool,
        typer.Option("--relaunch-uncertain", help="Launch what stays uncertain, at the risk of two runs."),
    ] = False,
    max_failures: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Start no more after N that did not complete.")
    ] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Address of the service.")] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="Profile of the keys.")] = None,
) -> None:
    """Start and await what a file lists. Stopped or killed, the same command goes on where it was.

    Exits with 0 if everything ended COMPLETED, else with 1.
    """
    settings = {
        "max_in_flight": max_in_flight,
        "correlation_parameter": correlation_parameter,
        "assume_exclusive": assume_exclusive,
        "visibility_delay": visibility_delay,
        "rerun": rerun or (),
        "on_uncertain": "relaunch" if relaunch_uncertain else "report",
        "max_failures": max_failures,
    }
    from dataflow_async.cli import signals
    from dataflow_async.cli.bulk import Bulk
    from dataflow_async.cli.screen import Screen

    show = Bulk(screen=Screen(), path=launches, journal=journal, url=url, profile=profile, settings=settings)
    with _errors_in_one_line():
        try:
            completed = signals.run(show.run())
        except signals.Stopped as stopped:
            _fail(show.interruption(), stopped.exit_code)
    if not completed:
        raise typer.Exit(1)


class ShowsByDefault(TyperGroup):
    """Commands about a journal; its path alone means to show it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in that is meant where none is named."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


journal_app = typer.Typer(cls=ShowsByDefault, no_args_is_help=True, rich_markup_mode=None)
app.add_typer(journal_app, name="journal")
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
) -> None:
    """Show what a journal holds, also while its run goes on; what a path alone means."""
    from dataflow_async import Journal
    from dataflow_async.cli.journal import show as show_journal
    from dataflow_async.cli.screen import Screen

    with _errors_in_one_line(), Journal.open(path) as book:
        show_journal(Screen(), book, rows=rows, status=status)


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
    """Record what you found out about a launch that is uncertain, or whose run the service no longer knows."""
    from dataflow_async import Journal
    from dataflow_async.cli.screen import Screen, printable

    with _errors_in_one_line(), Journal.open(path) as book:
        found = book.resolve(key, execution_id=execution_id, status=status, started=not not_started)
        Screen().say(f"{printable(found.key)}: {printable(found.state)}")


@journal_app.command("rebind")
def journal_rebind(
    path: JournalPath,
    access_key: Annotated[
        str,
        typer.Option(metavar="ID", help="Id of an access key of the same account.", show_default=False),
    ],
) -> None:
    """Say that an access key belongs to the journal's account, where no run of it can prove that."""
    from dataflow_async.bulk.journal import repair
    from dataflow_async.cli.screen import Screen, printable

    with _errors_in_one_line():
        repair.rebind(path, access_key)
        Screen().say(f"{printable(access_key)} belongs to the account of this journal")


@journal_app.command("trust")
def journal_trust(path: JournalPath) -> None:
    """Say that no launch is missing from a journal that is older than it was, or that has lost its -lock file."""
    from dataflow_async.bulk.journal import repair
    from dataflow_async.cli.screen import Screen

    with _errors_in_one_line():
        repair.trust(path)
        Screen().say("this journal is used as it is")
