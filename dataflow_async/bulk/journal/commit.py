"""What the writing thread of a journal does: a group of operations, whatever its size, in one transaction.

It takes a handful of statements, not one for each operation: every step of SQLite releases the interpreter lock and
must get it back from a busy event loop, which costs more than the step itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from dataflow_async.bulk.journal import queries, statements
from dataflow_async.bulk.journal.operations import Operation, OperationKind


def without_repeats(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Split where a key comes again, or something is read: within a group, order then makes no difference."""
    group: list[Operation] = []
    touched: set[str | None] = set()
    for operation in operations:
        if operation.key in touched or (operation.kind is OperationKind.READ and group):
            yield group
            group, touched = [], set()
        group.append(operation)
        touched.add(operation.key)
    yield group


def apply(db: sqlite3.Connection, group: list[Operation], opening: int) -> None:
    """Apply a group in which no key comes twice, for one opening of the journal.

    Raises:
        sqlite3.Error: A row is not as it was recorded, or the file can't be written; the transaction must be rolled back.
    """
    chosen: dict[OperationKind, list[Operation]] = {kind: [] for kind in OperationKind}
    for operation in group:
        chosen[operation.kind].append(operation)
    for read in chosen[OperationKind.READ]:
        read.result = read.arguments(db)
    intended = chosen[OperationKind.INTEND]
    known = queries.latest(db, [operation.arguments.key for operation in intended])
    submitted = queries.submitted(db, list(known), opening)
    for operation in intended:
        operation.result = known.get(operation.arguments.key), operation.key in submitted
    new = [operation for operation in intended if operation.key not in known]
    statements.write(
        db,
        statements.insert,
        [(*statements.intended(added.arguments), opening) for added in new + chosen[OperationKind.ADD]],
    )
    statements.write(
        db,
        statements.replace,
        [
            (*statements.intended(intent), was.value)
            for intent, was in _arguments(chosen[OperationKind.REPLACE])
        ],
    )
    statements.write(
        db,
        statements.widen,
        [statements.widened(db, *arguments) for arguments in _arguments(chosen[OperationKind.WIDEN])],
    )
    statements.write(
        db,
        statements.accept,
        [statements.accepted(*arguments) for arguments in _arguments(chosen[OperationKind.ACCEPT])],
    )
    statements.write(
        db,
        statements.update,
        [statements.changed(change) for change in _arguments(chosen[OperationKind.CHANGE])],
    )


def _arguments(operations: list[Operation]) -> Iterator[Any]:
    """Return the arguments of operations."""
    return (operation.arguments for operation in operations)
