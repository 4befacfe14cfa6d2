"""The journal of a bulk run: what was meant and what came of it, durable before anything depends on it (promise 6).

Each launch has a row for each attempt. Its intent is on disk before the first byte of the request goes out, its outcome
after; whoever reads the file after a crash knows of every request that may have been sent. Rows hold digests of settings
and parameters, never parameters, and never a secret (promise 8).

Writes are asked for on the event loop, gathered for a moment, and handed as one group to one thread, which gives the
group one transaction: hundreds of launches share the price of one write to disk.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import weakref
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

from attrs import define, field

from dataflow_async import defaults, tasks
from dataflow_async.bulk.journal.operations import Acceptance, Change, Operation, OperationKind
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase, KeyRepeated, KnownRun, Unresolved
from dataflow_async.errors import JournalError
from dataflow_async.models.execution import ExecutionRef
from dataflow_async.wire.request import origin_and_prefix
from dataflow_async.wire.server_time import ServerTime

if TYPE_CHECKING:
    from pathlib import Path

    from dataflow_async.bulk.journal.store import JournalStore


log = logging.getLogger("dataflow_async")

Prove = Callable[[Sequence[ExecutionRef]], Awaitable[bool]]
"""Tells whether one of these runs can be read by whoever asks."""


@define(eq=False)
class _Queued(Operation):
    """An operation that somebody waits for."""

    waiter: asyncio.Future[Any] = field(kw_only=True)


class JournalWriter:
    """The one writer of a journal. Made by `open`; belongs to one event loop.

    Every method that writes returns when what it wrote is durable. Cancelling one does not undo its write. Once a write
    has failed, it and all later ones raise `JournalError`: what the file holds is then what was confirmed before.
    """

    def __init__(self, store: JournalStore, thread: ThreadPoolExecutor) -> None:
        self._store = store
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._queue: list[_Queued] = []
        self._window: asyncio.TimerHandle | None = None
        self._committing: asyncio.Future[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._closed: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._refusal: str | None = None
        """Why nothing more is taken."""

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str], *, base_url: str, access_key: str, prove: Prove | None = None
    ) -> Self:
        """Open a journal or make one, private to the user, and hold it until `aclose`.

        Args:
            path: Where it is. Beside it SQLite keeps ``-wal`` and ``-shm`` files while it is open; a ``-lock`` file stays.
            base_url: Service that the launches go to.
            access_key: Id of the access key; never the secret.
            prove: Tells whether one of a few runs can be read with this key. It is asked where the journal knows other
                keys only (ruling 95); what it raises is raised.

        Raises:
            InvalidRequest: Field ``"journal"``: it is held by another run, belongs to another service or account, has
                another format, is damaged or incomplete, is no journal, or can't be written.
        """
        from dataflow_async.bulk.journal.refusals import resolved
        from dataflow_async.bulk.journal.store import JournalStore

        store = JournalStore(resolved(path))
        thread = ThreadPoolExecutor(1, thread_name_prefix="dataflow_async-journal")
        run = partial(asyncio.get_running_loop().run_in_executor, thread)
        if (other := _open_here.get(store.path)) is not None:
            await other.close_if_left()
        service = "".join(origin_and_prefix(base_url, allow_insecure_http=True))  # the client has checked it
        try:
            await run(store.open, (service, access_key))
            if (runs := await run(store.witnesses, access_key)) is not None:
                proven = not runs or (prove is not None and await prove(runs))
                await run(store.add_access_key if proven else store.refuse, access_key)
        except (
            BaseException
        ) as problem:  # cancelled, perhaps: then the thread goes on, and what it opens must be closed
            closed = run(store.close)
            thread.shutdown(wait=False)
            if isinstance(problem, Exception):
                await closed
            raise
        writer = cls(store, thread)
        _open_here[store.path] = writer
        return writer

    @staticmethod
    def open_here(path: str | os.PathLike[str]) -> JournalWriter | None:
        """Return who has this journal open in this process, under whatever name; None if nobody has.

        Raises:
            InvalidRequest: Field ``"journal"``: not a path, or that of a directory.
        """
        from dataflow_async.bulk.journal.refusals import resolved

        return _open_here.get(resolved(path))

    async def wait_closed(self) -> None:
        """Wait until it is closed, from any event loop."""
        await asyncio.shield(asyncio.wrap_future(self._closed))

    # --- an attempt begins ---------------------------------------------------------------------------------

    async def intend(
        self, key: str, job_id: str, settings: bytes, parameters: bytes | None, at: ServerTime
    ) -> JournalEntry | None:
        """Record the intent of a first attempt, unless the key is known.

        Args:
            key: Names the launch.
            job_id: Job to run.
            settings: Digest of job and settings.
            parameters: Digest of the parameters as they will be sent.
            at: Server time.

        Returns:
            None if the key was new; else its latest entry, and nothing is changed but that this run has had it.

        Raises:
            KeyRepeated: This run has had the key before.
        """
        new = JournalEntry(key, 1, job_id, settings, parameters, JournalPhase.INTENT, at.earlier, at.later)
        known, repeated = await self._ask_for(OperationKind.INTEND, key, new)
        if repeated:
            raise KeyRepeated
        return cast("JournalEntry | None", known)

    async def intend_again(self, entry: JournalEntry, at: ServerTime, *, may_have_run: bool) -> JournalEntry:
        """Record that an attempt goes out again; its outcome so far is forgotten.

        Args:
            entry: The attempt, as the journal has it; its digest of parameters may be another one now.
            at: Server time.
            may_have_run: Whether an earlier send of it may have taken effect. Then the earlier time stays: the run that
                is looked for may be that old.
        """
        again = JournalEntry(
            entry.key,
            entry.attempt,
            entry.job_id,
            entry.settings,
            entry.parameters,
            JournalPhase.INTENT,
            min(at.earlier, entry.intended_from) if may_have_run else at.earlier,
            at.later,
        )
        await self._ask_for(OperationKind.REPLACE, again.key, (again, entry.phase))
        return again

    async def resend(self, key: str, attempt: int, at: ServerTime) -> None:
        """Widen the time of an intent before it is sent under a corrected clock (ruling 87)."""
        await self._ask_for(OperationKind.WIDEN, key, (key, attempt, at))

    async def next_attempt(
        self, entry: JournalEntry, at: ServerTime, settings: bytes, parameters: bytes | None
    ) -> JournalEntry:
        """Record the intent of a further attempt beside one that has ended."""
        further = JournalEntry(
            entry.key,
            entry.attempt + 1,
            entry.job_id,
            settings,
            parameters,
            JournalPhase.INTENT,
            at.earlier,
            at.later,
        )
        await self._ask_for(OperationKind.ADD, further.key, further)
        return further

    # --- what came of it -----------------------------------------------------------------------------------

    async def accepted(
        self,
        key: str,
        attempt: int,
        execution_id: str,
        *,
        at: float,
        created: str | None,
        adopted: bool = False,
    ) -> None:
        """Record the execution id that the service gave.

        Args:
            key: Names the launch.
            attempt: Its number.
            execution_id: The run.
            at: Server time, later end.
            created: ``createdDate`` of the run, as the service wrote it.
            adopted: Whether the run was found in a list, not given in answer to the launch.
        """
        run = Acceptance(
            _storable(execution_id), at, None if created is None else _storable(created), adopted
        )
        await self._ask_for(OperationKind.ACCEPT, key, (Change(key, attempt, JournalPhase.ACCEPTED), run))

    async def rejected(self, key: str, attempt: int, reason: str) -> None:
        """Record a refusal; ``reason`` is the class name of the error, never its text, which may echo parameters."""
        await self._record(Change(key, attempt, JournalPhase.REJECTED, status=reason))

    async def not_sent(self, key: str, attempt: int, reason: str) -> None:
        """Record that nothing reached the service; ``reason`` as for `rejected`."""
        await self._record(Change(key, attempt, JournalPhase.NOT_SENT, status=reason))

    async def unknown(self, key: str, attempt: int, sent_by: float | None) -> None:
        """Record a lost answer; ``sent_by`` is the server time, later end, by which the send was over."""
        await self._record(Change(key, attempt, JournalPhase.UNKNOWN, sent_by=sent_by))

    async def ended(self, key: str, attempt: int, status: str, at: float) -> None:
        """Record the last status of the run, and the server time at which it was seen."""
        await self._record(Change(key, attempt, JournalPhase.ENDED, status=_storable(status), ended_at=at))

    # --- questions -----------------------------------------------------------------------------------------

    async def known_runs(self, job_id: str) -> list[KnownRun]:
        """Return the runs of this job that any attempt of any key has, those with the earliest intent first."""
        from dataflow_async.bulk.journal.queries import known_runs

        found: list[KnownRun] = await self._ask_for(
            OperationKind.READ, None, partial(known_runs, job_id=job_id)
        )
        return found

    async def count_parameters(self, job_id: str, digests: Collection[bytes]) -> dict[bytes, int]:
        """Count the keys of this job that carry each of these digests of parameters."""
        from dataflow_async.bulk.journal.queries import count_parameters

        counted: dict[bytes, int] = await self._ask_for(
            OperationKind.READ, None, partial(count_parameters, job_id=job_id, digests=digests)
        )
        return counted

    async def unresolved(self, job_id: str) -> list[Unresolved]:
        """Return the attempts at this job of which nobody knows whether they started."""
        from dataflow_async.bulk.journal.queries import unresolved

        found: list[Unresolved] = await self._ask_for(
            OperationKind.READ, None, partial(unresolved, job_id=job_id)
        )
        return found

    # --- groups --------------------------------------------------------------------------------------------

    async def _record(self, change: Change) -> None:
        await self._ask_for(OperationKind.CHANGE, change.key, change)

    def _ask_for(self, kind: OperationKind, key: str | None, arguments: Any) -> asyncio.Future[Any]:
        """Queue an operation; the first in the queue opens the window for others to join it."""
        waiter = self._loop.create_future()
        if self._refusal is not None:
            waiter.set_exception(JournalError(self._refusal))
            return waiter
        self._queue.append(_Queued(kind, key, arguments, waiter=waiter))
        if len(self._queue) == 1:
            self._window = self._loop.call_later(defaults.JOURNAL_WINDOW, self._window_ends)
        return waiter

    def _window_ends(self) -> None:
        self._window = None
        if self._committing is None:
            self._commit()

    def _commit(self) -> None:
        group, self._queue = self._queue, []
        self._committing = self._loop.run_in_executor(self._thread, self._store.commit, group)
        self._committing.add_done_callback(partial(self._committed, group))

    def _committed(self, group: list[_Queued], done: asyncio.Future[None]) -> None:
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
        """After a failed commit nobody can say what is on disk: nothing more is taken."""
        self._refusal = f"journal {self._store.path} can't be written: {problem}"
        failed, self._queue = group + self._queue, []
        for operation in failed:
            if not operation.waiter.done():
                operation.waiter.set_exception(JournalError(self._refusal))

    async def aclose(self) -> None:
        """Write what is queued, bring everything into the one file, let go of it; may be called twice."""
        if self._closing is None:
            self._closing = tasks.start_detached(self._close, loop=self._loop)
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._refusal = self._refusal or f"journal {self._store.path} is closed"
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
            self._mention_the_rest()
        self._store.close()
        if _open_here.get(self._store.path) is self:
            del _open_here[self._store.path]
        if not self._closed.done():
            self._closed.set_result(None)

    def _mention_the_rest(self) -> None:
        """Say that a run leaves launches out that an earlier one has begun: nobody waits for them."""
        with suppress(Exception):  # it is no longer readable, and that was said
            count, example = self._store.not_submitted()
            if count:
                log.info(
                    "journal %s: %d unfinished launches were not among those of this run, such as %r",
                    self._store.path,
                    count,
                    example,
                )

    async def close_if_left(self) -> None:
        """Close it for an event loop that was closed without doing so."""
        if self._loop.is_closed():
            with suppress(RuntimeError):  # the thread has ended: it is closed
                self._thread.submit(self._close_file)
            await self.wait_closed()


_open_here: weakref.WeakValueDictionary[Path, JournalWriter] = weakref.WeakValueDictionary()
"""By the one true path of the journal: what lies there can't be another file while it is in use, or its run has ended."""


def _storable(text: str) -> str:
    """Text of a service may hold half a surrogate pair, for which UTF-8 has no form."""
    return text.encode("utf-8", "backslashreplace").decode()
