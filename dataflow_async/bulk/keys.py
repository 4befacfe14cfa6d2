"""How a journal names launches and recognizes them: keys, and digests of what they send.

A launch without a key of its own is named by what it is: a digest of job, settings, and which of the identical launches
of its run it is. So it has the same name when the same program runs again, whatever else is launched beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.job import run_settings
from dataflow_async.models.launch import Launch
from dataflow_async.wire import jsontext

if TYPE_CHECKING:
    import sqlite3

_DIGEST = 16
"""Bytes of SHA-256 kept: 128 bits, so that no two of any number of launches meet by chance."""
_NAME = 20
"""Hexadecimal digits of a made name: 80 bits."""
_FILTER = 2**18
"""Bytes: at 200,000 keys it is mistaken once in fifty times, and a mistake costs a question to the database."""
_TOGETHER = 500
"""Keys written to the database at a time."""
_LONGEST = 200
"""Characters of a caller's key: enough for a path or a sentence, and a row stays a row."""


def digests(launch: Launch) -> tuple[bytes, dict[str, str]]:
    """Give the digest of all that a launch sends, and the parameters among it, wherever they were given.

    Raises:
        InvalidRequest: As ``jobs.execute`` would raise.
    """
    settings = run_settings(launch.condition, launch.parameters)
    return _settings_digest(launch, settings), (settings or {}).get("parameters", {})


def settings_digest(launch: Launch) -> bytes:
    """Digest of all that a launch sends: job, condition, parameters, trigger and workflow, in the wire's form.

    The same settings give the same digest, typed or as a mapping; members that are None are not sent and do not count.

    Raises:
        InvalidRequest: As ``jobs.execute`` would raise.
    """
    return digests(launch)[0]


def _settings_digest(launch: Launch, settings: Mapping[str, Any] | None) -> bytes:
    sent = {
        "jobId": launch.job_id,
        "jobCondition": settings,
        "triggerId": launch.trigger_id,
        "workflowId": launch.workflow_id,
    }
    return _digest({name: value for name, value in sent.items() if value is not None})


def sent_parameters(launch: Launch) -> dict[str, str]:
    """Parameters that a launch sends, wherever they were given; empty where there are none.

    Raises:
        InvalidRequest: As ``jobs.execute`` would raise.
    """
    found: dict[str, str] = (run_settings(launch.condition, launch.parameters) or {}).get("parameters", {})
    return found


def parameters_digest(parameters: Mapping[str, Any] | None) -> bytes | None:
    """Digest of parameters, as sent or as echoed; None where there are none.

    Raises:
        InvalidRequest: A value has no form in JSON.
    """
    return _digest(parameters) if parameters else None


def _digest(value: Mapping[str, Any]) -> bytes:
    return sha256(jsontext.write(value, "launch", in_order=True)).digest()[:_DIGEST]


class KeyRing:
    """Names the launches of one run, each differently.

    What was named so far is kept in a temporary database of its own, which SQLite moves from memory to disk as it
    grows and which vanishes with it: memory does not grow with the number of launches (promise 5). It is asked only
    about keys that may have come before; a filter of fixed size tells most that have not, for a tenth of the price.
    """

    def __init__(self) -> None:
        self._db = _temporary_database()
        self._filter = bytearray(_FILTER)
        self._unwritten: list[tuple[str]] = []
        """Keys that are new for certain, on their way to the database."""

    def name(self, launch: Launch, settings: bytes | None = None) -> str:
        """Give the key of a launch: its own, or one made of ``settings`` (its `settings_digest`, if at hand).

        Raises:
            InvalidRequest: Field ``"key"``: not usable, or this run had it before; or as `settings_digest`.
        """
        if launch.key is None:
            return self._made(settings_digest(launch) if settings is None else settings)
        key = check_key(launch.key)
        if not self._is_new(key):
            raise InvalidRequest(f"key: {key!r} names two launches of this run; one is needed", field="key")
        return key

    def _made(self, settings: bytes) -> str:
        """Of the n-th identical launch; passes over a name that a caller has given away as a key."""
        while True:
            name = made_name(settings, self._count(settings))
            if self._is_new(name):
                return name

    def _is_new(self, key: str) -> bool:
        if self._may_have_come(key):
            self._write()
            return self._db.execute("INSERT OR IGNORE INTO keys VALUES (?)", (key,)).rowcount == 1
        self._unwritten.append((key,))
        if len(self._unwritten) >= _TOGETHER:
            self._write()
        return True

    def _may_have_come(self, key: str) -> bool:
        """Ask the filter, and mark the key in it: three bits, of which a new key finds one that is not set."""
        bits, come = hash(key), True
        for _ in range(3):
            at, bit = (bits >> 3) % _FILTER, 1 << (bits & 7)
            if not self._filter[at] & bit:
                self._filter[at] |= bit
                come = False
            bits >>= 21
        return come

    def _write(self) -> None:
        self._db.executemany("INSERT INTO keys VALUES (?)", self._unwritten)
        self._unwritten.clear()

    def _count(self, settings: bytes) -> int:
        statement = (
            "INSERT INTO alike VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count"
        )
        count: int = self._db.execute(statement, (settings,)).fetchone()[0]
        return count

    def close(self) -> None:
        """Forget all names; may be called twice."""
        self._db.close()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, however the block was left."""
        self.close()


def made_name(settings: bytes, ordinal: int) -> str:
    """Name of the n-th launch, from 1, of those with these settings."""
    return sha256(settings + ordinal.to_bytes(8, "big")).hexdigest()[:_NAME]


def check_key(key: object) -> str:
    """Check a caller's key.

    Raises:
        InvalidRequest: Field ``"key"``: no text, empty, too long, or with control characters.
    """
    if isinstance(key, str) and 0 < len(key) <= _LONGEST and not checks.CONTROL.search(key):
        return key
    raise checks.refuse(
        "key", key, f"text of 1 to {_LONGEST} characters without control characters is needed"
    )


def _temporary_database() -> sqlite3.Connection:
    import sqlite3

    db = sqlite3.connect("", isolation_level=None)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID")
    db.execute("CREATE TABLE alike (settings BLOB PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID")
    db.execute("BEGIN")  # and never an end: nobody needs these rows to be committed
    return db
