"""``demo``: many runs on a service of its own."""

from typing import Annotated

import typer

from dataflow_async.cli.command import errors_in_one_line, fail


def add(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("demo")(demo)


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
    from dataflow_async.cli.commands.emulator import accepted
    from dataflow_async.cli.demo import Demo, built_in_service
    from dataflow_async.cli.screen import Screen

    show = Demo(screen=Screen(), count=count, max_in_flight=max_in_flight)
    if url is None:
        if profile or nrn or script_path or log_path or launch_for_real:
            fail("refused: options for a real account need --url; without it nothing real is called", 2)
        work = show.on_built_in_service(accepted(lambda: built_in_service(speed, fail_rate)))
    elif not launch_for_real:
        fail(
            f"refused: with --url this starts {count} runs that cost money;"
            " add --yes-launch-on-a-real-account if you mean it",
            2,
        )
    elif not (nrn and script_path and log_path):
        fail("refused: a job on a real account needs --nrn, --script-path and --log-path", 2)
    else:
        settings = JobCondition(num_worker=2, nrn=nrn, script_path=script_path, log_path=log_path)
        work = show.on_account(url, profile, settings)
    with errors_in_one_line():
        try:
            signals.run(work, show.interruption)
        except signals.Stopped as stopped:
            fail(show.interruption(), stopped.exit_code)
