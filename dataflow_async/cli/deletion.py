"""Deletes things, after a question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow_async import DataFlow
    from dataflow_async.cli.context import Context
    from dataflow_async.cli.resolve import Thing


async def delete(
    context: Context,
    flow: DataFlow,
    kind: str,
    things: Sequence[Thing],
    call: Callable[[DataFlow], Callable[[str], Awaitable[None]]],
) -> None:
    """Ask, delete one after the other, and note each.

    Args:
        context: What commands share.
        flow: The client.
        kind: What they are, such as ``"job"``.
        things: What to delete.
        call: Returns the method of a client that deletes by an id.
    """
    await context.confirm(f"delete {kind}{'s' * (len(things) > 1)} {', '.join(map(str, things))}")

    def deletion(thing: Thing) -> Callable[[DataFlow], Awaitable[None]]:
        return lambda flow: call(flow)(thing.id)

    await context.change_each(flow, {f"deleted {kind} {thing}": deletion(thing) for thing in things})
