"""Read a journal, and record by hand what a person found out about its launches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from dataflow_async.bulk.launch_records import JournalEntry


class Journal:
    """A journal that is read; a run may be writing to it meanwhile. Also a context manager.

    Attributes:
        path: Where it is.
        base_url: Service that its launches went to.
        access_keys: Ids of the access keys that they were signed with; the newest is last.
        format: Version of its format.
    """

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        from dataflow_async.bulk.journal import opening, queries, schema

        self._queries = queries
        self._db = db
        self.path = path
        header = opening.checked_header(path, db)
        self.base_url, self.access_keys = header.base_url, header.access_keys
        self.format = schema.FORMAT

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a journal that is there.

        Raises:
            InvalidRequest: Field ``"journal"``: there is no such file, or it is no journal, or of another format.
        """
        from dataflow_async.bulk.journal.opening import open_to_read
        from dataflow_async.bulk.journal.refusals import resolved

        found = resolved(path)
        return cls(found, open_to_read(found))

    def counts(self) -> dict[str, int]:
        """Count keys by the state of their latest attempt: ``{"COMPLETED": 9, "FAILED": 1, "unknown": 1}``.

        States in capitals are how runs ended; the others are phases. Those that no key is in are left out.
        """
        return self._queries.counts(self.path, self._db)

    def rows(self) -> Iterator[JournalEntry]:
        """Return all attempts, in order of key and attempt, one by one; all from the same moment.

        Raises:
            InvalidRequest: Field ``"journal"``: a row is damaged, or the file can't be read any more.
        """
        return self._queries.rows(self.path, self._db)

    def resolve(
        self, key: str, *, execution_id: str | None = None, status: str | None = None, started: bool = True
    ) -> JournalEntry:
        """Record what a person found out about a launch, while no run writes to the journal.

        The next run uses it: it launches what did not start, waits for a run that is named, and does not wait for one that
        has ended; with that status in ``rerun`` it launches anew.

        Args:
            key: Names the launch; its latest attempt is meant.
            execution_id: The run that it has started, where that is not known.
            status: How its run has ended, such as ``"COMPLETED"``, where the run is no longer at the service.
            started: False where it did not start; then neither of the others.

        Returns:
            The attempt as it is recorded now.

        Raises:
            InvalidRequest: Field ``"key"``: it is not there, or known to be otherwise. Field ``"started"``: neither
                argument is there, or one too many. Field ``"execution_id"``: another launch has started it. Field ``"journal"``: a run is
                writing to it.
        """
        from dataflow_async.bulk.journal import repair

        return repair.resolve(self.path, key, execution_id=execution_id, status=status, started=started)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._db.close()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, however the block ends."""
        self.close()
