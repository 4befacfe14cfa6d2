"""Verify from a history, and from the journal of a bulk run, that nothing was started twice and nothing was lost.

The history may be that of a running server, but then requests in flight count as unanswered.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from dataflow_async.emulator.audit.events import Event
from dataflow_async.emulator.audit.history_invariants import HISTORY_INVARIANTS, Findings, HistoryIndex
from dataflow_async.emulator.audit.journal_invariants import JOURNAL_INVARIANTS, JournalIndex, JournalRow


class Violation(NamedTuple):
    """One way in which an invariant is broken."""

    invariant: str
    """Name of the function that checks it."""
    sentence: str
    evidence: tuple[Any, ...] = ()
    """Events of the history and rows of the journal."""


def read_journal(path: str | Path) -> list[JournalRow]:
    """Read the rows of a journal file, also while a bulk run writes to it, or after it was killed.

    Raises:
        sqlite3.Error: It is no journal.
    """
    import sqlite3

    # Not mode=ro: what a killed writer has left in the log beside the file could not be read.
    with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=rw", uri=True)) as file:
        file.execute("PRAGMA query_only = ON")
        file.row_factory = sqlite3.Row
        rows = file.execute(
            "SELECT key, attempt, job_id, execution_id, phase, status, lower(hex(parameters)) AS parameters"
            " FROM launches"
        )
        return [{**row, "parameters": row["parameters"] or None} for row in map(dict, rows)]


def verify_history(
    history: Iterable[Event],
    journal: Iterable[JournalRow] | None = None,
    *,
    foreign: bool | Collection[str] = False,
    rerun: Collection[str] = (),
    resolved: Collection[str] = (),
    finished: bool = True,
    digest: Callable[[Mapping[str, Any]], str | None] | None = None,
) -> list[Violation]:
    """Return every violation of an invariant; an empty list proves that there is none.

    Args:
        history: The whole history of a server, from its first event on.
        journal: The rows of a bulk run's journal; without one, only the history is verified.
        foreign: Whether other clients started runs of the same jobs, or the ids of those runs.
        rerun: Statuses after which the bulk run was to start a key anew.
        resolved: Keys whose end a person recorded with ``Journal.resolve``: the service need not have reported it, but must
            not have reported another.
        finished: Whether the bulk run finished; an interrupted one may have runs whose end it has not recorded.
        digest: Computes the journal's digest of parameters; with it, an open attempt explains a run only if their
            parameters agree.

    Returns:
        The violations, in the order of the invariants.
    """
    index = HistoryIndex.of(history)
    violations = _violations(HISTORY_INVARIANTS, index)
    if journal is not None:
        rows = JournalIndex.of(journal, index, foreign, rerun, resolved, finished, digest)
        violations += _violations(JOURNAL_INVARIANTS, rows)
    return violations


def _violations(invariants: Iterable[Callable[[Any], Findings]], about: Any) -> list[Violation]:
    return [
        Violation(prove.__name__, sentence, evidence)
        for prove in invariants
        for sentence, evidence in prove(about)
    ]
