"""Finds the keys to sign with: argument, environment, profile file, server role, in this order.

Source: contract/notes.md#ruling-80
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast
from unicodedata import category

from attrs import field, frozen

from dataflow_async import defaults
from dataflow_async.clock import Clock, SystemClock
from dataflow_async.errors import CredentialsError, InvalidRequest
from dataflow_async.models import checks
from dataflow_async.tasks import start_detached
from dataflow_async.transport.aiohttp_session import fetch as _fetch

if TYPE_CHECKING:
    from dataflow_async.role_endpoint import Fetch, RoleEndpoint

log = logging.getLogger("dataflow_async")

ACCESS_KEY_NAMES = ("NCLOUD_ACCESS_KEY_ID", "NCLOUD_ACCESS_KEY")
SECRET_KEY_NAMES = ("NCLOUD_SECRET_ACCESS_KEY", "NCLOUD_SECRET_KEY")
METADATA_NAMES = ("NCLOUD_METADATA_API_ENDPOINT", "NCLOUD_METADATA_ENDPOINT")
_QUOTES = frozenset("\"'`\u00b4\u201a\u201e\uff02\uff07")
"""Those that Unicode does not class as quotes (Pi, Pf) by itself."""
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800\ufffd")
"""Letters without a glyph (Hangul fillers, the empty Braille cell), and what stands for an unreadable character."""


@frozen(repr=False, init=False)
class Credentials:
    """One pair of keys. Its repr hides the secret, and it can't be pickled.

    Raises:
        CredentialsError: A key is no text, empty, or holds what no key has: spaces, line ends, quotes, invisible
            characters. The access key stands in a header, so it must be ASCII.
    """

    # rich shows the fields of attrs classes by itself, whatever __repr__ says
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)

    def __init__(self, access_key: str, secret_key: str) -> None:
        problem = flaw(access_key, secret_key)
        if problem:
            del access_key, secret_key  # a tool that prints the frames of the error must not find them
            raise CredentialsError(problem)
        self.__attrs_init__(access_key, secret_key)

    async def get(self) -> Credentials:
        """Return these keys: they are a key source themselves."""
        return self

    @classmethod
    async def discover(cls, profile: str | None = None) -> Credentials:
        """Return the first complete pair of environment, profile file and server role.

        Args:
            profile: Section of the profile file; else ``NCLOUD_PROFILE``, else ``DEFAULT``.

        Raises:
            CredentialsError: No source has a complete pair; it names every source tried, and never a value.
        """
        return await CredentialsChain(profile).get()

    def __repr__(self) -> str:
        """Return the first characters of the access key, and nothing of the secret."""
        return f"Credentials(access_key='{masked(getattr(self, 'access_key', ''))}', secret_key=...)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a pickle is a file with the secret in it."""
        raise TypeError(
            "Credentials can't be pickled, a pickle would hold the secret key: pass a profile name, or let each process "
            "discover its keys"
        )

    def __copy__(self) -> Credentials:
        """Return itself: a value needs no copies."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Credentials:
        """Return itself: a value needs no copies."""
        return self


def masked(access_key: str) -> str:
    """Return the first characters of an access key, enough to distinguish pairs."""
    return f"{access_key[: defaults.ACCESS_KEY_SHOWN]}..."


def flaw(access_key: object, secret_key: object) -> str:
    """Return what is wrong with a pair of keys, without showing them, or an empty text."""
    for name, key in (("access_key", access_key), ("secret_key", secret_key)):
        if problem := _flaw(key, ascii_only=name == "access_key"):
            return f"{name} must be text without spaces, line ends, quotes and invisible characters, got {problem}"
    return ""


def _flaw(key: object, *, ascii_only: bool) -> str:
    if not isinstance(key, str):
        return type(key).__name__
    if not key:
        return "an empty text"
    for character in key:
        if character in "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029":
            return "one with a line end"
        if character.isspace():
            return "one with a space"
        if character in _QUOTES or category(character) in {"Pi", "Pf"}:
            return "one with quotes"
        if ascii_only and not "!" <= character <= "~":
            return f"one with U+{ord(character):04X}"
        if character in _UNSEEN or not character.isprintable() or category(character) in {"Mn", "Me"}:
            return f"one with U+{ord(character):04X}, which can't be seen"
    return ""


class CredentialsChain:
    """Finds keys at the first request and keeps their source; role keys are renewed before they expire.

    Always true: one search runs at a time, and its result is kept until the gateway refuses the keys. Calls that searched
    side by side would send a request each to the metadata endpoint.
    """

    def __init__(
        self,
        profile: str | None = None,
        *,
        clock: Clock | None = None,
        fetch: Fetch | None = None,
        environ: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        if profile is not None and not (isinstance(cast("object", profile), str) and profile.strip()):
            raise InvalidRequest(
                f"profile must be the name of a profile, got {checks.shown(profile)}", field="profile"
            )
        self._environ = os.environ if environ is None else environ
        self._profile = profile
        self._home = home
        self._fetch = fetch or partial(_fetch, timeout=defaults.METADATA_TIMEOUT)
        self._clock = clock or SystemClock()
        self._found: Credentials | ServerRole | None = None
        self._source: str | None = None
        self._searching = asyncio.Lock()

    @property
    def source(self) -> str | None:
        """Where the keys were found, in words; None before the first search. It names no key."""
        return self._source

    def at_hand(self) -> Credentials | None:
        """Return the keys to sign with now, or None if they have to be awaited."""
        return self._found.at_hand() if isinstance(self._found, ServerRole) else self._found

    async def get(self) -> Credentials:
        """Return the keys to sign with now.

        Raises:
            CredentialsError: No source has a complete pair, or one is malformed.
        """
        if self._found is None:
            async with self._searching:
                if self._found is None:
                    self._found = await self._search()
        return await self._found.get()

    async def renew(self, stale: object) -> Credentials:
        """Search for keys other than ``stale``, which were refused: they may have been rotated."""
        if isinstance(self._found, ServerRole):
            return await self._found.renew(stale)
        async with self._searching:
            if self._found is None or self._found == stale:
                self._found = await self._search()
        return await self._found.get()

    async def aclose(self) -> None:
        """End a renewal that is under way; the chain can still be used."""
        if isinstance(self._found, ServerRole):
            await self._found.aclose()

    async def _search(self) -> Credentials | ServerRole:
        tried: list[str] = []
        found = self._written_down(tried)
        if found is not None:
            self._source = found.source
            return found.keys
        from dataflow_async.role_endpoint import RoleEndpoint

        endpoint = RoleEndpoint(self._fetch, _metadata_host(self._environ))
        if await endpoint.has_role(tried):
            role = ServerRole(endpoint, self._clock)
            await role.get()  # a role without usable keys is no source: the next search starts anew
            self._source = endpoint.name
            return role
        raise CredentialsError("no credentials found; tried " + "; ".join(tried))

    def _written_down(self, tried: list[str]) -> Found | None:
        """Return the keys of environment or profile file; a profile given in code comes before both."""
        home = self._home or _home()
        if self._profile is not None:
            return _noted(from_profile_file(self._profile, home), tried)
        named = self._environ.get("NCLOUD_PROFILE", "").strip() or None
        return _noted(from_environment(self._environ), tried) or _noted(from_profile_file(named, home), tried)


class Found(NamedTuple):
    """A pair of keys, and the source that has it."""

    keys: Credentials
    source: str


class Miss(NamedTuple):
    """Why a source has no keys. A value, so that no error passes through a frame that holds keys."""

    text: str
    is_fatal: bool = False
    """Whether it ends the search."""
    is_odd: bool = False
    """Whether it is logged: half a pair is there, or a file that can't be read."""


