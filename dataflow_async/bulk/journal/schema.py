"""The tables of a journal: their shape, how they are made, and what a row of them is."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from dataflow_async.bulk.journal.checksums import row_checksums
from dataflow_async.bulk.journal.header import HEADER_COLUMNS, Header, header_checksum
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase

APPLICATION_ID = 0x4446414A
"""Marks a journal for SQLite's own tools: ``DFAJ`` in ASCII."""


FORMAT = 2


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


STATEMENTS = [statement.strip() for statement in _SCHEMA.split(";") if statement.strip()]


COLUMNS = (
    "key, attempt, job_id, settings, parameters, phase, intended_from, intended_until, sent_by, execution_id,"
    " accepted_at, created, adopted, status, ended_at, intent_check, run_check, outcome_check"
)


ALL_ROWS = f"SELECT {COLUMNS} FROM launches ORDER BY key, attempt"  # noqa: S608  # names of ours


def create(db: sqlite3.Connection, name: str, base_url: str, access_key: str) -> None:
    """Make the tables, all or nothing: a process that is killed here leaves an empty file."""
    new = Header(name, base_url, (access_key,), 0, in_use=False, commits=0, launches=0, checksum=0)
    db.execute("BEGIN IMMEDIATE")
    for statement in STATEMENTS:
        db.execute(statement)
    values = (new.id, base_url, json.dumps(new.access_keys), *new[3:], header_checksum(new))
    db.execute(f"INSERT INTO header ({HEADER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608  # names and numbers of ours
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


def is_blank(db: sqlite3.Connection) -> bool:
    """Return whether a database holds nothing yet."""
    return pragma(db, "schema_version") == pragma(db, "application_id") == pragma(db, "user_version") == 0


def pragma(db: sqlite3.Connection, name: str) -> int:
    """Return a number that SQLite keeps of a database."""
    number: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return number


def entry_of(row: tuple[Any, ...]) -> JournalEntry:
    """Return the entry that a row holds.

    Raises:
        ValueError: It was not written by this library.
    """
    *values, intent, run, outcome = row
    values[5], values[12] = JournalPhase(values[5]), bool(values[12])
    entry = JournalEntry(*values)
    if (intent, run, outcome) != row_checksums(entry):
        raise ValueError
    return entry
