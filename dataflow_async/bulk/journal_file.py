"""The SQLite file under a journal: its lock, its shape, whose it is, and how it is read. Everything here blocks.

The lock of the one writer is a second, empty database beside the first, held in an exclusive transaction. So it is the
operating system's own lock on every system that SQLite knows, it ends with the process, and readers do not meet it.
That file stays: whoever removed it could remove one that somebody has just opened, and then two would write.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from dataflow_async import defaults
from dataflow_async.bulk.journal import Entry, KnownRun, Phase
from dataflow_async.bulk.journal_checks import Header, header_check, row_checks
from dataflow_async.bulk.verdict import Unresolved
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.checks import refuse as refused_value

T = TypeVar("T")

APPLICATION_ID = 0x4446414A
"""How SQLite's own tools tell a journal from other databases: ``DFAJ`` in ASCII."""
FORMAT = 2
_PRIVATE = 0o600
_CHUNK = 64
"""Rows a statement takes at most: 832 of the 999 values that an old SQLite allows."""

_SCHEMA = """
CREATE TABLE header (
  id TEXT NOT NULL,
  base_url TEXT NOT NULL,
  access_keys TEXT NOT NULL,
  openings INTEGER NOT NULL,
  in_use INTEGER NOT NULL,
  commits INTEGER NOT NULL,
  launches INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  header_check INTEGER NOT NULL
);
CREATE TABLE launches (
  key TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  job_id TEXT NOT NULL,
  settings BLOB NOT NULL,
  parameters BLOB,
  intended_from REAL NOT NULL,
  intended_until REAL NOT NULL,
  intent_check INTEGER NOT NULL,
  execution_id TEXT,
  accepted_at REAL,
  created TEXT,
  adopted INTEGER NOT NULL DEFAULT 0,
  run_check INTEGER NOT NULL,
  phase TEXT NOT NULL DEFAULT 'intent',
  sent_by REAL,
  status TEXT,
  ended_at REAL,
  outcome_check INTEGER NOT NULL,
  opening INTEGER NOT NULL,
  PRIMARY KEY (key, attempt)
) WITHOUT ROWID;
"""
_HEADER = "id, base_url, access_keys, openings, in_use, commits, launches, checksum, header_check"
_COLUMNS = (
    "key, attempt, job_id, settings, parameters, phase, intended_from, intended_until, sent_by, execution_id,"
    " accepted_at, created, adopted, status, ended_at, intent_check, run_check, outcome_check"
)
_ALL = f"SELECT {_COLUMNS} FROM launches ORDER BY key, attempt"  # noqa: S608  # names of ours
_COUNTS = """
SELECT CASE phase WHEN 'ended' THEN status ELSE phase END AS state, count(*)
FROM launches AS latest
WHERE NOT EXISTS (SELECT 1 FROM launches WHERE key = latest.key AND attempt = latest.attempt + 1)
GROUP BY state ORDER BY state
"""


def resolved(path: object) -> Path:
    """Give the one true path of a journal, so that its lock is the same under every name.

    Raises:
        InvalidRequest: Field ``"journal"``: not a path, or that of a directory.
    """
    try:
        found = Path(os.fsdecode(path)).resolve()  # type: ignore[arg-type]  # refused below, in words
        is_directory = found.is_dir()
    except (TypeError, ValueError, OSError, RuntimeError):
        raise refused_value("journal", path, "the path of a file is needed") from None
    if is_directory:
        raise _refuse(found, "it is a directory")
    return found


# --- opening -----------------------------------------------------------------------------------------------


def lock(path: Path) -> sqlite3.Connection:
    """Become the one writer of a journal, until the connection is closed.

    Raises:
        InvalidRequest: Field ``"journal"``: somebody else is, or the lock can't be made there.
    """
    beside = path.with_name(f"{path.name}-lock")
    with _in_words(path):
        _create(beside)
        connection = _connect(beside, timeout=0)
        try:
            connection.execute(
                "PRAGMA journal_mode = OFF"
            )  # nothing is ever written, and no further file made
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as problem:
            connection.close()
            if problem.sqlite_errorname != "SQLITE_BUSY":
                raise
            raise _refuse(path, "another run, in this process or another, is writing to it") from None
    return connection


