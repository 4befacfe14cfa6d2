"""The gateway's half of request signing, written from the contract alone, without code of the client.

The signature is checked over the raw request target, byte for byte as it came over the wire
(contract/notes.md#ruling-10 and the five after it): a client that signs
one spelling of a path and sends another gets the same refusal here as from the real gateway.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping

TIMESTAMP = "x-ncp-apigw-timestamp"
ACCESS_KEY = "x-ncp-iam-access-key"
SIGNATURE = "x-ncp-apigw-signature-v2"
HEADERS = (TIMESTAMP, ACCESS_KEY, SIGNATURE)

WINDOW = 300.0
"""Seconds; a timestamp this far from the clock, or further, is refused (contract/notes.md#ruling-15)."""

_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII).fullmatch


class Verifier:
    """Checks the signatures of requests against one pair of keys.

    Args:
        access_key: The only access key that is accepted.
        secret_key: Its secret; kept as an HMAC state, never as text.
        window: Seconds from which a timestamp is too far from the clock; infinite for a gateway that does not check.
    """

    def __init__(self, access_key: str, secret_key: str, window: float = WINDOW) -> None:
        self._window = window * 1000
        self._access_key = access_key
        self._template = hmac.new(secret_key.encode(), digestmod="sha256")

    def objection(self, method: str, target: str, headers: Mapping[str, str], now: float) -> str | None:
        """Return why the signature of a request is refused, or None if it is accepted.

        Args:
            method: The verb as received.
            target: Path and query as received, still encoded.
            headers: The request headers, looked up without regard to case.
            now: The gateway's clock, seconds.
        """
        timestamp, access_key, signature = map(headers.get, HEADERS)
        if not (timestamp and access_key and signature):
            missing = [name for name in HEADERS if not headers.get(name)]
            return f"These headers are missing: {', '.join(missing)}."
        if not _DIGITS(timestamp):
            return f"{TIMESTAMP} must be Unix milliseconds in decimal digits."
        if not abs(int(timestamp) - now * 1000) < self._window:
            return f"{TIMESTAMP} is {self._window / 60_000:g} minutes or more away from the gateway's clock."
        if not hmac.compare_digest(_raw(access_key), _raw(self._access_key)):
            return "The access key is not known."
        if not hmac.compare_digest(_raw(signature), self._sign(method, target, timestamp)):
            return "The signature does not fit this request."
        return None

    def _sign(self, method: str, target: str, timestamp: str) -> bytes:
        state = self._template.copy()
        state.update(_raw(f"{method} {target}\n{timestamp}\n{self._access_key}"))
        return b64encode(state.digest())


def _raw(text: str) -> bytes:
    """Return the bytes as received; aiohttp decodes those that are not UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")
