"""The ``-lock`` file beside a journal: who may write to it, and how far it had come. Everything here blocks.

The lock is the operating system's own, on the open file: it ends with the process, however that ends. It is never
unlocked, only closed, for a child process that shares the open file would lose its parent's lock with it; children close
theirs at birth, or the lock would outlive the parent. A lock of SQLite would not do: one of POSIX belongs to process and
file, and is released as soon as any part of the process, a backup say, closes the same file.

Whoever removes the file removes no lock: after locking, and at each commit, the path must still be the file that is held.

The file also notes id and number of commits of the journal: a journal that has fewer commits, or another id, is not the one
that was written last. This is not made durable: after a power cut it may be behind, never ahead.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import weakref
from pathlib import Path
from typing import NamedTuple

from dataflow_async import defaults

PRIVATE = 0o600
_FORM = re.compile(rb"dataflow_async journal ([0-9a-f]{16}) ([0-9]{20})\n")


class LockHeld(Exception):
    """The lock is held already, in this process or another."""


class Record(NamedTuple):
    """What is noted of a journal."""

    id: str
    commits: int


class Lock:
    """The lock of one journal, held until it is closed, or garbage collected.

    Always true: while it is open, and the path still is the file that is locked (`is_in_place`), no other `Lock` of this
    machine has the same path. Opening and closing the same file elsewhere in the process does not release it.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)
        self._close.atexit = False  # the system does it
        _held.add(self)

    @classmethod
    def take(cls, path: Path) -> Lock:
        """Lock the file at this path, which is made if it is not there.

        Raises:
            LockHeld: It is locked already, in this process or another.
            OSError: It can't be opened or locked there.
        """
        for _ in range(defaults.JOURNAL_LOCK_TRIES):
            lock = cls(path, os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE))
            try:
                exclude_others(lock._descriptor)
                if lock.is_in_place():
                    return lock
            except BaseException:
                lock.close()
                raise
            lock.close()
        raise LockHeld

    def is_in_place(self) -> bool:
        """Return whether the path still is the file that is locked."""
        return is_file(self.path, identity(os.fstat(self._descriptor)))

    def read(self) -> Record | None:
        """Return what is noted, or None if nothing is.

        Raises:
            ValueError: It was not written by this library.
        """
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        text = os.read(self._descriptor, 1024)
        if not text:
            return None
        if (found := _FORM.fullmatch(text)) is None:
            raise ValueError
        return Record(found[1].decode(), int(found[2]))

    def write(self, record: Record, *, durable: bool = False) -> None:
        """Note how far the journal has come."""
        text = f"dataflow_async journal {record.id} {record.commits:020}\n".encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, text)
        if durable:
            os.fsync(self._descriptor)
            _make_name_durable(self.path)

    def close(self) -> None:
        """Release the lock; may be called twice."""
        self._close()


_held: weakref.WeakSet[Lock] = weakref.WeakSet()


def _close_in_child() -> None:
    for lock in list(_held):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def identity(status: os.stat_result) -> tuple[int, int]:
    """Return what identifies a file among all others of its machine."""
    return status.st_dev, status.st_ino


def is_file(path: Path, file: tuple[int, int]) -> bool:
    """Return whether a path is this very file."""
    try:
        return identity(path.stat()) == file
    except OSError:
        return False


def _make_name_durable(path: Path) -> None:
    if sys.platform == "win32":  # a directory can't be opened there
        return
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


if sys.platform == "win32":
    import msvcrt

    def exclude_others(descriptor: int) -> None:
        """Lock an open file, or raise `LockHeld`."""
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # what is locked there can't be read, and need not exist
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise LockHeld from None

else:
    import fcntl

    def exclude_others(descriptor: int) -> None:
        """Lock an open file, or raise `LockHeld`."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            if problem.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise
            raise LockHeld from None