def _noted(found: Found | Miss, tried: list[str]) -> Found | None:
    """Return keys; note where there were none, or raise if that is an error."""
    if isinstance(found, Found):
        return found
    if found.is_fatal:
        raise CredentialsError(found.text)
    if found.is_odd:
        log.warning("%s; trying the next source", found.text)
    tried.append(found.text)
    return None


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without a home directory has no file in it
        return Path("/nonexistent")


def from_environment(environ: Mapping[str, str]) -> Found | Miss:
    """Return the pair in the environment, each key under the first of its names that is set.

    Source: contract/notes.md#ruling-81
    """
    access_name = next((name for name in ACCESS_KEY_NAMES if environ.get(name, "").strip()), None)
    secret_name = next((name for name in SECRET_KEY_NAMES if environ.get(name, "").strip()), None)
    if access_name and secret_name:
        return _pair(
            environ[access_name], environ[secret_name], f"environment ({access_name}, {secret_name})"
        )
    if access_name or secret_name:
        found, missing = (access_name, SECRET_KEY_NAMES) if access_name else (secret_name, ACCESS_KEY_NAMES)
        return Miss(f"environment: {found} is set without {' or '.join(missing)}", is_odd=True)
    return Miss(f"environment ({', '.join((*ACCESS_KEY_NAMES, *SECRET_KEY_NAMES))} not set)")


def from_profile_file(profile: str | None, home: Path) -> Found | Miss:
    """Return the pair of a profile in ``~/.ncloud/configure``; a profile named by the caller must exist.

    Source: contract/notes.md#ruling-82
    """
    from dataflow_async.profile_file import DEFAULT_PROFILE, profile_name, read_profiles

    path = home / ".ncloud" / "configure"
    name = profile_name(profile or DEFAULT_PROFILE)
    source = f"profile file {path}"
    try:
        profiles = read_profiles(path.read_bytes())
    except FileNotFoundError:
        missing = f", so no profile {name}" if profile is not None else ""
        return Miss(f"{source}: no such file{missing}", is_fatal=profile is not None)
    except OSError as error:  # such as the home of root, for a service that runs as somebody else
        return Miss(f"{source}: can't be read: {error.strerror}", is_fatal=profile is not None, is_odd=True)
    except UnicodeDecodeError:
        return Miss(f"{source}: can't be read: neither UTF-8, UTF-16 nor CP949", is_fatal=True)
    keys = profiles.get(name, {})
    access, secret = keys.get("ncloud_access_key_id"), keys.get("ncloud_secret_access_key")
    if access and secret:
        return _pair(access, secret, f"{source}, profile {name}")
    problem = f"profile {name} lacks a key" if name in profiles else f"no profile {name}"
    if profile is not None:
        problem += f": it was asked for by name; the file has {sorted(profiles)}"
    return Miss(f"{source}: {problem}", is_fatal=profile is not None, is_odd=bool(access or secret))


