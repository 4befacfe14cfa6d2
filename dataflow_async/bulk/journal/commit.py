"""What the writing thread of a journal does: a group of operations, whatever its size, in one transaction.

It takes a handful of statements, not one for each operation: every step of SQLite releases the interpreter lock and
must get it back from a busy event loop, which costs more than the step itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from dataflow_async.bulk.journal import queries, statements
from dataflow_async.bulk.journal.entry import Kind, Operation


def without_repeats(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Split where a key comes again, or something is read: within a group, order then makes no difference."""
    group: list[Operation] = []
    touched: set[str | None] = set()
    for operation in operations:
        if operation.key in touched or (operation.kind is Kind.ASK and group):
            yield group
            group, touched = [], set()
        group.append(operation)
        touched.add(operation.key)
    yield group


def apply(db: sqlite3.Connection, group: list[Operation], opening: int) -> None:
    """Apply a group in which no key comes twice, for one opening of the journal."""
    chosen: dict[Kind, list[Operation]] = {kind: [] for kind in Kind}
    for operation in group:
        chosen[operation.kind].append(operation)
    for question in chosen[Kind.ASK]:
        question.result = question.given(db)
    intended = chosen[Kind.INTEND]
    known = queries.latest(db, [operation.given.key for operation in intended])
    submitted = queries.submitted(db, list(known), opening)
    for operation in intended:
        operation.result = known.get(operation.given.key), operation.key in submitted
    new = [operation for operation in intended if operation.key not in known]
    statements.write(
        db,
        statements.insert,
        [(*statements.intent(added.given), opening) for added in new + chosen[Kind.ADD]],
    )
    statements.write(
        db,
        statements.replace,
        [(*statements.intent(entry), was.value) for entry, was in _given(chosen[Kind.PUT])],
    )
    statements.write(
        db, statements.widen, [statements.widened(db, *given) for given in _given(chosen[Kind.WIDEN])]
    )
    statements.write(
        db, statements.accept, [statements.accepted(*given) for given in _given(chosen[Kind.ACCEPT])]
    )
    statements.write(
        db, statements.update, [statements.changed(change) for change in _given(chosen[Kind.CHANGE])]
    )


def _given(operations: list[Operation]) -> Iterator[Any]:
    """Return the arguments of operations."""
    return (operation.given for operation in operations)
