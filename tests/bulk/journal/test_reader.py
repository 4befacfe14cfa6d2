"""Reading a journal, while it is written and afterwards."""

import asyncio
import os
import sqlite3
import sys
from pathlib import Path
from random import Random

import pytest

from dataflow_async import InvalidRequest, Journal
from tests.support.journals import (
    JOB,
    NOW,
    PARAMETERS,
    SETTINGS,
    accept,
    at,
    entries,
    intend,
    intent,
    writing,
)


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
