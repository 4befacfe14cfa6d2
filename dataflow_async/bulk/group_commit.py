"""What the writing thread of a journal does: a group of operations, whatever its size, in one transaction.

It takes a handful of statements, not one for each operation: every step of SQLite gives the interpreter lock away and
must get it back from a busy event loop, which costs more than the step itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from attrs import define

from dataflow_async.bulk import journal_file
from dataflow_async.bulk.journal import Kind, Operation


@define
class Ledger:
    """A journal that is open for writing; all of it belongs to one thread."""

    path: Path
    _lock: sqlite3.Connection | None = None
    _db: sqlite3.Connection | None = None

    def open(self, base_url: str, access_key: str) -> None:
        """Take the lock, then open the file.

        Raises:
            InvalidRequest: Field ``"journal"``, and why this file can't be used.
        """
        self._lock = journal_file.lock(self.path)
        try:
            self._db = journal_file.open_to_write(self.path, base_url, access_key)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Bring everything into the one file, then give the lock back."""
        for connection in (self._db, self._lock):
            if connection is not None:
                connection.close()
        self._db = self._lock = None

    def commit(self, operations: Sequence[Operation]) -> None:
        """Do these operations as if in their order, and make them durable together.

        Raises:
            sqlite3.Error: None of them is done.
        """
        db = self._db
        assert db is not None  # noqa: S101  # opened before anything was handed here
        db.execute("BEGIN IMMEDIATE")
        try:
            for group in _without_repeats(operations):
                _apply(db, group)
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have done so itself; told is what went wrong first
                db.execute("ROLLBACK")
            raise


def _without_repeats(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Cut where a key comes again, or something is asked: within a group, order then makes no difference."""
    group: list[Operation] = []
    touched: set[str | None] = set()
    for operation in operations:
        if operation.key in touched or (operation.kind is Kind.ASK and group):
            yield group
            group, touched = [], set()
        group.append(operation)
        touched.add(operation.key)
    yield group


def _apply(db: sqlite3.Connection, group: list[Operation]) -> None:
    chosen: dict[Kind, list[Operation]] = {kind: [] for kind in Kind}
    for operation in group:
        chosen[operation.kind].append(operation)
    for question in chosen[Kind.ASK]:
        question.result = question.given(db)
    intended = chosen[Kind.INTEND]
    known = journal_file.latest(db, [operation.given[0] for operation in intended])
    for operation in intended:
        operation.result = known.get(operation.given[0])
    new = [operation for operation in intended if operation.result is None]
    _write(db, _insert, new + chosen[Kind.ADD])
    _write(db, _replace, chosen[Kind.PUT])
    _write(db, _update, chosen[Kind.CHANGE])


def _write(db: sqlite3.Connection, statement: Callable[[int], str], operations: list[Operation]) -> None:
    for chunk in journal_file.chunks(operations):
        values = [value for operation in chunk for value in operation.given]
        if db.execute(statement(len(chunk)), values).rowcount != len(chunk):
            raise sqlite3.IntegrityError(
                "a launch is gone that was recorded: something else changes this file"
            )


def _rows(row: str, count: int) -> str:
    return "VALUES " + ",".join([row] * count)


_COLUMNS = "launches (key, attempt, job_id, settings, parameters, intended_at, phase)"
_INTENT = "(?, ?, ?, ?, ?, ?, 'intent')"
_OUTCOME = "(?, ?, ?, ?, ?, ?, ?)"


@cache
def _insert(rows: int) -> str:
    return f"INSERT INTO {_COLUMNS} {_rows(_INTENT, rows)}"


@cache
def _replace(rows: int) -> str:
    return f"REPLACE INTO {_COLUMNS} {_rows(_INTENT, rows)}"


@cache
def _update(rows: int) -> str:
    return (  # columns: key, attempt, phase, sent_by, execution_id, status, ended_at
        "UPDATE launches SET phase = new.column3, sent_by = new.column4,"  # noqa: S608  # numbers of ours
        " execution_id = coalesce(new.column5, execution_id), status = new.column6, ended_at = new.column7"
        f" FROM ({_rows(_OUTCOME, rows)}) AS new WHERE key = new.column1 AND attempt = new.column2"
    )
