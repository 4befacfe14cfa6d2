"""Readers of percent-encoding, query strings, JSON and Base64; whatever comes in, they return a value or raise `Refused`."""

import base64
import json
import math
import re
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.responses import bad_parameter, by_gateway

_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def decoded(text: str) -> str:
    """Return a text with its percent-encoding undone; the bytes must be UTF-8."""
    if _STRAY_PERCENT.search(text):
        raise by_gateway("100", "A % in the URL must be followed by two hexadecimal digits.")
    return utf8(unquote_to_bytes(text.encode("utf-8", "surrogateescape")), "The URL")


def utf8(data: bytes, what: str) -> str:
    """Return bytes as text."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise by_gateway("100", f"{what} must be UTF-8.") from None


def query_members(query: str) -> dict[str, str]:
    """Return the members of a query string; a plus sign is a space, and a repeated member is refused."""
    members: dict[str, str] = {}
    for piece in filter(None, query.split("&")):
        name, _, value = (decoded(part) for part in piece.replace("+", " ").partition("="))
        if name in members:
            raise bad_parameter(f"{name} must be given once.")
        members[name] = value
    return members


def json_value(data: bytes, what: str) -> Any:
    """Return JSON as values; NaN, infinite numbers and nesting beyond `defaults.MAX_DEPTH` are refused."""
    text = utf8(data, what)
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise bad_parameter(f"{what} must be JSON.") from None
    if text.count("[") + text.count("{") > defaults.MAX_DEPTH and _deeper_than(defaults.MAX_DEPTH, value):
        raise bad_parameter(f"{what} must not be nested more than {defaults.MAX_DEPTH} deep.")
    return value


def base64_json(text: str, what: str) -> Any:
    """Return Base64 of UTF-8 JSON as values (contract/notes.md#ruling-76)."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise bad_parameter(f"{what} must be Base64 of UTF-8 JSON.") from None
    return json_value(data, what)


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_json(digits)


_DECODER = json.JSONDecoder(parse_constant=_no_json, parse_float=_finite)


def _deeper_than(limit: int, value: Any) -> bool:
    level = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _members_of(outer)]
    return any(isinstance(inner, dict | list) for inner in level)


def _members_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
