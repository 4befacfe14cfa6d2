"""``triggers``: when workflows start."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow_async.cli.command import command, group
from dataflow_async.cli.commands import names
from dataflow_async.cli.commands import options as opt

if TYPE_CHECKING:
    from dataflow_async import TriggerRule
    from dataflow_async.cli.context import Context

Trigger = Annotated[
    str,
    typer.Argument(
        metavar="TRIGGER", help="Id or name of a trigger.", show_default=False, autocompletion=names.trigger
    ),
]
Triggers = Annotated[
    list[str],
    typer.Argument(
        metavar="TRIGGER", help="Ids or names of triggers.", show_default=False, autocompletion=names.trigger
    ),
]


def add(parent: typer.Typer) -> None:
    """Add the group."""
    app = group(
        "triggers", "See and make triggers. To change one, create another and update the workflow.", parent
    )
    command(app, "list")(list_)
    command(app, "show")(show)
    command(app, "create", changes=True)(create)
    command(app, "delete", data=False, changes=True, confirms=True)(delete)


async def list_(context: "Context", name: opt.NameFilter = None, limit: opt.Limit = None) -> None:
    """List triggers."""
    from dataflow_async.cli import columns, listing

    async with context.client() as flow:
        rows = [row async for row in listing.first(flow.triggers.list(name), limit, listing.named(name))]
    context.rows(rows, columns.TRIGGERS)


async def show(context: "Context", trigger: Trigger) -> None:
    """Show a trigger and its rule."""
    from dataflow_async.cli import columns, resolve

    async with context.client() as flow:
        found = await flow.triggers.get((await resolve.trigger(flow, trigger)).id)
    context.one(found, columns.TRIGGERS)


async def create(
    context: "Context",
    name: opt.Name,
    manual: Annotated[bool, typer.Option("--manual", help="Start by hand only.")] = False,
    hourly: Annotated[
        int | None, typer.Option("--hourly", metavar="MM", help="Every hour at this minute.")
    ] = None,
    daily: Annotated[
        str | None, typer.Option("--daily", metavar="HH:MM", help="Every day at this time, UTC+9.")
    ] = None,
    weekly: Annotated[
        str | None,
        typer.Option("--weekly", metavar="DAYS", help="On these days: MON-FRI or SAT,SUN; with --at."),
    ] = None,
    monthly: Annotated[
        str | None,
        typer.Option("--monthly", metavar="DAY", help="On this day, LAST for the last one; with --at."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="HH:MM", help="Time for --weekly and --monthly, UTC+9.")
    ] = None,
    once: Annotated[
        str | None, typer.Option("--once", metavar="TIME", help="Once: 2026-12-01T03:00:00, UTC+9.")
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option("--cron", metavar="LINE", help="When a cron line is due: '30 9 * * 1-5', UTC+9."),
    ] = None,
    rule: Annotated[
        Path | None, typer.Option("--rule", metavar="FILE", help="JSON or YAML file of a rule.")
    ] = None,
) -> None:
    """Create a trigger. It starts nothing until a workflow has it among its nodes."""
    from dataflow_async import TriggerRule
    from dataflow_async.cli import columns, settings
    from dataflow_async.cli.exit_codes import CommandFailed, ExitCode

    rules: dict[str, Any] = {
        "--manual": TriggerRule.manual if manual else None,
        "--hourly": None if hourly is None else lambda: TriggerRule.hourly(hourly),
        "--daily": None if daily is None else lambda: TriggerRule.daily(daily),
        "--weekly": None if weekly is None else lambda: TriggerRule.weekly(weekly, at or ""),
        "--monthly": None if monthly is None else lambda: TriggerRule.monthly(_day(monthly), at or ""),
        "--once": None if once is None else lambda: TriggerRule.once(once),
        "--cron": None if cron is None else lambda: TriggerRule.from_cron(cron),
        "--rule": None if rule is None else lambda: settings.document(rule, "--rule"),
    }
    given = [make for make in rules.values() if make is not None]
    if len(given) != 1:
        raise CommandFailed(f"one of {', '.join(rules)} is needed", ExitCode.USAGE)
    if (at is None) != (weekly is None and monthly is None):
        raise CommandFailed("--at belongs to --weekly and --monthly, and they need it", ExitCode.USAGE)
    made = given[0]()
    async with context.client() as flow:
        trigger = await context.change(flow, lambda flow: flow.triggers.create(name, made))
    context.one(trigger, columns.TRIGGERS)
    if isinstance(made, TriggerRule):
        _note_next_runs(context, made)


def _note_next_runs(context: "Context", rule: "TriggerRule") -> None:
    from contextlib import suppress
    from datetime import UTC, datetime

    from dataflow_async import InvalidRequest

    with suppress(InvalidRequest):  # its one run is a text that names no time
        if runs := rule.next_runs(3, after=datetime.now(UTC)):
            context.note(f"next due (KST): {', '.join(f'{run:%Y-%m-%d %H:%M}' for run in runs)}")


def _day(text: str) -> Any:
    """Return a day of the month as a rule takes it: a number or LAST."""
    return int(text) if text.removeprefix("-").isdecimal() else text.upper()


async def delete(context: "Context", triggers: Triggers) -> None:
    """Delete triggers."""
    from dataflow_async.cli import deletion, resolve

    async with context.client() as flow:
        found = [await resolve.trigger(flow, trigger) for trigger in triggers]
        await deletion.delete(context, flow, "trigger", found, lambda flow: flow.triggers.delete)
