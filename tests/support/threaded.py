"""A server in a thread with a loop of its own, for tests that call it with blocking code."""

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.threaded import loop_in_a_thread


@contextmanager
def running(server: Emulator) -> Iterator[Emulator]:
    """Start the server in a thread, and stop it at the end of the block."""
    with loop_in_a_thread() as on_loop:
        on_loop(server.start())
        try:
            yield server
        finally:
            on_loop(server.stop())
