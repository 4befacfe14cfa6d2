"""The one row that describes a journal as a whole: whose it is, how much it holds, and which opener may write to it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import NamedTuple

from dataflow_async.bulk.journal.checksums import checksum

HEADER_COLUMNS = "id, base_url, access_keys, openings, in_use, commits, launches, checksum, header_check"


class Header(NamedTuple):
    """What a journal records of itself.

    Always true: it changes in the transaction that changes rows, so that its counts and its checksum are those of the
    rows beside it, and each change names the header that it follows. An opener whose header is no longer there has lost
    the file to a later one, and its transaction fails.
    """

    id: str
    """Random; the ``-lock`` file has it too."""
    base_url: str
    access_keys: tuple[str, ...]
    """Ids of the keys of its account that it has been opened with; the newest is last."""
    openings: int
    """How often it was opened for writing; the last number belongs to the one who may write."""
    in_use: bool
    """Whether it was opened for writing and not closed since."""
    commits: int
    launches: int
    """Rows."""
    checksum: int
    """Sum of the checksums of all rows."""


def header_checksum(header: Header) -> int:
    """Return the checksum of a header."""
    return checksum(*header)


def read_header(db: sqlite3.Connection) -> Header:
    """Return the header row.

    Raises:
        ValueError: It was not written by this library.
    """
    (row,) = db.execute(f"SELECT {HEADER_COLUMNS} FROM header").fetchall()  # noqa: S608  # names of ours
    name, base_url, access_keys, openings, in_use, *numbers, check = row
    found = Header(name, base_url, tuple(json.loads(access_keys)), openings, bool(in_use), *numbers)
    if check != header_checksum(found):
        raise ValueError
    return found


def write_header(db: sqlite3.Connection, old: Header, new: Header) -> None:
    """Replace the header that must be there by a new one.

    Raises:
        sqlite3.IntegrityError: Another one is there: the file was opened for writing elsewhere.
    """
    changed = db.execute(
        "UPDATE header SET access_keys = ?, openings = ?, in_use = ?, commits = ?, launches = ?, checksum = ?,"
        " header_check = ? WHERE id = ? AND openings = ? AND commits = ?",
        (json.dumps(new.access_keys), *new[3:], header_checksum(new), old.id, old.openings, old.commits),
    )
    if changed.rowcount != 1:
        raise sqlite3.IntegrityError("another run has opened it meanwhile")


def claim(db: sqlite3.Connection, found: Header) -> Header:
    """Become the opener whose commits are accepted; ``openings`` is the fencing token by which those of earlier ones fail."""
    mine = found._replace(openings=found.openings + 1, in_use=True, commits=found.commits + 1)
    write_header(db, found, mine)
    return mine


def totals(db: sqlite3.Connection, keys: Collection[str | None]) -> tuple[int, int]:
    """Return the number of rows that these keys have, and the sum of their checksums."""
    statement = """
        SELECT count(*), coalesce(sum(intent_check + run_check + outcome_check), 0)
        FROM launches WHERE key IN (SELECT value FROM json_each(?))
    """
    rows, total = db.execute(statement, (json.dumps(list(keys)),)).fetchone()
    return rows, total
