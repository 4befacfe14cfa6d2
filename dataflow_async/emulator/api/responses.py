"""Answers: a status with a JSON body, or one of the two error envelopes (contract/notes.md#ruling-20)."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import attrs

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
_NO_HEADERS: Mapping[str, str] = {}


@attrs.frozen
class Answer:
    """One answer before it is encoded."""

    status: int
    body: Any
    """A JSON value, or bytes that go out as they are."""
    headers: Mapping[str, str] = _NO_HEADERS
    """Headers that are added to the usual ones or replace them."""

    def encoded(self) -> bytes:
        """Return the body as bytes."""
        return self.body if isinstance(self.body, bytes) else _json(self.body)


def _json(value: Any) -> bytes:
    """Return a value as JSON; what orjson does not write, the standard library does."""
    try:
        return fast_writer()(value)
    except TypeError:  # half of a surrogate pair, or a number of more than 64 bits
        return _standard(value)


def _standard(value: Any) -> bytes:
    """Return a value as JSON with everything beyond ASCII escaped, even half of a surrogate pair in a label."""
    return _ENCODER.encode(value).encode("ascii")


@cache
def fast_writer() -> Callable[[Any], bytes]:
    """Return orjson's writer where the extra ``speed`` is installed: it takes an eighth of the time."""
    try:
        from orjson import dumps
    except ImportError:
        return _standard
    return dumps


class Refused(Exception):
    """Ends a request early with the answer it carries."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


_GATEWAY = {
    "100": (400, "Bad Request Exception"),
    "200": (401, "Authentication Failed"),
    "300": (404, "Not Found Exception"),
    "400": (429, "Quota Exceeded"),
    "410": (429, "Throttle Limited"),
    "420": (429, "Rate Limited"),
    "430": (413, "Request Entity Too Large"),
    "500": (503, "Endpoint Error"),
    "510": (504, "Endpoint Timeout"),
    "900": (500, "Unexpected Error"),
}
"""The rows of the contract's table of gateway codes that the emulator or one of its faults answers with."""


def by_gateway(code: str, details: str) -> Refused:
    """Return a refusal of the API gateway in front of the service."""
    status, message = _GATEWAY[code]
    return Refused(Answer(status, {"error": {"errorCode": code, "message": message, "details": details}}))


def by_service(status: int, error_type: str, detail: str) -> Refused:
    """Return a refusal of Data Flow itself."""
    return Refused(Answer(status, {"detail": detail, "errorType": error_type}))


def bad_parameter(detail: str) -> Refused:
    """Return the refusal of a request that breaks a rule; the text names the member and its rule (contract/notes.md#ruling-30)."""
    return by_service(400, "bad-parameter", detail)


def bad_state(detail: str) -> Refused:
    """Return the refusal of a valid request that the present state does not allow (contract/notes.md#ruling-30)."""
    return by_service(400, "bad-state", detail)


def not_found(resource_id: str) -> Refused:
    """Return the refusal of an unknown id."""
    return by_service(404, "not-found", f"Nothing has the id {resource_id}.")
