"""``bulk``: launch many runs from a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_async import defaults
from dataflow_async.cli.command import command, group
from dataflow_async.cli.commands import names

if TYPE_CHECKING:
    from dataflow_async.cli.context import Context


def add(parent: typer.Typer) -> None:
    """Add the group."""
    app = group("bulk", "Launch many runs from a file.", parent)
    command(app, "plan", connects=False)(plan)
    command(app, "run", changes=True, confirms=True)(run)


async def run(
    context: "Context",
    launches: Annotated[
        Path,
        typer.Argument(
            metavar="LAUNCHES",
            help="JSON Lines: objects with job_id, and any of key, parameters, condition, trigger_id, workflow_id; or CSV.",
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
    job: Annotated[
        str | None,
        typer.Option(
            "--job",
            metavar="JOB",
            help="Job of launches that name none, by id or name.",
            autocompletion=names.job,
        ),
    ] = None,
) -> None:
    """Start and await what a file lists.

    Stopped or killed, the same command continues where it was.

    The file is JSON Lines or CSV; - reads standard input. In CSV, columns job_id or job, key, trigger_id and workflow_id
    are what they say, condition.NAME is a run setting, and every other column is a parameter. -o jsonl and -o csv print
    each outcome as it comes, the other forms a summary.

    Exits with 0 if everything ended COMPLETED, 6 if a launch is uncertain, 5 if a run failed or was cancelled, else 1.
    """
    from dataflow_async.cli.bulk import Bulk, checked_rerun
    from dataflow_async.cli.launches import LaunchFile

    settings = {
        "max_in_flight": max_in_flight,
        "correlation_parameter": correlation_parameter,
        "assume_exclusive": assume_exclusive,
        "visibility_delay": visibility_delay,
        "rerun": checked_rerun(rerun or (), journal),
        "on_uncertain": "relaunch" if relaunch_uncertain else "report",
        "max_failures": max_failures,
    }
    with LaunchFile(launches, job) as file:
        await Bulk(context=context, file=file, journal=journal, settings=settings).run()


async def plan(
    context: "Context",
    job: Annotated[
        str,
        typer.Option(
            "--job",
            metavar="JOB",
            help="Id or name of the job.",
            show_default=False,
            autocompletion=names.job,
        ),
    ],
    first: Annotated[
        str, typer.Option("--from", metavar="DATE", help="First day or time, in UTC+9.", show_default=False)
    ],
    last: Annotated[
        str, typer.Option("--to", metavar="DATE", help="Last day or time, included.", show_default=False)
    ],
    param: Annotated[
        str, typer.Option("--param", metavar="NAME", help="Parameter that takes the date.")
    ] = "day",
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="STEP", help="1d unless given; 6h, 15min, 1w, 1M (a month)."),
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option("--cron", metavar="LINE", help="When a cron line is due: '0 3 * * MON-FRI', UTC+9."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="STRFTIME", help="How dates are written: %Y-%m-%d, with %H:%M for times."
        ),
    ] = None,
) -> None:
    """Write the launches of a backfill.

    Each is a line for `bulk run`; its date is also its key.
    """
    from dataflow_async.cli import plan as plans
    from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
    from dataflow_async.cli.output import Column, Format, Output

    if every and cron:
        raise CommandFailed("give --every or --cron", ExitCode.USAGE)
    begin, end = plans.moment(first, "--from"), plans.end_of(last)
    if end < begin:
        raise CommandFailed(f"--to must not be before --from {first}, got {last}", ExitCode.USAGE)
    days_only = (
        cron is None and (every or "1d").endswith(("d", "w", "M")) and begin.time() == begin.min.time()
    )
    form = form or ("%Y-%m-%d" if days_only else "%Y-%m-%dT%H:%M")
    times = plans.due(cron, begin, end) if cron else plans.steps(begin, end, every or "1d")
    out = Output(Format.JSONL if context.output is Format.TABLE else context.output, context.query)
    rows = [{"job": job, "key": at.strftime(form), "parameters": {param: at.strftime(form)}} for at in times]
    if len({row["key"] for row in rows}) < len(rows):
        raise CommandFailed(f"--format must tell the times apart, got {form}", ExitCode.USAGE)
    out.rows(rows, [Column("job", "job"), Column("key", "key"), Column(param, f"parameters.{param}")])
    context.note(f"{len(rows)} launches")
