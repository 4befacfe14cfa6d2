"""The lock of a journal: it holds against copies, children and removed files, and ends with its holder."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dataflow_async
from dataflow_async import InvalidRequest
from dataflow_async.bulk.journal import lock as journal_lock
from dataflow_async.bulk.journal import opening
from dataflow_async.bulk.journal.file_system import network_type
from dataflow_async.bulk.journal.lock import Lock, LockHeld, Record
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.wire.server_time import ServerTime

ROOT = Path(dataflow_async.__file__).parents[1]
URL, ACCESS = "https://dataflow.apigw.ntruss.com", "ACCESS-KEY-ID"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs fork, or the removal of open files")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "j.db"


def opened(path):
    return JournalWriter.open(path, base_url=URL, access_key=ACCESS)


ELSEWHERE = """
import asyncio, sys
from dataflow_async import InvalidRequest
from dataflow_async.bulk.journal.writer import JournalWriter

async def main():
    try:
        writer = await JournalWriter.open(sys.argv[1], base_url=sys.argv[2], access_key=sys.argv[3])
    except InvalidRequest as error:
        print(error)
    else:
        await writer.aclose()
        print("opened")

asyncio.run(main())
"""


def from_another_process(path):
    command = [sys.executable, "-c", ELSEWHERE, str(path), URL, ACCESS]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


@POSIX
@pytest.mark.parametrize("what", ["read", "copied", "opened and closed"])
async def test_it_outlives_whatever_this_process_does_with_its_files(path, tmp_path, what):
    """POSIX record locks, which SQLite uses, fall when their process closes any handle of the file."""
    writer = await opened(path)
    for file in (f"{path}-lock", path, f"{path}-wal"):
        if what == "copied":
            shutil.copy(file, tmp_path / "copy")
        elif what == "read":
            Path(file).read_bytes()
        else:
            os.close(os.open(file, os.O_RDWR))
    assert "is writing to it" in from_another_process(path)
    await writer.aclose()
    assert from_another_process(path) == "opened"


@POSIX
@pytest.mark.parametrize("replaced", [False, True])
async def test_removing_its_file_lets_nobody_in(path, replaced):
    writer = await opened(path)
    Path(f"{path}-lock").unlink()
    if replaced:
        Path(f"{path}-lock").touch()
    assert "it was not closed, and there is no j.db-lock" in from_another_process(path)
    await writer.aclose()


@POSIX
def test_a_file_that_is_replaced_while_it_is_being_locked_is_not_taken_for_the_lock(path, monkeypatch):
    exclude, replaced = journal_lock.exclude_others, []

    def slow(descriptor):
        if not replaced:
            replaced.append(path.rename(path.with_name("old")))
            path.touch()
        exclude(descriptor)

    monkeypatch.setattr(journal_lock, "exclude_others", slow)
    lock = Lock.take(path)
    assert lock.is_in_place()
    with pytest.raises(LockHeld):
        Lock.take(path)
    lock.close()
    lock.close()
    Lock.take(path).close()


CHILDREN = """
import os, sys, time
from pathlib import Path
from dataflow_async.bulk.journal.lock import Lock, LockHeld

lock = Lock.take(Path(sys.argv[1]))
child = os.fork()
if not child:
    os.close(1)
    sys.stdin.read()
    os._exit(0)
try:
    Lock.take(Path(sys.argv[1]))
except LockHeld:
    print("held", flush=True)  # the child has closed what it has of it, and that is not all
os._exit(0)  # the child lives on
"""


@POSIX
def test_a_child_neither_keeps_the_lock_nor_takes_it_away(path):
    command = [sys.executable, "-c", CHILDREN, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as parent:
        assert parent.stdout.read() == "held\n"
        parent.wait()
        Lock.take(path).close()  # the child is alive: it reads what nobody has closed yet
        parent.stdin.close()


def test_a_note_in_the_lock_file_is_read_again(path):
    lock = Lock.take(path)
    assert lock.read() is None
    for commits in (0, 7, 10**15):
        lock.write(Record("0123456789abcdef", commits), durable=commits == 7)
        assert lock.read() == Record("0123456789abcdef", commits)
    lock.close()


# --- in one process ----------------------------------------------------------------------------------------


def test_a_journal_of_a_closed_event_loop_is_closed_by_the_next_opener(path):
    loop = asyncio.new_event_loop()
    left = loop.run_until_complete(opened(path))
    loop.run_until_complete(left.intend("a", "j", b"s" * 16, None, ServerTime(1.0, 2.0)))
    loop.close()

    async def again():
        writer = await opened(path)
        assert (await writer.intend("a", "j", b"s" * 16, None, ServerTime(3.0, 4.0))).intended_from == 1.0
        await writer.aclose()

    asyncio.run(again())


# --- where no lock holds -----------------------------------------------------------------------------------

MOUNTS = r"""
proc /proc proc rw 0 0
/dev/vda / ext4 rw 0 0
server:/export /net nfs4 rw 0 0
server:/export /net/local\040disk tmpfs rw 0 0
/dev/vdb /data xfs rw 0 0
//server/share /data cifs rw 0 0
bucket /bucket fuse.s3fs rw 0 0
disk /disk fuse.ext4 rw 0 0
odd
"""
PLACES = {
    "/home/me/j.db": None,
    "/net/j.db": "nfs4",
    "/network/j.db": None,
    "/net/local disk/j.db": None,
    "/data/deep/er/j.db": "cifs",
    "/bucket/j.db": "fuse.s3fs",
    "/disk/j.db": None,
}


@POSIX
@pytest.mark.parametrize(("place", "kind"), PLACES.items())
def test_file_systems_of_other_machines_are_known_by_their_type(tmp_path, place, kind):
    (tmp_path / "mounts").write_text(MOUNTS)
    assert network_type(Path(place), tmp_path / "mounts") == kind
    assert network_type(Path(place), tmp_path / "no such file") is None


async def test_a_journal_on_another_machine_is_refused(path, monkeypatch):
    monkeypatch.setattr(opening, "network_type", lambda _: "nfs4")
    with pytest.raises(
        InvalidRequest, match="it lies on nfs4, where a lock does not keep others out"
    ) as caught:
        await opened(path)
    assert caught.value.field == "journal"
    assert not path.exists()
