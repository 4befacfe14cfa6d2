"""How a journal names launches and recognizes them: keys, and digests of what they send.

A launch without a key of its own is named by what it is: a digest of job, settings, and which of the identical launches
of its run it is. So it has the same name when the same program runs again, whatever else is launched beside it.
"""

from __future__ import annotations

from hashlib import sha256

from dataflow_async.bulk.digests import DIGEST_BYTES, settings_digest
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.launch import Launch

_NAME = 20
"""Hexadecimal digits of a made name: 80 bits."""
_REMEMBERED = 1_000_000
"""Names in a generation: two of them take at most 64 MB, and a run of ten thousand launches some 300 kB."""
_PARTS = 256
"""Tables of a generation: each grows by itself, within 20 ms however many names there are."""
_FIRST_SLOTS = 16
_FREE = bytes(DIGEST_BYTES)
_REPEATED = 100_000
"""Settings of which it is remembered how often they came; of others it is found out again, name by name."""
_LONGEST = 200
"""Characters of a caller's key: enough for a path or a sentence, and a row stays a row."""


class LaunchKeys:
    """Names the launches of one run that keeps no journal, each differently.

    What was named so far is kept as digests of the last million names, 16 bytes each: memory does not grow beyond that
    (promise 5), and a key that comes again after more than a million others is not recognized.
    """

    def __init__(self) -> None:
        self._recent = _Recent()
        self._ordinals = Ordinals()

    def name(self, launch: Launch, settings: bytes | None = None) -> str:
        """Return the key of a launch: its own, or one made of ``settings`` (its `settings_digest`, if at hand).

        Raises:
            InvalidRequest: Field ``"key"``: not usable, or this run had it before; or as `settings_digest`.
        """
        if launch.key is None:
            return self._made(settings_digest(launch) if settings is None else settings)
        key = check_key(launch.key)
        if not self._recent.add(key):
            raise named_twice(key)
        return key

    def _made(self, settings: bytes) -> str:
        """Of the n-th identical launch; passes over a name that a caller has given away as a key."""
        ordinal = self._ordinals.next(settings)
        while not self._recent.add(name := made_name(settings, ordinal)):
            ordinal = self._ordinals.after_taken(settings)
        return name


class Ordinals:
    """Counts identical launches of one run; those that come once only are not remembered.

    So whoever uses it must know which names are taken, and ask for the one after.
    """

    def __init__(self) -> None:
        self._last: dict[bytes, int] = {}
        """Of settings that came more than once, those that did so first go first."""

    def next(self, settings: bytes) -> int:
        """Return the number of the next launch with these settings, from 1."""
        if settings not in self._last:
            return 1
        self._last[settings] += 1
        return self._last[settings]

    def after_taken(self, settings: bytes) -> int:
        """Return the next number, the one that was returned before being taken."""
        if settings not in self._last and len(self._last) >= _REPEATED:
            del self._last[next(iter(self._last))]
        self._last[settings] = self._last.get(settings, 1) + 1
        return self._last[settings]


class _Recent:
    """The last million texts at least, by their digests: two generations, of which the older one is dropped."""

    def __init__(self) -> None:
        self._now, self._before = _Digests(), _Digests()

    def add(self, text: str) -> bool:
        """Add a text; False if it is there."""
        digest = sha256(text.encode()).digest()[:DIGEST_BYTES]
        if digest in self._before or not self._now.add(digest):
            return False
        if len(self._now) >= _REMEMBERED:
            self._now, self._before = _Digests(), self._now
        return True


class _Digests:
    """A set of digests, in parts: one table of a million of them would hold the event loop for seconds to grow."""

    def __init__(self) -> None:
        self._parts = [_Table() for _ in range(_PARTS)]
        self._count = 0

    def __len__(self) -> int:
        """Return the number of digests."""
        return self._count

    def __contains__(self, digest: bytes) -> bool:
        """Whether a digest is there."""
        return digest in self._parts[digest[-1]]

    def add(self, digest: bytes) -> bool:
        """Add a digest; False if it is there."""
        added = self._parts[digest[-1]].add(digest)
        self._count += added
        return added


class _Table:
    """A set of digests that takes little more room than they do; open addressing, at most three quarters full."""

    def __init__(self) -> None:
        self._slots = bytearray(_FIRST_SLOTS * DIGEST_BYTES)
        self._count = 0

    def __contains__(self, digest: bytes) -> bool:
        """Whether a digest is there."""
        return self._slots.startswith(digest, self._place(digest))

    def add(self, digest: bytes) -> bool:
        """Add a digest; False if it is there."""
        place = self._place(digest)
        if self._slots.startswith(digest, place):
            return False
        self._slots[place : place + DIGEST_BYTES] = digest
        self._count += 1
        if self._count * 4 > len(self._slots) // DIGEST_BYTES * 3:
            self._grow()
        return True

    def _place(self, digest: bytes) -> int:
        """Where a digest is, or would be: the first slot from its own on that has it, or is free."""
        size = len(self._slots)
        place = int.from_bytes(digest[:8], "big") * DIGEST_BYTES % size
        while not self._slots.startswith((digest, _FREE), place):
            place = (place + DIGEST_BYTES) % size
        return place

    def _grow(self) -> None:
        old = self._slots
        self._slots = bytearray(2 * len(old))
        for start in range(0, len(old), DIGEST_BYTES):
            digest = bytes(old[start : start + DIGEST_BYTES])
            if digest != _FREE:
                place = self._place(digest)
                self._slots[place : place + DIGEST_BYTES] = digest


def named_twice(key: str) -> InvalidRequest:
    """Return the error that says that a run has a key twice."""
    return InvalidRequest(f"key: {key!r} names two launches of this run; one is needed", field="key")


def made_name(settings: bytes, ordinal: int) -> str:
    """Name of the n-th launch, from 1, of those with these settings."""
    return sha256(settings + ordinal.to_bytes(8, "big")).hexdigest()[:_NAME]


def check_key(key: object) -> str:
    """Check a caller's key.

    Raises:
        InvalidRequest: Field ``"key"``: no text, empty, too long, or with control characters.
    """
    if isinstance(key, str) and 0 < len(key) <= _LONGEST and not checks.CONTROL.search(key):
        return key
    raise checks.refuse("key", key, f"text of 1 to {_LONGEST} characters without control characters")
