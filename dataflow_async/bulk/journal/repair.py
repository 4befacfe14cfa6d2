"""Repairs a journal by hand, once its run is over: what became of a launch, whose the journal is, that it is complete."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dataflow_async.bulk.journal.operations import Acceptance, Change, Operation, OperationKind
from dataflow_async.bulk.journal.refusals import refusal, resolved
from dataflow_async.bulk.journal.store import JournalStore
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.wire.request import check_id

_OPEN = (JournalPhase.INTENT, JournalPhase.UNKNOWN)
_STARTED = (JournalPhase.ACCEPTED, JournalPhase.ENDED)


def resolve(
    path: str | os.PathLike[str], key: str, *, execution_id: str | None, status: str | None, started: bool
) -> JournalEntry:
    """Record what a person found out about the latest attempt of a launch; see ``Journal.resolve``."""
    _check_finding(execution_id, status, started=started)
    with _opened(path) as store:
        entry = store.latest(key)
        if entry is None:
            raise InvalidRequest(f"key must be one of the journal {store.path}, got {key!r}", field="key")
        if execution_id is not None and (other := store.launch_of(execution_id)) not in {None, key}:
            raise InvalidRequest(
                f"execution_id must be a run that no other launch has started, got {execution_id}, the run of {other!r}",
                field="execution_id",
            )
        store.commit([Operation(*change) for change in _changes(entry, execution_id, status)])
        return store.latest(key) or entry


def _check_finding(execution_id: str | None, status: str | None, *, started: bool) -> None:
    if execution_id is not None:
        check_id(execution_id, "execution_id")
    if status is not None:
        checks.text(status, "status")
    if started == (execution_id is status is None):
        raise InvalidRequest(
            "started must be False, or execution_id or status must be those of the run that was started, got"
            f" started={started}, execution_id={execution_id!r}, status={status!r}",
            field="started",
        )


def _changes(
    entry: JournalEntry, execution_id: str | None, status: str | None
) -> Iterator[tuple[OperationKind, str, Change | tuple[Change, Acceptance]]]:
    name = entry.key, entry.attempt
    if execution_id is None and status is None:
        _check_phase(entry, _OPEN, "that it did not start")
        yield OperationKind.CHANGE, entry.key, Change(*name, JournalPhase.NOT_SENT, status="Resolved")
        return
    if execution_id is not None and execution_id != entry.execution_id:
        _check_phase(entry, _OPEN, "which run it has started")
        run = Acceptance(execution_id, time.time(), None, adopted=True)
        yield OperationKind.ACCEPT, entry.key, (Change(*name, JournalPhase.ACCEPTED), run)
    elif status is not None:
        _check_phase(entry, _STARTED, "how its run has ended, without execution_id,")
    if status is not None:
        yield (
            OperationKind.CHANGE,
            entry.key,
            Change(*name, JournalPhase.ENDED, status=status, ended_at=time.time()),
        )


def _check_phase(entry: JournalEntry, phases: tuple[JournalPhase, ...], what: str) -> None:
    if entry.phase not in phases:
        raise InvalidRequest(
            f"key must be a launch that is {' or '.join(phases)} to record {what}, got {entry.key!r}, which is {entry.phase}",
            field="key",
        )


def rebind(path: str | os.PathLike[str], access_key: str) -> None:
    """Record that an access key belongs to the account of a journal, where no run of it can prove that.

    Raises:
        InvalidRequest: Field ``"access_key"``, or ``"journal"``: it can't be used, or a run is writing to it.
    """
    checks.text(access_key, "access_key")
    with _opened(path) as store:
        store.add_access_key(access_key)


def trust(path: str | os.PathLike[str]) -> None:
    """Record that no launch is missing from a journal that is older than it was, or whose ``-lock`` file is gone.

    Raises:
        InvalidRequest: Field ``"journal"``: it is damaged, or a run is writing to it.
    """
    with _opened(path, trusted=True):
        pass


@contextmanager
def _opened(path: str | os.PathLike[str], *, trusted: bool = False) -> Iterator[JournalStore]:
    store = JournalStore(resolved(path))
    store.open(None, trusted=trusted)
    try:
        yield store
    except sqlite3.Error as problem:
        raise refusal(store.path, f"it can't be written: {problem}") from None
    finally:
        store.close()
