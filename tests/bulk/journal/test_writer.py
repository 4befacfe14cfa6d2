"""The journal: what is reported durable is there after any crash, and nobody else writes meanwhile."""

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from random import Random

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import dataflow_async
from dataflow_async import InvalidRequest, Journal, JournalError, defaults
from dataflow_async.bulk.journal import opening
from dataflow_async.bulk.journal.lock import Lock
from dataflow_async.bulk.journal.store import JournalStore
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase, KeyRepeated, KnownRun
from dataflow_async.wire.server_time import ServerTime
from tests.support.examples import example_count

ROOT = Path(dataflow_async.__file__).parents[1]
URL = "https://dataflow.apigw.ntruss.com"
ACCESS = "ACCESS-KEY-ID"
SETTINGS, OTHER_SETTINGS = b"s" * 16, b"t" * 16
PARAMETERS, OTHER_PARAMETERS = b"p" * 16, b"\x00q" * 8
JOB = "Jq3kT9vLmN2x"
NOW = 1_790_000_000.25


@pytest.fixture
def path(tmp_path):
    return tmp_path / "backfill.db"


@asynccontextmanager
async def writing(path, *, base_url=URL, access_key=ACCESS):
    writer = await JournalWriter.open(path, base_url=base_url, access_key=access_key)
    try:
        yield writer
    finally:
        await writer.aclose()


def at(earlier, later=None):
    return ServerTime(earlier, earlier + 1.5 if later is None else later)


def intend(writer, key, job_id=JOB, since=NOW, parameters=PARAMETERS):
    return writer.intend(key, job_id, SETTINGS, parameters, at(since))


def accept(writer, key, attempt, execution_id):
    return writer.accepted(key, attempt, execution_id, at=NOW + 2, created="2026-09-21T13:46:42")


def intent(key, **changed):
    since = changed.setdefault("intended_from", NOW)
    changed.setdefault("intended_until", since + 1.5)
    if "execution_id" in changed:
        changed = {"accepted_at": NOW + 2, "created": "2026-09-21T13:46:42"} | changed
    return attrs.evolve(
        JournalEntry(key, 1, JOB, SETTINGS, PARAMETERS, JournalPhase.INTENT, NOW, NOW), **changed
    )


def entries(path):
    with Journal.open(path) as journal:
        return list(journal.rows())


async def refused(path, **whose):
    """The one line with which a writer is refused."""
    with pytest.raises(InvalidRequest) as caught:
        await JournalWriter.open(path, **{"base_url": URL, "access_key": ACCESS} | whose)
    assert caught.value.field == "journal"
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is written ---------------------------------------------------------------------------------------


async def test_an_intent_is_recorded_once_and_a_known_key_gives_its_latest_entry(path):
    async with writing(path) as writer:
        assert await intend(writer, "a") is None
        assert entries(path) == [intent("a")]
    async with writing(path) as writer:
        assert await writer.intend("a", "other", OTHER_SETTINGS, None, at(NOW + 9)) == intent("a")
        assert entries(path) == [intent("a")]
        await accept(writer, "a", 1, "e1")
        await writer.ended("a", 1, "FAILED", NOW + 60)
        ended = intent("a", phase=JournalPhase.ENDED, execution_id="e1", status="FAILED", ended_at=NOW + 60)
        further = await writer.next_attempt(ended, at(NOW + 70), OTHER_SETTINGS, None)
    async with writing(path) as writer:
        assert await intend(writer, "a") == further
    assert further == intent("a", attempt=2, intended_from=NOW + 70, settings=OTHER_SETTINGS, parameters=None)
    assert entries(path) == [ended, further]


OUTCOMES = {
    "accepted": (lambda w: accept(w, "a", 1, "e1"), {"phase": JournalPhase.ACCEPTED, "execution_id": "e1"}),
    "rejected": (
        lambda w: w.rejected("a", 1, "BadRequest"),
        {"phase": JournalPhase.REJECTED, "status": "BadRequest"},
    ),
    "not sent": (
        lambda w: w.not_sent("a", 1, "NotSent"),
        {"phase": JournalPhase.NOT_SENT, "status": "NotSent"},
    ),
    "unknown": (lambda w: w.unknown("a", 1, NOW + 3), {"phase": JournalPhase.UNKNOWN, "sent_by": NOW + 3}),
    "unknown since": (lambda w: w.unknown("a", 1, None), {"phase": JournalPhase.UNKNOWN}),
    "ended": (
        lambda w: asyncio.gather(accept(w, "a", 1, "e1"), w.ended("a", 1, "COMPLETED", NOW + 5)),
        {"phase": JournalPhase.ENDED, "execution_id": "e1", "status": "COMPLETED", "ended_at": NOW + 5},
    ),
}


@pytest.mark.parametrize(("record", "changed"), OUTCOMES.values(), ids=OUTCOMES)
async def test_an_outcome_is_there_as_soon_as_it_was_awaited_and_after_the_end(path, record, changed):
    async with writing(path) as writer:
        await intend(writer, "a")
        await intend(writer, "b")
        await record(writer)
        assert entries(path) == [intent("a", **changed), intent("b")]
    assert entries(path) == [intent("a", **changed), intent("b")]
    async with writing(path) as writer:
        assert await intend(writer, "a") == intent("a", **changed)


