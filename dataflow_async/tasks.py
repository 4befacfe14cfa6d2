"""Tasks of the client: one way to create them, whatever task factory the event loop has.

An eager task factory (``asyncio.eager_task_factory``) runs the first step of a task before whoever creates
it has a chance to keep it. Tasks that look themselves up, or that create others, break then. So the first
step of a task created here always comes after `start` has returned. That needs nothing of the factory or
the loop: ``eager_start`` exists from Python 3.14 on, and not in every factory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")
log = logging.getLogger("dataflow_async")


def start(
    work: Callable[..., Awaitable[T]], *args: Any, loop: asyncio.AbstractEventLoop | None = None
) -> asyncio.Task[T]:
    """Create a task that awaits ``work(*args)``, in a copy of the caller's context.

    Args:
        work: Called when the task takes its first step, never before this function has returned.
        args: Its arguments.
        loop: The event loop; the running one unless given.
    """
    created = _Created()
    body: Any = _run(created, work, args)
    body.__qualname__ = getattr(work, "__qualname__", body.__qualname__)  # what a task's repr shows
    task: asyncio.Task[T] = (loop or asyncio.get_running_loop()).create_task(body)
    created.done = True
    return task


def start_detached(
    work: Callable[..., Awaitable[T]], *args: Any, loop: asyncio.AbstractEventLoop | None = None
) -> asyncio.Task[T]:
    """Create a task that works for the whole client: as `start`, in an empty context.

    Such a task outlives whoever happened to cause it, and serves others as well: traced or logged under the
    context of the first one, the work of all would be attributed to it.
    """
    return Context().run(lambda: start(work, *args, loop=loop))


class Background:
    """Tasks that outlive their callers; whoever owns this waits for them at its own end."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        """Those that have not ended; the event loop itself holds tasks weakly only."""

    def start(self, work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Create a task that awaits ``work()``, as `start` does, and keep it until it ends."""
        task = start(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


async def bounded(what: str, work: Callable[[], Awaitable[None]], *, seconds: float) -> None:
    """Do some work in a task of its own; one that hangs is cancelled after ``seconds``, no longer awaited, and logged.

    Args:
        what: What the work is, for the log.
        work: Called once; what it raises is raised.
        seconds: How long to wait for it.
    """
    task = start(work)
    try:
        await asyncio.wait([task], timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
    if task.done():
        task.result()
    else:
        log.warning("%s has not ended within %g s and is no longer awaited", what, seconds)


def is_cancelled() -> bool:
    """Return whether somebody has cancelled this very task; else a `CancelledError` comes from elsewhere."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Created:
    """Whether the task has been handed to whoever created it."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False


async def _run(created: _Created, work: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T:
    if not created.done:
        await asyncio.sleep(0)
    return await work(*args)
