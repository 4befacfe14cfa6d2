"""The store of a run that keeps no journal."""

# ruff: noqa: ARG002  # the arguments of `LaunchStore`, none of which is recorded
from __future__ import annotations

from collections.abc import Collection, Sequence
from math import inf

import attrs

from dataflow_async import defaults
from dataflow_async.bulk.digest_set import RecentDigests
from dataflow_async.bulk.launch_keys import name_digest
from dataflow_async.bulk.launch_records import JournalEntry, KeyRepeated, KnownRun, Unresolved
from dataflow_async.wire.server_time import ServerTime

_NEVER = ServerTime(-inf, inf)


def no_server_time() -> ServerTime:
    """Return bounds that say nothing: where nothing is recorded, nobody reads them."""
    return _NEVER


class NullStore:
    """Records nothing, and has no launch of an earlier run; only the keys of this run are remembered."""

    durable = False

    def __init__(self) -> None:
        self._keys = RecentDigests(defaults.KEYS_REMEMBERED)

    async def intend(
        self, key: str, job_id: str, settings: bytes, parameters: bytes | None, at: ServerTime
    ) -> None:
        """Remember a key.

        Raises:
            KeyRepeated: This run has had it before.
        """
        if not self._keys.add(name_digest(key)):
            raise KeyRepeated

    async def intend_again(self, entry: JournalEntry, at: ServerTime, *, may_have_run: bool) -> JournalEntry:
        """Return the entry."""
        return entry

    async def next_attempt(
        self, entry: JournalEntry, at: ServerTime, settings: bytes, parameters: bytes | None
    ) -> JournalEntry:
        """Return the entry of a further attempt."""
        return attrs.evolve(entry, attempt=entry.attempt + 1)

    async def widen_intent(self, key: str, attempt: int, at: ServerTime) -> None:
        """Do nothing, as in all methods that record what came of a send."""

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
        """Do nothing."""

    async def rejected(self, key: str, attempt: int, reason: str) -> None:
        """Do nothing."""

    async def not_sent(self, key: str, attempt: int, reason: str) -> None:
        """Do nothing."""

    async def unknown(self, key: str, attempt: int, sent_by: float | None) -> None:
        """Do nothing."""

    async def ended(self, key: str, attempt: int, status: str, at: float) -> None:
        """Do nothing."""

    async def known_runs(self, job_id: str) -> Sequence[KnownRun]:
        """Return no runs."""
        return []

    async def unresolved(self, job_id: str) -> list[Unresolved]:
        """Return no attempts."""
        return []

    async def count_parameters(self, job_id: str, digests: Collection[bytes]) -> dict[bytes, int]:
        """Return no counts."""
        return {}

    async def aclose(self) -> None:
        """Do nothing."""
