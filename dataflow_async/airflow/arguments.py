"""Checks that arguments come back from Airflow's serialisation as they were given.

Airflow serialises what a trigger takes after the task has launched its run. What can't be serialised then fails the task,
which launches again at each retry; what is serialised and does not come back ends the whole triggerer, again at each
restart. So arguments are plain values, checked before anything is sent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from dataflow_async import defaults
from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks

Plain: TypeAlias = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None
"""What comes back as it was given."""

_RESERVED = frozenset({"__classname__", "__version__", "__data__", "__id__", "__type", "__var"})
"""Keys by which Airflow marks what it has serialised: a dict that has one is refused, or comes back as something else."""


def check_arguments(arguments: Mapping[str, object]) -> None:
    """Check that each argument is a str, int, float, bool or None, or a list or dict of them.

    Raises:
        InvalidRequest: Its field is the name of the argument; a member of it is named in the message.
    """
    for name, value in arguments.items():
        _check(value, name, name, 0)


def _check(value: object, where: str, field: str, depth: int) -> None:
    kind = type(value)  # not isinstance: a subclass, such as an enum or a date of pandas, does not come back
    if isinstance(value, float) and not math.isfinite(value):
        raise _refused(value, where, field, "a finite number")
    if depth > defaults.ARGUMENT_DEPTH:
        raise _refused(value, where, field, f"nested {defaults.ARGUMENT_DEPTH} deep at most")
    if isinstance(value, list) and kind is list:
        for index, member in enumerate(value):
            _check(member, f"{where}[{index}]", field, depth + 1)
    elif isinstance(value, dict) and kind is dict:
        for key, member in value.items():
            if type(key) is not str:
                raise _refused(key, f"keys of {where}", field, "text")
            if key in _RESERVED:
                raise _refused(
                    key, f"keys of {where}", field, "other names than those of Airflow's serialisation"
                )
            _check(member, f"{where}[{key!r}]", field, depth + 1)
    elif value is not None and kind not in (str, int, float, bool):
        raise _refused(
            value,
            where,
            field,
            "str, int, float, bool or None, or a list or dict of them, because Airflow stores it",
        )


def _refused(value: object, where: str, field: str, allowed: str) -> InvalidRequest:
    return InvalidRequest(
        f"{where} must be {allowed}, got {checks.shown(value)} of type {type(value).__name__}", field=field
    )
