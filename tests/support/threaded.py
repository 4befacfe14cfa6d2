"""A server in a thread with a loop of its own, for tests that call it with blocking code."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from dataflow_async.emulator import Emulator


@contextmanager
def running(server: Emulator) -> Iterator[Emulator]:
    """Start the server in a thread, and stop it at the end of the block."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        over = asyncio.Event()
        try:
            async with server:
                started.set_result((asyncio.get_running_loop(), over))
                await over.wait()
        except OSError as error:
            started.set_exception(error)

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(asyncio.run, serve())
        loop, over = started.result(10)
        try:
            yield server
        finally:
            loop.call_soon_threadsafe(over.set)
            served.result(10)
