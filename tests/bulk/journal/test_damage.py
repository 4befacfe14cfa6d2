"""A damaged, incomplete or replaced journal is refused, or nothing is launched twice: what was on disk stays known."""

import asyncio
import atexit
import functools
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, closing
from pathlib import Path
from random import Random

import pytest

import dataflow_async
from dataflow_async import InvalidRequest, Journal, JournalError
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.launch_records import JournalPhase
from dataflow_async.wire.server_time import ServerTime
from tests.support.examples import first_quick

ROOT = Path(dataflow_async.__file__).parents[1]
URL, ACCESS, JOB = "https://dataflow.apigw.ntruss.com", "ACCESS-KEY-ID", "Jq3kT9vLmN2x"
NOW = ServerTime(1_790_000_000.25, 1_790_000_001.5)
KEYS = [f"day {n:03}" for n in range(100)]
MAY_RUN_AGAIN = {JournalPhase.REJECTED, JournalPhase.NOT_SENT}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "j.db"


@asynccontextmanager
async def writing(path):
    writer = await JournalWriter.open(path, base_url=URL, access_key=ACCESS)
    try:
        yield writer
    finally:
        await writer.aclose()


def intend(writer, key):
    return writer.intend(key, JOB, b"s" * 16, b"p" * 16, NOW)


def accept(writer, key):
    return writer.accepted(key, 1, f"run of {key}", at=NOW.later, created=None)


async def fill(writer, keys=KEYS):
    await asyncio.gather(*(intend(writer, key) for key in keys))
    await asyncio.gather(*(accept(writer, key) for key in keys))


async def launched_again(path, keys=KEYS):
    """Keys that a run with this journal would launch, though they were launched; the reason if it is refused."""
    try:
        async with writing(path) as writer:
            known = [await intend(writer, key) for key in keys]
    except (InvalidRequest, JournalError) as error:
        return str(error)
    return [
        key for key, entry in zip(keys, known, strict=True) if entry is None or entry.phase in MAY_RUN_AGAIN
    ]


def copied(path, folder, *ends):
    """A copy of these files of a journal."""
    folder.mkdir()
    for end in ends:
        if Path(f"{path}{end}").exists():
            shutil.copy(f"{path}{end}", folder / f"{path.name}{end}")
    return folder / path.name


CHILD = """
import asyncio, sys
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.wire.server_time import ServerTime

async def main():
    writer = await JournalWriter.open(sys.argv[1], base_url=sys.argv[2], access_key=sys.argv[3])
    async def launch(n):
        key = f"day {n:03}"
        await writer.intend(key, "Jq3kT9vLmN2x", b"s" * 16, b"p" * 16, ServerTime(1.0, 2.0))
        await writer.accepted(key, 1, f"run of {key}", at=2.0, created=None)
    for first in range(0, 100, 20):
        await asyncio.gather(*(launch(n) for n in range(first, first + 20)))
    print("done", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def left_by_a_killed_process(path):
    """Files of a journal whose process was killed with all of its log unwritten to the main file."""
    for file in killed_once().iterdir():
        shutil.copy(file, path.parent / file.name)


@functools.cache
def killed_once():
    """Kill one process for all tests, which copy what it has left."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "j.db"
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), URL, ACCESS], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    with process:
        said = process.stdout.readline()
        process.kill()
    assert said == "done\n"
    assert Path(f"{path}-wal").stat().st_size > 10_000
    return folder


# --- copies ------------------------------------------------------------------------------------------------

COPIES = {
    "main file alone": ([""], "it was not closed, and there is no j.db-lock that shows whether it is whole"),
    "without its log": (["", "-lock"], r"it is \d+ commits behind j.db-lock, as an older copy is"),
    "without its lock": (["", "-wal"], "it was not closed, and there is no j.db-lock"),
    "log alone": (["-wal"], "it is gone or empty, and j.db-wal is left of a journal"),
    "lock alone": (["-lock"], r"it is gone or empty, and j.db-lock notes a journal of \d+ commits there"),
    "log and lock": (["-wal", "-lock"], r"it is gone or empty, and j.db-lock notes a journal"),
    "all": (["", "-wal", "-lock"], []),
    "all and shared memory": (["", "-wal", "-shm", "-lock"], []),
}


