"""verify_history accepts valid histories and journals, and finds each violation."""

import hashlib
import json
import sqlite3

import pytest

from dataflow_async import Journal
from dataflow_async.bulk.digests import parameters_digest
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    RequestReceived,
    ServerStarted,
    SignatureChecked,
    StateChanged,
    StatusReported,
)
from dataflow_async.emulator.audit.history_invariants import HISTORY_INVARIANTS
from dataflow_async.emulator.audit.journal_invariants import JOURNAL_INVARIANTS
from dataflow_async.emulator.audit.verify import Violation, read_journal, verify_history
from dataflow_async.wire.server_time import ServerTime

JOB, OTHER = "JobJobJobJob", "Other0ther0t"
RUNS = f"/api/v1/jobs/{JOB}/executions"


def numbered(*records):
    return [record._replace(number=number) for number, record in enumerate(records, 1)]


def launch(request, run, status=202, parameters=None, job=JOB, faults=()):
    """A launch that was answered."""
    return (
        RequestReceived(0, 0.0, request, "POST", RUNS, "executeJob", True, {}),
        SignatureChecked(0, 0.0, request, None),
        StateChanged(0, 0.0, request, "launched", "execution", run, job, parameters or {}),
        StatusReported(0, 0.0, request, ((run, "READY"),)),
        AnswerSent(0, 0.0, request, status, faults),
    )


def look(request, *statuses):
    """A look at runs that showed these statuses for the first time."""
    return (
        RequestReceived(0, 0.0, request, "GET", RUNS, "getJobExecutions", True, None),
        SignatureChecked(0, 0.0, request, None),
        *([StatusReported(0, 0.0, request, statuses)] if statuses else []),
        AnswerSent(0, 0.0, request, 200),
    )


def cancel(request, run, job=JOB):
    return (
        RequestReceived(0, 0.0, request, "POST", f"{RUNS}/{run}/cancel", "cancelJobExecution", True, None),
        SignatureChecked(0, 0.0, request, None),
        StateChanged(0, 0.0, request, "canceled", "execution", run, job),
        AnswerSent(0, 0.0, request, 200),
    )


START = ServerStarted(0, 0.0)
GOOD = numbered(
    START, *launch(1, "run1"), *launch(2, "run2"),
    *look(3, ("run1", "RUNNING"), ("run2", "DEFROSTING")),
    *cancel(4, "run2"), *look(5, ("run1", "COMPLETED"), ("run2", "CANCELED")),
)  # fmt: skip


def found(history, *arguments, **settings):
    return [violation.invariant for violation in verify_history(history, *arguments, **settings)]


def replaced(index, **members):
    """The good history with one record changed."""
    return [*GOOD[:index], GOOD[index]._replace(**members), *GOOD[index + 1 :]]


def without(index):
    return numbered(*GOOD[:index], *GOOD[index + 1 :])


def with_more(*records):
    return numbered(*GOOD, *records)


def test_a_good_history_passes():
    assert verify_history(GOOD) == [] == verify_history([])


