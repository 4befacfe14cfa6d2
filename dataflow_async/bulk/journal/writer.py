"""The journal of a bulk run: what was intended and what came of it, durable before anything depends on it.

Each launch has a row for each attempt. Its intent is on disk before the first byte of the request is sent, its outcome
after; whoever reads the file after a crash finds every request that may have been sent. Rows hold digests of settings
and parameters, never parameters, and never a secret.

Writes are gathered for a moment and committed as one group: hundreds of launches share the cost of one write to disk.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

from dataflow_async.bulk.journal.group_commit import GroupCommit, RunInThread
from dataflow_async.bulk.journal.operations import Acceptance, Change, Intent, OperationKind
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase, KeyRepeated, KnownRun, Unresolved
from dataflow_async.models.execution import ExecutionRef
from dataflow_async.wire.request import origin_and_prefix
from dataflow_async.wire.server_time import ServerTime

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")
Prove = Callable[[Sequence[ExecutionRef]], Awaitable[bool]]
"""Returns whether one of these runs can be read with the keys of this client."""


class Commits(Protocol):
    """Where a writer submits its operations; see `GroupCommit`."""

    def submit(self, kind: OperationKind, key: str | None, arguments: Any) -> asyncio.Future[Any]:
        """Return the future of the result of an operation, which is done once that is durable."""

    async def aclose(self) -> None:
        """Commit what was submitted, and close."""


class JournalWriter:
    """The one writer of a journal: a `LaunchStore` in a SQLite file. Made by `open`; belongs to one event loop.

    Always true: a method that writes returns when what it wrote is durable; cancelling it does not undo its write. Once a
    write has failed, it and all later ones raise `JournalError`: the file holds what was confirmed before. A launch that
    is sent before the method returned breaks this: after a crash nothing shows that it may have run.
    """

    durable = True

    def __init__(self, commits: Commits) -> None:
        self.commits = commits
        """Where its operations are submitted."""

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str], *, base_url: str, access_key: str, prove: Prove | None = None
    ) -> Self:
        """Open a journal or make one, private to the user, and hold it until `aclose`.

        Args:
            path: Where it is. Beside it SQLite keeps ``-wal`` and ``-shm`` files while it is open; a ``-lock`` file stays.
            base_url: Service that the launches go to.
            access_key: Id of the access key; never the secret.
            prove: Returns whether one of a few runs can be read with this key. It is called where the journal has other
                keys only: a key that reads one of its runs belongs to its account. What it raises is raised.

        Raises:
            InvalidRequest: Field ``"journal"``: it is held by another run, belongs to another service or account, has
                another format, is damaged or incomplete, is no journal, or can't be written.
        """
        from dataflow_async.bulk.journal.refusals import resolved
        from dataflow_async.bulk.journal.store import JournalStore

        store = JournalStore(resolved(path))
        service = "".join(origin_and_prefix(base_url, allow_insecure_http=True))  # the client has checked it

        async def open_store(run: RunInThread) -> None:
            await run(store.open, (service, access_key))
            if (runs := await run(store.runs_to_prove_account, access_key)) is not None:
                proven = not runs or (prove is not None and await prove(runs))
                await run(store.add_access_key if proven else store.refuse, access_key)

        return cls(await GroupCommit.open(store, open_store))

    async def aclose(self) -> None:
        """Commit what is queued, bring everything into the one file, release it; may be called twice."""
        await self.commits.aclose()

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
            None if the key was new; else its latest entry, in which only the mark of this run has changed.

        Raises:
            KeyRepeated: This run has had the key before.
        """
        new = Intent(key, 1, job_id, settings, parameters, at.earlier, at.later)
        known, repeated = await self.commits.submit(OperationKind.INTEND, key, new)
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
        await self.commits.submit(OperationKind.REPLACE, again.key, (Intent.of(again), entry.phase))
        return again

    async def widen_intent(self, key: str, attempt: int, at: ServerTime) -> None:
        """Widen the time of an intent, before it is sent under a corrected clock."""
        await self.commits.submit(OperationKind.WIDEN, key, (key, attempt, at))

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
        await self.commits.submit(OperationKind.ADD, further.key, Intent.of(further))
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
        """Record the execution id that the service returned.

        Args:
            key: Names the launch.
            attempt: Its number.
            execution_id: The run.
            at: Server time, later end.
            created: ``createdDate`` of the run, as the service wrote it.
            adopted: Whether the run was found in a list, not returned by the launch.
        """
        run = Acceptance(
            _storable(execution_id), at, None if created is None else _storable(created), adopted
        )
        await self.commits.submit(
            OperationKind.ACCEPT, key, (Change(key, attempt, JournalPhase.ACCEPTED), run)
        )

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
        """Record the last status of the run, and the server time at which it was observed."""
        await self._record(Change(key, attempt, JournalPhase.ENDED, status=_storable(status), ended_at=at))

    async def _record(self, change: Change) -> None:
        await self.commits.submit(OperationKind.CHANGE, change.key, change)

    # --- evidence about lost launches ----------------------------------------------------------------------

    async def known_runs(self, job_id: str) -> Sequence[KnownRun]:
        """Return the runs of this job that any attempt of any key has, those with the earliest intent first."""
        from dataflow_async.bulk.journal.queries import known_runs

        return await self.read(partial(known_runs, job_id=job_id))

    async def count_parameters(self, job_id: str, digests: Collection[bytes]) -> dict[bytes, int]:
        """Count the keys of this job that carry each of these digests of parameters."""
        from dataflow_async.bulk.journal.queries import count_parameters

        return await self.read(partial(count_parameters, job_id=job_id, digests=digests))

    async def unresolved(self, job_id: str) -> list[Unresolved]:
        """Return the attempts at this job of which it is not recorded whether they started."""
        from dataflow_async.bulk.journal.queries import unresolved

        return await self.read(partial(unresolved, job_id=job_id))

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a function reads from the file, after all that was written before."""
        return cast("T", await self.commits.submit(OperationKind.READ, None, function))


def _storable(text: str) -> str:
    """Return a text of the service as it can be stored: half a surrogate pair has no form in UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
