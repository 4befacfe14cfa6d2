"""Reads the metadata endpoint of a NAVER Cloud server: the name of its role, and the keys of that.

Source: contract/notes.md#ruling-83
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from attrs import field, frozen

from dataflow_async import defaults

Fetch = Callable[[str], Awaitable[tuple[int, str]]]
"""GET a URL: status and text, or OSError if nothing answers."""

METADATA_HOST = "http://169.254.169.254"
_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
_NO_ROLE = frozenset({403, 404, 405})
_ROLE = r"[\w+=,.@:/-]+"
_TOKENS = frozenset({"token", "sessiontoken", "securitytoken"})
"""Members of other clouds' answers; NAVER Cloud's keys have no token."""


@frozen
class RoleKeys:
    """One pair of keys as the endpoint returned it, not checked yet. Its repr hides both."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    expires: float | None
    """Unix time; None if it is absent or malformed."""


class RoleEndpoint:
    """The metadata endpoint of the machine, and the role that it named last."""

    def __init__(self, fetch: Fetch, host: str = METADATA_HOST) -> None:
        self._fetch = fetch
        self._url = host + _ROLE_PATH
        self._role: str | None = None

    @property
    def name(self) -> str:
        """The role in words."""
        return f"server role {self._role!r}"

    async def has_role(self, tried: list[str]) -> bool:
        """Return whether this machine has a role; append to ``tried`` why it has none."""
        try:
            status, text = await self._fetched(self._url)
        except OSError as error:
            tried.append(f"server role ({self._url}: {error})")
            return False
        roles = text.split() if status == 200 else []
        if not roles or not re.fullmatch(_ROLE, roles[0]):
            tried.append(f"server role (none: HTTP {status}{', which lists no roles' * bool(roles)})")
            return False
        self._role = roles[0]
        return True

    async def keys(self, *, may_repeat: bool = True) -> RoleKeys | str:
        """Return the role's keys, or why there are none. A role that is gone may have been replaced by another."""
        try:
            status, text = await self._fetched(f"{self._url}{self._role}")
        except OSError as error:
            return f"{self.name}: {error}"
        if status == 200:
            keys = _parsed(text)
            return f"{self.name}: {keys}" if isinstance(keys, str) else keys
        if status not in _NO_ROLE:
            return f"{self.name}: HTTP {status}"
        problem, gone = f"{self.name}: gone (HTTP {status})", self._role
        if may_repeat and await self.has_role([]) and self._role != gone:
            return await self.keys(may_repeat=False)
        return problem

    async def _fetched(self, url: str) -> tuple[int, str]:
        """GET, and once more after a failure: one lost packet does not prove that there is no role."""
        try:
            return await self._fetched_once(url)
        except OSError:
            pass
        return await self._fetched_once(url)

    async def _fetched_once(self, url: str) -> tuple[int, str]:
        limit = asyncio.timeout(defaults.METADATA_TIMEOUT + defaults.METADATA_LEEWAY)
        try:
            async with limit:
                return await self._fetch(url)
        except TimeoutError:
            if not limit.expired():
                raise
        raise OSError(f"no answer within {defaults.METADATA_TIMEOUT:g} s")


def _parsed(text: str) -> RoleKeys | str:
    """Return the keys of an answer, or what is wrong with it, without quoting it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return "malformed: the answer is not a JSON object"
    if document.get("Code") not in {None, "Success"}:
        return f"refused with code {document.get('Code')!r}"
    has_token = any(value for name, value in document.items() if name.lower() in _TOKENS)
    if has_token or str(document.get("Type")).upper().startswith("AWS"):
        return "these are keys of another cloud (AWS), not of NAVER Cloud"
    access, secret = document.get("AccessKeyId"), document.get("SecretAccessKey")
    if not (isinstance(access, str) and isinstance(secret, str)):
        return "malformed: AccessKeyId or SecretAccessKey is missing"
    return RoleKeys(access, secret, _expiry(document.get("Expiration")))


def _expiry(text: object) -> float | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
