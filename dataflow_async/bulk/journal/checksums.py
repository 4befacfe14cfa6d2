"""Checksums of what a journal holds, so that damage to its file is reported and never launched over. Pure.

A row is written in three parts, at different times: its intent, its run, its outcome. Each part has a checksum that names
the row, so that no part can be changed, or stand in another row, unnoticed. The header counts commits and rows, and has
the sum of all checksums of all rows: a row that is missing, or that is an older version of itself, changes the sum.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from dataflow_async.bulk.journal.operations import Acceptance, Change
from dataflow_async.bulk.launch_records import JournalEntry


def row_checksums(entry: JournalEntry) -> tuple[int, int, int]:
    """Return the checksums that belong into the row of an entry."""
    run = None
    if entry.execution_id is not None:
        run = Acceptance(entry.execution_id, entry.accepted_at, entry.created, entry.adopted)
    change = Change(entry.key, entry.attempt, entry.phase, entry.sent_by, entry.status, entry.ended_at)
    return intent_checksum(entry), run_checksum(entry.key, entry.attempt, run), outcome_checksum(change)


def intent_checksum(entry: JournalEntry) -> int:
    """Return the checksum of what is recorded before an attempt is sent."""
    return checksum(
        entry.key,
        entry.attempt,
        entry.job_id,
        entry.settings,
        entry.parameters,
        _stored(entry.intended_from),
        _stored(entry.intended_until),
    )


def run_checksum(key: str, attempt: int, run: Acceptance | None) -> int:
    """Return the checksum of what is recorded of an attempt's run."""
    if run is None:
        return checksum(key, attempt, None)
    return checksum(key, attempt, run.execution_id, _stored(run.accepted_at), run.created, bool(run.adopted))


def outcome_checksum(change: Change) -> int:
    """Return the checksum of what has become of an attempt."""
    key, attempt, phase, sent_by, status, ended_at = change
    return checksum(key, attempt, phase.value, _stored(sent_by), status, _stored(ended_at))


def checksum(*values: Any) -> int:
    """Return the checksum of a row of values."""
    return crc32(repr(values).encode("utf-8", "backslashreplace"))


def _stored(number: float | None) -> float | None:
    """Return a number as SQLite returns it: it has no minus zero."""
    return None if number is None else number + 0.0
