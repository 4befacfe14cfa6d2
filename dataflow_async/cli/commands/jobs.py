"""``jobs``: see, make, change, check, delete and run jobs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_async.cli.command import command, group
from dataflow_async.cli.commands import names
from dataflow_async.cli.commands import options as opt
from dataflow_async.cli.pipelines import Form

if TYPE_CHECKING:
    from dataflow_async.cli.context import Context
    from dataflow_async.resources.jobs import Nodes

MaxRuns = Annotated[
    int | None, typer.Option("--max-concurrent-runs", metavar="N", help="Most runs at a time.")
]
Type = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="VISUAL or SCRIPT.")]

NameOrFile = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name of the job, or a Python file that makes a pipeline.", show_default=False
    ),
]
As = Annotated[
    Form | None, typer.Option("--as", help="Print its nodes as code, as a Mermaid diagram or as text.")
]


def add(parent: typer.Typer) -> None:
    """Add the group."""
    app = group("jobs", "See, make, change and run jobs.", parent)
    command(app, "list")(list_)
    command(app, "show")(show)
    command(app, "create", changes=True)(create)
    command(app, "update", changes=True)(update)
    command(app, "verify")(verify)
    command(app, "delete", data=False, changes=True, confirms=True)(delete)
    command(app, "run", changes=True, confirms=True)(run)


async def list_(context: "Context", name: opt.NameFilter = None, limit: opt.Limit = None) -> None:
    """List jobs."""
    from dataflow_async.cli import columns, listing

    async with context.client() as flow:
        rows = [row async for row in listing.first(flow.jobs.list(name), limit, listing.named(name))]
    context.rows(rows, columns.JOBS)


async def show(context: "Context", job: opt.Job, form: As = None) -> None:
    """Show a job and its stored run settings."""
    from dataflow_async.cli import columns, pipelines, resolve

    async with context.client() as flow:
        found = await flow.jobs.get((await resolve.job(flow, job)).id)
    if form is None:
        context.one(found, columns.JOB)
    else:
        context.out.text(pipelines.shown(found, form).rstrip("\n"))


async def create(
    context: "Context",
    name: NameOrFile,
    *,
    type_: Type = None,
    nodes: opt.Nodes = None,
    run_settings: opt.RunSettings,
    max_concurrent_runs: MaxRuns = None,
) -> None:
    """Create a job.

    It is VISUAL if --nodes or a pipeline are given, SCRIPT otherwise. A Python file that makes a pipeline is run.
    """
    from dataflow_async.cli import columns, settings

    title, rows = _named_nodes(name, nodes)
    condition = settings.condition(run_settings)
    kind = type_ or ("SCRIPT" if rows is None else "VISUAL")
    async with context.client() as flow:
        job = await context.change(
            flow,
            lambda flow: flow.jobs.create(
                title,
                type=kind,  # type: ignore[arg-type]  # checked there
                nodes=rows,
                condition=condition,
                max_concurrent_runs=max_concurrent_runs,
            ),
        )
    context.one(job, columns.JOB)


async def update(
    context: "Context",
    job: opt.Job,
    *,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="New name.")] = None,
    type_: Type = None,
    nodes: opt.Nodes = None,
    run_settings: opt.RunSettings,
    max_concurrent_runs: MaxRuns = None,
) -> None:
    """Change a job.

    What is not named keeps its value. A new --script-path moves the stored script.
    """
    from dataflow_async.cli import columns, resolve, settings
    from dataflow_async.cli.exit_codes import CommandFailed, ExitCode

    rows = settings.nodes(nodes) if nodes else None
    condition = settings.condition(run_settings)
    if all(it is None for it in (name, type_, rows, condition, max_concurrent_runs)):
        raise CommandFailed("nothing to change: name what is new, such as --workers", ExitCode.USAGE)
    async with context.client() as flow:
        found = await resolve.job(flow, job)
        kind = type_ or (await flow.jobs.get(found.id)).type
        changed = await context.change(
            flow,
            lambda flow: flow.jobs.update(
                found.id,
                type=kind,  # type: ignore[arg-type]  # checked there
                name=name,
                nodes=rows,
                condition=condition,
                max_concurrent_runs=max_concurrent_runs,
            ),
        )
    context.one(changed, columns.JOB)


async def verify(context: "Context", name: NameOrFile, nodes: opt.Nodes = None) -> None:
    """Check a draft of a VISUAL job.

    The draft is --nodes, or the pipeline that a Python file makes; the file is run. Exits with 1 if the service refuses it.
    """
    from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
    from dataflow_async.cli.output import Column

    title, rows = _named_nodes(name, nodes)
    if rows is None:
        raise CommandFailed("--nodes FILE is needed, or a Python file in place of the name", ExitCode.USAGE)
    async with context.client() as flow:
        usable = await flow.jobs.verify(title, rows)
    context.one({"name": title, "usable": usable}, [Column("name", "name"), Column("usable", "usable")])
    if not usable:
        raise CommandFailed("the service refuses these nodes")


def _named_nodes(name: str, nodes: Path | None) -> "tuple[str, Nodes | None]":
    """Return the name and nodes of a draft: those of options, or those of the pipeline in a Python file."""
    from dataflow_async.cli import pipelines, settings
    from dataflow_async.cli.exit_codes import CommandFailed, ExitCode

    if not pipelines.is_file(name):
        return name, settings.nodes(nodes) if nodes else None
    if nodes is not None:
        raise CommandFailed("--nodes and a Python file exclude each other", ExitCode.USAGE)
    pipeline = pipelines.read(name)
    return pipeline.name, pipeline


async def delete(context: "Context", jobs: opt.Jobs) -> None:
    """Delete jobs."""
    from dataflow_async.cli import deletion, resolve

    async with context.client() as flow:
        found = [await resolve.job(flow, job) for job in jobs]
        await deletion.delete(context, flow, "job", found, lambda flow: flow.jobs.delete)


async def run(
    context: "Context",
    job: opt.Job,
    *,
    run_settings: opt.RunSettings,
    trigger: Annotated[
        str | None,
        typer.Option(
            "--trigger",
            metavar="TRIGGER",
            help="Trigger to record the run under.",
            autocompletion=names.trigger,
        ),
    ] = None,
    workflow: Annotated[
        str | None,
        typer.Option(
            "--workflow",
            metavar="WORKFLOW",
            help="Workflow to record the run under.",
            autocompletion=names.workflow,
        ),
    ] = None,
    waits: opt.Waits,
) -> None:
    """Start a run of a job.

    Ctrl-C leaves the run going and prints the command that waits for it again.

    With --wait it exits with 0 if the run ended COMPLETED, 5 if it failed or was cancelled, 124 if --timeout is over.
    """
    from dataflow_async.cli import resolve, settings, waiting

    waiting.check_options(waits)
    condition = settings.condition(run_settings)
    async with context.client() as flow:
        found = await resolve.job(flow, job)
        trigger_id = (await resolve.trigger(flow, trigger)).id if trigger else None
        workflow_id = (await resolve.workflow(flow, workflow)).id if workflow else None
        ended = await waiting.launch(
            context,
            flow,
            found,
            lambda flow: flow.jobs.execute(
                found.id, condition=condition, trigger_id=trigger_id, workflow_id=workflow_id
            ),
            waits,
        )
    waiting.check_ended_well(ended)