def _pair(access: str, secret: str, source: str) -> Found | Miss:
    access, secret = access.strip(), secret.strip()
    if problem := flaw(access, secret):
        return Miss(f"{source}: malformed: {problem}", is_fatal=True)
    log.debug("credentials: access key %s from %s", masked(access), source)
    return Found(Credentials(access, secret), source)


def _metadata_host(environ: Mapping[str, str]) -> str:
    from dataflow_async.role_endpoint import METADATA_HOST

    host = next(
        (environ[name].strip() for name in METADATA_NAMES if environ.get(name, "").strip()), METADATA_HOST
    )
    return (host if "://" in host else f"http://{host}").rstrip("/")


class ServerRole:
    """Keys of the role that a server runs under, renewed from 15 minutes before they expire.

    Always true: one renewal runs at a time, in a task of its own; no call waits for it while the keys are valid for five
    minutes more, and no cancelled call cancels it for others. There is a pause between two renewals: otherwise a metadata
    service that fails, or returns the same keys until shortly before their end, would get a request per call.

    Source: contract/notes.md#ruling-83
    """

    def __init__(self, endpoint: RoleEndpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._keys: Credentials | None = None
        self._expires = 0.0
        self._renewing: asyncio.Task[str] | None = None
        self._problem = ""
        """Why the last renewal failed, or nothing if it did not."""
        self._again = 0.0
        """Monotonic time of the next renewal that is not urgent."""

    def at_hand(self) -> Credentials | None:
        """Return keys that can be used at once, and start to renew them if it is time."""
        good_for = self._expires - self._clock.time()
        if self._keys is None or good_for > defaults.ROLE_REFRESH_AHEAD:
            return self._keys
        good = good_for > defaults.ROLE_MIN_VALIDITY
        if self._clock.monotonic() < self._again:
            # Fresh keys are used however near their end: the service has no others, or our clock is wrong.
            return self._keys if good or not self._problem else None
        if not good:
            return None
        self._renewing = self._renewal()
        return self._keys

    async def get(self) -> Credentials:
        """Return keys that are valid for 5 minutes more, or the newest there are.

        Raises:
            CredentialsError: They had to be renewed, and could not be.
        """
        return self.at_hand() or await self._renewed()

    async def renew(self, stale: object) -> Credentials:
        """Return other keys than ``stale``, if the role has any."""
        if self._keys is not None and self._keys != stale:
            return self._keys
        return await self._renewed()

    async def aclose(self) -> None:
        """End a renewal that is under way."""
        if self._renewing is not None and not self._renewing.done():
            self._renewing.cancel()
            await asyncio.wait({self._renewing})

    def _renewal(self) -> asyncio.Task[str]:
        """Return the renewal that is under way, or start one."""
        if self._renewing is not None and not self._renewing.done():
            return self._renewing
        return start_detached(self._renew)

    async def _renewed(self) -> Credentials:
        renewing = self._renewing = self._renewal()
        await asyncio.wait({renewing})
        problem = "the renewal was interrupted" if renewing.cancelled() else renewing.result()
        if problem or self._keys is None:
            raise CredentialsError(problem)
        return self._keys

    async def _renew(self) -> str:
        try:
            self._problem = await self._fetch_keys()
        except asyncio.CancelledError:  # by `aclose`, or with the loop: this task ends here in either case
            self._problem = f"{self._endpoint.name}: the renewal was cancelled"
            return self._problem
        self._again = self._clock.monotonic() + defaults.ROLE_REFRESH_PAUSE
        good_for = self._expires - self._clock.time()
        if self._problem and good_for > 0:
            log.warning("%s; the old keys are good for %.0f s more", self._problem, good_for)
        return self._problem

    async def _fetch_keys(self) -> str:
        """Fetch and keep new keys; return why there are none, or an empty text."""
        found = await self._endpoint.keys()
        if isinstance(found, str):
            return found
        pair = _pair(found.access_key, found.secret_key, self._endpoint.name)
        if isinstance(pair, Miss):
            return pair.text
        # Keys whose end is unknown are renewed soon.
        soon = self._clock.time() + defaults.ROLE_UNKNOWN_VALIDITY
        self._keys, self._expires = pair.keys, soon if found.expires is None else found.expires
        return ""
