"""Checks of what a journal holds, so that damage to its file is told and never launched over (promise 6). Pure.

A row is written in three parts, at different times: its intent, its run, its outcome. Each part has a checksum that names
the row, so that no part can be changed, or stand in another row, unseen. The header counts commits and rows, and has the
sum of all checksums of all rows: a row that is missing, or that is an older version of itself, changes the sum.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from zlib import crc32

from dataflow_async.bulk.journal.entry import Acceptance, Change, JournalEntry


class Header(NamedTuple):
    """What a journal says of itself as a whole."""

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


def header_check(header: Header) -> int:
    """Return the checksum of a header."""
    return _check(*header)


def row_checks(entry: JournalEntry) -> tuple[int, int, int]:
    """Return the checksums that belong into the row of an entry."""
    run = None
    if entry.execution_id is not None:
        run = Acceptance(entry.execution_id, entry.accepted_at, entry.created, entry.adopted)
    change = Change(entry.key, entry.attempt, entry.phase, entry.sent_by, entry.status, entry.ended_at)
    return intent_check(entry), run_check(entry.key, entry.attempt, run), outcome_check(change)


def intent_check(entry: JournalEntry) -> int:
    """Return the checksum of what is known before an attempt is sent."""
    return _check(
        entry.key,
        entry.attempt,
        entry.job_id,
        entry.settings,
        entry.parameters,
        _stored(entry.intended_from),
        _stored(entry.intended_until),
    )


def run_check(key: str, attempt: int, run: Acceptance | None) -> int:
    """Return the checksum of what is known of an attempt's run."""
    if run is None:
        return _check(key, attempt, None)
    return _check(key, attempt, run.execution_id, _stored(run.accepted_at), run.created, bool(run.adopted))


def outcome_check(change: Change) -> int:
    """Return the checksum of what has become of an attempt."""
    key, attempt, phase, sent_by, status, ended_at = change
    return _check(key, attempt, phase.value, _stored(sent_by), status, _stored(ended_at))


def _stored(number: float | None) -> float | None:
    """Return a number as SQLite gives it back: it knows no minus zero."""
    return None if number is None else number + 0.0


def _check(*values: Any) -> int:
    return crc32(repr(values).encode("utf-8", "backslashreplace"))
