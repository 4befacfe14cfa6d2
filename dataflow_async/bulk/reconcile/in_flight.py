"""Launches between intent and record, by job. A listing waits for them, because it may show their runs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import TracebackType


class InFlightLaunch:
    """One launch between its intent and the record of its outcome; a plain class, because every launch has one."""

    __slots__ = ("_all", "_job_id", "_recorded")

    def __init__(self, launches: InFlightLaunches, job_id: str) -> None:
        self._all = launches
        self._job_id = job_id
        self._recorded: asyncio.Event | None = None

    def __enter__(self) -> None:
        self._all.add(self._job_id, self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.remove(self._job_id, self)
        if self._recorded is not None:
            self._recorded.set()

    async def wait(self) -> None:
        """Wait until its outcome is recorded."""
        if self in self._all.of_job(self._job_id):
            self._recorded = self._recorded or asyncio.Event()
            await self._recorded.wait()


class InFlightLaunches:
    """A register of the launches in flight, job by job; it delays listings, and never a launch.

    Always true: a run that a listing shows belongs to a launch whose run is recorded, or that is recorded as lost, once
    those that were in flight when the listing ended are recorded. Launches that begin later are not delayed: that listing
    can't show their runs. A launch that sends outside `launching` would break this: its run looks like nobody's, and may
    be adopted for another launch.
    """

    def __init__(self) -> None:
        self._by_job: dict[str, set[InFlightLaunch]] = {}

    def __len__(self) -> int:
        """Return the number of jobs with launches in flight."""
        return len(self._by_job)

    def launching(self, job_id: str) -> InFlightLaunch:
        """Return a context manager for the time in which a launch is in flight."""
        return InFlightLaunch(self, job_id)

    def of_job(self, job_id: str) -> Collection[InFlightLaunch]:
        """Return the launches of a job that are in flight now."""
        return frozenset(self._by_job.get(job_id, ()))

    def add(self, job_id: str, launch: InFlightLaunch) -> None:
        """Register a launch."""
        self._by_job.setdefault(job_id, set()).add(launch)

    def remove(self, job_id: str, launch: InFlightLaunch) -> None:
        """Remove a launch; the last one of a job leaves no entry behind."""
        launches = self._by_job[job_id]
        launches.discard(launch)
        if not launches:
            del self._by_job[job_id]
