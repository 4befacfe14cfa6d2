"""What the writing thread of a journal does: a group of operations, whatever its size, in one transaction.

It takes a handful of statements, not one for each operation: every step of SQLite gives the interpreter lock away and
must get it back from a busy event loop, which costs more than the step itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from attrs import define, evolve, field

from dataflow_async.bulk.journal import store
from dataflow_async.bulk.journal.checks import Header, intent_check, outcome_check, run_check
from dataflow_async.bulk.journal.entry import Acceptance, Change, JournalEntry, JournalPhase, Kind, Operation
from dataflow_async.bulk.journal.lock import Lock, Record, is_file
from dataflow_async.models.execution import ExecutionRef
from dataflow_async.wire.server_time import ServerTime


@define
class JournalStore:
    """A journal that is open for writing; all of it belongs to one thread.

    What is always true: the file at the path is the one that is written, and its header is as this opener has left it.
    Each commit proves both, the header in its own transaction. So whoever opens the file in spite of the lock takes it
    over, and the former opener writes nothing more; and who removes or replaces a file of a journal in use stops its run
    before anything is launched that only the removed file knows.
    """

    path: Path
    _db: sqlite3.Connection | None = None
    _header: Header | None = None
    _lock: Lock | None = None
    _files: list[tuple[Path, tuple[int, int]]] = field(factory=list)
    """Where the files of the journal are, and which they are."""

    def open(self, owner: tuple[str, str] | None, *, trusted: bool = False) -> None:
        """Take the lock, then open the file; see `journal_file.open_to_write`.

        Raises:
            InvalidRequest: Field ``"journal"``, and why this file can't be used.
        """
        self._lock = store.take_lock(self.path)
        try:
            self._db, self._header = store.open_to_write(self.path, self._lock, owner, trusted=trusted)
            self._files = store.files(self.path)
        except BaseException:
            self.close()
            raise

    def witnesses(self, access_key: str) -> list[ExecutionRef] | None:
        """Return runs, one of which must be readable with a key that is new here; None if the key is known.

        Nothing need be proven, and no run is returned, where no launch may have been sent.

        Raises:
            InvalidRequest: Field ``"journal"``: launches may have been sent, and none of them has a run that is known.
        """
        db, header = self._opened
        if access_key in header.access_keys:
            return None
        runs = store.newest_runs(db)
        if not runs and store.may_have_sent(db):
            self.refuse(access_key)
        return runs

    def refuse(self, access_key: str) -> NoReturn:
        """Say that a key may belong to another account."""
        raise store.refusal(
            self.path,
            f"it belongs to access key {self._opened[1].access_keys[-1]}, and this client uses {access_key}, with which no"
            " run of the journal could be read. If both belong to one account, say so: dataflow-async journal rebind"
            f" PATH --access-key {access_key}",
        )

    def add_access_key(self, access_key: str) -> None:
        """Record that a key belongs to the journal's account; the one that was used last is last."""
        db, header = self._opened
        others = [key for key in header.access_keys if key != access_key]
        self._header = header._replace(access_keys=(*others, access_key), commits=header.commits + 1)
        store.write_header(db, header, self._header)

    def not_drawn(self) -> tuple[int, str | None]:
        """Return how many unfinished launches the journal has that were not asked for, and the key of one."""
        db, header = self._opened
        return store.not_drawn(db, header.openings)

    def latest(self, key: str) -> JournalEntry | None:
        """Return the latest attempt of a key."""
        return store.latest(self._opened[0], [key]).get(key)

    def launch_of(self, execution_id: str) -> str | None:
        """Return the key of the launch that has started a run, if it is known."""
        return store.launch_of(self._opened[0], execution_id)

    @property
    def _opened(self) -> tuple[sqlite3.Connection, Header]:
        assert self._db is not None and self._header is not None  # noqa: S101, PT018  # by whoever asks
        return self._db, self._header

    def close(self) -> None:
        """Bring everything into the one file, then give the lock back."""
        if self._db is not None:
            if self._header is not None:
                with suppress(sqlite3.Error):  # it stays marked as in use: the next opener looks more closely
                    store.write_header(self._db, self._header, self._header._replace(in_use=False))
            self._db.close()
        if self._lock is not None:
            self._lock.close()
        self._db = self._header = self._lock = None

    def commit(self, operations: Sequence[Operation]) -> None:
        """Do these operations as if in their order, and make them durable together.

        Raises:
            sqlite3.Error: None of them is done, or they are done in a file that is no longer the journal.
        """
        db, was = self._opened
        written = {operation.key for operation in operations if operation.kind is not Kind.ASK}
        db.execute("BEGIN IMMEDIATE")
        try:
            before = store.totals(db, written)
            for group in _without_repeats(operations):
                _apply(db, group, was.openings)
            now = was
            if written:
                now = _counted(was, before, store.totals(db, written))
                store.write_header(db, was, now)
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have done so itself; told is what went wrong first
                db.execute("ROLLBACK")
            raise
        self._header = now
        if self._lock is not None:
            self._check_files(self._lock)
            self._lock.write(Record(now.id, now.commits))

    def _check_files(self, lock: Lock) -> None:
        for path, file in self._files:
            if not is_file(path, file):
                raise sqlite3.OperationalError(f"{path.name} was removed or replaced while in use")
        if not lock.is_in_place():
            raise sqlite3.OperationalError(f"{lock.path.name} was removed or replaced while in use")


