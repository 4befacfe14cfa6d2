"""Where keys come from: arguments -> environment -> profile file -> server role (rulings 80 to 84)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from attrs import field, frozen

from dataflow_async import defaults
from dataflow_async.clock import Clock, SystemClock
from dataflow_async.errors import CredentialsError
from dataflow_async.session import fetch as _fetch

log = logging.getLogger("dataflow_async")

Fetch = Callable[[str], Awaitable[tuple[int, str]]]
"""GET a URL: status and text, or OSError where nothing answers."""

ACCESS_KEY_NAMES = ("NCLOUD_ACCESS_KEY_ID", "NCLOUD_ACCESS_KEY")
SECRET_KEY_NAMES = ("NCLOUD_SECRET_ACCESS_KEY", "NCLOUD_SECRET_KEY")
METADATA_NAMES = ("NCLOUD_METADATA_API_ENDPOINT", "NCLOUD_METADATA_ENDPOINT")
METADATA_HOST = "http://169.254.169.254"
_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
_NO_ROLE = frozenset({403, 404, 405})
_DEFAULT_PROFILE = "DEFAULT"


@frozen(repr=False)
class Credentials:
    """One pair of keys. Its repr hides the secret, and it can't be pickled.

    Raises:
        CredentialsError: A key is empty, or the access key can't stand in a header.
    """

    access_key: str = field()
    secret_key: str = field()

    @access_key.validator
    def _check_access_key(self, _: object, value: object) -> None:
        if not (
            isinstance(value, str) and value and value.isascii() and value.isprintable() and " " not in value
        ):
            raise CredentialsError("access_key: printable ASCII text without spaces is needed")

    @secret_key.validator
    def _check_secret_key(self, _: object, value: object) -> None:
        if not (isinstance(value, str) and value.strip() and _encodable(value)):
            raise CredentialsError("secret_key: text that is not empty is needed")

    async def get(self) -> Credentials:
        """Give these keys; so that they are a source of keys themselves."""
        return self

    @classmethod
    async def discover(cls, profile: str | None = None) -> Credentials:
        """Walk the chain and give the first complete pair found.

        Args:
            profile: Section of the profile file; else ``NCLOUD_PROFILE``, else ``DEFAULT``.

        Raises:
            CredentialsError: Names every source tried, and never a value.
        """
        return await CredentialsChain(profile).get()

    def __repr__(self) -> str:
        """Enough of the access key to tell pairs apart, nothing of the secret."""
        return f"Credentials(access_key='{self.access_key[:4]}...', secret_key=...)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a pickle is a file with the secret in it."""
        raise TypeError(
            "Credentials can't be pickled: pass a profile name, or let each process find its keys"
        )

    def __copy__(self) -> Credentials:
        """A value needs no copies."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Credentials:
        """A value needs no copies."""
        return self


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class CredentialsChain:
    """Finds keys at the first request and remembers where; role keys are renewed before they expire."""

    def __init__(
        self,
        profile: str | None = None,
        *,
        clock: Clock | None = None,
        fetch: Fetch | None = None,
        environ: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._profile = profile
        self._home = home
        self._fetch = fetch or partial(_fetch, timeout=defaults.METADATA_TIMEOUT)
        self._clock = clock or SystemClock()
        self._found: Credentials | ServerRole | None = None
        self._searching = asyncio.Lock()

    def at_hand(self) -> Credentials | None:
        """Return the keys to sign with now if nothing has to be awaited for them."""
        return self._found.at_hand() if isinstance(self._found, ServerRole) else self._found

    async def get(self) -> Credentials:
        """Give the keys to sign with now.

        Raises:
            CredentialsError: No source has a complete pair, or one is malformed.
        """
        if self._found is None:
            async with self._searching:
                if self._found is None:
                    self._found = await self._search()
        return await self._found.get()

    async def renew(self, stale: object) -> Credentials:
        """Look for keys other than ``stale``, which have just been refused: they may have been rotated."""
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
        keys = from_environment(self._environ, tried) or from_profile_file(
            self._profile or self._environ.get("NCLOUD_PROFILE") or None, self._home or _home(), tried
        )
        if keys is not None:
            return keys
        role = ServerRole(self._fetch, self._clock, _metadata_host(self._environ))
        if await role.exists(tried):
            return role
        raise CredentialsError("no credentials found; tried " + "; ".join(tried))


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without a home directory has no file in it
        return Path("/nonexistent")


def from_environment(environ: Mapping[str, str], tried: list[str]) -> Credentials | None:
    """Give the pair in the environment, each key under the first of its names that is set (ruling 81).

    Half a pair is passed over with a warning.
    """
    access_name = next((name for name in ACCESS_KEY_NAMES if environ.get(name, "").strip()), None)
    secret_name = next((name for name in SECRET_KEY_NAMES if environ.get(name, "").strip()), None)
    if access_name and secret_name:
        return _pair(
            environ[access_name], environ[secret_name], f"environment ({access_name}, {secret_name})"
        )
    if access_name or secret_name:
        found, missing = (access_name, SECRET_KEY_NAMES) if access_name else (secret_name, ACCESS_KEY_NAMES)
        log.warning("environment: %s is set without %s; looking further", found, " or ".join(missing))
        tried.append(f"environment ({found} without {' or '.join(missing)})")
    else:
        tried.append(f"environment ({', '.join((*ACCESS_KEY_NAMES, *SECRET_KEY_NAMES))} not set)")
    return None


def from_profile_file(profile: str | None, home: Path, tried: list[str]) -> Credentials | None:
    """Give the pair of a profile in ``~/.ncloud/configure`` (ruling 82).

    Raises:
        CredentialsError: The file can't be read, or a profile asked for by name is absent or incomplete.
    """
    path = home / ".ncloud" / "configure"
    name = profile or _DEFAULT_PROFILE
    try:
        profiles = _read_profiles(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        profiles, problem = {}, "no such file"
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise CredentialsError(f"profile file {path}: can't be read: {reason}") from None
    else:
        problem = f"no profile {name}" if name not in profiles else f"profile {name} lacks a key"
    keys = profiles.get(name, {})
    access, secret = keys.get("ncloud_access_key_id"), keys.get("ncloud_secret_access_key")
    if access and secret:
        return _pair(access, secret, f"profile file {path}, profile {name}")
    if profile is not None:
        raise CredentialsError(
            f"profile file {path}: {problem}: profile {name} was asked for by name; has {sorted(profiles)}"
        )
    if access or secret:
        log.warning("profile file %s: %s; looking further", path, problem)
    tried.append(f"profile file {path} ({problem})")
    return None


def _read_profiles(text: str) -> dict[str, dict[str, str]]:
    """Read ``name = value`` lines; those above any ``[section]`` belong to DEFAULT, the last of a name wins."""
    profiles: dict[str, dict[str, str]] = {}
    section = _DEFAULT_PROFILE
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
            profiles.setdefault(section, {})
        elif "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            profiles.setdefault(section, {})[name.strip().lower()] = value.strip()
    return profiles


def _pair(access: str, secret: str, source: str) -> Credentials:
    try:
        return Credentials(access.strip(), secret.strip())
    except CredentialsError as error:
        reason = str(error)
    raise CredentialsError(f"{source}: malformed: {reason}")


def _metadata_host(environ: Mapping[str, str]) -> str:
    host = next(
        (environ[name].strip() for name in METADATA_NAMES if environ.get(name, "").strip()), METADATA_HOST
    )
    return (host if "://" in host else f"http://{host}").rstrip("/")


class ServerRole:
    """Keys of the role a server runs under, renewed from 15 minutes before they expire (ruling 83).

    There is one renewal at a time, in a task of its own. Nobody waits for it while the keys are good for five
    minutes, nobody can cancel it for others, and there is a pause between two of them: a metadata service that
    fails, or gives the same keys until shortly before their end, is not asked at every call.
    """

    def __init__(self, fetch: Fetch, clock: Clock, host: str = METADATA_HOST) -> None:
        self._fetch = fetch
        self._clock = clock
        self._url = host + _ROLE_PATH
        self._role: str | None = None
        self._keys: Credentials | None = None
        self._expires = 0.0
        self._renewing: asyncio.Task[str] | None = None
        self._problem = ""
        """Why the last renewal failed, or nothing if it did not."""
        self._again = 0.0
        """Monotonic time of the next renewal that is not urgent."""

    async def exists(self, tried: list[str]) -> bool:
        """Whether this machine has a role; if not, say why in ``tried``."""
        try:
            status, text = await self._fetch(self._url)
        except OSError as error:
            tried.append(f"server role ({self._url}: {error})")
            return False
        roles = text.split() if status == 200 else []
        if not roles:
            tried.append(f"server role (none: HTTP {status})")
            return False
        self._role = roles[0]
        return True

    def at_hand(self) -> Credentials | None:
        """Return keys that nothing has to be awaited for, and begin to renew them if it is time."""
        good_for = self._expires - self._clock.time()
        if self._keys is None or good_for > defaults.ROLE_REFRESH:
            return self._keys
        good = good_for > defaults.ROLE_MUST_REFRESH
        if self._clock.monotonic() < self._again:
            # Keys just given are used however near their end: the service has no others, or our clock is off.
            return self._keys if good or not self._problem else None
        if not good:
            return None
        self._renewing = self._renewal()
        return self._keys

    async def get(self) -> Credentials:
        """Give keys that are good for 5 minutes, or the newest there are.

        Raises:
            CredentialsError: They had to be renewed, and could not be.
        """
        return self.at_hand() or await self._renewed()

    async def renew(self, stale: object) -> Credentials:
        """Give other keys than ``stale``, if the role has any."""
        if self._keys is not None and self._keys != stale:
            return self._keys
        return await self._renewed()

    async def aclose(self) -> None:
        """End a renewal that is under way."""
        if self._renewing is not None and not self._renewing.done():
            self._renewing.cancel()
            await asyncio.wait({self._renewing})

    def _renewal(self) -> asyncio.Task[str]:
        """Return the renewal that is under way, or begin one."""
        if self._renewing is not None and not self._renewing.done():
            return self._renewing
        # An empty context: the keys are everybody's, so they are traced under nobody who came first.
        return Context().run(asyncio.create_task, self._renew())

    async def _renewed(self) -> Credentials:
        renewing = self._renewing = self._renewal()
        await asyncio.wait({renewing})
        problem = "the renewal was interrupted" if renewing.cancelled() else renewing.result()
        if problem or self._keys is None:
            raise CredentialsError(problem)
        return self._keys

    async def _renew(self) -> str:
        try:
            self._keys, self._expires = await self._ask()
        except CredentialsError as error:
            self._problem = str(error)
        except asyncio.CancelledError:
            self._problem = f"server role {self._role!r}: the renewal was cancelled"
            return self._problem
        else:
            self._problem = ""
        self._again = self._clock.monotonic() + defaults.ROLE_PAUSE
        good_for = self._expires - self._clock.time()
        if self._problem and good_for > 0:
            log.warning("%s; the old keys are good for %.0f s more", self._problem, good_for)
        return self._problem

    async def _ask(self) -> tuple[Credentials, float]:
        source = f"server role {self._role!r}"
        try:
            status, text = await self._fetch(f"{self._url}{self._role}")
        except OSError as error:
            problem = str(error)
        else:
            if status in _NO_ROLE:
                problem = f"gone (HTTP {status})"
            elif status != 200:
                problem = f"HTTP {status}"
            else:
                return self._parse(text, source)
        raise CredentialsError(f"{source}: {problem}")

    def _parse(self, text: str, source: str) -> tuple[Credentials, float]:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise CredentialsError(f"{source}: malformed: the answer is not a JSON object")
        if document.get("Code") not in {None, "Success"}:
            raise CredentialsError(f"{source}: refused with code {document.get('Code')!r}")
        access, secret = document.get("AccessKeyId"), document.get("SecretAccessKey")
        if not (isinstance(access, str) and isinstance(secret, str)):
            raise CredentialsError(f"{source}: malformed: AccessKeyId or SecretAccessKey is missing")
        return _pair(access, secret, source), self._expiry(document.get("Expiration"))

    def _expiry(self, text: object) -> float:
        """An expiry that is absent or unreadable is taken for near, so that the keys are renewed soon."""
        try:
            moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        except ValueError:
            moment = None
        if moment is None:
            return self._clock.time() + 2 * defaults.ROLE_REFRESH
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
