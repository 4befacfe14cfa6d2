"""Keeps launches of a job out while its runs are listed, so that no run in a listing is one of ours still unanswered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

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


class Doors:
    """One door a job, for as long as somebody stands at it."""

    def __init__(self) -> None:
        self._doors: dict[str, _Door] = {}

    @asynccontextmanager
    async def inside(self, job_id: str) -> AsyncGenerator[None, None]:
        """Wait until no listing of a job's runs is under way, and keep further ones out for the block: one launch."""
        with self._standing(job_id) as door:
            while door.shut:
                await door.changed.wait()
            door.inside += 1
            try:
                yield
            finally:
                door.inside -= 1
                if door.shut and not door.inside:
                    door.tell()

    @asynccontextmanager
    async def shut(self, job_id: str) -> AsyncGenerator[None, None]:
        """Wait until no launch of a job is under way, and keep further ones out for the block: one listing."""
        with self._standing(job_id) as door:
            door.shut += 1
            try:
                while door.inside:
                    await door.changed.wait()
                yield
            finally:
                door.shut -= 1
                if not door.shut:
                    door.tell()

    @contextmanager
    def _standing(self, job_id: str) -> Generator[_Door, None, None]:
        door = self._doors.setdefault(job_id, _Door())
        door.standing += 1
        try:
            yield door
        finally:
            door.standing -= 1
            if not door.standing:
                del self._doors[job_id]
