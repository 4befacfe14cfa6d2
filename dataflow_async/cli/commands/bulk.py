"""``bulk``: launch many runs from a file."""

from pathlib import Path
from typing import Annotated

import typer

from dataflow_async import defaults
from dataflow_async.cli.command import errors_in_one_line, fail


def add(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(bulk_app, name="bulk")


bulk_app = typer.Typer(help="Launch many runs from a file.", no_args_is_help=True, rich_markup_mode=None)


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
    with errors_in_one_line():
        try:
            completed = signals.run(show.run())
        except signals.Stopped as stopped:
            fail(show.interruption(), stopped.exit_code)
    if not completed:
        raise typer.Exit(1)
