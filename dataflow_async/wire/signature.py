"""Signature version 2 of the NAVER Cloud Platform API gateway; body and host are not signed.

Source: https://api.ncloud-docs.com/docs/en/common-ncpapi
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Protocol


class Keys(Protocol):
    """The pair of keys that a request is signed with."""

    @property
    def access_key(self) -> str:
        """Key id, sent with every call."""

    @property
    def secret_key(self) -> str:
        """Secret that signs; never sent."""


class Sealed(str):
    """A text whose repr hides it: tools that print the variables of frames use reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return nothing of it."""
        return "'...'"


class SignedHeaders:
    """The headers of one attempt; unpacks like a mapping, and keeps the signature out of tracebacks and reports."""

    __slots__ = ("_headers",)

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def keys(self) -> Iterable[str]:
        """Return the names."""
        return self._headers.keys()

    def __getitem__(self, name: str) -> str:
        """Return the value of a header."""
        return self._headers[name]

    def beside(self, *others: Mapping[str, str]) -> dict[str, str]:
        """Return them with other headers, in a dict that only its sender should hold."""
        headers = self._headers.copy()
        for other in others:
            headers.update(other)
        return headers

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        """Compare as a mapping does."""
        return self._headers == (other._headers if isinstance(other, SignedHeaders) else other)

    def __repr__(self) -> str:
        """Return it without the values."""
        return "<SignedHeaders>"


class Signer:
    """Signs requests with one pair of keys."""

    __slots__ = ("_access_key", "_mac")

    def __init__(self, keys: Keys) -> None:
        self._access_key = keys.access_key
        # Keyed once and copied for each request: a fraction of keying anew.
        self._mac = hmac.new(keys.secret_key.encode(), digestmod="sha256")

    def headers(self, method: str, target: str, milliseconds: int) -> SignedHeaders:
        """Return the three headers that authenticate ``method target`` at this moment.

        Args:
            method: Upper-case HTTP method.
            target: Path and query exactly as they go out, ASCII, starting at the host's root.
            milliseconds: Unix time on the gateway's clock, within 5 minutes of it (contract/notes.md#ruling-15).
        """
        mac = self._mac.copy()
        mac.update(f"{method} {target}\n{milliseconds}\n{self._access_key}".encode())
        return SignedHeaders(
            {
                "x-ncp-apigw-timestamp": str(milliseconds),
                "x-ncp-iam-access-key": self._access_key,
                "x-ncp-apigw-signature-v2": Sealed(b64encode(mac.digest()).decode()),
            }
        )

    def __repr__(self) -> str:
        """Return it without the keys."""
        return "<Signer>"
