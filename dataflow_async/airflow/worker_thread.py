"""Runs the asynchronous work of a task beside its main thread, which Airflow interrupts by signals.

Airflow's ``execution_timeout`` raises an exception in the main thread, wherever that is. Inside an event loop it would end
whichever task was running, mostly one of the client's own, and the task of Airflow would go on. So the loop runs in a
thread of its own, the main thread only waits for it, and what is raised there cancels the work in an orderly way.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from dataflow_async import defaults
from dataflow_async.client import DataFlow

T = TypeVar("T")

Work = Callable[[DataFlow], Awaitable[T]]
RunWork = Callable[[Work[T]], T]
"""Runs work in an event loop with a client, and returns what it returns; it blocks."""


class WorkerThread(Generic[T]):
    """One piece of work in a thread of its own.

    Always true: `result` returns or raises only when the work has ended, or `defaults.TASK_DRAIN` after the main thread was
    interrupted: a launch in flight is answered and recorded by then. `interrupt` may be called from a signal handler: it
    takes no lock, and sets `interrupted` in the loop of the work.
    """

    def __init__(self, run: RunWork[T], work: Work[T]) -> None:
        self._run = run
        self._work = work
        self._done: Future[T] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None
        self._is_interrupted = False
        self.is_cancelled = False
        """Whether the main thread was interrupted by an exception."""
        self.interrupted = asyncio.Event()
        """Set once by each signal; the work clears it."""

    def result(self) -> T:
        """Start the work, and return what it returns."""
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._main,), name="dataflow_async", daemon=True)
        try:
            thread.start()
            while not self._done.done():  # a signal that comes just before the thread blocks does not wake it
                wait([self._done], timeout=defaults.SIGNAL_CHECK)
            return self._done.result()
        except BaseException:
            self._cancel()
            if thread.is_alive():
                thread.join(defaults.TASK_DRAIN)
            raise

    def interrupt(self) -> None:
        """Set `interrupted`."""
        self._is_interrupted = True
        self._in_loop(self.interrupted.set)

    def _main(self) -> None:
        try:
            self._done.set_result(self._run(self._registered))
        except BaseException as problem:  # noqa: BLE001  # raised in the main thread
            self._done.set_exception(problem)

    async def _registered(self, flow: DataFlow) -> T:
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        if self.is_cancelled:
            raise asyncio.CancelledError
        if self._is_interrupted:
            self.interrupted.set()
        return await self._work(flow)

    def _cancel(self) -> None:
        self.is_cancelled = True
        if (task := self._task) is not None:
            self._in_loop(task.cancel)

    def _in_loop(self, function: Callable[[], object]) -> None:
        if (loop := self._loop) is not None and not loop.is_closed():
            loop.call_soon_threadsafe(function)
