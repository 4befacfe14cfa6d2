"""A loop in a thread, so that a test may block while the emulator answers."""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class OnLoop(Protocol):
    """Runs a coroutine on the loop of the emulator."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> T:
        """Return what it returns."""


@contextmanager
def loop_in_a_thread() -> Iterator[OnLoop]:
    """Keep a loop running in a thread to the end of the block."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def stay() -> None:
        over = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), over))
        await over.wait()

    with ThreadPoolExecutor(1, "dataflow-emulator") as thread:
        stayed = thread.submit(asyncio.run, stay())
        loop, over = started.result()

        def on_loop(work: Coroutine[Any, Any, T], /) -> T:
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        try:
            yield on_loop
        finally:
            loop.call_soon_threadsafe(over.set)
            stayed.result()
