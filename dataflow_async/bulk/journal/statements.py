"""The statements that write rows: each takes many rows at once, as one list of values."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any

from dataflow_async.bulk.journal.checksums import intent_checksums, outcome_checksum, run_checksum
from dataflow_async.bulk.journal.operations import Acceptance, Change, Intent
from dataflow_async.bulk.journal.queries import chunks, latest
from dataflow_async.bulk.launch_records import JournalPhase
from dataflow_async.wire.server_time import ServerTime


def write(db: sqlite3.Connection, statement: Callable[[int], str], rows: list[tuple[Any, ...]]) -> None:
    """Execute a statement with these rows of values.

    Raises:
        sqlite3.IntegrityError: A row is not there, or not in the phase that it must be in.
    """
    for chunk in chunks(rows):
        values = [value for row in chunk for value in row]
        if db.execute(statement(len(chunk)), values).rowcount != len(chunk):
            raise sqlite3.IntegrityError(
                "a launch is not as it was recorded: something else changes this file"
            )


def intended(intent: Intent) -> tuple[Any, ...]:
    """Return the values of an intent, for `insert` and `replace`."""
    return *intent, *intent_checksums(intent)


def widened(db: sqlite3.Connection, key: str, attempt: int, at: ServerTime) -> tuple[Any, ...]:
    """Return the values of an intent whose time includes another moment, for `widen`."""
    entry = latest(db, [key]).get(key)
    if entry is None or entry.attempt != attempt:
        raise sqlite3.IntegrityError("a launch is gone that was recorded: something else changes this file")
    earlier, later = min(at.earlier, entry.intended_from), max(at.later, entry.intended_until)
    wider = Intent.of(entry)._replace(intended_from=earlier, intended_until=later)
    return key, attempt, earlier, later, intent_checksums(wider)[0]


_CAME_FROM = {
    JournalPhase.ACCEPTED: (JournalPhase.INTENT, JournalPhase.UNKNOWN),
    JournalPhase.REJECTED: (JournalPhase.INTENT, JournalPhase.UNKNOWN),
    JournalPhase.NOT_SENT: (JournalPhase.INTENT, JournalPhase.UNKNOWN),
    JournalPhase.UNKNOWN: (JournalPhase.INTENT, JournalPhase.UNKNOWN),
    JournalPhase.ENDED: (JournalPhase.ACCEPTED, JournalPhase.ENDED),
}
"""Phases that an outcome may follow; an end that was inferred may be recorded again."""
_FROM = {phase: " ".join(before) for phase, before in _CAME_FROM.items()}


def changed(change: Change) -> tuple[Any, ...]:
    """Return the values of an outcome, for `update` and `accept`."""
    key, attempt, phase, *rest = change
    return key, attempt, _FROM[phase], str(phase), *rest, outcome_checksum(change)


def accepted(change: Change, run: Acceptance) -> tuple[Any, ...]:
    """Return the values of an outcome and its run, for `accept`."""
    return *changed(change), *run, run_checksum(change.key, change.attempt, run)


def _rows(columns: int, count: int) -> str:
    return "VALUES " + ",".join([f"({','.join('?' * columns)})"] * count)


_COLUMNS = (
    "key, attempt, job_id, settings, parameters, intended_from, intended_until, intent_check, run_check,"
    " outcome_check, opening"
)
_OUTCOME = """
    phase = new.column4, sent_by = new.column5, status = new.column6, ended_at = new.column7, outcome_check = new.column8
"""
_SAME_ROW = "launches.key = new.column1 AND launches.attempt = new.column2"
_FROM_PHASE = f"{_SAME_ROW} AND instr(new.column3, launches.phase)"


@cache
def insert(rows: int) -> str:
    """Return the statement that adds this many intents."""
    return f"INSERT INTO launches ({_COLUMNS}) {_rows(11, rows)}"


@cache
def replace(rows: int) -> str:
    """Return the statement that replaces this many rows by intents; the last value is the phase that each is in."""
    return (
        "UPDATE launches SET job_id = new.column3, settings = new.column4, parameters = new.column5,"  # noqa: S608  # numbers of ours
        " intended_from = new.column6, intended_until = new.column7, intent_check = new.column8,"
        " execution_id = NULL, accepted_at = NULL, created = NULL, adopted = 0, run_check = new.column9,"
        " phase = 'intent', sent_by = NULL, status = NULL, ended_at = NULL, outcome_check = new.column10"
        f" FROM ({_rows(11, rows)}) AS new WHERE {_SAME_ROW} AND launches.phase = new.column11"
    )


@cache
def widen(rows: int) -> str:
    """Return the statement that changes the times of this many intents."""
    return (
        "UPDATE launches SET intended_from = new.column3, intended_until = new.column4, intent_check = new.column5"  # noqa: S608  # names and numbers of ours
        f" FROM ({_rows(5, rows)}) AS new WHERE {_SAME_ROW} AND launches.phase = 'intent'"
    )


@cache
def update(rows: int) -> str:
    """Return the statement that records this many outcomes."""
    return f"UPDATE launches SET {_OUTCOME} FROM ({_rows(8, rows)}) AS new WHERE {_FROM_PHASE}"  # noqa: S608  # names and numbers of ours


@cache
def accept(rows: int) -> str:
    """Return the statement that records this many outcomes with their runs."""
    return (
        f"UPDATE launches SET {_OUTCOME}, execution_id = new.column9, accepted_at = new.column10,"  # noqa: S608  # names and numbers of ours
        " created = new.column11, adopted = new.column12, run_check = new.column13"
        f" FROM ({_rows(13, rows)}) AS new WHERE {_FROM_PHASE}"
    )
