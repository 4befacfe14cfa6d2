"""JSON text in and out, by content, whatever its headers say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest

_BOM = b"\xef\xbb\xbf"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _fraction(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number beyond the range of doubles")
    return value


def _whole(text: str) -> int | float:
    """Return a whole number as orjson does: of 64 bits exactly, a greater one as a fraction."""
    if len(text) < _DIGITS:
        return int(text)
    value = int(text) if len(text) <= _DIGITS + 1 else None
    return value if value is not None and -(2**63) <= value < 2**64 else _fraction(text)


_DIGITS = 19
_decode = json.JSONDecoder(parse_constant=_no_constant, parse_float=_fraction, parse_int=_whole).decode
# Made once: json.dumps would make an encoder for every call.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_encode = _ENCODER.encode
_encode_in_order = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode


def standard_reader(body: bytes) -> Any:
    """Parse as orjson does: a program must not change with an extra that makes it fast."""
    text = body.decode("utf-8")
    value = _decode(text)
    if "\\ud" in text or "\\uD" in text:  # an escape may be half of a pair, which is no text
        _encode(value).encode()
    return value


def standard_writer(value: Any, *, in_order: bool = False) -> bytes:
    """Write as orjson does what both write."""
    return (_encode_in_order if in_order else _encode)(value).encode()


def _is_plain(value: dict[str, Any]) -> bool:
    """Return whether both writers write an object alike: it holds texts, whole numbers, truth values and such objects."""
    for name, member in value.items():
        kind = type(member)
        if type(name) is not str or not (
            kind is str
            or (kind is dict and _is_plain(member))
            or kind is bool
            or (kind is int and -(2**63) <= member < 2**63)
        ):
            return False
    return True


@cache
def _plain_writers() -> tuple[Callable[[Any], bytes], Callable[[Any], bytes]] | None:
    """Return orjson's writer, and the one that sorts members, where the ``speed`` extra is installed."""
    try:
        import orjson
    except ImportError:
        return None
    return orjson.dumps, partial(orjson.dumps, option=orjson.OPT_SORT_KEYS)


@cache
def reader() -> Callable[[bytes], Any]:
    """Return orjson's reader where the ``speed`` extra is installed; looked for at the first answer, not at import."""
    try:
        from orjson import loads
    except ImportError:
        return standard_reader
    return loads


def read(body: bytes) -> Any:
    """Parse a body; one of white space alone is None, as null is.

    Raises:
        ValueError: The body is not JSON in UTF-8, or is nested too deeply.
    """
    if not body or body.isspace():
        return None
    try:
        return reader()(body.removeprefix(_BOM))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def shown(value: Any) -> str:
    """Return a JSON value as a short text for a person."""
    try:
        return beginning(value, defaults.JSON_VALUE_SHOWN)
    except ValueError:
        return f"({type(value).__name__})"


def beginning(value: Any, size: int) -> str:
    """Return the first characters of compact JSON; no more of the value is encoded than they take.

    Raises:
        ValueError: What they hold has no form in JSON, or is nested too deeply.
    """
    pieces: list[str] = []
    try:
        for piece in _ENCODER.iterencode(value):
            pieces.append(piece)
            size -= len(piece)
            if size <= 0:
                break
    except RecursionError:
        raise ValueError("nested too deeply") from None
    text = "".join(pieces)
    text.encode()
    return text[: len(text) + min(size, 0)]


def write(value: Any, field: str = "", *, in_order: bool = False) -> bytes:
    """Return compact JSON in UTF-8; ``in_order`` sorts the members, so that equal values have equal bytes.

    Errors call the value ``field``; without one they name its members alone.

    Raises:
        InvalidRequest: ``value`` holds something that JSON has no form for.
    """
    try:
        if (writers := _plain_writers()) is not None and type(value) is dict and _is_plain(value):
            return writers[in_order](value)
    except (TypeError, RecursionError):  # half of a pair, or nested deeper than orjson goes
        pass
    try:
        return standard_writer(value, in_order=in_order)
    except (TypeError, ValueError, RecursionError):
        where, reason = _at_fault(value, field)
    raise InvalidRequest(f"{where} must have a form in JSON, got what has none: {reason}", field=where)


def _at_fault(value: Any, where: str, depth: int = 0) -> tuple[str, str]:
    """Return the path of the innermost member that JSON has no form for, and why."""
    try:
        _encode(value).encode()
    except UnicodeEncodeError:
        reason = "text with half of a surrogate pair"
    except (TypeError, ValueError, RecursionError) as problem:
        reason = str(problem)
    else:
        return "", ""
    members: Iterable[tuple[str, Any]] = ()
    if isinstance(value, dict):
        members = ((f"{where}.{name}" if where else str(name), member) for name, member in value.items())
    elif isinstance(value, list | tuple):
        members = ((f"{where}[{index}]", member) for index, member in enumerate(value))
    if depth < defaults.JSON_FAULT_DEPTH and "Circular" not in reason:
        for path, member in members:
            if (found := _at_fault(member, path, depth + 1))[0]:
                return found
    return where or "body", reason
