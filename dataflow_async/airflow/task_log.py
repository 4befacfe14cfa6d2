"""The logs of tasks that wait in a triggerer: a thread writes their lines, and the event loop never waits for it.

A line of a trigger goes through a socket to its supervisor, which reads some ten of them between two rounds of its own work. About
ninety that are not read yet block whoever writes another one. In the event loop that would stop all triggers; and where the
supervisor sends a message of hundreds of new triggers meanwhile, which the loop does not read then, both would wait for each
other for ever (seen in Airflow 3.3.2, when a thousand tasks were handed over).
"""

from __future__ import annotations

import asyncio
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

from attrs import frozen

Write = Callable[[], object]


class AirflowLog(Protocol):
    """What is used of the logger of a trigger, which is one of structlog; it blocks."""

    def bind(self) -> Any:
        """Return the logger itself, where this one stands for it."""

    def info(self, event: Any, /, *args: Any, **members: Any) -> Any:
        """Log at level INFO."""

    def warning(self, event: Any, /, *args: Any, **members: Any) -> Any:
        """Log at level WARNING."""

    def error(self, event: Any, /, *args: Any, **members: Any) -> Any:
        """Log at level ERROR."""


def wait_for_space(log: AirflowLog) -> None:
    """Wait until no more than a quarter of what the socket of a log holds is unread; return at once where there is no socket."""
    file = getattr(getattr(log.bind(), "_logger", None), "_file", None)  # structlog shows it nowhere else
    if file is None:
        return
    with suppress(AttributeError, OSError, ValueError):  # not every file has a number
        poll = select.poll()
        poll.register(file.fileno(), select.POLLOUT)
        poll.poll()


class LogWriter:
    """Writes lines in a thread, which begins with the first of them and ends with the process.

    Always true: lines are written in the order in which they were given, each in the context of whoever gave it, by which a
    triggerer finds the log of the task, and with the time at which it was given. None is written before its log has space: so
    that other triggers and Airflow, which write in the event loop, need not wait either. It is used in one thread at a time.

    Args:
        wait: Waits until a log has space; it blocks.
    """

    def __init__(self, wait: Callable[[AirflowLog], None] = wait_for_space) -> None:
        self._wait = wait
        self._lines: SimpleQueue[Write] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, log: AirflowLog, write: Write) -> None:
        """Let the thread write a line to a log, in the context of now."""
        self._put(partial(copy_context().run, self._written, log, write))

    async def written(self, timeout: float) -> None:
        """Return when what was given so far is written, or some seconds later."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        self._put(lambda: loop.call_soon_threadsafe(done.set))
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await done.wait()

    def _put(self, write: Write) -> None:
        self._lines.put(write)
        if self._thread is None or not self._thread.is_alive():  # in a process that was forked it is not
            thread = threading.Thread(target=self._write, name="dataflow_async.log", daemon=True)
            thread.start()
            self._thread = thread

    def _write(self) -> None:
        while True:
            with suppress(
                Exception
            ):  # what one log raises must not end the others, nor a loop that is closed
                self._lines.get()()

    def _written(self, log: AirflowLog, write: Write) -> None:
        self._wait(log)
        write()


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
        self._put(self.log.info, event, *args)

    def warning(self, event: Any, /, *args: Any) -> None:
        """Log at level WARNING."""
        self._put(self.log.warning, event, *args)

    def exception(self, event: Any, /, *args: Any) -> None:
        """Log the exception that is being handled, at level ERROR."""
        self._put(self.log.error, event, *args, exc_info=sys.exception())

    def _put(self, write: Callable[..., Any], event: Any, *args: Any, **members: Any) -> None:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self.writer.put(self.log, partial(write, event, *args, timestamp=now, **members))