CORRUPTED = {
    "a record is missing": ("numbers_have_no_gaps", [*GOOD[:3], *GOOD[4:]]),
    "the beginning is missing": ("numbers_have_no_gaps", GOOD[1:]),
    "a record is there twice": ("numbers_have_no_gaps", [*GOOD[:3], *GOOD[2:]]),
    "an answer to nobody": ("requests_are_received_first", with_more(SignatureChecked(0, 0, 9, None), AnswerSent(0, 0, 9, 200))),
    "a request received twice": ("requests_are_received_first", with_more(GOOD[1])),
    "no verdict": ("signatures_are_checked_once", without(2)),
    "two verdicts": ("signatures_are_checked_once", with_more(SignatureChecked(0, 0, 1, None))),
    "an effect of a forged request": ("effects_need_a_signature", replaced(2, objection="The signature does not fit.")),
    "no answer": ("requests_end_once", without(5)),
    "two answers": ("requests_end_once", with_more(AnswerSent(0, 0, 1, 202))),
    "answered and lost": ("requests_end_once", with_more(AnswerLost(0, 0, 1, "reset"))),
    "an effect after the answer": ("nothing_follows_the_end", with_more(StatusReported(0, 0, 1, (("run1", "COMPLETED"),)))),
    "two runs of one request": (
        "requests_do_what_they_are_for",
        numbered(START, *launch(1, "run1")[:3], *launch(1, "run3")[2:3], AnswerSent(0, 0, 1, 202)),
    ),
    "a reader that deletes": (
        "requests_do_what_they_are_for",
        numbered(*look(1)[:2], StateChanged(0, 0, 1, "deleted", "job", JOB), AnswerSent(0, 0, 1, 200)),
    ),
    "a refusal with an effect": ("answers_agree_with_effects", replaced(5, status=400)),
    "a throttled launch with an effect": ("answers_agree_with_effects", replaced(5, status=429, faults=("429",))),
    "a success without an effect": ("answers_agree_with_effects", numbered(*launch(1, "run1")[:2], AnswerSent(0, 0, 1, 202))),
    "an id that is given twice": ("runs_are_launched_once", with_more(*launch(6, "run1"))),
    "a run from nowhere": ("runs_are_launched_once", with_more(*look(6, ("run9", "READY")))),
    "a run canceled under another job": (
        "runs_belong_to_one_job",
        numbered(*launch(1, "run1"), *cancel(2, "run1", job=OTHER)),
    ),
    "a run that starts again": ("statuses_only_move_forward", numbered(*launch(1, "run1"), *look(2, ("run1", "RUNNING")), *look(3, ("run1", "READY")))),
    "a run that is alive after its end": ("statuses_only_move_forward", with_more(*look(6, ("run1", "RUNNING")))),
    "a run with two ends": ("statuses_only_move_forward", with_more(*look(6, ("run1", "FAILED")))),
    "a cancel after the end": ("ended_runs_are_not_canceled", with_more(*cancel(6, "run1"))),
}  # fmt: skip


@pytest.mark.parametrize(("invariant", "history"), CORRUPTED.values(), ids=CORRUPTED)
def test_a_corrupted_history_is_rejected(invariant, history):
    assert invariant in found(history)


def test_each_invariant_of_histories_has_its_corruption_and_says_what_it_found():
    assert {it.__name__ for it in HISTORY_INVARIANTS} == {invariant for invariant, _ in CORRUPTED.values()}
    (violation,) = verify_history(replaced(5, status=400))
    assert violation == Violation(
        "answers_agree_with_effects",
        "request 1 was refused and had an effect",
        (GOOD[3], GOOD[5]._replace(status=400)),
    )


def test_requests_interrupted_by_a_restart_need_no_answer():
    assert verify_history(numbered(START, *launch(1, "run1")[:3], START, *look(2, ("run1", "READY")))) == []
    assert found(numbered(START, *launch(1, "run1")[:3])) == ["requests_end_once"]


def test_a_restored_run_needs_no_launch():
    restored = StateChanged(0, 0.0, None, "restored", "execution", "run1", JOB)
    seen = look(1, ("run1", "COMPLETED"))
    assert (
        verify_history(numbered(START, restored, *seen))
        == []
        == verify_history(numbered(*launch(2, "run1"), restored, *seen))
    )
    assert found(numbered(START, *seen, restored)) == ["runs_are_launched_once"]


# --- with a journal ---------------------------------------------------------------------------------------------------


def row(key, phase="ended", run=None, status="COMPLETED", attempt=1, job=JOB, parameters=None):
    return {
        "key": key, "attempt": attempt, "job_id": job, "execution_id": run, "phase": phase,
        "status": status if phase == "ended" else None, "parameters": parameters,
    }  # fmt: skip


GOOD_ROWS = [row("a", run="run1"), row("b", run="run2", status="CANCELED")]


def test_a_good_journal_passes():
    assert verify_history(GOOD, GOOD_ROWS) == []
    refused = [*GOOD_ROWS, row("c", "rejected"), row("d", "not_sent"), row("c", "unknown", attempt=2)]
    assert verify_history(GOOD, refused) == []


