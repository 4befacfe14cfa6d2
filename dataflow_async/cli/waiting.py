"""Launch and wait, for a person: states as they come, and what to do if the wait is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from dataflow_async import ExecutionRef, JobExecution, WaitTimeout
from dataflow_async.cli.columns import RUN
from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.output import minutes
from dataflow_async.cli.text import escaped, shell_quoted
from dataflow_async.models.moment import KST

if TYPE_CHECKING:
    from dataflow_async import DataFlow
    from dataflow_async.cli.commands.options import Waits
    from dataflow_async.cli.context import Context
    from dataflow_async.cli.resolve import Thing


def wait_command(context: Context, ref: ExecutionRef) -> str:
    """Return the command that takes a wait up again."""
    return command_line(context, "executions", "wait", ref.job_id, ref.execution_id)


def command_line(context: Context, *words: str) -> str:
    """Return a command with the options that lead to the same service and account."""
    options = [("--url", context.url), ("--profile", context.profile)]
    more = [word for name, value in options if value for word in (name, value)]
    insecure = ["--allow-insecure-http"] if context.allow_insecure_http else []
    return shell_quoted("dataflow-async", *words, *more, *insecure)


async def launch(
    context: Context,
    flow: DataFlow,
    job: Thing,
    call: Callable[[DataFlow], Awaitable[JobExecution]],
    waits: Waits,
) -> JobExecution | None:
    """Start a run after a question and print it, at its end if that is waited for.

    What a signal would leave behind is on ``context.interruption`` at every moment.

    Returns:
        The run at its end; None if it is not waited for.
    """
    await context.confirm(f"run job {job}, which costs money,")
    runs = command_line(context, "executions", "list", job.id)
    if not context.dry_run:
        context.interruption = lambda: (
            f"interrupted: the launch of job {job} was on its way and is not answered: it may have started;"
            f" look before you launch it again: {runs}"
        )
    run = await context.change(flow, call)
    again = wait_command(context, run.ref)
    context.interruption = lambda: _goes_on(run.ref, again)
    # Printed before the data: who loses that, to a full disk or a query, must not launch it once more.
    context.note(f"run {run.job_execution_id} of job {job} is started; wait for it: {again}")
    if waits.wait:
        return await finish(context, flow, run.ref, timeout=waits.timeout, cancel=waits.cancel_on_timeout)
    context.one(run, RUN)
    return None


def _goes_on(ref: ExecutionRef, again: str) -> str:
    return f"interrupted: run {escaped(ref.execution_id)} goes on; wait for it again: {again}"


async def finish(
    context: Context, flow: DataFlow, ref: ExecutionRef, *, timeout: float | None, cancel: bool
) -> JobExecution:
    """Wait for the end of a run and show each state on standard error; the run itself is the data."""
    again = wait_command(context, ref)
    context.interruption = lambda: _goes_on(ref, again)

    def on_change(run: JobExecution) -> None:
        context.note(f"{datetime.now(KST):%H:%M:%S}  {run.job_execution_id}  {run.status or 'no status yet'}")

    try:
        run = await flow.wait(
            ref, timeout=timeout, on_change=on_change, cancel_on_timeout=cancel, check=False
        )
    except WaitTimeout as error:
        seen = error.execution.status if error.execution else "unknown"
        raise CommandFailed(
            f"run {escaped(ref.execution_id)} has not ended after {timeout:g} s, its status is {escaped(str(seen))}; "
            + (
                f"it is being cancelled; see: {again}"
                if cancel
                else f"it goes on; wait for it again: {again}"
            ),
            ExitCode.TIMED_OUT,
        ) from None
    context.one(run, RUN)
    return run


def check_ended_well(run: JobExecution | None) -> None:
    """End the command with its code unless a run ended COMPLETED, or is not waited for.

    Raises:
        CommandFailed: It ended otherwise.
    """
    if run is None or run.status == "COMPLETED":
        return
    settings = run.job_condition
    log = settings and (settings.console_log_path or settings.log_path)
    ran = f" after {minutes(run.running_time)} of work" if run.running_time is not None else ""
    raise CommandFailed(
        f"run {escaped(run.job_execution_id)} of job {escaped(run.job_name or run.job_id)} ended"
        f" {escaped(str(run.status))}{ran}" + (f"; its log: {escaped(log)}" if log else ""),
        ExitCode.RUN_FAILED,
    )


def check_options(waits: Waits) -> None:
    """Refuse options of a wait where nothing is waited for.

    Raises:
        CommandFailed: They are given without ``--wait``.
    """
    if not waits.wait and (waits.timeout is not None or waits.cancel_on_timeout):
        raise CommandFailed("--timeout and --cancel-on-timeout need --wait", ExitCode.USAGE)
