"""``whoami`` and ``dashboard``: whose keys, which service, and what has run there."""

from typing import TYPE_CHECKING, Annotated

import typer

from dataflow_async.cli.command import command

if TYPE_CHECKING:
    from dataflow_async.cli.context import Context


def add(parent: typer.Typer) -> None:
    """Add the commands."""
    command(parent, "dashboard")(dashboard)
    command(parent, "whoami")(whoami)


async def dashboard(
    context: "Context",
    since: Annotated[
        str, typer.Option("--since", metavar="AGE", help="From then on: 24h, 7d, or a date in UTC+9.")
    ] = "7d",
    until: Annotated[
        str | None, typer.Option("--until", metavar="AGE", help="Up to then; now unless given.")
    ] = None,
) -> None:
    """Count the runs of a period."""
    from datetime import UTC, datetime, timedelta

    from dataflow_async.cli import columns, period
    from dataflow_async.cli.output import Format, record_of

    now = datetime.now(UTC)
    start, end = (
        period.since(since, now),
        period.since(until, now, "--until") if until else now + timedelta(seconds=1),
    )
    async with context.client() as flow:
        result = await flow.dashboard.execution_result(start, end)
        days = await flow.dashboard.execution_interval(start, end)
    record = {"startDate": start, "endDate": end, **record_of(result), "days": days.result}
    context.one(record, columns.DASHBOARD)
    if context.output is Format.TABLE and not context.query and days.result:
        context.out.text("")
        context.rows(days.result, columns.DAYS)


async def whoami(context: "Context") -> None:
    """Show which keys are used, and for what.

    It names the service, the source of the keys, the clock of this machine against the service's, and makes one call
    that reads. Exits with 4 if no keys are found, or if they are refused.
    """
    from dataflow_async.cli import identity

    found = await identity.examine(context)
    context.one(found.record, identity.COLUMNS)
    if found.error is not None:
        raise found.error
