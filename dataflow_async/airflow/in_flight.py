"""Calls that are shared while they are in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from attrs import define

from dataflow_async.tasks import start_detached

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


@define(eq=False)
class _Call(Generic[Result]):
    task: asyncio.Task[Result]
    waiters: int = 0


class InFlight(Generic[Key, Result]):
    """Makes one call for all who need the same thing at the same time.

    Always true: a call runs in a task of its own, in an empty context, so that it neither ends with whoever was first nor logs
    under its name; it is cancelled with its last waiter. Calls of different event loops are never shared: one dies with its
    loop, and `dag.test()` makes a loop for each trigger.
    """

    def __init__(self) -> None:
        self._calls: dict[tuple[asyncio.AbstractEventLoop, Key], _Call[Result]] = {}

    async def get(self, key: Key, work: Callable[[], Awaitable[Result]]) -> Result:
        """Return the result of ``work``, or that of a call with the same key that is in flight.

        Raises:
            Exception: What the call raises, to all who wait for it.
        """
        here = asyncio.get_running_loop(), key
        call = self._calls.get(here)
        if call is None:
            self._drop_closed_loops()
            call = self._calls[here] = _Call(start_detached(work))
            call.task.add_done_callback(lambda task: self._ended(here, task))
        call.waiters += 1
        try:
            await asyncio.wait([call.task])
        finally:
            call.waiters -= 1
            if not call.waiters and not call.task.done():
                del self._calls[here]
                call.task.cancel()
        return call.task.result()

    def _ended(self, here: tuple[asyncio.AbstractEventLoop, Key], task: asyncio.Task[Any]) -> None:
        if here in self._calls and self._calls[here].task is task:
            del self._calls[here]
        if not task.cancelled():
            task.exception()  # each waiter gets it; without one it is nobody's

    def _drop_closed_loops(self) -> None:
        for here in list(self._calls):  # a copy: other threads have loops of their own
            if here[0].is_closed():
                del self._calls[here]
