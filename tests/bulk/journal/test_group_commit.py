"""Group commits: writes of one moment share a commit, and a failed one fails all that come after."""

import asyncio
import sqlite3

import pytest

from dataflow_async import JournalError
from dataflow_async.bulk.journal.store import JournalStore
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.launch_records import JournalPhase
from tests.support.journals import ACCESS, JOB, NOW, URL, accept, entries, intend, intent, writing


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


async def test_the_next_group_gathers_while_a_group_is_written(path, monkeypatch):
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


async def test_a_journal_writes_what_is_queued_before_it_closes(path):
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
        results = await asyncio.wait_for(asyncio.gather(*writes, return_exceptions=True), 60)
        words = (
            f"journal {path} can't be written: database or disk is full. Nothing more is launched; what was being launched"
            " may have started, and the next run with this journal finds out"
        )
        assert {(type(result), str(result)) for result in results} == {(JournalError, words)}
        assert len({id(result) for result in results}) == 200
        for call in (
            intend(writer, "later"),
            accept(writer, "kept", 1, "e"),
            writer.known_runs(JOB),
        ):
            with pytest.raises(JournalError, match="disk is full"):
                await asyncio.wait_for(call, 60)
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
