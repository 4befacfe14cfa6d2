"""Knows which launches of a job are in flight, so that a listing can wait for those whose run it may have shown."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import TracebackType


class InFlight:
    """One launch between its intent and the record of its outcome; a plain class, because every launch has one."""

    __slots__ = ("_job_id", "_left", "_register")

    def __init__(self, register: Doors, job_id: str) -> None:
        self._register = register
        self._job_id = job_id
        self._left: asyncio.Event | None = None

    def __enter__(self) -> None:
        self._register.enter(self._job_id, self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._register.leave(self._job_id, self)
        if self._left is not None:
            self._left.set()

    async def wait(self) -> None:
        """Wait until its outcome is recorded."""
        if self in self._register.current(self._job_id):
            self._left = self._left or asyncio.Event()
            await self._left.wait()


class Doors:
    """The launches in flight, job by job.

    Always true: a run that a listing shows belongs to a launch of which the journal knows the run, or knows that it is
    lost, once those that were in flight when the listing ended have left. Launches that come later are not held up:
    that listing can't show their runs.
    """

    def __init__(self) -> None:
        self._inside: dict[str, set[InFlight]] = {}

    def inside(self, job_id: str) -> InFlight:
        """Return a context manager for the time in which a launch is in flight."""
        return InFlight(self, job_id)

    def current(self, job_id: str) -> Collection[InFlight]:
        """Return the launches of a job that are in flight now."""
        return frozenset(self._inside.get(job_id, ()))

    def enter(self, job_id: str, launch: InFlight) -> None:
        """Take a launch in."""
        self._inside.setdefault(job_id, set()).add(launch)

    def leave(self, job_id: str, launch: InFlight) -> None:
        """Let a launch go; the last one of a job leaves nothing behind."""
        inside = self._inside[job_id]
        inside.discard(launch)
        if not inside:
            del self._inside[job_id]