@pytest.mark.parametrize(
    "phase", [JournalPhase.INTENT, JournalPhase.UNKNOWN, JournalPhase.REJECTED, JournalPhase.NOT_SENT]
)
@pytest.mark.parametrize("since", [NOW + 10, NOW - 10])
@pytest.mark.parametrize("may_have_run", [True, False])
async def test_an_attempt_that_goes_out_again_may_have_been_sent_since_its_first_time(
    path, phase, since, may_have_run
):
    async with writing(path) as writer:
        await intend(writer, "a")
        if phase is not JournalPhase.INTENT:
            await getattr(writer, phase)("a", 1, "x" if phase is not JournalPhase.UNKNOWN else NOW + 3)
        (before,) = entries(path)
        assert before.phase is phase
        before = attrs.evolve(before, parameters=OTHER_PARAMETERS)
        again = await writer.intend_again(before, at(since), may_have_run=may_have_run)
        kept = min(since, NOW) if may_have_run else since
        expected = intent("a", intended_from=kept, intended_until=since + 1.5, parameters=OTHER_PARAMETERS)
        assert again == expected
        assert entries(path) == [again]


async def test_an_intent_is_widened_before_it_is_sent_under_another_clock(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        await writer.resend("a", 1, ServerTime(NOW - 7200, NOW - 7198))
        assert entries(path) == [intent("a", intended_from=NOW - 7200, intended_until=NOW + 1.5)]
        await writer.resend("a", 1, ServerTime(NOW, NOW + 60))
        assert entries(path) == [intent("a", intended_from=NOW - 7200, intended_until=NOW + 60)]
        await accept(writer, "a", 1, "e")
        with pytest.raises(JournalError, match="not as it was recorded"):
            await writer.resend("a", 1, at(NOW))


@pytest.mark.parametrize("earlier", [float("-inf"), -0.0, 0.0])
async def test_nothing_was_heard_before_the_first_intent(path, earlier):
    async with writing(path) as writer:
        await intend(writer, "a", since=earlier)
        assert entries(path) == [intent("a", intended_from=earlier, intended_until=earlier + 1.5)]


async def test_outcomes_of_one_launch_in_one_group_count_in_their_order(path):
    async with writing(path) as writer:
        await asyncio.gather(
            intend(writer, "a"),
            intend(writer, "b"),
            accept(writer, "a", 1, "e1"),
            writer.unknown("b", 1, NOW),
            writer.ended("a", 1, "COMPLETED", NOW + 1),
            accept(writer, "b", 1, "e2"),
        )
    assert [(entry.key, entry.phase, entry.execution_id, entry.sent_by) for entry in entries(path)] == [
        ("a", "ended", "e1", None),
        ("b", "accepted", "e2", None),
    ]


@pytest.mark.parametrize("together", [True, False])
async def test_a_run_has_each_key_once(path, together):
    """The journal is what a run's keys are kept in: no other room is needed for them."""
    for known in (None, intent("a"), intent("a")):
        async with writing(path) as writer:
            if together:
                found = await asyncio.gather(intend(writer, "a"), intend(writer, "a"), return_exceptions=True)
                assert found[0] == known
                assert isinstance(found[1], KeyRepeated)
            else:
                assert await intend(writer, "a") == known
                await writer.unknown("a", 1, None)
                await writer.intend_again(intent("a", phase=JournalPhase.UNKNOWN), at(NOW), may_have_run=True)
                with pytest.raises(KeyRepeated):
                    await intend(writer, "a")
            assert await intend(writer, "b") == (known and intent("b"))


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 200])
async def test_groups_of_every_size_are_written_whole(path, size):
    keys = [f"key-{n:03}" for n in range(size)]
    async with writing(path) as writer:
        await asyncio.gather(*(intend(writer, key) for key in keys))
        await asyncio.gather(*(accept(writer, key, 1, f"run of {key}") for key in keys))
    async with writing(path) as writer:
        known = await asyncio.gather(*(intend(writer, key) for key in keys))
    assert known == [intent(key, phase=JournalPhase.ACCEPTED, execution_id=f"run of {key}") for key in keys]
    assert entries(path) == known


async def test_writes_of_one_moment_share_a_commit(path, monkeypatch):
    sizes = []
    commit = JournalStore.commit
    monkeypatch.setattr(
        JournalStore,
        "commit",
        lambda self, group: (sizes.append(len(group)), commit(self, group))[1],
    )
    async with writing(path) as writer:
        await asyncio.gather(*(intend(writer, str(n)) for n in range(500)))
    assert sizes == [500]


async def test_while_a_group_is_written_the_loop_goes_on_and_the_next_group_gathers(path, monkeypatch):
    import threading

    go_on = threading.Event()
    groups = []
    commit = JournalStore.commit

    def slow(self, group):
        groups.append([operation.key for operation in group])
        assert go_on.wait(10)
        commit(self, group)

    monkeypatch.setattr(JournalStore, "commit", slow)
    async with writing(path) as writer:
        first = asyncio.create_task(intend(writer, "first"))
        while not groups:
            await asyncio.sleep(0)
        later = [asyncio.create_task(intend(writer, key)) for key in "abc"]
        while not writer.commits.is_collecting:
            await asyncio.sleep(0)
        while writer.commits.is_collecting:
            await asyncio.sleep(0.001)
        assert len(groups) == 1 and not first.done()
        later.append(asyncio.create_task(intend(writer, "d")))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, *later)
    assert groups == [["first"], ["a", "b", "c", "d"]]


