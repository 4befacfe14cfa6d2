"""How launches are named: by their key, or by a name made of what they send.

A launch without a key of its own is named by what it is: a digest of job, settings, and which of the identical launches
of its run it is. So it has the same name when the same program runs again, whatever else is launched beside it.
"""

from __future__ import annotations

from hashlib import sha256

from dataflow_async import defaults
from dataflow_async.bulk.digest_set import RecentDigests
from dataflow_async.bulk.digests import DIGEST_BYTES, settings_digest
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.models.launch import Launch

_NAME_DIGITS = 20
"""Hexadecimal digits of a made name: 80 bits. Journals hold such names, so it stays."""


class LaunchKeys:
    """Names the launches of one run that keeps no journal, each differently.

    Always true: no two of the last ``remembered`` names are equal. They are kept as digests of 16 bytes, of twice that many
    names at most, so memory does not grow with the run; a key that comes again after more others is not recognized.

    Args:
        remembered: Names that are surely recognized.
        repeated: Settings of which it is remembered how often they came.
    """

    def __init__(
        self, *, remembered: int = defaults.KEYS_REMEMBERED, repeated: int = defaults.REPEATED_SETTINGS
    ) -> None:
        self._recent = RecentDigests(remembered)
        self._ordinals = Ordinals(repeated)

    def __len__(self) -> int:
        """Return the number of names that are remembered."""
        return len(self._recent)

    def name(self, launch: Launch, settings: bytes | None = None) -> str:
        """Return the key of a launch: its own, or one made of ``settings`` (its `settings_digest`, if at hand).

        Raises:
            InvalidRequest: Field ``"key"``: not usable, or this run had it before; or as `settings_digest`.
        """
        if launch.key is None:
            return self._made(settings_digest(launch) if settings is None else settings)
        key = check_key(launch.key)
        if not self._recent.add(name_digest(key)):
            raise key_repeated(key)
        return key

    def _made(self, settings: bytes) -> str:
        """Return the name of the n-th identical launch; names that are keys of other launches are skipped."""
        ordinal = self._ordinals.next(settings)
        while not self._recent.add(name_digest(name := made_name(settings, ordinal))):
            ordinal = self._ordinals.after_taken(settings)
        return name


class Ordinals:
    """Counts identical launches of one run; those that come once only are not remembered.

    So the caller must find out which names are taken, and then ask for the number after.

    Args:
        repeated: Settings that are counted; those that repeated first are forgotten first, and counted anew.
    """

    def __init__(self, repeated: int = defaults.REPEATED_SETTINGS) -> None:
        self._repeated = repeated
        self._last: dict[bytes, int] = {}
        """Of settings that came more than once, those that did so first go first."""

    def next(self, settings: bytes) -> int:
        """Return the number of the next launch with these settings, from 1."""
        if settings not in self._last:
            return 1
        self._last[settings] += 1
        return self._last[settings]

    def after_taken(self, settings: bytes) -> int:
        """Return the next number; to be called when the name with the previous number is taken."""
        if settings not in self._last and len(self._last) >= self._repeated:
            del self._last[next(iter(self._last))]
        self._last[settings] = self._last.get(settings, 1) + 1
        return self._last[settings]


def key_repeated(key: str) -> InvalidRequest:
    """Return the error that says that two launches of a run have the same key."""
    return InvalidRequest(
        f"key must name one launch of this run, got {key!r} for a second one, which does not start: choose another key",
        field="key",
    )


def made_name(settings: bytes, ordinal: int) -> str:
    """Return the name of the n-th launch, from 1, of those with these settings."""
    return sha256(settings + ordinal.to_bytes(8, "big")).hexdigest()[:_NAME_DIGITS]


def check_key(key: object) -> str:
    """Return a caller's key, checked.

    Raises:
        InvalidRequest: Field ``"key"``: no text, empty, too long, or with control characters.
    """
    if isinstance(key, str) and 0 < len(key) <= defaults.MAX_KEY and not checks.has_control(key):
        return key
    raise checks.refuse("key", key, f"text of 1 to {defaults.MAX_KEY} characters without control characters")


def name_digest(name: str) -> bytes:
    """Return the digest by which a name is remembered."""
    return sha256(name.encode()).digest()[:DIGEST_BYTES]
