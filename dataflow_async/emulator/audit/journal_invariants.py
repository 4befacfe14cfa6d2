"""The invariants of a bulk run's journal beside a history; each function yields what violates the sentence of its docstring."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import attrs

from dataflow_async.emulator.audit.events import StateChanged, StatusReported
from dataflow_async.emulator.audit.history_invariants import ENDED, Findings, HistoryIndex

JournalRow = Mapping[str, Any]
"""One attempt in a journal: ``key``, ``attempt`` (from 1), ``job_id``, ``execution_id``, ``phase`` (one of `PHASES`), ``status``,
and, if there are any, ``parameters`` (their digest in hexadecimal digits)."""


PHASES = ("intent", "accepted", "rejected", "not_sent", "unknown", "ended")
_OPEN = frozenset({"intent", "unknown"})
"""Phases of an attempt that may have started an unknown run."""


@attrs.define
class JournalIndex:
    """A journal, beside the history that it should agree with."""

    index: HistoryIndex
    of_key: dict[str, list[JournalRow]]
    """The attempts of each key, in order."""
    foreign: bool | Collection[str]
    rerun: Collection[str]
    resolved: Collection[str]
    finished: bool
    digest: Callable[[Mapping[str, Any]], str | None] | None

    @classmethod
    def of(cls, rows: Iterable[JournalRow], index: HistoryIndex, *settings: Any) -> "JournalIndex":
        """Return the index of the rows of a journal."""
        of_key: dict[str, list[JournalRow]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row["attempt"]):
            of_key[row["key"]].append(row)
        return cls(index, of_key, *settings)

    @property
    def rows(self) -> Iterator[JournalRow]:
        """Every attempt, key by key."""
        return (row for rows in self.of_key.values() for row in rows)

    def unaccounted(self) -> Iterator[StateChanged]:
        """Yield launches by calls that no row claims and no open attempt can explain."""
        claimed = {row["execution_id"] for row in self.rows}
        open_attempts = Counter(
            self._likeness(row["job_id"], row.get("parameters"))
            for rows in self.of_key.values()
            if (row := rows[-1])["phase"] in _OPEN and row["execution_id"] is None
        )
        for execution_id, launch in self.index.launches.items():
            if execution_id in claimed or self.is_foreign(launch):
                continue
            digest = self.digest(launch.parameters or {}) if self.digest else None
            likeness = self._likeness(launch.job_id, digest)
            if open_attempts[likeness]:
                open_attempts[likeness] -= 1
            else:
                yield launch

    def is_foreign(self, launch: StateChanged) -> bool:
        """Return whether another client, or a workflow, started a run."""
        if launch.request is None or self.index.operation(launch.request) != "executeJob":
            return True
        return self.foreign if isinstance(self.foreign, bool) else launch.resource_id in self.foreign

    def _likeness(self, job_id: str | None, digest: str | None) -> tuple[str | None, str | None]:
        return job_id, digest if self.digest else None


def attempts_are_recorded_once(journal: JournalIndex) -> Findings:
    """A key has its attempts 1, 2, 3, ... once each, in phases that exist."""
    for key, rows in journal.of_key.items():
        numbers = [row["attempt"] for row in rows]
        if numbers != list(range(1, len(rows) + 1)) or any(row["phase"] not in PHASES for row in rows):
            yield f"the key {key!r} has the attempts {numbers}", tuple(rows)


def a_key_starts_once(journal: JournalIndex) -> Findings:
    """A key has at most one run; a further one only after an end that ``rerun`` names."""
    for key, rows in journal.of_key.items():
        started = [row for row in rows if row["execution_id"] is not None]
        if any(row["phase"] != "ended" or row["status"] not in journal.rerun for row in started[:-1]):
            yield f"the key {key!r} was started {len(started)} times", tuple(started)


def a_run_has_one_key(journal: JournalIndex) -> Findings:
    """No run is claimed by two attempts."""
    owners: dict[str, list[JournalRow]] = defaultdict(list)
    for row in journal.rows:
        if row["execution_id"] is not None:
            owners[row["execution_id"]].append(row)
    for execution_id, rows in owners.items():
        if len(rows) > 1:
            yield f"the run {execution_id} is claimed {len(rows)} times", tuple(rows)


def recorded_runs_exist(journal: JournalIndex) -> Findings:
    """Every run of the journal was launched, under the job of its row; a refused attempt has none."""
    for row in journal.rows:
        execution_id = row["execution_id"]
        launch = journal.index.launches.get(execution_id)
        if execution_id is None:
            if row["phase"] in {"accepted", "ended"}:
                yield f"the key {row['key']!r} is {row['phase']} and names no run", (row,)
        elif row["phase"] in {"rejected", "not_sent"}:
            yield f"the key {row['key']!r} is {row['phase']} and names the run {execution_id}", (row,)
        elif launch is None or launch.job_id != row["job_id"]:
            yield (
                f"the run {execution_id} of the key {row['key']!r} was not launched for its job",
                (row, launch),
            )


def no_accepted_run_is_lost(journal: JournalIndex) -> Findings:
    """A run whose id reached the client is in the journal."""
    for launch in journal.unaccounted():
        if journal.index.answered_whole(launch):
            yield f"the run {launch.resource_id} was accepted and is in no row of the journal", (launch,)


def no_run_is_started_beside(journal: JournalIndex) -> Findings:
    """Every run that no key claims is foreign, or an attempt of unknown outcome may have started it."""
    for launch in journal.unaccounted():
        if not journal.index.answered_whole(launch):
            yield f"the run {launch.resource_id} was started, and no key explains it", (launch,)


def awaited_runs_end_once(journal: JournalIndex) -> Findings:
    """Every accepted run ends with the status that the service reported last, unless a person recorded its end."""
    for row in journal.rows:
        if row["phase"] == "accepted" and journal.finished:
            yield f"the key {row['key']!r} was accepted and never ended", (row,)
        if row["phase"] != "ended":
            continue
        reported = [
            word
            for it, word in journal.index.of_run.get(row["execution_id"], ())
            if isinstance(it, StatusReported)
        ]
        if row["key"] in journal.resolved and not ENDED.intersection(reported):
            continue
        if row["status"] not in reported[-1:]:
            yield f"the key {row['key']!r} ended {row['status']}; the service reported {reported}", (row,)


JOURNAL_INVARIANTS: tuple[Callable[[JournalIndex], Findings], ...] = (
    attempts_are_recorded_once,
    a_key_starts_once,
    a_run_has_one_key,
    recorded_runs_exist,
    no_accepted_run_is_lost,
    no_run_is_started_beside,
    awaited_runs_end_once,
)
