"""Checks that several requests share. Each raises `InvalidRequest` that reads ``FIELD must be ALLOWED, got VALUE``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from inspect import isasyncgenfunction, isgeneratorfunction, signature
from typing import Any

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest

# Patterns are compiled, and kept by ``re``, with their first use: at import they would cost as much as all classes here.
_CONFIDENTIAL = r"secret|passw|passphrase|token|credential|signature|api_?key|access_?key"
"""Names of fields that hold secrets, such as job parameters."""
_NAME = r"[A-Za-z_][A-Za-z0-9_-]{2,99}"
_HALF = r"[\ud800-\udfff]"
CONTROL = r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
"""Control characters, and halves of surrogate pairs, which UTF-8 has no form for."""


def refuse(field: str, value: object, allowed: str) -> InvalidRequest:
    """Return the error ``FIELD must be ALLOWED, got VALUE``; what a field with a secret's name holds is not shown."""
    given = (
        f"a value of type {type(value).__name__}, which is not shown"
        if re.search(_CONFIDENTIAL, field, re.IGNORECASE)
        else shown(value)
    )
    return InvalidRequest(f"{field} must be {allowed}, got {given}", field=field)


def shown(value: object) -> str:
    """Return a value of any kind as one short line; never raises, whatever its repr does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  # numbers of more than 4,300 digits have none, nor have half-made objects
        return f"a value of type {type(value).__name__} that can't be shown"
    return text if len(text) <= defaults.VALUE_SHOWN else text[: defaults.VALUE_SHOWN - 3] + "..."


def name(value: object, field: str = "name") -> str:
    """Return a resource name: 3 to 100 ASCII letters, digits, ``_``, ``-``, first a letter or ``_``."""
    if isinstance(value, str) and re.fullmatch(_NAME, value, re.ASCII):
        return value
    raise refuse(field, value, "3 to 100 ASCII letters, digits, '_' or '-', starting with a letter or '_'")


def text(value: object, field: str) -> str:
    """Return a text that is not empty and has a form in UTF-8."""
    if isinstance(value, str) and value and (value.isascii() or not re.search(_HALF, value)):
        return value
    raise refuse(field, value, "text that is not empty")


def one_of(value: object, allowed: Iterable[str], field: str) -> str:
    """Return one of the values known to be accepted; enum members are texts too."""
    known = tuple(allowed)
    if isinstance(value, str) and value in known:
        return str(value)
    raise refuse(field, value, f"one of {', '.join(known)}")


def has_control(text: str) -> bool:
    """Return whether a text holds control characters, or halves of surrogate pairs."""
    return not (text.isascii() and text.isprintable()) and re.search(CONTROL, text) is not None


def flag(value: object, field: str) -> bool:
    """Return True or False, and nothing that merely counts as such."""
    if type(value) is bool:
        return value
    raise refuse(field, value, "True or False")


def callback(value: object, field: str) -> None:
    """Check a function of one argument, or None; a class or a generator would make an object of it that runs nothing."""
    if value is None:
        return
    if (
        not callable(value)
        or isinstance(value, type)
        or isgeneratorfunction(value)
        or isasyncgenfunction(value)
    ):
        raise refuse(field, value, "a function")
    try:
        parameters = signature(value)
    except (TypeError, ValueError):  # some of C's own don't tell
        return
    try:
        parameters.bind(None)
    except TypeError:
        fits = False
    else:
        fits = True
    if not fits:
        raise refuse(field, value, "a function that can be called with one argument")


def whole(value: object, field: str, low: int, high: int) -> int:
    """Return a whole number within bounds, both included; a bool is not a number."""
    if type(value) is int and low <= value <= high:
        return value
    raise refuse(field, value, f"a whole number from {low} to {high}")


def positive(value: object, field: str) -> float:
    """Return a finite number above 0; a bool is not a number."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 < value < math.inf
        and _fits(value)
    ):
        return value
    raise refuse(field, value, "a finite number above 0")


def at_least_zero(value: object, field: str) -> float:
    """Return a number of 0 or more, infinity included; a bool is not a number, nor is what no float can hold."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and _fits(value):
        return value
    raise refuse(field, value, "a number of 0 or more")


def _fits(value: float) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True


def readable(unreadable: Iterable[str], sent: Iterable[str], raw: Mapping[str, Any], field: str) -> None:
    """Refuse to send back what could not be read: it would be left out unnoticed."""
    for name in sorted(set(sent).intersection(unreadable)):
        raise refuse(f"{field}.{name}", raw[name], "in a known form to be sent back to the service")


def mapping(value: object, field: str) -> dict[str, Any]:
    """Return a plain mapping with text keys, as a dict of its own."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    raise refuse(field, value, "a mapping with text keys")


def members(value: object, field: str) -> dict[str, Any]:
    """Return the members of a request object given as a mapping; None means left out, as it does everywhere."""
    return {name: member for name, member in mapping(value, field).items() if member is not None}


def string_map(value: object, field: str) -> dict[str, str]:
    """Return a flat map of text to text, as job parameters are."""
    entries = mapping(value, field)
    for key, entry in entries.items():
        if not isinstance(entry, str):
            raise refuse(f"{field}[{key!r}]", entry, "text (parameters map text to text)")
    return entries


def named_once(field: str, given: object, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with text keys together with keyword arguments; no name may be in both."""
    both = mapping(given, field)
    for name in more:
        if name in both:
            raise refuse(field, name, "names that are given once each")
    return both | dict(more)


def sequence(value: object, field: str) -> list[Any]:
    """Return a list or another iterable as a list, but neither text nor a mapping."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return list(value)
    raise refuse(field, value, "a list")