def open_to_write(path: Path, base_url: str, access_key: str) -> tuple[sqlite3.Connection, Header]:
    """Open a journal, or make it; the caller holds its lock.

    Raises:
        InvalidRequest: Field ``"journal"``, and why this file can't be used.
    """
    with _in_words(path):
        _create(path)
        db = _connect(path, timeout=defaults.JOURNAL_PATIENCE)
        try:
            if _is_blank(db):
                initialize(db, base_url, access_key)
                path.chmod(_PRIVATE)
            found = header(path, db)
            _check_owner(path, found, base_url, access_key)
            _set_durable(path, db)
            opened = taken_up(db, found)
        except BaseException:
            db.close()
            raise
    return db, opened


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal that is there; a run may be writing to it meanwhile.

    Raises:
        InvalidRequest: Field ``"journal"``: there is none, or it is something else.
    """
    with _in_words(path):
        if not path.exists():
            raise _refuse(path, "there is no such file")
        # Not mode=ro: the last one out tidies up after a writer that was killed, and a mere reader could not.
        db = _connect(f"{path.as_uri()}?mode=rw", timeout=defaults.JOURNAL_PATIENCE)
        try:
            db.execute("PRAGMA query_only = ON")
            header(path, db)
        except BaseException:
            db.close()
            raise
    return db


def header(path: Path, db: sqlite3.Connection) -> Header:
    """Return what a journal says of itself.

    Raises:
        InvalidRequest: Field ``"journal"``: it is no journal, or of another format.
    """
    with _in_words(path):
        if _is_blank(db):
            raise _refuse(path, "it is empty")
        if _pragma(db, "application_id") != APPLICATION_ID:
            raise _refuse(path, "it is another program's SQLite database, not a journal")
        if (found := _pragma(db, "user_version")) != FORMAT:
            raise _refuse(
                path,
                f"it has format {found}, and this version knows format {FORMAT} only;"
                " finish it with the version that made it",
            )
        return read_header(db)


def read_header(db: sqlite3.Connection) -> Header:
    """Return the header row.

    Raises:
        ValueError: It was not written so.
    """
    (row,) = db.execute(f"SELECT {_HEADER} FROM header").fetchall()  # noqa: S608  # names of ours
    name, base_url, access_keys, openings, in_use, *numbers, check = row
    found = Header(name, base_url, tuple(json.loads(access_keys)), openings, bool(in_use), *numbers)
    if check != header_check(found):
        raise ValueError
    return found


def write_header(db: sqlite3.Connection, old: Header, new: Header) -> None:
    """Put a header in the place of one that must be there.

    Raises:
        sqlite3.IntegrityError: Another one is there: somebody else has opened the file.
    """
    changed = db.execute(
        "UPDATE header SET access_keys = ?, openings = ?, in_use = ?, commits = ?, launches = ?, checksum = ?,"
        " header_check = ? WHERE id = ? AND openings = ? AND commits = ?",
        (
            json.dumps(new.access_keys),
            *new[3:],
            header_check(new),
            old.id,
            old.openings,
            old.commits,
        ),
    )
    if changed.rowcount != 1:
        raise sqlite3.IntegrityError("another run has opened it meanwhile")


def taken_up(db: sqlite3.Connection, found: Header) -> Header:
    """Become the one whose commits are taken; all earlier openers' are not, from now on."""
    mine = found._replace(openings=found.openings + 1, in_use=True, commits=found.commits + 1)
    write_header(db, found, mine)
    return mine


def totals(db: sqlite3.Connection, keys: Collection[str | None]) -> tuple[int, int]:
    """Return the number of rows that these keys have, and the sum of their checksums."""
    statement = """
        SELECT count(*), coalesce(sum(intent_check + run_check + outcome_check), 0)
        FROM launches WHERE key IN (SELECT value FROM json_each(?))
    """
    rows, checksum = db.execute(statement, (json.dumps(list(keys)),)).fetchone()
    return rows, checksum


def _create(path: Path) -> None:
    """Make an empty private file unless there is one.

    One that is there is not opened, not even for a moment: closing a file lets go of every lock that this process has
    on it, another writer's included. SQLite gives its own files beside this one the same mode.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE))


def _connect(path: Path | str, *, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, uri=isinstance(path, str))


def initialize(db: sqlite3.Connection, base_url: str, access_key: str) -> None:
    """All or nothing: a process that is killed here leaves an empty file."""
    new = Header(token_hex(8), base_url, (access_key,), 0, in_use=False, commits=0, launches=0, checksum=0)
    db.execute("BEGIN IMMEDIATE")
    for statement in filter(str.strip, _SCHEMA.split(";")):
        db.execute(statement)
    values = (new.id, base_url, json.dumps(new.access_keys), *new[3:], header_check(new))
    db.execute(f"INSERT INTO header ({_HEADER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


def _set_durable(path: Path, db: sqlite3.Connection) -> None:
    """Make a commit outlive the machine, and let readers in meanwhile."""
    if db.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise _refuse(path, "its file system has no shared memory, which SQLite's WAL needs")
    db.execute("PRAGMA synchronous = FULL")


def _is_blank(db: sqlite3.Connection) -> bool:
    return _pragma(db, "schema_version") == _pragma(db, "application_id") == _pragma(db, "user_version") == 0


def _pragma(db: sqlite3.Connection, name: str) -> int:
    number: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return number


def _check_owner(path: Path, found: Header, base_url: str, access_key: str) -> None:
    if found.base_url != base_url:
        raise _refuse(path, f"it belongs to service {found.base_url}, and this client uses {base_url}")
    if access_key not in found.access_keys:
        theirs = found.access_keys[-1]
        raise _refuse(path, f"it belongs to access key {theirs}, and this client uses {access_key}")


def _refuse(path: Path, reason: str) -> InvalidRequest:
    return InvalidRequest(f"journal: {path} can't be used: {reason}", field="journal")


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system have against a file into an error of ours."""
    try:
        yield
    except sqlite3.DatabaseError as problem:
        not_one = getattr(problem, "sqlite_errorname", None) == "SQLITE_NOTADB"
        reason = "it is not a journal" if not_one else str(problem)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
    except (TypeError, ValueError):  # a row or a header that we would not have written
        reason = "it holds what no journal holds"
    else:
        return
    raise _refuse(path, reason)


