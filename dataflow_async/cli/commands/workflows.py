"""``workflows``: triggers joined to jobs, and what they have run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow_async.cli.command import command, group
from dataflow_async.cli.commands import names
from dataflow_async.cli.commands import options as opt
from dataflow_async.cli.commands.executions import Since, Statuses

if TYPE_CHECKING:
    from dataflow_async import DataFlow, JobExecution
    from dataflow_async.cli.context import Context
    from dataflow_async.cli.resolve import Thing

Workflow = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW",
        help="Id or name of a workflow.",
        show_default=False,
        autocompletion=names.workflow,
    ),
]
Workflows = Annotated[
    list[str],
    typer.Argument(
        metavar="WORKFLOW",
        help="Ids or names of workflows.",
        show_default=False,
        autocompletion=names.workflow,
    ),
]


def add(parent: typer.Typer) -> None:
    """Add the group."""
    app = group("workflows", "See, make and run workflows.", parent)
    command(app, "list")(list_)
    command(app, "show")(show)
    command(app, "create", changes=True, confirms=True)(create)
    command(app, "run", changes=True, confirms=True)(run)
    command(app, "executions")(executions)
    command(app, "delete", data=False, changes=True, confirms=True)(delete)


async def list_(context: "Context", name: opt.NameFilter = None, limit: opt.Limit = None) -> None:
    """List workflows."""
    from dataflow_async.cli import columns, listing

    async with context.client() as flow:
        rows = [row async for row in listing.first(flow.workflows.list(), limit, listing.named(name))]
    context.rows(rows, columns.WORKFLOWS)


async def show(context: "Context", workflow: Workflow) -> None:
    """Show a workflow and its nodes."""
    from dataflow_async.cli import columns, resolve

    async with context.client() as flow:
        found = await flow.workflows.get((await resolve.workflow(flow, workflow)).id)
    context.one(found, columns.WORKFLOW)


async def create(
    context: "Context",
    name: opt.Name,
    trigger: Annotated[
        str | None,
        typer.Option(
            "--trigger",
            metavar="TRIGGER",
            help="Trigger that starts it, by id or name.",
            autocompletion=names.trigger,
        ),
    ] = None,
    job: Annotated[
        list[str] | None,
        typer.Option(
            "--job", metavar="JOB", help="Job to run, by id or name; repeatable.", autocompletion=names.job
        ),
    ] = None,
    in_order: Annotated[
        bool, typer.Option("--in-order", help="Run each job after the one before, not all at once.")
    ] = False,
    nodes: opt.Nodes = None,
) -> None:
    """Create a workflow.

    It is made of a trigger and jobs, or of nodes with the API's names.
    """
    from dataflow_async.cli import columns, settings
    from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
    from dataflow_async.cli.text import escaped

    if bool(nodes) == bool(trigger or job) or bool(trigger) != bool(job):
        raise CommandFailed("give --trigger and --job, or --nodes", ExitCode.USAGE)
    async with context.client() as flow:
        made_of = {"nodes": settings.nodes(nodes)} if nodes else await _joined(flow, trigger, job, in_order)
        if _is_scheduled(made_of):
            await context.confirm(
                f"create workflow {escaped(name)}, whose schedule starts runs that cost money,"
            )
        workflow = await context.change(flow, lambda flow: flow.workflows.create(name, **made_of))
    context.one(workflow, columns.WORKFLOW)


async def _joined(
    flow: "DataFlow", trigger: str | None, jobs: list[str] | None, in_order: bool
) -> dict[str, Any]:
    """Return a trigger and its jobs, each as the service has it, under the names of `Workflows.create`."""
    from dataflow_async import WorkflowJob
    from dataflow_async.cli import resolve, settings

    first = await flow.triggers.get((await resolve.trigger(flow, trigger or "")).id)
    found: list[WorkflowJob] = []
    for word in jobs or ():
        job = await flow.jobs.get((await resolve.job(flow, word)).id)
        settings.check_complete(job)
        found.append(WorkflowJob(job, after=found[-1:] if in_order else ()))
    return {"trigger": first, "jobs": found}


def _is_scheduled(made_of: Mapping[str, Any]) -> bool:
    """Whether a workflow starts runs by itself: the rule of its trigger is any but NONE, or one that is unknown."""
    if "nodes" not in made_of:
        rule = made_of["trigger"].trigger_rule
        return rule is not None and rule.type not in {None, "NONE"}
    return any(map(_is_schedule, made_of["nodes"]))


def _is_schedule(node: Any) -> bool:
    if not isinstance(node, Mapping) or node.get("type") != "TRIGGER":
        return False
    rule = node.get("triggerRule")
    return (rule.get("type") if isinstance(rule, Mapping) else rule) not in {None, "NONE"}


async def run(
    context: "Context", workflow: Workflow, wait: opt.Wait = False, timeout: opt.Timeout = None
) -> None:
    """Start a workflow now.

    Its trigger must be a manual or an event one.

    With --wait it shows the run of each job, and exits with 0 if all ended COMPLETED, 5 if one did not.
    """
    from dataflow_async.cli import columns, resolve
    from dataflow_async.cli.waiting import check_options, command_line

    check_options(opt.Waits(wait, timeout))
    async with context.client() as flow:
        found = await resolve.workflow(flow, workflow)
        await context.confirm(f"run workflow {found}, which costs money,")
        runs = command_line(context, "workflows", "executions", found.id)
        if wait and not context.dry_run:
            await _run_and_wait(context, flow, found, timeout, runs)
            return
        context.interruption = lambda: _may_run(found, runs)
        receipt = await context.change(flow, lambda flow: flow.workflows.execute(found.id))
    context.one(receipt, columns.RECEIPT)
    context.note(f"its runs: {runs}")


def _may_run(found: "Thing", where: str) -> str:
    return f"interrupted: workflow {found} may have been started; look before you run it again: {where}"


async def _run_and_wait(
    context: "Context", flow: "DataFlow", found: "Thing", timeout: float | None, where: str
) -> None:
    """Wait for the run of each job; ``where`` is the command that lists them."""
    from dataflow_async import DataFlowError
    from dataflow_async.cli import columns

    async def before_start(_: object) -> None:
        context.interruption = lambda: _may_run(found, where)

    context.note(f"starting workflow {found}, then waiting for the run of each of its jobs")
    start = await flow.begin_workflow(found.id, before_start=before_start)
    context.interruption = lambda: f"interrupted: workflow {found} was started, its runs go on: {where}"
    runs: Sequence[JobExecution] = ()
    try:
        runs = await flow.follow_workflow(start, timeout=timeout)
    except DataFlowError as error:
        runs = error.executions
        raise
    finally:
        if runs:
            context.rows(runs, columns.RUNS)


async def executions(
    context: "Context",
    workflow: Workflow,
    since: Since = None,
    status: Statuses = None,
    limit: opt.Limit = None,
) -> None:
    """List the runs of a workflow's jobs, the newest first."""
    from dataflow_async.cli import columns, period, resolve, runs

    start = period.since(since) if since else None
    kept = runs.Filter(start, status or ())
    async with context.client() as flow:
        found = await runs.of_workflow(flow, await resolve.workflow(flow, workflow), kept.keeps)
    kept.check()
    context.rows([row.record() for row in runs.newest(found, limit)], columns.RUNS)


async def delete(context: "Context", workflows: Workflows) -> None:
    """Delete workflows."""
    from dataflow_async.cli import deletion, resolve

    async with context.client() as flow:
        found = [await resolve.workflow(flow, workflow) for workflow in workflows]
        await deletion.delete(context, flow, "workflow", found, lambda flow: flow.workflows.delete)
