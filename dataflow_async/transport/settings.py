"""Checks the arguments of a client before anything is sent; an error names the argument."""

from __future__ import annotations

from types import ModuleType
from typing import TypeVar, cast

from dataflow_async.clock import Clock
from dataflow_async.models import checks

T = TypeVar("T")


def instance(value: object, kind: type[T], name: str) -> T:
    """Return ``value`` if it is a ``kind``.

    Raises:
        InvalidRequest: It is not.
    """
    if isinstance(value, kind):
        return value
    raise checks.refuse(name, value, f"a {kind.__name__}")


def flag(value: object, name: str) -> bool:
    """Return ``value`` if it is True or False: a text such as "no" would be taken for yes.

    Raises:
        InvalidRequest: It is not.
    """
    if isinstance(value, bool):
        return value
    raise checks.refuse(name, value, "True or False")


def clock(value: object) -> Clock:
    """Return ``value`` if it has the methods of a clock.

    Raises:
        InvalidRequest: It has not.
    """
    if not isinstance(value, type | ModuleType) and all(
        callable(getattr(value, name, None)) for name in ("time", "monotonic", "sleep")
    ):
        return cast("Clock", value)
    raise checks.refuse("clock", value, "an object with time(), monotonic() and async sleep()")
