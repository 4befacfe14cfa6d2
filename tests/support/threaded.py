"""A server in a thread with a loop of its own, for tests that call it with blocking code."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dataflow_async.emulator import Emulator


@contextmanager
def running(server: Emulator) -> Iterator[Emulator]:
    """Start the server in a thread, and stop it at the end of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