# --- reading -----------------------------------------------------------------------------------------------


def rows(path: Path, db: sqlite3.Connection) -> Iterator[Entry]:
    """Give all attempts, in order of key and attempt, as they were when the first was drawn."""
    with _in_words(path), closing(db.execute(_ALL)) as found:
        yield from map(_entry, found)


def counts(path: Path, db: sqlite3.Connection) -> dict[str, int]:
    """Count keys by where their latest attempt is."""
    with _in_words(path):
        return dict(db.execute(_COUNTS))


def latest(db: sqlite3.Connection, keys: list[str]) -> dict[str, Entry]:
    """Give the latest attempt of each of these keys that has one."""
    return {
        row[0]: _entry(row)
        for chunk in chunks(keys)
        for row in db.execute(
            f"SELECT {_COLUMNS} FROM launches WHERE key IN {_marks(len(chunk))} ORDER BY key, attempt",  # noqa: S608
            chunk,
        )
    }


def known_executions(db: sqlite3.Connection, job_id: str, ids: Collection[str]) -> set[str]:
    """Give those of these ids that belong to an attempt at this job.

    This reads the whole file: an index would serve the few who ask and cost each write as much again.
    """
    statement = """
        SELECT execution_id FROM launches
        WHERE job_id = ? AND execution_id IN (SELECT value FROM json_each(?))
    """
    return {row[0] for row in db.execute(statement, (job_id, json.dumps(list(ids))))}


def known_runs(db: sqlite3.Connection, job_id: str) -> list[KnownRun]:
    """Return the runs of a job that any attempt has, those with the earliest intent first; reads the whole file."""
    statement = """
        SELECT execution_id, key, intended_from, intended_until, accepted_at, created, adopted, phase = 'ended'
        FROM launches WHERE job_id = ? AND execution_id IS NOT NULL ORDER BY intended_from, key
    """
    return [
        KnownRun(*row[:6], bool(row[6]), bool(row[7]))  # type: ignore[call-arg]  # it has six values
        for row in db.execute(statement, (job_id,))
    ]


def count_parameters(db: sqlite3.Connection, job_id: str, digests: Collection[bytes]) -> dict[bytes, int]:
    """Count the keys of this job that carry each of these digests; reads the whole file as well."""
    statement = """
        SELECT parameters, count(DISTINCT key) FROM launches
        WHERE job_id = ? AND hex(parameters) IN (SELECT value FROM json_each(?)) GROUP BY parameters
    """
    wanted = json.dumps([digest.hex().upper() for digest in digests])
    return dict.fromkeys(digests, 0) | dict(db.execute(statement, (job_id, wanted)))


def unresolved(db: sqlite3.Connection, job_id: str) -> list[Unresolved]:
    """Count the attempts at this job that may have started, those that look alike together; reads the whole file as well."""
    statement = """
        SELECT settings, parameters, count(*) FROM launches
        WHERE job_id = ? AND phase IN ('intent', 'unknown') GROUP BY settings, parameters
    """
    return [Unresolved(*row) for row in db.execute(statement, (job_id,))]


def chunks(rows: list[T]) -> Iterator[list[T]]:
    """Cut into powers of two, so that a few statements, prepared once, serve every number of rows."""
    start = 0
    while left := len(rows) - start:
        size = min(_CHUNK, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size


@cache
def _marks(count: int) -> str:
    return f"({','.join('?' * count)})"


def _entry(row: tuple[Any, ...]) -> Entry:
    """Make a row an entry.

    Raises:
        ValueError: It was not written so.
    """
    *values, intent, run, outcome = row
    values[5], values[12] = Phase(values[5]), bool(values[12])
    entry = Entry(*values)
    if (intent, run, outcome) != row_checks(entry):
        raise ValueError
    return entry
