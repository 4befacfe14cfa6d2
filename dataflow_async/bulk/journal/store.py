"""A journal that is open for writing, in the thread that writes it. Everything here blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from attrs import define, field

from dataflow_async.bulk.journal import opening, queries
from dataflow_async.bulk.journal.commit import apply, without_repeats
from dataflow_async.bulk.journal.header import Header, totals, write_header
from dataflow_async.bulk.journal.lock import Lock, Record, is_file
from dataflow_async.bulk.journal.operations import Operation, OperationKind
from dataflow_async.bulk.journal.refusals import refusal
from dataflow_async.bulk.launch_records import JournalEntry
from dataflow_async.models.execution import ExecutionRef


@define
class JournalStore:
    """A journal that is open for writing; all of it belongs to one thread.

    Always true: the file at the path is the one that is written, and its header is the one that this opener wrote last.
    Each commit proves both, the header in its own transaction. So an opener that ignores the lock takes the file over, and
    the former one writes nothing more; and a run whose file is removed or replaced ends before it launches anything that
    only the removed file records.
    """

    path: Path
    _db: sqlite3.Connection | None = None
    _header: Header | None = None
    _lock: Lock | None = None
    _files: list[tuple[Path, tuple[int, int]]] = field(factory=list)
    """Where the files of the journal are, and which they are."""

    def open(self, owner: tuple[str, str] | None, *, trusted: bool = False) -> None:
        """Take the lock, then open the file; see `opening.open_to_write`.

        Raises:
            InvalidRequest: Field ``"journal"``, and why this file can't be used.
        """
        self._lock = opening.take_lock(self.path)
        try:
            self._db, self._header = opening.open_to_write(self.path, self._lock, owner, trusted=trusted)
            self._files = opening.files(self.path)
        except BaseException:
            self.close()
            raise

    def runs_to_prove_account(self, access_key: str) -> list[ExecutionRef] | None:
        """Return runs, one of which must be readable with an access key that is new here; None if the key is known.

        Where no launch may have been sent, nothing need be proven, and no run is returned.

        Raises:
            InvalidRequest: Field ``"journal"``: launches may have been sent, and none of them has a run that is known.
        """
        db, header = self._opened
        if access_key in header.access_keys:
            return None
        runs = queries.newest_runs(db)
        if not runs and queries.may_have_sent(db):
            self.refuse(access_key)
        return runs

    def refuse(self, access_key: str) -> NoReturn:
        """Raise the error that says that a key may belong to another account."""
        raise refusal(
            self.path,
            f"it belongs to access key {self._opened[1].access_keys[-1]}, and this client uses {access_key}, with which no"
            " run of the journal could be read. If both belong to one account, say so: dataflow-async journal rebind"
            f" PATH --access-key {access_key}",
        )

    def add_access_key(self, access_key: str) -> None:
        """Record that a key belongs to the journal's account; the one that was used last is last."""
        db, header = self._opened
        others = [key for key in header.access_keys if key != access_key]
        self._header = header._replace(access_keys=(*others, access_key), commits=header.commits + 1)
        write_header(db, header, self._header)

    def not_submitted(self) -> tuple[int, str | None]:
        """Count the unfinished launches that this opener has not submitted, and return the key of one."""
        db, header = self._opened
        return queries.not_submitted(db, header.openings)

    def latest(self, key: str) -> JournalEntry | None:
        """Return the latest attempt of a key."""
        return queries.latest(self._opened[0], [key]).get(key)

    def launch_of(self, execution_id: str) -> str | None:
        """Return the key of the launch that has started a run; None if the run is not recorded."""
        return queries.launch_of(self._opened[0], execution_id)

    @property
    def _opened(self) -> tuple[sqlite3.Connection, Header]:
        assert self._db is not None and self._header is not None  # noqa: S101, PT018  # by the caller
        return self._db, self._header

    def close(self) -> None:
        """Bring everything into the one file, then release the lock."""
        if self._db is not None:
            if self._header is not None:
                with suppress(sqlite3.Error):  # it stays marked as in use: the next opener looks more closely
                    write_header(self._db, self._header, self._header._replace(in_use=False))
            self._db.close()
        if self._lock is not None:
            self._lock.close()
        self._db = self._header = self._lock = None

    def commit(self, operations: Sequence[Operation]) -> None:
        """Apply these operations as if in their order, and make them durable together.

        Raises:
            sqlite3.Error: None of them is applied, or they are in a file that is no longer the journal.
        """
        db, was = self._opened
        written = {operation.key for operation in operations if operation.kind is not OperationKind.READ}
        db.execute("BEGIN IMMEDIATE")
        try:
            before = totals(db, written)
            for group in without_repeats(operations):
                apply(db, group, was.openings)
            now = was
            if written:
                now = _counted(was, before, totals(db, written))
                write_header(db, was, now)
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have done so itself; what went wrong first is raised
                db.execute("ROLLBACK")
            raise
        self._header = now
        if self._lock is not None:
            self._check_files(self._lock)
            self._lock.write(Record(now.id, now.commits))

    def _check_files(self, lock: Lock) -> None:
        for path, file in self._files:
            if not is_file(path, file):
                raise sqlite3.OperationalError(f"{path.name} was removed or replaced while in use")
        if not lock.is_in_place():
            raise sqlite3.OperationalError(f"{lock.path.name} was removed or replaced while in use")


def _counted(header: Header, before: tuple[int, int], after: tuple[int, int]) -> Header:
    rows, checksum = (new - old for new, old in zip(after, before, strict=True))
    return header._replace(
        commits=header.commits + 1, launches=header.launches + rows, checksum=header.checksum + checksum
    )
