"""Opens the SQLite file of a journal, for writing or for reading. Everything here blocks.

Always true: a journal is written only under its lock, after all of it was read and found whole, and after its id and the
number of its commits are durable in the ``-lock`` file. Without the lock two runs launch the same keys; without the check a
copy that misses commits launches again what has run; without the note such a copy can't be recognized.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

from dataflow_async import defaults
from dataflow_async.bulk.journal import damage
from dataflow_async.bulk.journal.file_system import network_type
from dataflow_async.bulk.journal.header import Header, claim, read_header
from dataflow_async.bulk.journal.lock import PRIVATE, Lock, LockHeld, Record, identity
from dataflow_async.bulk.journal.refusals import refusal, translated
from dataflow_async.bulk.journal.schema import APPLICATION_ID, FORMAT, create, is_blank, pragma


def take_lock(path: Path) -> Lock:
    """Lock a journal for the one who writes to it, until the lock is closed.

    Raises:
        InvalidRequest: Field ``"journal"``: it is locked already, or it lies where locking does not work.
    """
    with translated(path):
        if (kind := network_type(path)) is not None:
            raise refusal(
                path, f"it lies on {kind}, where a lock does not keep others out; choose a local disk"
            )
        try:
            return Lock.take(damage.beside(path, "lock"))
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
            reason to refuse it here: only the service can show whether it belongs to the same account.
        trusted: Whether a person says that no commit is missing from it.

    Raises:
        InvalidRequest: Field ``"journal"``, and why this file can't be used.
    """
    with translated(path):
        if owner is None and not path.exists():
            raise refusal(path, "there is no such file")
        noted = None if trusted else damage.noted_in(path, lock)
        damage.check_presence(path, noted)
        if owner is not None:
            _create(path)
        db = _connect(path, timeout=defaults.JOURNAL_BUSY_TIMEOUT)
        try:
            if owner is not None and is_blank(db):
                noted = _make(path, db, lock, noted, owner)
            found = checked_header(path, db)
            if not trusted:
                damage.check_completeness(path, found, noted)
            damage.check_contents(path, db, found)
            if owner is not None:
                _check_service(path, found, owner[0])
            _set_durable(path, db)
            lock.write(Record(found.id, found.commits), durable=True)
            opened = claim(db, found)
            if (
                owner is not None
            ):  # else it is closed again at once, and the one who opens it may be reading it
                _checkpoint(path, db)
            lock.write(Record(opened.id, opened.commits))
        except BaseException:
            db.close()
            raise
    return db, opened


def _make(
    path: Path, db: sqlite3.Connection, lock: Lock, noted: Record | None, owner: tuple[str, str]
) -> Record:
    """Make a journal; its id is noted first, so that a process that is killed in between has made nothing yet."""
    new = noted or Record(token_hex(8), 0)
    lock.write(new, durable=True)
    create(db, new.id, *owner)
    path.chmod(PRIVATE)
    return new


def _checkpoint(path: Path, db: sqlite3.Connection) -> None:
    """Write the in-use mark to the main file: a copy of that file alone must not pass for a closed journal."""
    busy, *_ = db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    if busy:
        raise refusal(path, "another program is reading it, and has been for a while; wait until it is done")


def files(path: Path) -> list[tuple[Path, tuple[int, int]]]:
    """Return the files of a journal that is open for writing, and which they are."""
    return [(place, identity(place.stat())) for place in (path, damage.beside(path, "wal"))]


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal that is there; a run may be writing to it meanwhile.

    Raises:
        InvalidRequest: Field ``"journal"``: there is none, or it is something else.
    """
    with translated(path):
        if not path.exists():
            raise refusal(path, "there is no such file")
        try:
            # Not mode=ro: the last one out tidies up after a writer that was killed, and a mere reader could not.
            return _readable(path, "mode=rw")
        except sqlite3.OperationalError:
            if os.access(path.parent, os.W_OK) or damage.size_of(damage.beside(path, "wal")):
                raise
            return _readable(path, "immutable=1")  # where nothing can be written, there is no log beside it


def _readable(path: Path, how: str) -> sqlite3.Connection:
    """Open a journal with these URI parameters, and refuse a file that is not a journal."""
    db = _connect(f"{path.as_uri()}?{how}", timeout=defaults.JOURNAL_BUSY_TIMEOUT)
    try:
        db.execute("PRAGMA query_only = ON")
        is_blank(db)  # the first that reads the file
        checked_header(path, db)
    except BaseException:
        db.close()
        raise
    return db


def checked_header(path: Path, db: sqlite3.Connection) -> Header:
    """Return the header of a journal.

    Raises:
        InvalidRequest: Field ``"journal"``: it is no journal, or of another format.
    """
    with translated(path):
        if is_blank(db):
            raise refusal(path, "it is empty")
        if pragma(db, "application_id") != APPLICATION_ID:
            raise refusal(path, "it is another program's SQLite database, not a journal")
        if (found := pragma(db, "user_version")) != FORMAT:
            raise refusal(
                path,
                f"it has format {found}, and this version reads format {FORMAT} only;"
                " finish it with the version that made it",
            )
        return read_header(db)


def _create(path: Path) -> None:
    """Make an empty private file unless there is one.

    One that is there is not opened, not even for a moment: closing a file releases every lock that this process has
    on it, another writer's included. SQLite gives its own files beside this one the same mode.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))


def _connect(path: Path | str, *, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, uri=isinstance(path, str))


def _set_durable(path: Path, db: sqlite3.Connection) -> None:
    """Make each commit survive a power cut, and let others read meanwhile."""
    if db.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise refusal(path, "its file system has no shared memory, which SQLite's WAL needs")
    db.execute("PRAGMA synchronous = FULL")


def _check_service(path: Path, found: Header, base_url: str) -> None:
    """Refuse a journal of another service."""
    if _normalized(found.base_url) != _normalized(base_url):
        raise refusal(path, f"it belongs to service {found.base_url}, and this client uses {base_url}")


def _normalized(base_url: str) -> str:
    """Return an address in one form: the names of this machine are one, and the port is written."""
    parts = urlsplit(base_url)
    host, port = (
        (parts.hostname or "").rstrip("."),
        parts.port or {"http": 80, "https": 443}.get(parts.scheme),
    )
    if host in {"127.0.0.1", "::1"}:
        host = "localhost"
    return parts._replace(netloc=f"{host}:{port}").geturl()
