"""Opening a journal: whose it is, one writer at a time, and nothing else is touched."""

import asyncio
import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from dataflow_async import InvalidRequest, Journal
from dataflow_async.bulk.journal.writer import JournalWriter
from tests.support.journals import ACCESS, URL, child, entries, intend, refused, writing


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
async def test_a_file_of_another_format_is_refused(path, statement, reason):
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


def test_a_missing_journal_can_not_be_read(tmp_path):
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
    for _ in range(20_000):
        try:
            writer = await JournalWriter.open(path, base_url=URL, access_key=ACCESS)
            break
        except InvalidRequest:
            await asyncio.sleep(0.001)
    await writer.aclose()
