"""Keeps launches of a job out while its runs are listed, so that no run in a listing is one of ours still unanswered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from attrs import define, field


@define(eq=False)
class _Door:
    standing: int = 0
    """Those who are inside, want in, or shut it; the last one takes it away."""
    inside: int = 0
    """Launches between their intent and the record of their outcome."""
    shut: int = 0
    """Listings under way, or waiting for silence."""
    changed: asyncio.Event = field(factory=asyncio.Event)
    """Set, and replaced, when the last launch has left or the last listing is over."""

    def tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class _Inside:
    """One launch of a job; a plain class, because it stands in the way of every launch."""

    __slots__ = ("_door", "_doors", "_job_id")

    def __init__(self, doors: Doors, job_id: str) -> None:
        self._doors = doors
        self._job_id = job_id

    async def __aenter__(self) -> None:
        door = self._door = self._doors.stand(self._job_id)
        try:
            while door.shut:
                await door.changed.wait()
        except BaseException:
            self._doors.go(self._job_id, door)
            raise
        door.inside += 1

    async def __aexit__(self, *_: object) -> None:
        door = self._door
        door.inside -= 1
        if door.shut and not door.inside:
            door.tell()
        self._doors.go(self._job_id, door)


class Doors:
    """One door a job, for as long as somebody stands at it."""

    def __init__(self) -> None:
        self._doors: dict[str, _Door] = {}

    def inside(self, job_id: str) -> _Inside:
        """Wait until no listing of a job's runs is under way, and keep further ones out for the block: one launch."""
        return _Inside(self, job_id)

    @asynccontextmanager
    async def shut(self, job_id: str) -> AsyncGenerator[None, None]:
        """Wait until no launch of a job is under way, and keep further ones out for the block: one listing."""
        door = self.stand(job_id)
        door.shut += 1
        try:
            while door.inside:
                await door.changed.wait()
            yield
        finally:
            door.shut -= 1
            if not door.shut:
                door.tell()
            self.go(job_id, door)

    def stand(self, job_id: str) -> _Door:
        """Come to the door of a job; `go` must follow."""
        door = self._doors.get(job_id)
        if door is None:
            door = self._doors[job_id] = _Door()
        door.standing += 1
        return door

    def go(self, job_id: str, door: _Door) -> None:
        """Go away; the last one takes the door along."""
        door.standing -= 1
        if not door.standing:
            del self._doors[job_id]
