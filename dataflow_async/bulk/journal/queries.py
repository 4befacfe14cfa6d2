"""The statements that read a journal, and the one that marks keys as submitted. Everything here blocks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

from dataflow_async import defaults
from dataflow_async.bulk.journal.refusals import translated
from dataflow_async.bulk.journal.schema import ALL_ROWS, COLUMNS, entry_of
from dataflow_async.bulk.launch_records import JournalEntry, KnownRuns, Unresolved
from dataflow_async.models.execution import ExecutionRef

T = TypeVar("T")

_COUNTS = """
SELECT CASE phase WHEN 'ended' THEN status ELSE phase END AS state, count(*)
FROM launches AS latest
WHERE NOT EXISTS (SELECT 1 FROM launches WHERE key = latest.key AND attempt = latest.attempt + 1)
GROUP BY state ORDER BY state
"""


def rows(path: Path, db: sqlite3.Connection) -> Iterator[JournalEntry]:
    """Return all attempts, in order of key and attempt, as they were when the first was returned."""
    with translated(path):
        found = db.execute(ALL_ROWS)
        try:
            yield from map(entry_of, found)
        finally:
            # A caller that stops early may have closed the journal before.
            with suppress(sqlite3.ProgrammingError):
                found.close()


def counts(path: Path, db: sqlite3.Connection) -> dict[str, int]:
    """Count keys by the state of their latest attempt."""
    with translated(path):
        return dict(db.execute(_COUNTS))


def latest(db: sqlite3.Connection, keys: list[str]) -> dict[str, JournalEntry]:
    """Return the latest attempt of each of these keys that has one."""
    return {
        row[0]: entry_of(row)
        for chunk in chunks(keys)
        for row in db.execute(
            f"SELECT {COLUMNS} FROM launches WHERE key IN {_marks(len(chunk))} ORDER BY key, attempt",  # noqa: S608  # names and numbers of ours
            chunk,
        )
    }


def launch_of(db: sqlite3.Connection, execution_id: str) -> str | None:
    """Return the key of the launch that has started a run; None if the run is not recorded."""
    found = db.execute("SELECT key FROM launches WHERE execution_id = ?", (execution_id,)).fetchone()
    return None if found is None else str(found[0])


def known_runs(db: sqlite3.Connection, job_id: str) -> KnownRuns:
    """Return the runs of a job that any attempt has, those with the earliest intent first; reads the whole file."""
    statement = """
        SELECT execution_id, key, intended_from, intended_until, accepted_at, created, adopted, phase = 'ended'
        FROM launches WHERE job_id = ? AND execution_id IS NOT NULL ORDER BY intended_from, key
    """
    return KnownRuns([(*row[:6], bool(row[6]), bool(row[7])) for row in db.execute(statement, (job_id,))])


def submitted(db: sqlite3.Connection, keys: list[str], opening: int) -> set[str]:
    """Return those of these keys that this opening has submitted before, and mark all as submitted by it."""
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


def not_submitted(db: sqlite3.Connection, opening: int) -> tuple[int, str | None]:
    """Count the keys whose launch is not known to be over and that an opening has not submitted, and return one of them.

    It counts none where the opening has submitted nothing at all.
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
    """Return the newest run of each of the jobs that were launched last, a few of them."""
    statement = """
        SELECT job_id, execution_id, max(intended_until) AS newest FROM launches
        WHERE execution_id IS NOT NULL GROUP BY job_id ORDER BY newest DESC LIMIT ?
    """
    return [
        ExecutionRef(job_id, execution_id)
        for job_id, execution_id, _ in db.execute(statement, (defaults.ACCOUNT_PROOFS,))
    ]


def may_have_sent(db: sqlite3.Connection) -> bool:
    """Return whether any launch may have reached the service and started."""
    statement = "SELECT EXISTS (SELECT 1 FROM launches WHERE phase NOT IN ('rejected', 'not_sent'))"
    return bool(db.execute(statement).fetchone()[0])


def count_parameters(db: sqlite3.Connection, job_id: str, digests: Collection[bytes]) -> dict[bytes, int]:
    """Count the keys of this job that carry each of these digests; reads the whole file as well."""
    statement = """
        SELECT parameters, count(DISTINCT key) FROM launches
        WHERE job_id = ? AND hex(parameters) IN (SELECT value FROM json_each(?)) GROUP BY parameters
    """
    asked = json.dumps([digest.hex().upper() for digest in digests])
    return dict.fromkeys(digests, 0) | dict(db.execute(statement, (job_id, asked)))


def unresolved(db: sqlite3.Connection, job_id: str) -> list[Unresolved]:
    """Return the attempts at this job that may have started; reads the whole file as well."""
    statement = """
        SELECT key, attempt, settings, parameters FROM launches
        WHERE job_id = ? AND phase IN ('intent', 'unknown')
    """
    return [Unresolved(*row) for row in db.execute(statement, (job_id,))]


def chunks(rows: list[T]) -> Iterator[list[T]]:
    """Split into powers of two, so that a few statements, prepared once, serve every number of rows."""
    start = 0
    while remaining := len(rows) - start:
        size = min(defaults.JOURNAL_ROWS_AT_ONCE, 1 << (remaining.bit_length() - 1))
        yield rows[start : start + size]
        start += size


@cache
def _marks(count: int) -> str:
    return f"({','.join('?' * count)})"
