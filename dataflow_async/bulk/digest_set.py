"""Sets of digests that take little more memory than the digests do, and that never hold the event loop for long."""

from __future__ import annotations

from dataflow_async import defaults
from dataflow_async.bulk.digests import DIGEST_BYTES

_FREE = bytes(DIGEST_BYTES)


class RecentDigests:
    """The digests that were added last: two generations, of which the older one is dropped when the newer one is full.

    Always true: a digest is there while fewer than ``capacity`` others were added after it, and never more than twice
    that many are held: memory stays bounded however long a run is.

    Args:
        capacity: Digests in a generation.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._now, self._before = DigestSet(), DigestSet()

    def __len__(self) -> int:
        """Return the number of digests."""
        return len(self._now) + len(self._before)

    def add(self, digest: bytes) -> bool:
        """Add a digest; False if it is there."""
        if (len(self._before) and digest in self._before) or not self._now.add(digest):
            return False
        if len(self._now) >= self._capacity:
            self._now, self._before = DigestSet(), self._now
        return True


class DigestSet:
    """A set of digests, in many tables: one table of a million of them would hold the event loop for seconds to grow."""

    def __init__(self) -> None:
        self._tables = [DigestTable() for _ in range(defaults.DIGEST_TABLES)]
        self._count = 0

    def __len__(self) -> int:
        """Return the number of digests."""
        return self._count

    def __contains__(self, digest: bytes) -> bool:
        """Return whether a digest is there."""
        return digest in self._tables[digest[-1] % len(self._tables)]

    @property
    def slots(self) -> int:
        """Digests for which memory is reserved."""
        return sum(table.slots for table in self._tables)

    def add(self, digest: bytes) -> bool:
        """Add a digest; False if it is there."""
        added = self._tables[digest[-1] % len(self._tables)].add(digest)
        self._count += added
        return added


class DigestTable:
    """A set of digests in one array, with open addressing.

    Always true: at most three quarters of its slots are taken, and a digest is in the first slot, from its own on, that
    was free when it came. A full table would be searched for ever; a digest that is removed would hide those behind it.
    """

    def __init__(self) -> None:
        self._slots = bytearray(defaults.DIGEST_TABLE_SLOTS * DIGEST_BYTES)
        self._count = 0

    def __contains__(self, digest: bytes) -> bool:
        """Return whether a digest is there."""
        return self._slots.startswith(digest, self._place(digest))

    @property
    def slots(self) -> int:
        """Digests for which memory is reserved."""
        return len(self._slots) // DIGEST_BYTES

    def add(self, digest: bytes) -> bool:
        """Add a digest; False if it is there."""
        place = self._place(digest)
        if self._slots.startswith(digest, place):
            return False
        self._slots[place : place + DIGEST_BYTES] = digest
        self._count += 1
        if self._count * 4 > self.slots * 3:
            self.grow()
        return True

    def grow(self) -> None:
        """Double the number of slots."""
        old = self._slots
        self._slots = bytearray(2 * len(old))
        for start in range(0, len(old), DIGEST_BYTES):
            digest = bytes(old[start : start + DIGEST_BYTES])
            if digest != _FREE:
                place = self._place(digest)
                self._slots[place : place + DIGEST_BYTES] = digest

    def _place(self, digest: bytes) -> int:
        """Return where a digest is, or would be: the first slot from its own on that has it, or is free."""
        size = len(self._slots)
        place = int.from_bytes(digest[:8], "big") * DIGEST_BYTES % size
        while not self._slots.startswith((digest, _FREE), place):
            place = (place + DIGEST_BYTES) % size
        return place
