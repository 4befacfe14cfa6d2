"""Checksums of what a journal holds, so that damage to its file is reported and never launched over. Pure.

A row is written in three parts, at different times: its intent, its run, its outcome. Each part has a checksum that names
the row, so that no part can be changed, or stand in another row, unnoticed. The header counts commits and rows, and has
the sum of all checksums of all rows: a row that is missing, or that is an older version of itself, changes the sum.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from dataflow_async.bulk.journal.operations import Acceptance, Change, Intent
from dataflow_async.bulk.launch_records import JournalEntry

_NO_RUN = b", None)"
"""The run of a row that has none yet, and below the outcome of an intent: nearly every row begins with these."""
_NO_OUTCOME = b", 'intent', None, None, None)"


def row_checksums(entry: JournalEntry) -> tuple[int, int, int]:
    """Return the checksums that belong into the row of an entry: of its intent, its run and its outcome."""
    intent, run, _ = intent_checksums(Intent.of(entry))
    if entry.execution_id is not None:
        run = run_checksum(
            entry.key,
            entry.attempt,
            Acceptance(entry.execution_id, entry.accepted_at, entry.created, entry.adopted),
        )
    change = Change(entry.key, entry.attempt, entry.phase, entry.sent_by, entry.status, entry.ended_at)
    return intent, run, outcome_checksum(change)


def intent_checksums(intent: Intent) -> tuple[int, int, int]:
    """Return the checksums of a row that holds an intent and nothing more."""
    key, attempt, job_id, settings, parameters, earlier, later = intent
    row = _named(key, attempt)
    times = f"{_stored(earlier)!r}, {_stored(later)!r}"
    intended = _continued(row, f", {job_id!r}, {settings!r}, {parameters!r}, {times})")
    return intended, crc32(_NO_RUN, row), crc32(_NO_OUTCOME, row)


def run_checksum(key: str, attempt: int, run: Acceptance) -> int:
    """Return the checksum of what is recorded of an attempt's run."""
    execution_id, accepted_at, created, adopted = run
    return _continued(
        _named(key, attempt),
        f", {execution_id!r}, {_stored(accepted_at)!r}, {created!r}, {bool(adopted)!r})",
    )


def outcome_checksum(change: Change) -> int:
    """Return the checksum of what has become of an attempt."""
    key, attempt, phase, sent_by, status, ended_at = change
    return _continued(
        _named(key, attempt),
        f", {str(phase)!r}, {_stored(sent_by)!r}, {status!r}, {_stored(ended_at)!r})",
    )


def checksum(*values: Any) -> int:
    """Return the checksum of a row of values; those of the parts of a launch are made like it, piece by piece."""
    return _continued(0, repr(values))


def _named(key: str, attempt: int) -> int:
    """Return where the checksums of the parts of a row begin: with the name of the row."""
    return _continued(0, f"({key!r}, {attempt!r}")


def _continued(begun: int, text: str) -> int:
    return crc32(text.encode("utf-8", "backslashreplace"), begun)


def _stored(number: float | None) -> float | None:
    """Return a number as SQLite returns it: it has no minus zero."""
    return None if number is None else number + 0.0
