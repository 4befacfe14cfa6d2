"""The logs of tasks that wait in a triggerer: a thread writes their lines, a few at a time, and the event loop never waits for it.

A line of a trigger goes through a socket to its supervisor, which reads some ten lines between two rounds of its own work, and
about ninety that are not read yet block whoever writes another one. In the event loop that would stop all triggers; and where
the supervisor sends a message of hundreds of new triggers meanwhile, which the loop does not read then, both would wait for
each other for ever (seen in Airflow 3.3.2).
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

from attrs import frozen

from dataflow_async import defaults


class AirflowLog(Protocol):
    """What is used of the logger of a trigger; it blocks."""

    def info(self, event: Any, /, *args: Any) -> Any:
        """Log at level INFO."""

    def warning(self, event: Any, /, *args: Any) -> Any:
        """Log at level WARNING."""

    def error(self, event: Any, /, *args: Any, exc_info: BaseException | None) -> Any:
        """Log at level ERROR, with an exception."""


class LogWriter:
    """Writes lines in a thread, which begins with the first of them and ends with the process.

    Always true: lines are written in the order in which they were given, each in the context of whoever gave it, by which a
    triggerer finds the log of the task. No more than ``defaults.LOG_BURST`` are written in ``defaults.LOG_PAUSE`` seconds, so
    that other triggers and Airflow, which write in the event loop, need not wait either.

    Args:
        pause: Sleeps for some seconds; it blocks.
    """

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause
        self._lines: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, write: Callable[[], object]) -> None:
        """Let the thread write a line, in the context of now."""
        self._lines.put(partial(_run, copy_context(), write))
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="dataflow_async.log", daemon=True)
                self._thread.start()

    async def written(self, timeout: float) -> None:
        """Return when what was given so far is written, or some seconds later."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def report() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(done.set)

        self.put(report)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await done.wait()

    def _write(self) -> None:
        while True:
            for _ in range(defaults.LOG_BURST):
                self._lines.get()()
            self._pause(defaults.LOG_PAUSE)


def _run(context: Context, write: Callable[[], object]) -> None:
    """Write a line; what a logger raises must not end the lines of others."""
    with suppress(Exception):
        context.run(write)


@frozen
class TaskLog:
    """The log of one task, written by a `LogWriter`."""

    log: AirflowLog
    writer: LogWriter

    async def written(self, timeout: float) -> None:
        """Return when what was logged so far is written, or some seconds later."""
        await self.writer.written(timeout)

    def info(self, event: Any, /, *args: Any) -> None:
        """Log at level INFO."""
        self.writer.put(partial(self.log.info, event, *args))

    def warning(self, event: Any, /, *args: Any) -> None:
        """Log at level WARNING."""
        self.writer.put(partial(self.log.warning, event, *args))

    def exception(self, event: Any, /, *args: Any) -> None:
        """Log the exception that is being handled, at level ERROR."""
        self.writer.put(partial(self.log.error, event, *args, exc_info=sys.exception()))