async def test_cancelling_who_waits_does_not_cancel_the_write(path):
    async with writing(path) as writer:
        task = asyncio.create_task(intend(writer, "a"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await intend(writer, "b")
        assert [entry.key for entry in entries(path)] == ["a", "b"]


async def test_text_that_utf8_has_no_form_for_is_written_readably(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        await accept(writer, "a", 1, "e\ud800")
        assert [run.execution_id for run in await writer.known_runs(JOB)] == ["e\\ud800"]
        await writer.ended("a", 1, "DONE\udfff", NOW)
    assert entries(path)[0].status == "DONE\\udfff"


# --- questions ---------------------------------------------------------------------------------------------


async def test_what_is_known_of_the_runs_of_a_job(path):
    async with writing(path) as writer:
        for n, key in enumerate("cba"):
            await intend(writer, key, since=NOW + n)
        await intend(writer, "other", job_id="another job")
        await accept(writer, "other", 1, "e9")
        await accept(writer, "c", 1, "e0")
        await writer.ended("c", 1, "FAILED", NOW + 60)
        await writer.unknown("a", 1, NOW + 30)
        await writer.accepted("a", 1, "e2", at=NOW + 40, created=None, adopted=True)
        await writer.next_attempt(entries(path)[2], at(NOW + 70), SETTINGS, PARAMETERS)
        assert await writer.known_runs(JOB) == [
            KnownRun("e0", "c", NOW, NOW + 1.5, NOW + 2, "2026-09-21T13:46:42", adopted=False, ended=True),
            KnownRun("e2", "a", NOW + 2, NOW + 3.5, NOW + 40, None, adopted=True, ended=False),
        ]
        assert await writer.known_runs("no such job") == []


PHASES = {
    "intent": lambda _, __: asyncio.sleep(0),
    "accepted": lambda w, k: accept(w, k, 1, "e1"),
    "rejected": lambda w, k: w.rejected(k, 1, "BadRequest"),
    "not_sent": lambda w, k: w.not_sent(k, 1, "NotSent"),
    "unknown": lambda w, k: w.unknown(k, 1, None),
}
WRONG = {
    "accepted": ("accepted", "rejected", "not_sent"),
    "rejected": ("accepted", "rejected", "not_sent"),
    "not_sent": ("accepted", "rejected", "not_sent"),
    "unknown": ("accepted", "rejected", "not_sent"),
    "ended": ("intent", "rejected", "not_sent", "unknown"),
}


@pytest.mark.parametrize(("then", "was"), [(then, was) for then, some in WRONG.items() for was in some])
async def test_an_outcome_is_recorded_only_over_a_phase_that_it_can_follow(path, was, then):
    """Two who think that they write to one journal must not undo each other's outcomes."""
    async with writing(path) as writer:
        await intend(writer, "a")
        await PHASES[was](writer, "a")
        before = entries(path)
        with pytest.raises(JournalError, match="not as it was recorded"):
            if then == "ended":
                await writer.ended("a", 1, "FAILED", NOW)
            else:
                await PHASES[then](writer, "a")
    assert entries(path) == before


async def test_an_attempt_goes_out_again_only_from_the_phase_that_was_read(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        await accept(writer, "a", 1, "e1")
        with pytest.raises(JournalError, match="not as it was recorded"):
            await writer.intend_again(intent("a", phase=JournalPhase.UNKNOWN), at(NOW), may_have_run=True)


async def test_who_is_no_longer_the_opener_writes_nothing_more(path, tmp_path, monkeypatch):
    """Should a lock ever fail, the one who came first must not go on beside the second."""
    async with writing(path) as first:
        await intend(first, "a")
        shutil.copy(f"{path}-lock", tmp_path / "other-lock")
        monkeypatch.setattr(opening, "take_lock", lambda _: Lock.take(tmp_path / "other-lock"))
        async with writing(path) as second:
            with pytest.raises(JournalError, match="another run has opened it meanwhile"):
                await intend(first, "b")
            assert await intend(second, "c") is None
    assert [entry.key for entry in entries(path)] == ["a", "c"]


async def test_how_many_keys_carry_the_same_parameters(path):
    async with writing(path) as writer:
        for key in "ab":
            await intend(writer, key)
        await intend(writer, "c", parameters=OTHER_PARAMETERS)
        await intend(writer, "d", parameters=None)
        await intend(writer, "e", job_id="another job", parameters=OTHER_PARAMETERS)
        await writer.next_attempt(intent("a"), at(NOW), SETTINGS, PARAMETERS)
        digests = [PARAMETERS, OTHER_PARAMETERS, b"n" * 16]
        assert await writer.count_parameters(JOB, digests) == dict(zip(digests, (2, 1, 0), strict=True))
        assert await writer.count_parameters(JOB, []) == {}


# --- whose it is -------------------------------------------------------------------------------------------


async def test_it_opens_again_for_the_same_service_however_its_address_is_written(path):
    async with writing(path, base_url=URL):
        pass
    async with writing(path, base_url=f"{URL}/api/v1/"):
        pass
    with Journal.open(path) as journal:
        assert (journal.base_url, journal.access_keys, journal.format) == (URL, (ACCESS,), 2)


async def test_it_is_refused_for_another_service_or_account(path):
    async with writing(path):
        pass
    async with writing(path) as writer:
        await intend(writer, "a")
    assert await refused(path, base_url="http://127.0.0.1:8787") == (
        f"journal: {path} can't be used: it belongs to service {URL}, and this client uses http://127.0.0.1:8787"
    )
    assert (await refused(path, access_key="OTHER")).startswith(
        f"journal: {path} can't be used: it belongs to access key {ACCESS}, and this client uses OTHER"
    )
    async with writing(path):  # neither of them holds it
        pass


def spoiled(path, statement):
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


SPOILED = {
    "PRAGMA user_version = 3": "it has format 3, and this version reads format 2 only;"
    " finish it with the version that made it",
    "PRAGMA application_id = 7": "it is another program's SQLite database, not a journal",
    "DELETE FROM header": "it holds what no journal holds",
    "DROP TABLE header": "no such table: header",
}


@pytest.mark.parametrize(("statement", "reason"), SPOILED.items())
async def test_what_is_not_a_journal_of_this_format_is_refused(path, statement, reason):
    async with writing(path):
        pass
    spoiled(path, statement)
    assert await refused(path) == f"journal: {path} can't be used: {reason}"
    with pytest.raises(InvalidRequest, match=reason):
        Journal.open(path)


async def test_a_journal_of_format_1_is_refused_and_left_as_it_is(path):
    old = Path(__file__).with_name("data") / "journal-format-1.sqlite"
    shutil.copy(old, path)
    reason = "it has format 1, and this version reads format 2 only; finish it with the version that made it"
    assert await refused(path) == f"journal: {path} can't be used: {reason}"
    with pytest.raises(InvalidRequest, match=reason):
        Journal.open(path)
    assert path.read_bytes() == old.read_bytes()


async def test_another_file_is_refused_and_left_as_it_is(path):
    path.write_bytes(b"day,job\n" * 1000)
    assert await refused(path) == f"journal: {path} can't be used: it is not a journal"
    with pytest.raises(InvalidRequest, match="it is not a journal"):
        Journal.open(path)
    assert path.read_bytes() == b"day,job\n" * 1000
    path.unlink()
    spoiled(path, "CREATE TABLE orders (id)")
    assert "another program's SQLite database" in await refused(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
async def test_a_pipe_is_refused_and_nothing_is_put_beside_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert await refused(tmp_path / "pipe") == (
        f"journal: {tmp_path / 'pipe'} can't be used: it is a device or a pipe, not a file"
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "pipe"]


async def test_places_where_no_file_can_be_are_refused(tmp_path):
    assert await refused(tmp_path) == f"journal: {tmp_path} can't be used: it is a directory"
    assert await refused(tmp_path / "no" / "j") == (
        f"journal: {tmp_path / 'no' / 'j'} can't be used: No such file or directory"
    )
    (tmp_path / "file").touch()
    assert "Not a directory" in await refused(tmp_path / "file" / "j")
    assert await refused(5) == "journal must be the path of a file, got 5"
    assert await refused("a\0b") == "journal must be the path of a file, got 'a\\x00b'"


def test_what_is_not_there_can_not_be_read(tmp_path):
    with pytest.raises(InvalidRequest, match="there is no such file") as caught:
        Journal.open(tmp_path / "none")
    assert caught.value.field == "journal"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").touch()
    with pytest.raises(InvalidRequest, match="it is empty"):
        Journal.open(tmp_path / "empty")


async def test_an_empty_file_becomes_a_private_journal(path):
    path.touch(0o644)
    async with writing(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_all_its_files_are_private_from_their_first_moment(path, monkeypatch):
    made = {}
    opened = os.open

    def spy(file, flags, mode=0o777, **more):
        if flags & os.O_CREAT:
            made[Path(file).name] = mode
        return opened(file, flags, mode, **more)

    monkeypatch.setattr(os, "open", spy)
    before = os.umask(0)
    try:
        async with writing(path) as writer:
            await intend(writer, "a")
            files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    names = {"backfill.db", "backfill.db-lock", "backfill.db-shm", "backfill.db-wal"}
    assert files == dict.fromkeys(names, 0o600)
    assert made == dict.fromkeys({"backfill.db", "backfill.db-lock"}, 0o600)
    assert {file.name for file in path.parent.iterdir()} == {"backfill.db", "backfill.db-lock"}


async def test_every_commit_reaches_the_disk(path):
    async with writing(path) as writer:
        modes = await writer.read(
            lambda db: [
                db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
            ],
        )
    assert modes == ["wal", 2]


# --- one writer --------------------------------------------------------------------------------------------


async def test_a_second_writer_in_this_process_is_refused_until_the_first_has_closed(path):
    link = path.with_name("link.db")
    async with writing(path):
        link.symlink_to(path)
        for name in (path, link, os.path.relpath(path), os.fsencode(path)):
            assert await refused(name) == (
                f"journal: {path} can't be used: another run, in this process or another, is writing to it"
            )
    async with writing(link):
        assert "is writing to it" in await refused(path)


HOLD = """
import asyncio, sys
from dataflow_async.bulk.journal.writer import JournalWriter

async def main():
    writer = await JournalWriter.open(sys.argv[1], base_url=sys.argv[2], access_key=sys.argv[3])
    print("held", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def child(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        text=True,
    )


async def test_a_writer_in_another_process_is_refused_until_the_first_is_gone(path):
    with child(HOLD, path, URL, ACCESS) as process:
        assert process.stdout.readline() == "held\n"
        assert "is writing to it" in await refused(path)
        assert entries(path) == []
        process.kill()
        process.wait()
        async with writing(path) as writer:
            assert await intend(writer, "a") is None


async def test_an_attempt_from_this_process_does_not_let_one_from_another_in(path):
    """A process loses all its locks on a file when it closes any handle of that file."""
    async with writing(path):
        await refused(path)
        with child(HOLD, path, URL, ACCESS) as process:
            said = process.stdout.readline()
            process.kill()
        assert said == ""


async def test_a_cancelled_opening_holds_nothing(path):
    opening = asyncio.create_task(JournalWriter.open(path, base_url=URL, access_key=ACCESS))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    for _ in range(1000):
        try:
            writer = await JournalWriter.open(path, base_url=URL, access_key=ACCESS)
            break
        except InvalidRequest:
            await asyncio.sleep(0.001)
    await writer.aclose()


# --- the end -----------------------------------------------------------------------------------------------


async def test_what_is_queued_is_written_before_it_closes(path):
    writer = await JournalWriter.open(path, base_url=URL, access_key=ACCESS)
    writes = [asyncio.create_task(intend(writer, key)) for key in "abc"]
    await asyncio.sleep(0)
    await asyncio.gather(writer.aclose(), writer.aclose())
    await writer.aclose()
    assert await asyncio.gather(*writes) == [None] * 3
    assert [entry.key for entry in entries(path)] == ["a", "b", "c"]
    with pytest.raises(JournalError, match="is closed"):
        await intend(writer, "d")


async def test_closing_goes_on_when_who_waits_for_it_is_cancelled(path):
    writer = await JournalWriter.open(path, base_url=URL, access_key=ACCESS)
    write = asyncio.create_task(intend(writer, "a"))
    closing = asyncio.create_task(writer.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await writer.aclose()
    assert await write is None
    async with writing(path):
        pass


async def test_a_full_disk_fails_every_waiter_and_all_that_comes_later(path):
    async with writing(path) as writer:
        await intend(writer, "kept")
        pages = await writer.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await writer.read(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        writes = [intend(writer, "x" * 100 + str(n)) for n in range(200)]
        results = await asyncio.wait_for(asyncio.gather(*writes, return_exceptions=True), 10)
        words = f"journal {path} can't be written: database or disk is full"
        assert {(type(result), str(result)) for result in results} == {(JournalError, words)}
        assert len({id(result) for result in results}) == 200
        for call in (
            intend(writer, "later"),
            accept(writer, "kept", 1, "e"),
            writer.known_runs(JOB),
        ):
            with pytest.raises(JournalError, match="disk is full"):
                await asyncio.wait_for(call, 10)
    assert entries(path) == [intent("kept")]
    async with writing(path) as writer:
        assert await intend(writer, "later") is None


async def test_a_failure_reaches_those_who_queued_while_it_happened(path, monkeypatch):
    def fails(self, group):
        raise sqlite3.OperationalError("disk I/O error")

    async with writing(path) as writer:
        monkeypatch.setattr(JournalStore, "commit", fails)
        first = asyncio.create_task(intend(writer, "a"))
        while not writer.commits.is_committing:
            await asyncio.sleep(0)
        second = asyncio.create_task(intend(writer, "b"))
        await asyncio.sleep(0)
        for task in (first, second):
            with pytest.raises(JournalError, match="disk I/O error") as caught:
                await task
            assert caught.value.__cause__ is None and caught.value.__context__ is None


@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_outcome_without_its_intent_fails_the_journal(path, attempt):
    async with writing(path) as writer:
        await intend(writer, "a")
        with pytest.raises(JournalError, match="a launch is not as it was recorded"):
            await accept(writer, "a" if attempt == 2 else "b", attempt, "e")


async def test_a_further_attempt_never_replaces_one_that_is_there(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        await writer.next_attempt(intent("a"), at(NOW), SETTINGS, None)
        await accept(writer, "a", 2, "e2")
        with pytest.raises(JournalError, match="UNIQUE"):
            await writer.next_attempt(intent("a"), at(NOW), SETTINGS, None)
    assert entries(path)[1] == intent(
        "a", attempt=2, parameters=None, phase=JournalPhase.ACCEPTED, execution_id="e2"
    )


# --- reading -----------------------------------------------------------------------------------------------


async def test_keys_are_counted_by_their_latest_attempt(path):
    async with writing(path) as writer:
        for key in "abcdefg":
            await intend(writer, key)
        for key in "abc":
            await accept(writer, key, 1, f"run {key}")
        for key, status in (("a", "COMPLETED"), ("b", "FAILED"), ("c", "FAILED")):
            await writer.ended(key, 1, status, NOW)
        await writer.next_attempt(intent("c"), at(NOW), SETTINGS, PARAMETERS)
        await accept(writer, "c", 2, "second run c")
        await writer.unknown("d", 1, NOW)
        await writer.rejected("e", 1, "BadRequest")
        await writer.not_sent("f", 1, "NotSent")
        with Journal.open(path) as journal:
            assert journal.counts() == {
                "COMPLETED": 1, "FAILED": 1, "accepted": 1, "unknown": 1, "rejected": 1, "not_sent": 1, "intent": 1,
            }  # fmt: skip
            assert sum(journal.counts().values()) == 7
            assert [entry.attempt for entry in journal.rows() if entry.key == "c"] == [1, 2]
            assert {entry.state for entry in journal.rows()} == set(journal.counts())


async def test_rows_are_read_one_by_one_from_one_moment_while_a_run_writes(path):
    async with writing(path) as writer:
        await asyncio.gather(*(intend(writer, f"{n:04}") for n in range(0, 2000, 2)))
        with Journal.open(path) as journal:
            rows = journal.rows()
            assert next(rows).key == "0000"
            await intend(writer, "0001")
            await accept(writer, "0002", 1, "e")
            assert next(rows) == intent("0002")
            assert len(list(rows)) == 998
            assert [entry.key for entry in journal.rows()][:3] == ["0000", "0001", "0002"]
            journal.close()
        with pytest.raises(InvalidRequest, match="closed"):
            next(journal.rows())


async def test_other_tools_read_it_too(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        await accept(writer, "a", 1, "e1")
    db = sqlite3.connect(path)
    rows = db.execute("SELECT key, attempt, job_id, execution_id, phase, status FROM launches").fetchall()
    db.close()
    assert rows == [("a", 1, JOB, "e1", "accepted", None)]


async def fill(path, launches):
    chance = Random(5)
    numbers = iter(range(launches))
    async with writing(path) as writer:

        async def work():
            for n in numbers:
                key = f"{n:010}"
                await writer.intend(key, JOB, chance.randbytes(16), chance.randbytes(16), at(NOW + n))
                await accept(writer, key, 1, f"{chance.getrandbits(48):012x}")
                await writer.ended(key, 1, "COMPLETED", NOW + n + 60)

        await asyncio.gather(*(work() for _ in range(256)))
    return sum(file.stat().st_size for file in path.parent.iterdir()) / launches


async def test_a_launch_takes_at_most_400_bytes(path):
    assert await fill(path, 5_000) <= 400


@pytest.mark.slow
async def test_a_launch_of_a_hundred_thousand_takes_at_most_400_bytes(path):
    assert await fill(path, 100_000) <= 400


# --- crashes -----------------------------------------------------------------------------------------------

LABOUR = """
import asyncio, sys
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.wire.server_time import ServerTime

def durable(*words):
    print(*words, flush=True)

async def main():
    writer = await JournalWriter.open(sys.argv[1], base_url=sys.argv[2], access_key=sys.argv[3])
    numbers = iter(range(int(sys.argv[4]), 10**9))

    async def work():
        for n in numbers:
            if await writer.intend(f"k{n}", "j", b"s" * 16, None, ServerTime(float(n), float(n))) is None:
                durable(f"k{n}", "intent", None)
                await writer.accepted(f"k{n}", 1, f"e{n}", at=float(n), created=None)
                durable(f"k{n}", "accepted", f"e{n}")
                await writer.ended(f"k{n}", 1, "COMPLETED", float(n))
                durable(f"k{n}", "ended", f"e{n}")

    await asyncio.gather(*(work() for _ in range(20)))

asyncio.run(main())
"""
ORDER = ["intent", "accepted", "ended"]


async def test_a_killed_process_leaves_everything_that_it_reported(path):
    seed = 11
    print("seed", seed)
    chance = Random(seed)
    reported = {}
    for start in range(0, 5_000_000, 1_000_000):
        with child(LABOUR, path, URL, ACCESS, start) as process:
            for _ in range(chance.randint(1, 1500)):
                line = process.stdout.readline()
                assert line.endswith("\n")
                key, phase, execution_id = line.split()
                reported[key] = (phase, execution_id)
            process.kill()
            for line in process.stdout:  # what it had said before it died
                if line.endswith("\n"):
                    key, phase, execution_id = line.split()
                    reported[key] = (phase, execution_id)
        found = {entry.key: entry for entry in entries(path)}
        for key, (phase, execution_id) in reported.items():
            assert ORDER.index(found[key].phase) >= ORDER.index(phase)
            assert found[key].execution_id == execution_id or execution_id == "None"
        assert not Path(f"{path}-wal").exists()  # who looked after the crash has tidied up
    async with writing(path) as writer:
        assert await intend(writer, next(iter(reported))) == found[next(iter(reported))]
    assert len(reported) > 100


@pytest.mark.parametrize("statement", range(1, 9))
async def test_a_process_killed_while_it_makes_the_file_leaves_one_that_opens(path, statement):
    """The file is made in one transaction: cut off after any statement of it, there is nothing yet."""
    code = f"""
import os, sqlite3, sys
from pathlib import Path
from dataflow_async.bulk.journal import opening

class Cut(sqlite3.Connection):
    done = 0
    def execute(self, *arguments):
        if Cut.done == {statement}:
            os._exit(9)
        Cut.done += self.in_transaction or arguments[0].startswith("BEGIN")
        return super().execute(*arguments)

real = sqlite3.connect
sqlite3.connect = lambda *a, **k: real(*a, factory=Cut, **k)
path = Path(sys.argv[1])
opening.open_to_write(path, opening.take_lock(path), (sys.argv[2], sys.argv[3]))
"""
    with child(code, path, URL, ACCESS) as process:
        assert process.wait() in {0, 9}
    async with writing(path) as writer:
        assert await intend(writer, "a") is None


KEYS = st.sampled_from(["a", "b", "c", "d"])


class Crashes(RuleBasedStateMachine):
    """The writer against a dict; a crash is a copy of its files, taken between commits, that is opened anew."""

    def __init__(self):
        super().__init__()
        import tempfile

        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.window, defaults.JOURNAL_WINDOW = defaults.JOURNAL_WINDOW, 0.0
        self.lives = count()
        self.path = self.folder / "0.db"
        self.writer = self.open()
        self.model = {}
        self.queued = []
        self.drawn = set()

    def open(self):
        return self.loop.run_until_complete(JournalWriter.open(self.path, base_url=URL, access_key=ACCESS))

    def write(self, call, entry):
        """Queue a write; the model has it when it is reported."""
        self.queued.append((self.loop.create_task(call), entry))

    def latest(self, key):
        """As it will be when all that is queued is written."""
        future = self.model | {(e.key, e.attempt): e for _, e in self.queued}
        attempts = [entry for (name, _), entry in future.items() if name == key]
        return max(attempts, key=lambda entry: entry.attempt, default=None)

    @rule(key=KEYS, since=st.integers(0, 99))
    def intend(self, key, since):
        if key in self.drawn:
            return
        self.drawn.add(key)
        expected = self.latest(key)
        entry = expected or intent(key, intended_from=float(since))

        async def call():
            assert await intend(self.writer, key, since=float(since)) == expected

        self.write(call(), entry)

    @rule(key=KEYS, outcome=st.sampled_from(sorted(OUTCOMES)), n=st.integers(0, 99))
    def record(self, key, outcome, n):
        entry = self.latest(key)
        phase = {"not sent": "not_sent", "unknown since": "unknown"}.get(outcome, outcome)
        open_phases = {"accepted", "ended"} if phase == "ended" else {"intent", "unknown"}
        if entry is None or entry.phase not in open_phases:
            return
        blank = {"sent_by": None, "status": None, "ended_at": None}
        run = {"execution_id": f"e{n}", "accepted_at": NOW + 2, "created": "2026-09-21T13:46:42"}
        calls = {
            "accepted": (lambda w, k, a: accept(w, k, a, f"e{n}"), run),
            "rejected": (lambda w, k, a: w.rejected(k, a, "BadRequest"), {"status": "BadRequest"}),
            "not_sent": (lambda w, k, a: w.not_sent(k, a, "NotSent"), {"status": "NotSent"}),
            "unknown": (lambda w, k, a: w.unknown(k, a, float(n)), {"sent_by": float(n)}),
            "ended": (
                lambda w, k, a: w.ended(k, a, "FAILED", float(n)),
                {"status": "FAILED", "ended_at": float(n)},
            ),
        }
        call, changed = calls[phase]
        entry_then = attrs.evolve(entry, **blank | changed | {"phase": JournalPhase(phase)})
        self.write(call(self.writer, key, entry.attempt), entry_then)

    @rule(key=KEYS, since=st.integers(0, 99), further=st.booleans())
    def go_out_again(self, key, since, further):
        entry = self.latest(key)
        if entry is None:
            return
        if further:
            self.drawn.add(key)
            call = self.writer.next_attempt(entry, at(float(since)), OTHER_SETTINGS, None)
            then = intent(
                key,
                attempt=entry.attempt + 1,
                settings=OTHER_SETTINGS,
                parameters=None,
                intended_from=float(since),
            )
        else:
            fresh = entry.phase in {"rejected", "not_sent"}
            call = self.writer.intend_again(entry, at(float(since)), may_have_run=not fresh)
            time = float(since) if fresh else min(float(since), entry.intended_from)
            until = float(since) + 1.5
            then = intent(
                key,
                attempt=entry.attempt,
                settings=entry.settings,
                parameters=entry.parameters,
                intended_from=time,
                intended_until=until,
            )
        self.write(call, then)

    @rule()
    def all_is_reported(self):
        for task, entry in self.queued:
            self.loop.run_until_complete(task)
            self.model[entry.key, entry.attempt] = entry
        self.queued = []

    @rule(turns=st.integers(0, 6))
    def some_is_reported(self, turns):
        for _ in range(turns):
            self.loop.run_until_complete(asyncio.sleep(0))
        self.take_reported()

    def take_reported(self):
        while self.queued and self.queued[0][0].done():
            task, entry = self.queued.pop(0)
            task.result()
            self.model[entry.key, entry.attempt] = entry

    @rule(turns=st.integers(0, 4))
    def crash(self, turns):
        for _ in range(turns):
            self.loop.run_until_complete(asyncio.sleep(0))
        while self.writer.commits.is_committing:  # a copy takes time, a kill does not
            self.loop.run_until_complete(asyncio.sleep(0))
        self.take_reported()
        dead, self.path = self.path, self.folder / f"{next(self.lives)}-after.db"
        for end in ("", "-wal", "-lock"):
            if Path(f"{dead}{end}").exists():
                shutil.copy(f"{dead}{end}", f"{self.path}{end}")
        self.end()
        self.writer = self.open()
        self.drawn = set()
        found = {(entry.key, entry.attempt): entry for entry in entries(self.path)}
        for _, entry in self.queued:  # written, perhaps, and not reported yet; never out of order
            if found == self.model:
                break
            self.model[entry.key, entry.attempt] = entry
        assert found == self.model
        self.queued = []

    def end(self):
        async def ending():
            await self.writer.aclose()
            await asyncio.gather(*(task for task, _ in self.queued), return_exceptions=True)

        self.loop.run_until_complete(ending())

    @precondition(lambda self: not self.queued)
    @invariant()
    def the_file_is_the_model(self):
        assert {(e.key, e.attempt): e for e in entries(self.path)} == self.model

    def teardown(self):
        defaults.JOURNAL_WINDOW = self.window
        self.end()
        self.loop.close()
        shutil.rmtree(self.folder)


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=example_count(15, 40), stateful_step_count=30)


# --- what a person found out -------------------------------------------------------------------------------


async def every_phase(path):
    async with writing(path) as writer:
        for phase, record in PHASES.items():
            await intend(writer, phase)
            await record(writer, phase)
        await intend(writer, "ended")
        await accept(writer, "ended", 1, "e9")
        await writer.ended("ended", 1, "ODD", NOW)


FINDINGS = {
    "not started": ({"started": False}, "not_sent", {"intent", "unknown"}),
    "a run": ({"execution_id": "found"}, "accepted", {"intent", "unknown"}),
    "a run that has ended": ({"execution_id": "found", "status": "FAILED"}, "FAILED", {"intent", "unknown"}),
    "an end": ({"status": "COMPLETED"}, "COMPLETED", {"accepted", "ended"}),
}


@pytest.mark.parametrize(("found", "state", "fits"), FINDINGS.values(), ids=FINDINGS)
async def test_what_a_person_found_out_is_recorded_where_it_can_be_so(path, found, state, fits):
    await every_phase(path)
    with Journal.open(path) as journal:
        for before in journal.rows():  # while it is read, by whoever resolves what he comes upon
            if "execution_id" in found:
                found = found | {"execution_id": f"found for {before.key}"}
            if before.key in fits:
                now = journal.resolve(before.key, **found)
                assert now.state == state
                assert now.adopted == ("execution_id" in found)
                assert now.execution_id == found.get("execution_id", before.execution_id)
            else:
                with pytest.raises(
                    InvalidRequest, match=f"got {before.key!r}, which is {before.phase}"
                ) as caught:
                    journal.resolve(before.key, **found)
                assert caught.value.field == "key"
        assert {entry.key for entry in journal.rows() if entry.state == state} >= fits
    async with writing(path):
        pass


@pytest.mark.parametrize(
    ("found", "field"),
    [
        ({}, "started"),
        ({"started": False, "status": "FAILED"}, "started"),
        ({"started": False, "execution_id": "e"}, "started"),
        ({"execution_id": ""}, "execution_id"),
        ({"execution_id": ".."}, "execution_id"),
        ({"status": 5}, "status"),
    ],
)
async def test_a_finding_says_one_thing(path, found, field):
    await every_phase(path)
    with Journal.open(path) as journal, pytest.raises(InvalidRequest) as caught:
        journal.resolve("unknown", **found)
    assert caught.value.field == field


async def test_a_run_belongs_to_one_launch_whoever_says_so(path):
    await every_phase(path)
    with Journal.open(path) as journal:
        journal.resolve("unknown", execution_id="found")
        with pytest.raises(InvalidRequest, match="got found, the run of 'unknown'") as caught:
            journal.resolve("intent", execution_id="found")
        assert caught.value.field == "execution_id"
        assert {entry.key: entry.state for entry in journal.rows()}["intent"] == "intent"


async def test_nothing_is_resolved_while_a_run_writes(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        with Journal.open(path) as journal, pytest.raises(InvalidRequest, match="is writing to it"):
            journal.resolve("a", started=False)


# --- left alone --------------------------------------------------------------------------------------------


async def test_leaving_rows_early_is_silent(path, recwarn):
    async with writing(path) as writer:
        await asyncio.gather(*(intend(writer, key) for key in "abc"))
    complaints = []
    hook, sys.unraisablehook = sys.unraisablehook, complaints.append
    try:
        with Journal.open(path) as journal:
            rows = journal.rows()
            assert next(rows).key == "a"
        del rows
        with Journal.open(path) as journal:
            rows = journal.rows()
            next(rows)
        rows.close()
    finally:
        sys.unraisablehook = hook
    assert complaints == []
    assert not recwarn.list


async def test_a_finished_journal_is_read_where_nothing_can_be_written(path, monkeypatch):
    async with writing(path) as writer:
        await intend(writer, "a")
    connect = sqlite3.connect

    def on_a_read_only_mount(name, **more):
        if "immutable" not in str(name):
            raise sqlite3.OperationalError("unable to open database file")
        return connect(name, **more)

    monkeypatch.setattr(sqlite3, "connect", on_a_read_only_mount)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert entries(path) == [intent("a")]
    Path(f"{path}-wal").write_bytes(b"x")
    with pytest.raises(InvalidRequest, match="unable to open database file"):
        Journal.open(path)


async def test_unfinished_launches_that_a_later_run_leaves_out_are_mentioned(path, caplog):
    caplog.set_level("INFO", "dataflow_async")
    async with writing(path) as writer:
        for key in "abcd":
            await intend(writer, key)
        await accept(writer, "a", 1, "e")
        await writer.ended("a", 1, "COMPLETED", NOW)
    async with writing(path):
        pass
    assert not caplog.messages
    async with writing(path) as writer:
        await intend(writer, "d")
    assert caplog.messages == [
        f"journal {path}: 2 unfinished launches were not among those of this run, such as 'b'"
    ]
