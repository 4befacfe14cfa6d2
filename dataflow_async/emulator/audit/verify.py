"""Verifies from a history, and from the journal of a bulk run, that nothing was started twice and nothing was lost.

Each invariant is one function whose docstring is the sentence that it proves; it yields what violates it. A history may be that
of a running server, but then requests in flight count as unanswered.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import attrs

from dataflow_async.emulator.audit.event_log import (
    AnswerLost,
    AnswerSent,
    Event,
    RequestReceived,
    ServerStarted,
    SignatureChecked,
    StateChanged,
    StatusReported,
)

JournalRow = Mapping[str, Any]
"""One attempt in a journal: ``key``, ``attempt`` (from 1), ``job_id``, ``execution_id``, ``phase`` (one of `PHASES`), ``status``,
and, if there are any, ``parameters`` (their digest in hexadecimal digits)."""

PHASES = ("intent", "accepted", "rejected", "not_sent", "unknown", "ended")
_OPEN = frozenset({"intent", "unknown"})
"""Phases of an attempt that may have started an unknown run."""
_RANKS = {"READY": 0, "RUNNING": 1, "COMPLETED": 2, "FAILED": 2, "CANCELED": 2}
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELED"})
_WRITES = {"create": "created", "update": "updated", "delete": "deleted", "cancel": "canceled"}
_EFFECT = {"executeJob": "launched", "executeWorkflow": "started"}
_REFUSING = frozenset({"429", "401", "302"})
"""Kinds of fault that stand for a refusal before the service has received the call."""


class Violation(NamedTuple):
    """One way in which an invariant is broken."""

    invariant: str
    """Name of the function that proves it."""
    sentence: str
    evidence: tuple[Any, ...] = ()
    """Records of the history and rows of the journal."""


Findings = Iterator[tuple[str, tuple[Any, ...]]]


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
    """Return every violation of an invariant; an empty list is the proof that there is none.

    Args:
        history: The whole history of a server, from its first record on.
        journal: The rows of a bulk run's journal; without one, only the history is verified.
        foreign: Whether others started runs of the same jobs, or the ids of theirs.
        rerun: Statuses after which the bulk run was to start a key anew.
        resolved: Keys whose end a person recorded with ``Journal.resolve``: the service need not have reported it, but must
            not have reported another.
        finished: Whether the bulk run is over; one that was cut off may still hold runs it has not seen end.
        digest: How the journal digests parameters; with it, a run nobody claims can stand for an open attempt only if
            their parameters agree.

    Returns:
        The violations, in the order of the invariants.
    """
    index = _Index.of(history)
    violations = _violations(_OF_HISTORY, index)
    if journal is not None:
        rows = _Journal.of(journal, index, foreign, rerun, resolved, finished, digest)
        violations += _violations(_OF_JOURNAL, rows)
    return violations


def _violations(invariants: Iterable[Callable[[Any], Findings]], about: Any) -> list[Violation]:
    return [
        Violation(prove.__name__, sentence, evidence)
        for prove in invariants
        for sentence, evidence in prove(about)
    ]


# --- the history ------------------------------------------------------------------------------------------------------


@attrs.define
class _Index:
    """The events of a history by request and by run."""

    records: list[Event]
    received: dict[int, RequestReceived] = attrs.field(factory=dict)
    of_request: dict[int, list[Event]] = attrs.field(factory=lambda: defaultdict(list))
    """All records of a request, in order."""
    of_run: dict[str, list[tuple[Event, str]]] = attrs.field(factory=lambda: defaultdict(list))
    """What was done to a run or reported of it, each with the word for it."""
    launches: dict[str, StateChanged] = attrs.field(factory=dict)

    @classmethod
    def of(cls, history: Iterable[Event]) -> "_Index":
        index = cls(list(history))
        for record in index.records:
            if not isinstance(record, ServerStarted) and record.request is not None:
                index.of_request[record.request].append(record)
            match record:
                case RequestReceived():
                    index.received.setdefault(record.request, record)
                case StateChanged(resource="execution"):
                    index.of_run[record.resource_id].append((record, record.what))
                    if record.what in {"launched", "restored"}:
                        index.launches.setdefault(record.resource_id, record)
                case StatusReported():
                    for execution_id, status in record.statuses:
                        index.of_run[execution_id].append((record, status))
        return index

    def operation(self, request: int) -> str:
        return (self.received[request].operation if request in self.received else None) or ""

    def answered_whole(self, effect: StateChanged) -> bool:
        """Whether the client that asked for this got the complete answer."""
        return effect.request is not None and any(
            isinstance(record, AnswerSent) and not record.faults for record in self.of_request[effect.request]
        )


def numbers_have_no_gaps(index: _Index) -> Findings:
    """Records are numbered from 1 without gaps: nothing is missing, and nothing is there twice."""
    for expected, record in enumerate(index.records, 1):
        if record.number != expected:
            yield f"record {expected} is missing or out of its place", (record,)
            return


def requests_are_received_first(index: _Index) -> Findings:
    """The first record of a request is its reception, and there is no second one."""
    for request, records in index.of_request.items():
        if (
            not isinstance(records[0], RequestReceived)
            or sum(isinstance(it, RequestReceived) for it in records) > 1
        ):
            yield f"request {request} was not received once and first", tuple(records)


def signatures_are_checked_once(index: _Index) -> Findings:
    """The signature of each request is checked once, before anything else happens."""
    for request, records in index.of_request.items():
        if [it for it in records[1:2] if isinstance(it, SignatureChecked)] != [
            it for it in records if isinstance(it, SignatureChecked)
        ] or not any(isinstance(it, SignatureChecked) for it in records):
            yield (
                f"request {request} did not have its signature checked once, and before anything else",
                tuple(records),
            )


def effects_need_a_signature(index: _Index) -> Findings:
    """Nothing changes, and nothing is reported, for a request whose signature was not accepted."""
    for request, records in index.of_request.items():
        accepted = any(isinstance(it, SignatureChecked) and it.objection is None for it in records)
        if not accepted and (done := [it for it in records if isinstance(it, StateChanged | StatusReported)]):
            yield f"request {request} had an effect without an accepted signature", (*done,)


def requests_end_once(index: _Index) -> Findings:
    """Each request gets one answer or is lost once, unless the server was started anew meanwhile."""
    starts = [record.number for record in index.records if isinstance(record, ServerStarted)]
    for request, records in index.of_request.items():
        ends = [it for it in records if isinstance(it, AnswerSent | AnswerLost)]
        cut_off = not ends and starts and records[-1].number < starts[-1]
        if len(ends) != 1 and not cut_off:
            yield f"request {request} ended {len(ends)} times", tuple(ends or records)


def nothing_follows_the_end(index: _Index) -> Findings:
    """A request has no effect after its answer."""
    for request, records in index.of_request.items():
        ended = False
        for record in records:
            if ended and isinstance(record, StateChanged | StatusReported | SignatureChecked):
                yield f"request {request} went on after its end", (record,)
            ended = ended or isinstance(record, AnswerSent | AnswerLost)


def requests_do_what_they_are_for(index: _Index) -> Findings:
    """A request has one effect at most, the one its operation is for; only a workflow starts several runs."""
    for request, records in index.of_request.items():
        effects = [it for it in records if isinstance(it, StateChanged)]
        operation = index.operation(request)
        meant = effect_of(operation)
        if operation == "executeWorkflow":
            effects = [it for it in effects if it.what != "launched"]
        if len(effects) > 1 or any(it.what != meant for it in effects):
            yield (
                f"request {request} ({operation or 'no call'}) did something else than it is for",
                (*effects,),
            )


def answers_tell_the_truth(index: _Index) -> Findings:
    """A success without injected faults has had its effect; a refusal has had none."""
    for request, records in index.of_request.items():
        effects = [it for it in records if isinstance(it, StateChanged)]
        meant = effect_of(index.operation(request))
        for answer in (it for it in records if isinstance(it, AnswerSent)):
            refused = not answer.faults and answer.status >= 400
            if (refused or _REFUSING & set(answer.faults)) and effects:
                yield f"request {request} was refused and had an effect", (*effects, answer)
            if not answer.faults and answer.status < 300 and meant and not effects:
                yield f"request {request} succeeded without an effect", (answer,)


def effect_of(operation: str) -> str | None:
    """What a successful call of this name does to the state; None for one that only reads."""
    return _EFFECT.get(operation) or _WRITES.get(operation[:6])


def runs_are_launched_once(index: _Index) -> Findings:
    """An execution id belongs to one launch, or to a saved state, and no event names a run before it."""
    for execution_id, events in index.of_run.items():
        launches = [record for record, word in events if word == "launched"]
        launches = launches or [record for record, word in events if word == "restored"][:1]
        if len(launches) != 1 or events[0][0] is not launches[0]:
            yield f"the run {execution_id} was not launched once and first", tuple(it for it, _ in events)


def runs_belong_to_one_job(index: _Index) -> Findings:
    """Whatever is done to a run is done under the job that it was launched for."""
    for execution_id, launch in index.launches.items():
        effects = [it for it, _ in index.of_run[execution_id] if isinstance(it, StateChanged)]
        if strange := [it for it in effects if it.job_id != launch.job_id]:
            yield f"the run {execution_id} of the job {launch.job_id} has another job too", (launch, *strange)


def statuses_only_move_forward(index: _Index) -> Findings:
    """READY, RUNNING, one end; an unknown status proves nothing."""
    for execution_id, events in index.of_run.items():
        reported = [
            (record, word) for record, word in events if isinstance(record, StatusReported) and word in _RANKS
        ]
        for (before, old), (after, new) in pairwise(reported):
            if _RANKS[new] < _RANKS[old] or (old in _ENDED and new != old):
                yield f"the run {execution_id} went from {old} to {new}", (before, after)


def ended_runs_are_not_canceled(index: _Index) -> Findings:
    """No cancel is accepted once the end of a run was reported."""
    for execution_id, events in index.of_run.items():
        over = None
        for record, word in events:
            if word == "canceled" and over is not None:
                yield f"the run {execution_id} was canceled after its end", (over, record)
            if isinstance(record, StatusReported) and word in _ENDED:
                over = record


_OF_HISTORY: tuple[Callable[[_Index], Findings], ...] = (
    numbers_have_no_gaps,
    requests_are_received_first,
    signatures_are_checked_once,
    effects_need_a_signature,
    requests_end_once,
    nothing_follows_the_end,
    requests_do_what_they_are_for,
    answers_tell_the_truth,
    runs_are_launched_once,
    runs_belong_to_one_job,
    statuses_only_move_forward,
    ended_runs_are_not_canceled,
)


# --- the journal ------------------------------------------------------------------------------------------------------


@attrs.define
class _Journal:
    """A journal beside the history it should agree with."""

    index: _Index
    of_key: dict[str, list[JournalRow]]
    """The attempts of each key, in order."""
    foreign: bool | Collection[str]
    rerun: Collection[str]
    resolved: Collection[str]
    finished: bool
    digest: Callable[[Mapping[str, Any]], str | None] | None

    @classmethod
    def of(cls, rows: Iterable[JournalRow], index: _Index, *settings: Any) -> "_Journal":
        of_key: dict[str, list[JournalRow]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row["attempt"]):
            of_key[row["key"]].append(row)
        return cls(index, of_key, *settings)

    @property
    def rows(self) -> Iterator[JournalRow]:
        return (row for rows in self.of_key.values() for row in rows)

    def unaccounted(self) -> Iterator[StateChanged]:
        """Launches by calls that no row claims and no open attempt can stand for."""
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
        """Whether somebody else, or a workflow, started a run."""
        if launch.request is None or self.index.operation(launch.request) != "executeJob":
            return True
        return self.foreign if isinstance(self.foreign, bool) else launch.resource_id in self.foreign

    def _likeness(self, job_id: str | None, digest: str | None) -> tuple[str | None, str | None]:
        return job_id, digest if self.digest else None


def attempts_are_recorded_once(journal: _Journal) -> Findings:
    """A key has its attempts 1, 2, 3, ... once each, in phases that exist."""
    for key, rows in journal.of_key.items():
        numbers = [row["attempt"] for row in rows]
        if numbers != list(range(1, len(rows) + 1)) or any(row["phase"] not in PHASES for row in rows):
            yield f"the key {key!r} has the attempts {numbers}", tuple(rows)


def a_key_starts_once(journal: _Journal) -> Findings:
    """A key has one run at most; a further one only after an end that was to be run again."""
    for key, rows in journal.of_key.items():
        started = [row for row in rows if row["execution_id"] is not None]
        if any(row["phase"] != "ended" or row["status"] not in journal.rerun for row in started[:-1]):
            yield f"the key {key!r} was started {len(started)} times", tuple(started)


def a_run_has_one_key(journal: _Journal) -> Findings:
    """No run is claimed by two attempts."""
    owners: dict[str, list[JournalRow]] = defaultdict(list)
    for row in journal.rows:
        if row["execution_id"] is not None:
            owners[row["execution_id"]].append(row)
    for execution_id, rows in owners.items():
        if len(rows) > 1:
            yield f"the run {execution_id} is claimed {len(rows)} times", tuple(rows)


def recorded_runs_exist(journal: _Journal) -> Findings:
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


def no_accepted_run_is_lost(journal: _Journal) -> Findings:
    """A run whose id reached the client is in the journal."""
    for launch in journal.unaccounted():
        if journal.index.answered_whole(launch):
            yield f"the run {launch.resource_id} was accepted and is in no row of the journal", (launch,)


def no_run_is_started_beside(journal: _Journal) -> Findings:
    """A run that no key claims is one that an attempt of unknown outcome may have started, or a foreign one."""
    for launch in journal.unaccounted():
        if not journal.index.answered_whole(launch):
            yield f"the run {launch.resource_id} was started, and no key can be the reason", (launch,)


def awaited_runs_end_once(journal: _Journal) -> Findings:
    """Every run that was accepted ends, with the status that the service reported of it."""
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
        if row["key"] in journal.resolved and not _ENDED.intersection(reported):
            continue
        if row["status"] not in reported[-1:]:
            yield f"the key {row['key']!r} ended {row['status']}; the service reported {reported}", (row,)


_OF_JOURNAL: tuple[Callable[[_Journal], Findings], ...] = (
    attempts_are_recorded_once,
    a_key_starts_once,
    a_run_has_one_key,
    recorded_runs_exist,
    no_accepted_run_is_lost,
    no_run_is_started_beside,
    awaited_runs_end_once,
)
