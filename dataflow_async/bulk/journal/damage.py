"""Recognizes a journal that is damaged, incomplete or older than it was, so that nothing is launched by it.

A journal that misses commits launches again what has run; so where its completeness is not proven, a person decides.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from dataflow_async.bulk.journal.header import Header
from dataflow_async.bulk.journal.lock import Lock, Record
from dataflow_async.bulk.journal.refusals import refusal
from dataflow_async.bulk.journal.schema import ALL_ROWS, STATEMENTS, entry_of

_TRUST = "if you know that no launch is missing from the journal, say so: dataflow-async journal trust PATH"
_NEWEST = "launches may be missing from it that have run. Put back all files as they were last, or,"


def noted_in(path: Path, lock: Lock) -> Record | None:
    """Return what the ``-lock`` file notes of a journal; None if nothing is noted.

    Raises:
        InvalidRequest: Field ``"journal"``: the note is damaged.
    """
    try:
        return lock.read()
    except ValueError:
        raise refusal(path, f"{lock.path.name} is damaged: {_TRUST}") from None


def check_presence(path: Path, noted: Record | None) -> None:
    """Refuse to begin anew where a journal has been; SQLite may not open it, for it would remove what remains of it."""
    if size_of(path):
        return
    if noted is not None and noted.commits:
        raise refusal(
            path,
            f"it is gone or empty, and {path.name}-lock notes a journal of {noted.commits} commits there: put that"
            f" back, or remove {path.name}-lock to begin anew",
        )
    if size_of(beside(path, "wal")):
        raise refusal(
            path,
            f"it is gone or empty, and {path.name}-wal is left of a journal: put the rest back, or remove {path.name}-wal"
            " to begin anew",
        )


def check_completeness(path: Path, found: Header, noted: Record | None) -> None:
    """Refuse a journal that is not proven to be as it was written last."""
    if noted is None:
        if found.in_use:
            raise refusal(
                path,
                f"it was not closed, and there is no {path.name}-lock that shows whether it is whole: {_NEWEST} {_TRUST}",
            )
    elif noted.id != found.id:
        raise refusal(path, f"{path.name}-lock belongs to another journal: {_NEWEST} {_TRUST}")
    elif found.commits < noted.commits:
        raise refusal(
            path,
            f"it is {noted.commits - found.commits} commits behind {path.name}-lock, as an older copy is, or one without"
            f" its -wal file, or a damaged one: {_NEWEST} {_TRUST}",
        )


def check_contents(path: Path, db: sqlite3.Connection, found: Header) -> None:
    """Refuse a journal whose file, tables, rows or checksums are damaged; this reads all of it."""
    (problem,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise refusal(path, f"it is damaged: {' '.join(problem.split())}")
    shape = sorted(sql for (sql,) in db.execute("SELECT sql FROM sqlite_schema WHERE type = 'table'"))
    if shape != sorted(STATEMENTS):
        raise refusal(path, "it is damaged: its tables have another shape")
    count, checksum, last = 0, 0, ("", 0)
    for row in db.execute(ALL_ROWS):
        count += 1
        checksum += sum(row[-3:])
        entry = entry_of(row)
        if (entry.key, entry.attempt) <= last:
            raise refusal(path, f"it is damaged: launch {entry.key!r} is in a wrong place")
        last = entry.key, entry.attempt
    if (count, checksum) != (found.launches, found.checksum):
        raise refusal(
            path, f"it is damaged: it should hold {found.launches} rows as last written, and holds {count}"
        )


def beside(path: Path, end: str) -> Path:
    """Return the path of a file that belongs to a journal: ``"lock"``, ``"wal"``."""
    return path.with_name(f"{path.name}-{end}")


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; 0 where there is none."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
