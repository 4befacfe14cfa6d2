"""Gathers the operations of an event loop for a moment, and commits them as one group in the thread of the journal."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from attrs import define, field

from dataflow_async import defaults, tasks
from dataflow_async.bulk.journal.operations import Operation, OperationKind
from dataflow_async.errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path

    from dataflow_async.bulk.journal.store import JournalStore

log = logging.getLogger("dataflow_async")


@define(eq=False)
class _Queued(Operation):
    """An operation whose result is awaited."""

    waiter: asyncio.Future[Any] = field(kw_only=True)


class GroupCommit:
    """The queue between an event loop and the one thread that writes a journal.

    Always true: operations are committed in the order in which they were queued, one group at a time, and a waiter gets
    its result only after the commit of its group. After a failed commit it is not known what is on disk: that group, all
    that is queued and all that comes later fail, so nothing is launched on the strength of a write that may be lost.
    A second thread, or a commit that goes on after a failure, would break this.
    """

    def __init__(self, store: JournalStore, thread: ThreadPoolExecutor) -> None:
        self._store = store
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._queue: list[_Queued] = []
        self._window: asyncio.TimerHandle | None = None
        self._committing: asyncio.Future[None] | None = None
        self.closing: asyncio.Task[None] | None = None
        """The task that closes the file, once that has begun."""
        self._closed: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._refusal: str | None = None
        """Why no more operations are accepted."""
        _open_here[store.path] = self

    @classmethod
    async def open(cls, store: JournalStore, open_store: Callable[[RunInThread], Awaitable[None]]) -> Self:
        """Open a journal in a thread of its own.

        Args:
            store: The journal, not open yet.
            open_store: Opens it; takes a function that runs a function in the thread.
        """
        if (other := _open_here.get(store.path)) is not None:
            await other.close_for_closed_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="dataflow_async-journal")
        run: RunInThread = partial(asyncio.get_running_loop().run_in_executor, thread)
        try:
            await open_store(run)
        except (
            BaseException
        ) as problem:  # cancelled, perhaps: the thread goes on, and what it opens must be closed
            closed = run(store.close)
            thread.shutdown(wait=False)
            if isinstance(problem, Exception):
                await closed
            raise
        return cls(store, thread)

    @property
    def is_collecting(self) -> bool:
        """Whether operations are gathered for the next group."""
        return self._window is not None

    @property
    def is_committing(self) -> bool:
        """Whether a group is being committed."""
        return self._committing is not None

    def submit(self, kind: OperationKind, key: str | None, arguments: Any) -> asyncio.Future[Any]:
        """Queue an operation, and return the future of its result; the first in the queue begins a group."""
        waiter = self._loop.create_future()
        if self._refusal is not None:
            waiter.set_exception(JournalError(self._refusal))
            return waiter
        self._queue.append(_Queued(kind, key, arguments, waiter=waiter))
        if len(self._queue) == 1:
            self._window = self._loop.call_later(defaults.JOURNAL_WINDOW, self._end_window)
        return waiter

    def _end_window(self) -> None:
        self._window = None
        if self._committing is None:
            self._commit()

    def _commit(self) -> None:
        group, self._queue = self._queue, []
        self._committing = self._loop.run_in_executor(self._thread, self._store.commit, group)
        self._committing.add_done_callback(partial(self._resolve, group))

    def _resolve(self, group: list[_Queued], done: asyncio.Future[None]) -> None:
        """Pass the results of a committed group to its waiters, and commit what was queued meanwhile."""
        self._committing = None
        if (problem := done.exception()) is not None:
            self._fail(group, problem)
            return
        for operation in group:
            if not operation.waiter.done():
                operation.waiter.set_result(operation.result)
        if self._queue and self._window is None:
            self._commit()

    def _fail(self, group: list[_Queued], problem: BaseException) -> None:
        self._refusal = (
            f"journal {self._store.path} can't be written: {problem}. Nothing more is launched; what was being launched may"
            " have started, and the next run with this journal finds out"
        )
        failed, self._queue = group + self._queue, []
        for operation in failed:
            if not operation.waiter.done():
                operation.waiter.set_exception(JournalError(self._refusal))

    # --- closing -------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Commit what is queued, bring everything into the one file, release it; may be called twice."""
        if self.closing is None:
            self.closing = tasks.start_detached(self._close, loop=self._loop)
        await asyncio.shield(self.closing)

    async def _close(self) -> None:
        self._refusal = self._refusal or f"journal {self._store.path} is closed: nothing more is recorded"
        if self._window is not None:
            self._window.cancel()
        try:
            while self._queue or self._committing is not None:
                if self._committing is None:
                    self._commit()
                else:
                    await asyncio.wait([self._committing])
            await self._loop.run_in_executor(self._thread, self._close_file)
        finally:  # cancelled, perhaps, at the end of the loop; closing twice is harmless
            self._thread.submit(self._close_file)
            self._thread.shutdown(wait=False)

    def _close_file(self) -> None:
        """Close the file, in the thread that it belongs to."""
        if not self._closed.done():
            self._log_not_submitted()
        self._store.close()
        if _open_here.get(self._store.path) is self:
            del _open_here[self._store.path]
        if not self._closed.done():
            self._closed.set_result(None)

    def _log_not_submitted(self) -> None:
        """Log that this run has not submitted launches that an earlier one has begun: no run waits for them."""
        with suppress(Exception):  # it is no longer readable, and that was raised
            count, example = self._store.not_submitted()
            if count:
                log.info(
                    "journal %s: %d unfinished launches were not among those of this run, such as %r",
                    self._store.path,
                    count,
                    example,
                )

    async def close_for_closed_loop(self) -> None:
        """Close the file for an event loop that was closed without doing so."""
        if self._loop.is_closed():
            with suppress(RuntimeError):  # the thread has ended: it is closed
                self._thread.submit(self._close_file)
            await asyncio.shield(asyncio.wrap_future(self._closed))


RunInThread = Callable[..., asyncio.Future[Any]]
"""Runs a function in the thread of a journal."""

_open_here: weakref.WeakValueDictionary[Path, GroupCommit] = weakref.WeakValueDictionary()
"""By the one true path of the journal: while it is in use no other file can be there, or its run has ended."""
