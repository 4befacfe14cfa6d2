"""Keeps launches of a job out while its runs are listed, so that no run in a listing is one of ours still unanswered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class _Door:
    __slots__ = ("inside", "quiet", "shut", "waiting")

    def __init__(self) -> None:
        self.inside = 0
        """Launches between their intent and the record of their outcome."""
        self.shut = 0
        """Listings under way, or waiting for silence."""
        self.waiting: list[asyncio.Future[None]] = []
        self.quiet = asyncio.Event()
        self.quiet.set()


class Doors:
    """One door a job, for as long as somebody stands at it."""

    def __init__(self) -> None:
        self._doors: dict[str, _Door] = {}

    async def enter(self, job_id: str) -> None:
        """Begin a launch of a job; `leave` ends it."""
        door = self._doors.get(job_id)
        if door is None:
            door = self._doors[job_id] = _Door()
        while door.shut:
            opened = asyncio.get_running_loop().create_future()
            door.waiting.append(opened)
            await opened
            self._doors[job_id] = door
        door.inside += 1
        door.quiet.clear()

    def leave(self, job_id: str) -> None:
        """End a launch."""
        door = self._doors[job_id]
        door.inside -= 1
        if not door.inside:
            door.quiet.set()
            if not door.shut:
                del self._doors[job_id]

    @asynccontextmanager
    async def shut(self, job_id: str) -> AsyncGenerator[None, None]:
        """Wait until no launch of a job is under way, and keep further ones out for the block."""
        door = self._doors.setdefault(job_id, _Door())
        door.shut += 1
        try:
            await door.quiet.wait()
            yield
        finally:
            door.shut -= 1
            if not door.shut:
                waiting, door.waiting = door.waiting, []
                if not door.inside:
                    self._doors.pop(job_id, None)
                for opened in waiting:
                    if not opened.done():
                        opened.set_result(None)