def _counted(header: Header, before: tuple[int, int], after: tuple[int, int]) -> Header:
    rows, checksum = (new - old for new, old in zip(after, before, strict=True))
    return header._replace(
        commits=header.commits + 1, launches=header.launches + rows, checksum=header.checksum + checksum
    )


def _without_repeats(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Cut where a key comes again, or something is asked: within a group, order then makes no difference."""
    group: list[Operation] = []
    touched: set[str | None] = set()
    for operation in operations:
        if operation.key in touched or (operation.kind is Kind.ASK and group):
            yield group
            group, touched = [], set()
        group.append(operation)
        touched.add(operation.key)
    yield group


def _apply(db: sqlite3.Connection, group: list[Operation], opening: int) -> None:
    chosen: dict[Kind, list[Operation]] = {kind: [] for kind in Kind}
    for operation in group:
        chosen[operation.kind].append(operation)
    for question in chosen[Kind.ASK]:
        question.result = question.given(db)
    intended = chosen[Kind.INTEND]
    known = store.latest(db, [operation.given.key for operation in intended])
    mine = store.drawn(db, list(known), opening)
    for operation in intended:
        operation.result = known.get(operation.given.key), operation.key in mine
    new = [operation for operation in intended if operation.key not in known]
    _write(db, _insert, [(*_intent(added.given), opening) for added in new + chosen[Kind.ADD]])
    _write(db, _replace, [(*_intent(entry), was.value) for entry, was in _given(chosen[Kind.PUT])])
    _write(db, _widen, [_widened(db, *given) for given in _given(chosen[Kind.WIDEN])])
    _write(
        db, _accept, [(*_changed(change), *_run(change, run)) for change, run in _given(chosen[Kind.ACCEPT])]
    )
    _write(db, _update, [_changed(change) for change in _given(chosen[Kind.CHANGE])])


def _given(operations: list[Operation]) -> Iterator[Any]:
    return (operation.given for operation in operations)


def _write(db: sqlite3.Connection, statement: Callable[[int], str], rows: list[tuple[Any, ...]]) -> None:
    for chunk in store.chunks(rows):
        values = [value for row in chunk for value in row]
        if db.execute(statement(len(chunk)), values).rowcount != len(chunk):
            raise sqlite3.IntegrityError(
                "a launch is not as it was recorded: something else changes this file"
            )


# --- rows of values ----------------------------------------------------------------------------------------


def _intent(entry: JournalEntry) -> tuple[Any, ...]:
    return (
        entry.key,
        entry.attempt,
        entry.job_id,
        entry.settings,
        entry.parameters,
        entry.intended_from,
        entry.intended_until,
        intent_check(entry),
        run_check(entry.key, entry.attempt, None),
        outcome_check(Change(entry.key, entry.attempt, JournalPhase.INTENT)),
    )


def _widened(db: sqlite3.Connection, key: str, attempt: int, at: ServerTime) -> tuple[Any, ...]:
    entry = store.latest(db, [key]).get(key)
    if entry is None or entry.attempt != attempt:
        raise sqlite3.IntegrityError("a launch is gone that was recorded: something else changes this file")
    wider = evolve(
        entry,
        intended_from=min(at.earlier, entry.intended_from),
        intended_until=max(at.later, entry.intended_until),
    )
    return key, attempt, wider.intended_from, wider.intended_until, intent_check(wider)


_CAME_FROM = {
    JournalPhase.ACCEPTED: (JournalPhase.INTENT, JournalPhase.UNKNOWN),
    JournalPhase.REJECTED: (JournalPhase.INTENT, JournalPhase.UNKNOWN),
    JournalPhase.NOT_SENT: (JournalPhase.INTENT, JournalPhase.UNKNOWN),
    JournalPhase.UNKNOWN: (JournalPhase.INTENT, JournalPhase.UNKNOWN),
    JournalPhase.ENDED: (JournalPhase.ACCEPTED, JournalPhase.ENDED),
}
"""Phases that an outcome may follow; an end is looked at again where it was inferred."""


def _changed(change: Change) -> tuple[Any, ...]:
    key, attempt, phase, *rest = change
    return key, attempt, " ".join(_CAME_FROM[phase]), phase.value, *rest, outcome_check(change)


def _run(change: Change, run: Acceptance) -> tuple[Any, ...]:
    return *run, run_check(change.key, change.attempt, run)


# --- statements --------------------------------------------------------------------------------------------


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
def _insert(rows: int) -> str:
    return f"INSERT INTO launches ({_COLUMNS}) {_rows(11, rows)}"


@cache
def _replace(rows: int) -> str:
    return (
        "UPDATE launches SET job_id = new.column3, settings = new.column4, parameters = new.column5,"  # noqa: S608  # numbers of ours
        " intended_from = new.column6, intended_until = new.column7, intent_check = new.column8,"
        " execution_id = NULL, accepted_at = NULL, created = NULL, adopted = 0, run_check = new.column9,"
        " phase = 'intent', sent_by = NULL, status = NULL, ended_at = NULL, outcome_check = new.column10"
        f" FROM ({_rows(11, rows)}) AS new WHERE {_SAME_ROW} AND launches.phase = new.column11"
    )


@cache
def _widen(rows: int) -> str:
    return (
        "UPDATE launches SET intended_from = new.column3, intended_until = new.column4, intent_check = new.column5"  # noqa: S608  # names and numbers of ours
        f" FROM ({_rows(5, rows)}) AS new WHERE {_SAME_ROW} AND launches.phase = 'intent'"
    )


@cache
def _update(rows: int) -> str:
    return f"UPDATE launches SET {_OUTCOME} FROM ({_rows(8, rows)}) AS new WHERE {_FROM_PHASE}"  # noqa: S608  # names and numbers of ours


@cache
def _accept(rows: int) -> str:
    return (
        f"UPDATE launches SET {_OUTCOME}, execution_id = new.column9, accepted_at = new.column10,"  # noqa: S608  # names and numbers of ours
        " created = new.column11, adopted = new.column12, run_check = new.column13"
        f" FROM ({_rows(13, rows)}) AS new WHERE {_FROM_PHASE}"
    )
