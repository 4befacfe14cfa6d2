"""Faults as text, for the command line: one fault a line, or several separated by ``;``.

    [OPERATIONS] KIND [DETAIL ...] [before | after] [N%] [xN] [#N,M,...]

=================  ===================================================================================================
``OPERATIONS``     operationIds separated by commas, or ``*`` for every request; ``*`` unless given
``KIND``           the type of fault
``DETAIL``         ``name=value``; the value alone is enough for the first detail. With blanks: ``"a b"``
before | after     the effect of the call
``N%``             share of the matching requests that get the fault; all unless given
``xN``             it is injected N times at most
``#N,M``           it is injected only into the N-th and M-th of the matching requests, counted from 1
=================  ===================================================================================================

For example::

    executeJob reset after 5%; * 429 code=410 retry-after=3 2%; list-order random; clock +240s
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import attrs

from dataflow_async.emulator.faults.base import FaultType

_SHARE = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)%", re.ASCII)
_TIMES = re.compile(r"x([0-9]{1,9})", re.ASCII)
_WHICH = re.compile(r"#([0-9]{1,9}(?:,[0-9]{1,9})*)", re.ASCII)
_DETAIL = re.compile(r"([A-Za-z][A-Za-z_-]*)=(.*)", re.ASCII | re.DOTALL)
_PARTS = re.compile(r"""(?:[^;\n"']|"[^"\n]*"|'[^'\n]*'|["'])+""")


def read(
    text: str, kinds: Mapping[str, type[FaultType]], operations: Collection[str]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield for each fault its part of the text and the arguments of `FaultPlan.add`, in their order.

    Raises:
        ValueError: The message names the wrong part and what is allowed.
    """
    for part in map(str.strip, _PARTS.findall(text)):
        if part:
            try:
                yield part, _arguments(shlex.split(part), kinds, operations)
            except ValueError as error:
                raise ValueError(f"fault {part!r}: {error}") from None


def _arguments(
    words: list[str], kinds: Mapping[str, type[FaultType]], operations: Collection[str]
) -> tuple[Any, ...]:
    operation = None if words[0] in kinds else _operations(words.pop(0), operations)
    if not words or words[0] not in kinds:
        found = repr(words[0]) if words else "nothing"
        raise ValueError(f"kind must be one of {', '.join(kinds)}, got {found}")
    kind = words.pop(0)
    probability, count, requests, when = 1.0, None, None, None
    details: dict[str, str] = {}
    for word in words:
        if match := _SHARE.fullmatch(word):
            probability = float(f"{match[1]}e-2")
        elif match := _TIMES.fullmatch(word):
            count = int(match[1])
        elif match := _WHICH.fullmatch(word):
            requests = [int(number) for number in match[1].split(",")]
        elif word in {"before", "after"}:
            when = word
        elif match := _DETAIL.fullmatch(word):
            details[match[1]] = match[2]
        elif not details and (fields := attrs.fields(kinds[kind])):
            details[fields[0].name] = word
        else:
            raise ValueError(
                f"each word after the kind must be name=value, before, after, 5%, x3 or #1,2, got {word!r}"
            )
    return kind, operation, probability, count, requests, when, details


def _operations(word: str, known: Collection[str]) -> list[str] | None:
    if word == "*":
        return None
    names = word.split(",")
    if unknown := [name for name in names if name not in known]:
        raise ValueError(
            f"a fault must begin with a kind or an operation, got {unknown[0]!r}; operations are * and "
            f"{', '.join(sorted(known))}"
        )
    return names
