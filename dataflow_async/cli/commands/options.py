"""Options that several commands take."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from dataflow_async.cli.commands import names

Job = Annotated[
    str,
    typer.Argument(metavar="JOB", help="Id or name of a job.", show_default=False, autocompletion=names.job),
]
Jobs = Annotated[
    list[str],
    typer.Argument(metavar="JOB", help="Ids or names of jobs.", show_default=False, autocompletion=names.job),
]
Run = Annotated[
    list[str],
    typer.Argument(
        metavar="JOB RUN",
        help="Job by id or name, and the id of its run or `last`; or the run's reference alone.",
        show_default=False,
        autocompletion=names.job,
    ),
]
NameFilter = Annotated[
    str | None, typer.Option("--name", metavar="TEXT", help="Only those whose name contains TEXT.")
]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="No more than N rows.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Parameter of a SCRIPT job; repeatable."),
]
Workers = Annotated[int | None, typer.Option("--workers", metavar="N", help="Workers, 2 to 10.")]
TimeLimit = Annotated[
    int | None, typer.Option("--time-limit", metavar="MIN", help="Minutes a run may take, 1 to 1440.")
]
Role = Annotated[str | None, typer.Option("--role", metavar="NRN", help="Role that runs the job.")]
ScriptPath = Annotated[
    str | None, typer.Option("--script-path", metavar="PATH", help="Object Storage path of the script.")
]
LogPath = Annotated[
    str | None, typer.Option("--log-path", metavar="PATH", help="Object Storage path of the logs.")
]
Nodes = Annotated[
    Path | None,
    typer.Option("--nodes", metavar="FILE", help="JSON or YAML file of nodes; - reads JSON from input."),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end and show each state.")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="S", min=0, help="Wait no longer than S seconds; the run goes on."),
]
CancelOnTimeout = Annotated[
    bool, typer.Option("--cancel-on-timeout", help="Cancel the run when --timeout is over.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new one.", show_default=False)]


class RunSettings(NamedTuple):
    """Options of what a run takes; those that are not given keep what is stored."""

    parameters: Parameters = None
    workers: Workers = None
    time_limit: TimeLimit = None
    role: Role = None
    script_path: ScriptPath = None
    log_path: LogPath = None


class Waits(NamedTuple):
    """Options of a command that starts a run and may wait for its end."""

    wait: Wait = False
    timeout: Timeout = None
    cancel_on_timeout: CancelOnTimeout = False