LOST_ANSWER = numbered(*GOOD, *launch(6, "run3")[:4], AnswerLost(0, 0, 6, "reset", ("reset",)))
AGAIN = numbered(*GOOD, *launch(6, "run3"), *look(7, ("run3", "COMPLETED")))
BAD_JOURNALS = {
    "an attempt is missing": ("attempts_are_recorded_once", GOOD, [row("a", run="run1", attempt=2), GOOD_ROWS[1]]),
    "an attempt ended twice": ("attempts_are_recorded_once", GOOD, [*GOOD_ROWS, GOOD_ROWS[0]]),
    "a phase that is none": ("attempts_are_recorded_once", GOOD, [*GOOD_ROWS, row("c", "resting")]),
    "a key that was started twice": ("a_key_starts_once", AGAIN, [*GOOD_ROWS, row("a", run="run3", attempt=2)]),
    "a run of two keys": ("a_run_has_one_key", GOOD, [*GOOD_ROWS, row("c", run="run1")]),
    "a run that never was": ("recorded_runs_exist", GOOD, [*GOOD_ROWS, row("c", "accepted", run="run9")]),
    "a run of another job": ("recorded_runs_exist", GOOD, [row("a", run="run1", job=OTHER), GOOD_ROWS[1]]),
    "a refused attempt with a run": ("recorded_runs_exist", GOOD, [row("a", "rejected", run="run1"), GOOD_ROWS[1]]),
    "an end of nothing": ("recorded_runs_exist", GOOD, [*GOOD_ROWS, row("c")]),
    "an accepted id that is lost": ("no_accepted_run_is_lost", GOOD, [GOOD_ROWS[0]]),
    "an empty journal": ("no_accepted_run_is_lost", GOOD, []),
    "a key that counts as refused and ran": ("no_run_is_started_beside", LOST_ANSWER, [*GOOD_ROWS, row("c", "rejected")]),
    "a relaunch of what had run": (
        "no_run_is_started_beside",
        numbered(*LOST_ANSWER, *launch(7, "run4"), *look(8, ("run4", "FAILED"))),
        [*GOOD_ROWS, row("c", "unknown"), row("c", run="run4", status="FAILED", attempt=2)],
    ),
    "a run nobody waited for": ("awaited_runs_end_once", GOOD, [row("a", "accepted", run="run1"), GOOD_ROWS[1]]),
    "another end than the service told": ("awaited_runs_end_once", GOOD, [row("a", run="run1", status="FAILED"), GOOD_ROWS[1]]),
    "an end that nobody told": ("awaited_runs_end_once", numbered(*launch(1, "run1")), [row("a", run="run1")]),
}  # fmt: skip


@pytest.mark.parametrize(("invariant", "history", "rows"), BAD_JOURNALS.values(), ids=BAD_JOURNALS)
def test_a_bad_journal_is_rejected(invariant, history, rows):
    assert invariant in found(history, rows)
    assert verify_history(history) == []


def test_each_invariant_of_journals_has_its_corruption():
    assert {it.__name__ for it in JOURNAL_INVARIANTS} == {it[0] for it in BAD_JOURNALS.values()}


def test_an_attempt_of_unknown_outcome_accounts_for_one_run():
    assert verify_history(LOST_ANSWER, [*GOOD_ROWS, row("c", "unknown")]) == []
    assert verify_history(LOST_ANSWER, [*GOOD_ROWS, row("c", "intent")]) == []
    assert found(LOST_ANSWER, [*GOOD_ROWS, row("c", "unknown", job=OTHER)]) == ["no_run_is_started_beside"]


def digest(parameters):
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


def test_digests_limit_an_open_attempt_to_runs_with_equal_parameters():
    history = numbered(
        *launch(1, "run3", parameters={"day": "1"})[:4], AnswerLost(0, 0, 1, "reset", ("reset",))
    )

    same, other = (row("c", "unknown", parameters=digest({"day": day})) for day in "12")
    assert verify_history(history, [same], digest=digest) == []
    assert found(history, [other], digest=digest) == ["no_run_is_started_beside"]
    assert verify_history(history, [other]) == []


def test_foreign_runs_must_be_named():
    assert found(GOOD, GOOD_ROWS[:1], foreign={"run9"}) == ["no_accepted_run_is_lost"]
    assert (
        verify_history(GOOD, GOOD_ROWS[:1], foreign={"run2"})
        == []
        == verify_history(GOOD, GOOD_ROWS[:1], foreign=True)
    )
    workflow = StateChanged(0, 0.0, None, "launched", "execution", "run7", JOB, {})
    assert verify_history(numbered(*GOOD, workflow), GOOD_ROWS) == []


def test_a_key_may_run_again_after_an_end_that_was_named():
    again = [row("a", run="run2", status="CANCELED"), row("a", run="run1", attempt=2)]
    assert found(GOOD, again) == found(GOOD, again, rerun={"FAILED"}) == ["a_key_starts_once"]
    assert verify_history(GOOD, again, rerun={"CANCELED"}) == []


def test_an_interrupted_bulk_run_may_have_runs_without_an_end():
    rows = [row("a", "accepted", run="run1"), GOOD_ROWS[1]]
    assert verify_history(GOOD, rows, finished=False) == []


