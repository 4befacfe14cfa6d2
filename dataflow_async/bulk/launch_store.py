"""What a bulk run needs of the place where its launches are recorded.

`JournalWriter` implements it with a SQLite file. Another place, such as the task state of a scheduler, does if it keeps
the promises below.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, runtime_checkable

from dataflow_async.bulk.launch_records import JournalEntry, KnownRun, Unresolved
from dataflow_async.wire.server_time import ServerTime


@runtime_checkable
class LaunchStore(Protocol):
    """Records the launches of one account, and answers questions about them.

    Each launch has a key, and under it one attempt, or several where it is run again after it ended. A launch is sent
    only after its intent is recorded, and counts as answered only after its outcome is: so whoever reads the store
    after a crash finds every request that may have been sent.

    A store must therefore keep this: a method that records returns only when what it recorded survives the death of
    the process; what was recorded stays recorded, also where the caller of the method is cancelled; one run at a time
    writes. All methods raise `JournalError` where the store can't be read or written; after that the run ends.
    """

    @property
    def durable(self) -> bool:
        """Whether what is recorded survives the process; digests are not computed for a store that forgets them."""

    # --- an attempt begins ---------------------------------------------------------------------------------

    async def intend(
        self, key: str, job_id: str, settings: bytes, parameters: bytes | None, at: ServerTime
    ) -> JournalEntry | None:
        """Record the intent of a first attempt, unless the key is known.

        Args:
            key: Names the launch.
            job_id: Job to run.
            settings: Digest of job and settings.
            parameters: Digest of the parameters as they will be sent; None where there are none.
            at: Server time.

        Returns:
            None if the key was new; else its latest entry, of which nothing is changed.

        Raises:
            KeyRepeated: This run has asked for the key before.
        """

    async def intend_again(self, entry: JournalEntry, at: ServerTime, *, may_have_run: bool) -> JournalEntry:
        """Record that an attempt is sent again, and return it; its outcome so far is forgotten.

        Args:
            entry: The attempt as it is to be recorded: its settings may have been corrected.
            at: Server time.
            may_have_run: Whether an earlier send of it may have taken effect; then ``intended_from`` stays, because
                the run that is looked for may be that old.
        """

    async def next_attempt(
        self, entry: JournalEntry, at: ServerTime, settings: bytes, parameters: bytes | None
    ) -> JournalEntry:
        """Record the intent of a further attempt beside one that has ended, and return it."""

    async def widen_intent(self, key: str, attempt: int, at: ServerTime) -> None:
        """Widen the time of an intent to include ``at``, before it is sent under a corrected clock."""

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
        """Record the run that an attempt has started.

        Args:
            key: Names the launch.
            attempt: Its number, from 1.
            execution_id: The run.
            at: Server time, later end.
            created: ``createdDate`` of the run, as the service wrote it.
            adopted: Whether the run was found in a list, not returned by the launch.
        """

    async def rejected(self, key: str, attempt: int, reason: str) -> None:
        """Record that the service refused an attempt; ``reason`` is the class name of the error."""

    async def not_sent(self, key: str, attempt: int, reason: str) -> None:
        """Record that an attempt never reached the service; ``reason`` as for `rejected`."""

    async def unknown(self, key: str, attempt: int, sent_by: float | None) -> None:
        """Record that the answer was lost; the send was over by ``sent_by`` (server time, later end)."""

    async def ended(self, key: str, attempt: int, status: str, at: float) -> None:
        """Record the last status of a run, and the server time at which it was observed."""

    # --- evidence about lost launches ----------------------------------------------------------------------

    async def known_runs(self, job_id: str) -> Sequence[KnownRun]:
        """Return the runs of a job that any attempt of any key has, those with the earliest intent first."""

    async def unresolved(self, job_id: str) -> list[Unresolved]:
        """Return the attempts at a job of which it is not recorded whether they started."""

    async def count_parameters(self, job_id: str, digests: Collection[bytes]) -> dict[bytes, int]:
        """Count the keys of a job whose attempts carry each of these digests of parameters."""

    async def aclose(self) -> None:
        """Finish what is being recorded and release the store; may be called twice."""
