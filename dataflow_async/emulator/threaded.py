"""An event loop in a thread, so that a sync test may block while the emulator answers."""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class OnLoop(Protocol):
    """Runs a coroutine on the event loop of the emulator."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> T:
        """Return the result of the coroutine."""


@contextmanager
def loop_in_a_thread() -> Iterator[OnLoop]:
    """Keep an event loop running in a thread until the block ends."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run_until_stopped() -> None:
        stopped = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stopped))
        await stopped.wait()

    with ThreadPoolExecutor(1, "dataflow-emulator") as thread:
        finished = thread.submit(asyncio.run, run_until_stopped())
        loop, stopped = started.result()

        def on_loop(work: Coroutine[Any, Any, T], /) -> T:
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        try:
            yield on_loop
        finally:
            loop.call_soon_threadsafe(stopped.set)
            finished.result()
