"""Does work in steps, and gives others their turn of the event loop between two of them."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from dataflow_async.bulk.reconcile.steps import Steps

T = TypeVar("T")


async def in_turns(steps: Steps[T]) -> T:
    """Do work to its end, a step a turn of the event loop; return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await asyncio.sleep(0)
