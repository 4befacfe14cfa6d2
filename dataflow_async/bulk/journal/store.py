"""The SQLite file under a journal: its shape, whose it is, what is wrong with it, and how it is read. Everything here blocks."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dataflow_async import defaults
from dataflow_async.bulk.journal.checks import Header, header_check, row_checks
from dataflow_async.bulk.journal.entry import JournalEntry, JournalPhase, KnownRun, Unresolved
from dataflow_async.bulk.journal.file_system import network_type
from dataflow_async.bulk.journal.lock import PRIVATE, Lock, LockHeld, Record, identity
from dataflow_async.errors import InvalidRequest
from dataflow_async.models.checks import refuse as refused_value
from dataflow_async.models.execution import ExecutionRef

T = TypeVar("T")

APPLICATION_ID = 0x4446414A
"""How SQLite's own tools tell a journal from other databases: ``DFAJ`` in ASCII."""
FORMAT = 2
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
_STATEMENTS = [statement.strip() for statement in _SCHEMA.split(";") if statement.strip()]
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
        InvalidRequest: Field ``"journal"``: not a path, or that of a directory or a device.
    """
    try:
        found = Path(os.fsdecode(path)).resolve()  # type: ignore[arg-type]  # refused below, in words
        is_directory, is_other = found.is_dir(), found.exists() and not found.is_file()
    except (TypeError, ValueError, OSError, RuntimeError):
        raise refused_value("journal", path, "the path of a file is needed") from None
    if is_directory:
        raise refusal(found, "it is a directory")
    if is_other:  # told before anything is put beside it
        raise refusal(found, "it is a device or a pipe, not a file")
    return found


# --- opening -----------------------------------------------------------------------------------------------


def take_lock(path: Path) -> Lock:
    """Become the one writer of a journal, until the lock is closed.

    Raises:
        InvalidRequest: Field ``"journal"``: somebody else is, or no lock holds there.
    """
    with _in_words(path):
        if (kind := network_type(path)) is not None:
            raise refusal(path, f"it lies on {kind}, where locks do not keep others out; choose a local disk")
        try:
            return Lock.take(_beside(path, "lock"))
        except LockHeld:
            raise refusal(path, "another run, in this process or another, is writing to it") from None


def open_to_write(
    path: Path, lock: Lock, owner: tuple[str, str] | None, *, trusted: bool = False
) -> tuple[sqlite3.Connection, Header]:
    """Open a journal, or make it.

    Args:
        path: Where it is.
        lock: Its lock.
        owner: Base URL and access key id of who uses it; None for whoever has it already. Another access key is no
            reason to refuse it here: whether it belongs to the same account, the service knows.
        trusted: Whether a person says that no commit is missing from it.

    Raises:
        InvalidRequest: Field ``"journal"``, and why this file can't be used.
    """
    with _in_words(path):
        if owner is None and not path.exists():
            raise refusal(path, "there is no such file")
        noted = None if trusted else _noted(path, lock)
        _check_presence(path, noted)
        if owner is not None:
            _create(path)
        db = _connect(path, timeout=defaults.JOURNAL_PATIENCE)
        try:
            if owner is not None and _is_blank(db):
                noted = _made(path, db, lock, noted, owner)
            found = header(path, db)
            if not trusted:
                _check_completeness(path, found, noted)
            _check_contents(path, db, found)
            if owner is not None:
                _check_service(path, found, owner[0])
            _set_durable(path, db)
            lock.write(Record(found.id, found.commits), durable=True)
            opened = taken_up(db, found)
            if (
                owner is not None
            ):  # else it is closed again at once, and whoever reads it may be the one who asks
                _settle(path, db)
            lock.write(Record(opened.id, opened.commits))
        except BaseException:
            db.close()
            raise
    return db, opened


def _made(
    path: Path, db: sqlite3.Connection, lock: Lock, noted: Record | None, owner: tuple[str, str]
) -> Record:
    """Make a journal; its id is noted first, so that a process that is killed in between has made nothing yet."""
    new = noted or Record(token_hex(8), 0)
    lock.write(new, durable=True)
    initialize(db, new.id, *owner)
    path.chmod(PRIVATE)
    return new


def _settle(path: Path, db: sqlite3.Connection) -> None:
    """Bring the mark of being in use into the main file: a copy of that alone must not pass for a closed journal."""
    busy, *_ = db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    if busy:
        raise refusal(path, "another program is reading it, and has been for a while; wait until it is done")


def files(path: Path) -> list[tuple[Path, tuple[int, int]]]:
    """Return the files of a journal that is open for writing, and which they are."""
    return [(place, identity(place.stat())) for place in (path, _beside(path, "wal"))]


# --- damage ------------------------------------------------------------------------------------------------


def _noted(path: Path, lock: Lock) -> Record | None:
    try:
        return lock.read()
    except ValueError:
        raise refusal(path, f"{lock.path.name} is damaged: {_TRUST}") from None


_TRUST = "if you know that no launch is missing from the journal, say so: dataflow-async journal trust PATH"
_NEWEST = "launches may be missing from it that have run. Put back all files as they were last, or,"


def _check_presence(path: Path, noted: Record | None) -> None:
    """Refuse to begin anew where a journal has been; SQLite is not asked, for it would remove what is left of it."""
    if _size(path):
        return
    if noted is not None and noted.commits:
        raise refusal(
            path,
            f"it is gone or empty, and {path.name}-lock knows a journal of {noted.commits} commits there: put that"
            f" back, or remove {path.name}-lock to begin anew",
        )
    if _size(_beside(path, "wal")):
        raise refusal(
            path,
            f"it is gone or empty, and {path.name}-wal is left of a journal: put the rest back, or remove {path.name}-wal"
            " to begin anew",
        )


def _check_completeness(path: Path, found: Header, noted: Record | None) -> None:
    """Refuse a journal that is not known to be as it was left."""
    if noted is None:
        if found.in_use:
            raise refusal(
                path,
                f"it was not closed, and there is no {path.name}-lock to tell whether it is whole: {_NEWEST} {_TRUST}",
            )
    elif noted.id != found.id:
        raise refusal(path, f"{path.name}-lock belongs to another journal: {_NEWEST} {_TRUST}")
    elif found.commits < noted.commits:
        raise refusal(
            path,
            f"it is {noted.commits - found.commits} commits behind {path.name}-lock, as an older copy is, or one without"
            f" its -wal file, or a damaged one: {_NEWEST} {_TRUST}",
        )


def _check_contents(path: Path, db: sqlite3.Connection, found: Header) -> None:
    """Read all of it: what SQLite checks, and what we can check."""
    (problem,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise refusal(path, f"it is damaged: {' '.join(problem.split())}")
    shape = sorted(sql for (sql,) in db.execute("SELECT sql FROM sqlite_schema WHERE type = 'table'"))
    if shape != sorted(_STATEMENTS):
        raise refusal(path, "it is damaged: its tables have another shape")
    count, checksum, last = 0, 0, ("", 0)
    for row in db.execute(_ALL):
        count += 1
        checksum += sum(row[-3:])
        entry = _entry(row)
        if (entry.key, entry.attempt) <= last:
            raise refusal(path, f"it is damaged: launch {entry.key!r} stands in a wrong place")
        last = entry.key, entry.attempt
    if (count, checksum) != (found.launches, found.checksum):
        raise refusal(
            path, f"it is damaged: it should hold {found.launches} rows as last written, and holds {count}"
        )


def _beside(path: Path, end: str) -> Path:
    return path.with_name(f"{path.name}-{end}")


def _size(path: Path) -> int:
    """Size of a file; 0 where there is none."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal that is there; a run may be writing to it meanwhile.

    Raises:
        InvalidRequest: Field ``"journal"``: there is none, or it is something else.
    """
    with _in_words(path):
        if not path.exists():
            raise refusal(path, "there is no such file")
        try:
            # Not mode=ro: the last one out tidies up after a writer that was killed, and a mere reader could not.
            return _readable(path, "mode=rw")
        except sqlite3.OperationalError:
            if os.access(path.parent, os.W_OK) or _size(_beside(path, "wal")):
                raise
            return _readable(
                path, "immutable=1"
            )  # where nothing can be written, there is no log beside it either


def _readable(path: Path, how: str) -> sqlite3.Connection:
    db = _connect(f"{path.as_uri()}?{how}", timeout=defaults.JOURNAL_PATIENCE)
    try:
        db.execute("PRAGMA query_only = ON")
        _is_blank(db)  # the first that reads the file
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
            raise refusal(path, "it is empty")
        if _pragma(db, "application_id") != APPLICATION_ID:
            raise refusal(path, "it is another program's SQLite database, not a journal")
        if (found := _pragma(db, "user_version")) != FORMAT:
            raise refusal(
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
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))


def _connect(path: Path | str, *, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, uri=isinstance(path, str))


def initialize(db: sqlite3.Connection, name: str, base_url: str, access_key: str) -> None:
    """All or nothing: a process that is killed here leaves an empty file."""
    new = Header(name, base_url, (access_key,), 0, in_use=False, commits=0, launches=0, checksum=0)
    db.execute("BEGIN IMMEDIATE")
    for statement in _STATEMENTS:
        db.execute(statement)
    values = (new.id, base_url, json.dumps(new.access_keys), *new[3:], header_check(new))
    db.execute(f"INSERT INTO header ({_HEADER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608  # names and numbers of ours
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


def _set_durable(path: Path, db: sqlite3.Connection) -> None:
    """Make a commit outlive the machine, and let readers in meanwhile."""
    if db.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise refusal(path, "its file system has no shared memory, which SQLite's WAL needs")
    db.execute("PRAGMA synchronous = FULL")


def _is_blank(db: sqlite3.Connection) -> bool:
    return _pragma(db, "schema_version") == _pragma(db, "application_id") == _pragma(db, "user_version") == 0


def _pragma(db: sqlite3.Connection, name: str) -> int:
    number: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return number


def _check_service(path: Path, found: Header, base_url: str) -> None:
    if _anywhere_local(found.base_url) != _anywhere_local(base_url):
        raise refusal(path, f"it belongs to service {found.base_url}, and this client uses {base_url}")


def _anywhere_local(base_url: str) -> str:
    """Return an address in which the names of this machine are one, however it is written."""
    parts = urlsplit(base_url)
    host, port = (
        (parts.hostname or "").rstrip("."),
        parts.port or {"http": 80, "https": 443}.get(parts.scheme),
    )
    if host in {"127.0.0.1", "::1"}:
        host = "localhost"
    return parts._replace(netloc=f"{host}:{port}").geturl()


def refusal(path: Path, reason: str) -> InvalidRequest:
    """Return the error that says why a journal can't be used."""
    return InvalidRequest(f"journal: {path} can't be used: {reason}", field="journal")


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system have against a file into an error of ours."""
    try:
        yield
    except InvalidRequest:
        raise
    except sqlite3.DatabaseError as problem:
        not_one = getattr(problem, "sqlite_errorname", None) == "SQLITE_NOTADB"
        reason = "it is not a journal" if not_one else str(problem)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
    except (TypeError, ValueError):  # a row or a header that we would not have written
        reason = "it holds what no journal holds"
    else:
        return
    raise refusal(path, reason)


# --- reading -----------------------------------------------------------------------------------------------


def rows(path: Path, db: sqlite3.Connection) -> Iterator[JournalEntry]:
    """Return all attempts, in order of key and attempt, as they were when the first was drawn."""
    with _in_words(path):
        found = db.execute(_ALL)
        try:
            yield from map(_entry, found)
        finally:
            with suppress(sqlite3.ProgrammingError):  # the journal was closed before, by who has left early
                found.close()


def counts(path: Path, db: sqlite3.Connection) -> dict[str, int]:
    """Count keys by where their latest attempt is."""
    with _in_words(path):
        return dict(db.execute(_COUNTS))


def latest(db: sqlite3.Connection, keys: list[str]) -> dict[str, JournalEntry]:
    """Give the latest attempt of each of these keys that has one."""
    return {
        row[0]: _entry(row)
        for chunk in chunks(keys)
        for row in db.execute(
            f"SELECT {_COLUMNS} FROM launches WHERE key IN {_marks(len(chunk))} ORDER BY key, attempt",  # noqa: S608  # names and numbers of ours
            chunk,
        )
    }


def launch_of(db: sqlite3.Connection, execution_id: str) -> str | None:
    """Return the key of the launch that has started a run; None if the journal does not know the run."""
    found = db.execute("SELECT key FROM launches WHERE execution_id = ?", (execution_id,)).fetchone()
    return None if found is None else str(found[0])


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


def drawn(db: sqlite3.Connection, keys: list[str], opening: int) -> set[str]:
    """Return those of these keys that an opening has drawn before, and mark all as drawn by it."""
    statement = """
        SELECT json_group_array(key) FROM (
          SELECT DISTINCT key FROM launches WHERE opening = ? AND key IN (SELECT value FROM json_each(?))
        )
    """
    if not keys:
        return set()
    asked = json.dumps(keys)
    mine = set(json.loads(db.execute(statement, (opening, asked)).fetchone()[0]))
    if len(mine) < len(keys):
        db.execute(
            "UPDATE launches SET opening = ? WHERE opening <> ? AND key IN (SELECT value FROM json_each(?))",
            (opening, opening, asked),
        )
    return mine


def not_drawn(db: sqlite3.Connection, opening: int) -> tuple[int, str | None]:
    """Return how many keys an opening has left out though their launch is not known to be over, and one of them.

    None are where it has drawn nothing at all.
    """
    statement = """
        SELECT count(*), min(key) FROM launches AS latest
        WHERE opening <> ? AND phase IN ('intent', 'unknown', 'accepted')
        AND EXISTS (SELECT 1 FROM launches WHERE opening = ?)
        AND NOT EXISTS (SELECT 1 FROM launches WHERE key = latest.key AND attempt = latest.attempt + 1)
    """
    count, example = db.execute(statement, (opening, opening)).fetchone()
    return count, example


def newest_runs(db: sqlite3.Connection) -> list[ExecutionRef]:
    """Return the newest run of each of the five jobs that were launched last."""
    statement = """
        SELECT job_id, execution_id, max(intended_until) AS newest FROM launches
        WHERE execution_id IS NOT NULL GROUP BY job_id ORDER BY newest DESC LIMIT 5
    """
    return [ExecutionRef(job_id, execution_id) for job_id, execution_id, _ in db.execute(statement)]


def may_have_sent(db: sqlite3.Connection) -> bool:
    """Whether any launch may have reached the service and started."""
    statement = "SELECT EXISTS (SELECT 1 FROM launches WHERE phase NOT IN ('rejected', 'not_sent'))"
    return bool(db.execute(statement).fetchone()[0])


def count_parameters(db: sqlite3.Connection, job_id: str, digests: Collection[bytes]) -> dict[bytes, int]:
    """Count the keys of this job that carry each of these digests; reads the whole file as well."""
    statement = """
        SELECT parameters, count(DISTINCT key) FROM launches
        WHERE job_id = ? AND hex(parameters) IN (SELECT value FROM json_each(?)) GROUP BY parameters
    """
    wanted = json.dumps([digest.hex().upper() for digest in digests])
    return dict.fromkeys(digests, 0) | dict(db.execute(statement, (job_id, wanted)))


def unresolved(db: sqlite3.Connection, job_id: str) -> list[Unresolved]:
    """Return the attempts at this job that may have started; reads the whole file as well."""
    statement = """
        SELECT key, attempt, settings, parameters FROM launches
        WHERE job_id = ? AND phase IN ('intent', 'unknown')
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


def _entry(row: tuple[Any, ...]) -> JournalEntry:
    """Make a row an entry.

    Raises:
        ValueError: It was not written so.
    """
    *values, intent, run, outcome = row
    values[5], values[12] = JournalPhase(values[5]), bool(values[12])
    entry = JournalEntry(*values)
    if (intent, run, outcome) != row_checks(entry):
        raise ValueError
    return entry
