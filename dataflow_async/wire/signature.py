"""Signature version 2 of the NAVER Cloud Platform API gateway; body and host are not signed.

Source: https://api.ncloud-docs.com/docs/en/common-ncpapi
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Protocol

from multidict import istr

# In the form in which aiohttp keeps names: plain ones it would fold, several times, for each request.
_TIMESTAMP = istr("x-ncp-apigw-timestamp")
_ACCESS_KEY = istr("x-ncp-iam-access-key")
_SIGNATURE = istr("x-ncp-apigw-signature-v2")


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
    """Signs requests with one pair of keys.

    The HMAC is that of RFC 2104, from two hashes that have the key and are copied for each request. Python's ``hmac`` keys its
    hashes anew, or copies objects of three layers; both take twice as long.
    """

    __slots__ = ("_access_key", "_inner", "_outer")

    def __init__(self, keys: Keys) -> None:
        self._access_key = keys.access_key
        key, block = keys.secret_key.encode(), sha256().block_size
        key = (sha256(key).digest() if len(key) > block else key).ljust(block, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in key))

    def headers(self, method: str, target: str, milliseconds: int) -> SignedHeaders:
        """Return the three headers that authenticate ``method target`` at this moment.

        Args:
            method: Upper-case HTTP method.
            target: Path and query exactly as they go out, ASCII, starting at the host's root.
            milliseconds: Unix time on the gateway's clock, within 5 minutes of it (contract/notes.md#ruling-15).
        """
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{method} {target}\n{milliseconds}\n{self._access_key}".encode())
        outer.update(inner.digest())
        return SignedHeaders(
            {
                _TIMESTAMP: str(milliseconds),
                _ACCESS_KEY: self._access_key,
                _SIGNATURE: Sealed(b64encode(outer.digest()).decode()),
            }
        )

    def __repr__(self) -> str:
        """Return it without the keys."""
        return "<Signer>"
