"""``executions``: see, await, cancel and repeat runs of jobs."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_async.cli.command import command, group
from dataflow_async.cli.commands import names
from dataflow_async.cli.commands import options as opt

if TYPE_CHECKING:
    from dataflow_async import DataFlow, ExecutionRef
    from dataflow_async.cli.context import Context
    from dataflow_async.cli.runs import FoundRun

SomeJobs = Annotated[
    list[str] | None,
    typer.Argument(metavar="JOB", help="Ids or names of jobs.", show_default=False, autocompletion=names.job),
]
AllJobs = Annotated[bool, typer.Option("--all-jobs", help="Runs of every job of the account.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="AGE", help="Created since then: 24h, 7d, or a date in UTC+9."),
]
Statuses = Annotated[
    list[str] | None, typer.Option("--status", metavar="STATUS", help="Only runs in this state; repeatable.")
]

_MANY = 50
"""Jobs whose runs take so long to read that a person should see why nothing happens."""


def add(parent: typer.Typer) -> None:
    """Add the group."""
    app = group("executions", "See, await, cancel and repeat runs of jobs.", parent)
    command(app, "list")(list_)
    command(app, "failed")(failed)
    command(app, "show")(show)
    command(app, "wait")(wait)
    command(app, "watch")(watch)
    command(app, "cancel", data=False, changes=True, confirms=True)(cancel)
    command(app, "rerun", changes=True, confirms=True)(rerun)


async def _found(
    context: "Context",
    jobs: list[str] | None,
    *,
    all_jobs: bool,
    since: str | None,
    statuses: list[str],
    limit: int | None,
) -> "list[FoundRun]":
    from dataflow_async.cli import period, resolve, runs
    from dataflow_async.cli.exit_codes import CommandFailed, ExitCode

    if bool(jobs) == all_jobs:
        raise CommandFailed("name jobs, or give --all-jobs", ExitCode.USAGE)
    start = period.since(since) if since else None
    kept = runs.Filter(start, statuses)
    async with context.client() as flow:
        if all_jobs:
            things = await runs.jobs_with_runs(flow, start)
            if len(things) > _MANY:
                context.note(f"reading the runs of {len(things)} jobs")
        else:
            things = [(it.id, it.name) for it in [await resolve.job(flow, job) for job in jobs or ()]]
        found = await runs.of_jobs(flow, things, kept.keeps)
    kept.check()
    return runs.newest(found, limit)


async def list_(
    context: "Context",
    jobs: SomeJobs = None,
    all_jobs: AllJobs = False,
    since: Since = None,
    status: Statuses = None,
    limit: opt.Limit = None,
) -> None:
    """List runs, the newest first.

    Beside the time of each stands the usual one: the median of the completed runs of its job.
    """
    from dataflow_async.cli import columns

    found = await _found(context, jobs, all_jobs=all_jobs, since=since, statuses=status or [], limit=limit)
    context.rows([row.record() for row in found], columns.RUNS)


async def failed(
    context: "Context",
    jobs: SomeJobs = None,
    since: Annotated[
        str, typer.Option("--since", metavar="AGE", help="Created since then: 24h, 7d, or a date in UTC+9.")
    ] = "24h",
    status: Statuses = None,
    limit: opt.Limit = None,
) -> None:
    """Explain what failed since yesterday.

    For each run: when and how long it ran, which trigger started it, its settings, and where its log is. Without JOB it looks at every job of the account. Each run comes
    with the command that runs it again.
    """
    from dataflow_async.cli import failures
    from dataflow_async.cli.output import Format

    found = await _found(
        context, jobs, all_jobs=not jobs, since=since, statuses=status or ["FAILED"], limit=limit
    )
    async with context.client() as flow:
        records = await failures.explained(context, flow, found)
    if context.output is not Format.TABLE or context.query:
        context.rows(records, failures.COLUMNS)
        return
    context.note(
        f"{len(records)} {' or '.join(status or ['FAILED'])} since {since} at {await context.account()}"
    )
    if records:
        context.out.text("\n\n".join(map(failures.block, records)))


async def show(context: "Context", run: opt.Run) -> None:
    """Show a run."""
    from dataflow_async.cli import columns, resolve

    async with context.client() as flow:
        ref = await resolve.run(flow, run)
        found = await flow.jobs.execution(ref.job_id, ref.execution_id)
    context.one(found, columns.RUN)


async def wait(
    context: "Context",
    run: opt.Run,
    timeout: opt.Timeout = None,
    cancel_on_timeout: opt.CancelOnTimeout = False,
) -> None:
    """Wait for the end of a run.

    Exits with 0 if it ended COMPLETED, 5 if it failed or was cancelled, 124 if --timeout is over.
    """
    from dataflow_async.cli import resolve, waiting

    async with context.client() as flow:
        ref = await resolve.run(flow, run)
        ended = await waiting.finish(context, flow, ref, timeout=timeout, cancel=cancel_on_timeout)
    waiting.check_ended_well(ended)


async def watch(context: "Context", run: opt.Run) -> None:
    """Print a line for each state of a run.

    It begins with the present one and ends with the run.
    """
    from dataflow_async.cli import columns, resolve, waiting

    async with context.client() as flow:
        ref = await resolve.run(flow, run)
        again = waiting.command_line(context, "executions", "watch", ref.job_id, ref.execution_id)
        context.interruption = lambda: f"interrupted: the run goes on; watch it again: {again}"
        async for state in flow.watch(ref):
            context.out.stream(state, columns.RUNS)


async def cancel(
    context: "Context",
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOB RUN",
            help="Job by id or name, and the id of its run or `last`; with --all-running, jobs.",
            show_default=False,
            autocompletion=names.job,
        ),
    ] = None,
    all_running: Annotated[
        bool, typer.Option("--all-running", help="Every run that has not ended: of these jobs, or of all.")
    ] = False,
) -> None:
    """Cancel a run, or all that have not ended.

    A run may end otherwise before the cancel reaches it.
    """
    from dataflow_async.cli import resolve, runs
    from dataflow_async.cli.exit_codes import CommandFailed, ExitCode

    async with context.client() as flow:
        if all_running:
            things = [await resolve.job(flow, job) for job in run or ()]
            jobs = [(it.id, it.name) for it in things] if run else await runs.jobs_with_runs(flow, None)
            found = await runs.of_jobs(flow, jobs, lambda it: not it.is_terminal)
            refs = [row.execution.ref for row in runs.newest(found, None)[::-1]]
        elif run:
            refs = [await resolve.run(flow, run)]
        else:
            raise CommandFailed("name a run by JOB RUN, or give --all-running", ExitCode.USAGE)
        await _cancel_each(context, flow, refs)


async def _cancel_each(context: "Context", flow: "DataFlow", refs: "list[ExecutionRef]") -> None:
    from dataflow_async.cli.text import escaped

    if not refs:
        context.note("nothing is running")
        return
    one = f"run {escaped(refs[0].execution_id)} of job {escaped(refs[0].job_id)}"
    await context.confirm(f"cancel {one if len(refs) == 1 else f'{len(refs)} runs'}")
    await context.change_each(
        flow,
        {f"cancelled run {it.execution_id} of job {it.job_id}": partial(_cancel_one, ref=it) for it in refs},
    )


async def _cancel_one(flow: "DataFlow", ref: "ExecutionRef") -> None:
    await flow.jobs.cancel_execution(ref.job_id, ref.execution_id)


async def rerun(
    context: "Context",
    run: opt.Run,
    run_settings: opt.RunSettings,
    waits: opt.Waits,
) -> None:
    """Run a job again as an earlier run did.

    It takes the settings and parameters of that run; options replace single ones.
    """
    from attrs import evolve

    from dataflow_async import JobCondition
    from dataflow_async.cli import resolve, settings, waiting

    waiting.check_options(waits)
    settings.condition(run_settings)
    async with context.client() as flow:
        ref = await resolve.run(flow, run)
        earlier = await flow.jobs.execution(ref.job_id, ref.execution_id)
        ran_with = earlier.job_condition.to_condition() if earlier.job_condition else JobCondition()
        ran_with = evolve(ran_with, parameters=ran_with.parameters or earlier.parsed_parameters or None)
        condition = settings.replaced(ran_with, run_settings)
        ended = await waiting.launch(
            context,
            flow,
            resolve.Thing(ref.job_id, earlier.job_name),
            lambda flow: flow.jobs.execute(ref.job_id, condition=condition),
            waits,
        )
    waiting.check_ended_well(ended)