def test_an_end_that_a_person_recorded_need_not_be_reported_but_must_not_be_another():
    never_reported = numbered(*launch(1, "run1"))
    rows = [row("a", run="run1")]
    assert (
        found(never_reported, rows)
        == found(never_reported, rows, resolved={"b"})
        == ["awaited_runs_end_once"]
    )
    assert verify_history(never_reported, rows, resolved={"a"}) == []

    assert verify_history(GOOD, GOOD_ROWS, resolved={"a", "b"}) == []
    otherwise = [row("a", run="run1", status="FAILED"), GOOD_ROWS[1]]
    assert found(GOOD, otherwise, resolved={"a"}) == ["awaited_runs_end_once"]


async def test_a_journal_that_a_person_resolved_is_accepted_if_the_keys_are_named(api, server, tmp_path):
    path, job = tmp_path / "journal.db", await api.job()
    writer = await JournalWriter.open(path, base_url=server.url, access_key=server.access_key)
    now = ServerTime(server.clock.time(), server.clock.time())
    try:
        await writer.intend("a", job, b"settings", None, now)
        run = (await api.ok("executeJob", job))["jobExecutionId"]
        await writer.accepted("a", 1, run, at=now.later, created=None)
    finally:
        await writer.aclose()
    await api.ok("deleteJob", job)
    with Journal.open(path) as journal:
        journal.resolve("a", status="COMPLETED")

    assert found(server.history, read_journal(path)) == ["awaited_runs_end_once"]
    assert verify_history(server.history, read_journal(path), resolved={"a"}) == []


async def test_a_journal_that_bulk_runs_write_is_read_and_accepted(api, server, clock, tmp_path):
    path = tmp_path / "journal.db"
    job = await api.job()
    writer = await JournalWriter.open(path, base_url=server.url, access_key=server.access_key)
    now = ServerTime(clock.time(), clock.time())
    try:
        runs = {}
        for key, day in (("a", {"day": "1"}), ("b", {"day": "2"}), ("c", {"day": "3"})):
            await writer.intend(key, job, b"settings", parameters_digest(day), now)
            runs[key] = (await api.ok("executeJob", job, body={"parameters": day}))["jobExecutionId"]
        await writer.intend("d", job, b"settings", None, now)
        await writer.rejected("d", 1, "QuotaExceeded")
        await writer.accepted("a", 1, runs["a"], at=now.later, created=None)
        await writer.accepted("b", 1, runs["b"], at=now.later, created=None)
        await writer.unknown("c", 1, clock.time())
        assert verify_history(server.history, read_journal(path), finished=False, digest=journal_digest) == []
        await clock.push(60)
        for key in "ab":
            await writer.ended(key, 1, await api.status(job, runs[key]), clock.time())
    finally:
        await writer.aclose()

    rows = read_journal(path)
    assert [(it["key"], it["phase"], it["execution_id"]) for it in rows] == [
        ("a", "ended", runs["a"]), ("b", "ended", runs["b"]), ("c", "unknown", None), ("d", "rejected", None),
    ]  # fmt: skip
    assert rows[0]["parameters"] == journal_digest({"day": "1"}) and rows[3]["parameters"] is None
    assert verify_history(server.history, rows, digest=journal_digest) == []
    assert found(server.history, rows[1:], digest=journal_digest) == ["no_accepted_run_is_lost"]
    with pytest.raises(sqlite3.Error):
        read_journal(tmp_path / "nothing.db")
    assert not (tmp_path / "nothing.db").exists()


def journal_digest(parameters):
    digest = parameters_digest(parameters)
    return digest and digest.hex()


async def test_a_real_history_passes_and_a_changed_one_does_not(api, server, clock):
    job = await api.job()
    run = (await api.ok("executeJob", job))["jobExecutionId"]
    await clock.push(60)
    await api.status(job, run)

    rows = [row("a", run=run, job=job)]
    assert verify_history(server.history, rows) == []
    doctored = [
        it._replace(statuses=((run, "FAILED"),)) if isinstance(it, StatusReported) and it.request > 2 else it
        for it in server.history
    ]
    assert found(doctored, rows) == ["awaited_runs_end_once"]


async def test_a_double_launch_is_found():
    async with Emulator(faults="executeJob close after x1") as server, server.client() as flow:
        job = await flow.jobs.create("orders_rollup", type="SCRIPT")
        for _ in range(2):
            try:
                run = await flow.jobs.execute(job.job_id)
            except Exception:
                continue
    rows = [row("a", "accepted", run=run.job_execution_id, job=job.job_id)]
    assert found(server.history, rows, finished=False) == ["no_run_is_started_beside"]