@pytest.mark.parametrize(("ends", "what"), COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("killed", [False, True])
async def test_a_copy_of_a_journal_in_use(path, tmp_path, ends, what, killed):
    if killed:
        left_by_a_killed_process(path)
        copy = copied(path, tmp_path / "copy", *ends)
    else:
        async with writing(path) as writer:
            await fill(writer)
            copy = copied(path, tmp_path / "copy", *ends)
    before = {file.name: file.read_bytes() for file in copy.parent.iterdir() if file.name != "j.db-shm"}
    found = await launched_again(copy)
    if isinstance(what, list):
        assert found == what
        return
    assert isinstance(found, str)
    assert re.search(what, found)
    assert "\n" not in found
    if "gone" in what:  # what is left for a person to mend it is not touched
        assert {name: (copy.parent / name).read_bytes() for name in before} == before


async def test_a_copy_of_a_closed_journal_needs_its_main_file_only(path, tmp_path):
    async with writing(path) as writer:
        await fill(writer)
    assert {file.name for file in path.parent.iterdir()} == {"j.db", "j.db-lock"}
    assert await launched_again(copied(path, tmp_path / "copy", "")) == []


async def test_an_older_copy_put_in_the_place_of_a_journal(path, tmp_path):
    async with writing(path) as writer:
        await fill(writer, KEYS[:60])
    copy = copied(path, tmp_path / "copy", "")
    async with writing(path) as writer:
        await fill(writer, KEYS[60:])
    shutil.copy(copy, path)
    assert "commits behind j.db-lock" in await launched_again(path)


async def test_another_journal_put_in_the_place_of_one(path, tmp_path):
    other = tmp_path / "other.db"
    async with writing(path) as writer, writing(other) as another:
        await fill(writer)
        await fill(another, KEYS[:3])
    shutil.copy(other, path)
    assert "j.db-lock belongs to another journal" in await launched_again(path)


async def test_any_reader_may_bring_the_log_into_the_main_file(path):
    """No log is ever needed: whoever looks at a journal after a crash writes it back and removes it."""
    left_by_a_killed_process(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM launches").fetchone() == (100,)
    assert not Path(f"{path}-wal").exists()
    assert await launched_again(path) == []


# --- removed, emptied, replaced ----------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["closed", "killed"])
@pytest.mark.parametrize("what", ["emptied", "removed"])
@pytest.mark.parametrize("with_log", [False, True])
async def test_a_file_that_is_gone_or_empty_is_no_new_journal(path, when, what, with_log):
    if when == "killed":
        left_by_a_killed_process(path)
    else:
        async with writing(path) as writer:
            await fill(writer)
    for end in ("", "-wal", "-shm") if with_log else ("",):
        file = Path(f"{path}{end}")
        if what == "removed":
            file.unlink(missing_ok=True)
        elif file.exists():
            os.truncate(file, 0)
    assert "it is gone or empty, and j.db-lock notes a journal" in await launched_again(path)


@pytest.mark.parametrize("end", ["", "-wal", "-lock"])
@pytest.mark.parametrize("how", ["removed", "replaced", "replaced by a copy", "moved"])
@pytest.mark.skipif(sys.platform == "win32", reason="files that are open can't be removed there")
async def test_a_file_that_is_taken_away_while_in_use_ends_the_run(path, end, how):
    """Nothing is launched on the strength of a file that nobody will find again."""
    file = Path(f"{path}{end}")
    writer = await JournalWriter.open(path, base_url=URL, access_key=ACCESS)
    await fill(writer, KEYS[:60])
    if how == "replaced by a copy":
        shutil.copy(file, f"{file}.new")
        Path(f"{file}.new").replace(file)
    elif how == "moved":
        file.rename(f"{file}.old")
    else:
        file.unlink()
        if how == "replaced":
            file.touch()
    with pytest.raises(JournalError, match=f"j.db{end} was removed or replaced while in use"):
        await intend(writer, KEYS[60])
    with pytest.raises(JournalError, match="was removed or replaced"):
        await intend(writer, KEYS[61])
    await writer.aclose()
    found = await launched_again(path, KEYS[:60])
    assert isinstance(found, str) or found == []


# --- bits --------------------------------------------------------------------------------------------------


SEEDS = first_quick(*range(16))


def flip(file, chance, bits=1):
    content = bytearray(file.read_bytes())
    for _ in range(bits):
        place = chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


@pytest.mark.parametrize("seed", SEEDS)
async def test_flipped_bits_in_the_main_file(path, tmp_path, seed):
    chance = Random(seed)
    async with writing(path) as writer:
        await fill(writer)
    for n in range(10):
        copy = copied(path, tmp_path / f"copy{n}", "", "-lock")
        flip(copy, chance, chance.choice([1, 1, 1, 2, 8]))
        found = await launched_again(copy)
        assert isinstance(found, str) or found == []


@pytest.mark.parametrize("seed", SEEDS)
async def test_flipped_bits_in_the_log_of_a_killed_process(path, tmp_path, seed):
    chance = Random(seed)
    left_by_a_killed_process(path)
    for n in range(10):
        copy = copied(path, tmp_path / f"copy{n}", "", "-wal", "-lock")
        flip(Path(f"{copy}-wal"), chance)
        found = await launched_again(copy)
        assert isinstance(found, str) or found == []


async def test_a_log_that_was_cut_off(path, tmp_path):
    left_by_a_killed_process(path)
    size = Path(f"{path}-wal").stat().st_size
    refused = 0
    for n in range(20):
        copy = copied(path, tmp_path / f"copy{n}", "", "-wal", "-lock")
        os.truncate(f"{copy}-wal", size * n // 20)
        found = await launched_again(copy)
        assert isinstance(found, str) or found == []
        refused += isinstance(found, str)
    assert refused > 15


@pytest.mark.parametrize("content", [b"", b"x", b"dataflow_async journal 0 0\n", bytes(64)])
async def test_a_lock_file_that_is_damaged(path, content):
    async with writing(path) as writer:
        await fill(writer)
        copy = copied(path, path.parent / "copy", "", "-wal")
    Path(f"{copy}-lock").write_bytes(content)
    found = await launched_again(copy)
    assert "j.db-lock is damaged" in found if content else "there is no j.db-lock" in found


DAMAGES = {
    "UPDATE launches SET key = 'day x' WHERE key = 'day 007'": "it holds what no journal holds",
    "UPDATE launches SET phase = 'rejected' WHERE key = 'day 007'": "it holds what no journal holds",
    "UPDATE launches SET execution_id = NULL WHERE key = 'day 007'": "it holds what no journal holds",
    "UPDATE launches SET intended_from = 5 WHERE key = 'day 007'": "it holds what no journal holds",
    "DELETE FROM launches WHERE key = 'day 007'": "it should hold 100 rows as last written, and holds 99",
    "UPDATE header SET launches = 99": "it holds what no journal holds",
    "UPDATE header SET commits = 9999": "it holds what no journal holds",
    "CREATE TABLE more (x)": "its tables have another shape",
}


@pytest.mark.parametrize(("statement", "what"), DAMAGES.items())
async def test_rows_that_are_not_as_they_were_written(path, statement, what):
    async with writing(path) as writer:
        await fill(writer)
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()
    assert what in await launched_again(path)


async def test_a_row_that_is_an_older_version_of_itself(path):
    """As one page is that was not written when all others were; every row of it is as some commit left it."""
    async with writing(path) as writer:
        await intend(writer, "a")
        await writer.not_sent("a", 1, "NotSent")
        with closing(sqlite3.connect(path)) as db:
            (old,) = db.execute("SELECT * FROM launches").fetchall()
        with Journal.open(path) as journal:
            (entry,) = journal.rows()
        await writer.intend_again(entry, NOW, may_have_run=False)
        await accept(writer, "a")
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"REPLACE INTO launches VALUES ({','.join('?' * len(old))})", old)
        db.commit()
    assert "it should hold 1 rows as last written" in await launched_again(path, ["a"])


# --- power cuts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [1, 5, 10_000])
async def test_a_lock_file_may_be_behind(path, behind):
    """It is not made durable: after a power cut it is what it was some commits ago."""
    async with writing(path) as writer:
        await fill(writer)
    lock = Path(f"{path}-lock")
    *words, commits = lock.read_text().split()
    lock.write_text(f"{' '.join(words)} {max(int(commits) - behind, 0):020}\n")
    assert await launched_again(path) == []
