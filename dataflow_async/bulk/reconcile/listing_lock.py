"""The listing lock of each job: which launches of a job are in flight, so that a listing can wait for those whose run it may have shown."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import TracebackType


class InFlight:
    """One launch between its intent and the record of its outcome; a plain class, because every launch has one."""

    __slots__ = ("_job_id", "_listing_locks", "_recorded")

    def __init__(self, listing_locks: ListingLocks, job_id: str) -> None:
        self._listing_locks = listing_locks
        self._job_id = job_id
        self._recorded: asyncio.Event | None = None

    def __enter__(self) -> None:
        self._listing_locks.add(self._job_id, self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listing_locks.remove(self._job_id, self)
        if self._recorded is not None:
            self._recorded.set()

    async def wait(self) -> None:
        """Wait until its outcome is recorded."""
        if self in self._listing_locks.in_flight(self._job_id):
            self._recorded = self._recorded or asyncio.Event()
            await self._recorded.wait()


class ListingLocks:
    """The launches in flight, job by job.

    Always true: a run that a listing shows belongs to a launch whose run is recorded, or that is recorded as lost, once
    those that were in flight when the listing ended are recorded. Launches that begin later are not delayed: that listing
    can't show their runs. A launch that sends outside `launching` would break this: its run looks like nobody's, and may
    be adopted for another launch.
    """

    def __init__(self) -> None:
        self._in_flight: dict[str, set[InFlight]] = {}

    def __len__(self) -> int:
        """Return the number of jobs with launches in flight."""
        return len(self._in_flight)

    def launching(self, job_id: str) -> InFlight:
        """Return a context manager for the time in which a launch is in flight."""
        return InFlight(self, job_id)

    def in_flight(self, job_id: str) -> Collection[InFlight]:
        """Return the launches of a job that are in flight now."""
        return frozenset(self._in_flight.get(job_id, ()))

    def add(self, job_id: str, launch: InFlight) -> None:
        """Register a launch."""
        self._in_flight.setdefault(job_id, set()).add(launch)

    def remove(self, job_id: str, launch: InFlight) -> None:
        """Remove a launch; the last one of a job leaves no entry behind."""
        launches = self._in_flight[job_id]
        launches.discard(launch)
        if not launches:
            del self._in_flight[job_id]
