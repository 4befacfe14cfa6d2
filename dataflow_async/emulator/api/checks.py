"""Small checks that combine into the schema of a request body.

A check takes a value and raises `Invalid` if the value breaks its rule. Objects stay open to members that no rule names
(contract/notes.md#ruling-33). Each builder reads as the sentence that its refusal prints.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], None]
"""Returns for a good value, raises `Invalid` for a bad one."""


class Invalid(ValueError):
    """A value that breaks a rule.

    Args:
        rule: The words after "must be" in the refusal.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.path = ""

    def under(self, step: str) -> "Invalid":
        """Add the step that leads to this value from the object or array around it: ``.name`` or ``[index]``."""
        self.path = step + self.path
        return self

    def __str__(self) -> str:
        return f"{self.path.removeprefix('.') or 'The body'} must be {self.rule}."


def anything(_value: Any) -> None:
    """Accept any value; the member only has to be present."""


def text(pattern: str = "", *, rule: str = "a string", min_length: int = 0) -> Check:
    """A string of some length; with a ``pattern`` it must match whole, and ``rule`` says in words what that means."""
    fits = re.compile(pattern, re.ASCII).fullmatch if pattern else None

    def check(value: Any) -> None:
        if not isinstance(value, str) or len(value) < min_length or (fits and not fits(value)):
            raise Invalid(rule)

    return check


def one_of(*values: str) -> Check:
    """One of these strings."""
    allowed = frozenset(values)
    rule = f"one of {', '.join(values)}" if len(values) > 1 else values[0]

    def check(value: Any) -> None:
        if not isinstance(value, str) or value not in allowed:
            raise Invalid(rule)

    return check


def integer(low: int, high: int) -> Check:
    """A whole number in a range, both ends allowed; ``2.0`` is one in JSON, ``true`` is none."""

    def check(value: Any) -> None:
        whole = type(value) is int or (type(value) is float and value.is_integer())
        if not whole or not low <= value <= high:
            raise Invalid(f"an integer from {low} to {high}")

    return check


def array_of(item: Check, *, min_items: int = 0, max_items: int | None = None) -> Check:
    """An array of like items."""
    most = "" if max_items is None else f" and at most {max_items}"
    rule = f"an array of at least {min_items}{most} items" if min_items or most else "an array"

    def check(value: Any) -> None:
        if (
            not isinstance(value, list)
            or len(value) < min_items
            or (max_items is not None and len(value) > max_items)
        ):
            raise Invalid(rule)
        for index, entry in enumerate(value):
            try:
                item(entry)
            except Invalid as wrong:
                raise wrong.under(f"[{index}]") from None

    return check


def obj(required: Mapping[str, Check] | None = None, optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these members and any others."""
    members = [(name, check, True) for name, check in (required or {}).items()]
    members += [(name, check, False) for name, check in (optional or {}).items()]

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise Invalid("an object")
        for name, test, must in members:
            if name in value:
                _member(value, name, test)
            elif must:
                raise Invalid("present").under(f".{name}")

    return check


def map_of(item: Check) -> Check:
    """An object whose members, whatever their names, are alike."""

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise Invalid("an object")
        for name in value:
            _member(value, name, item)

    return check


def all_of(*checks: Check) -> Check:
    """Every one of these, in order."""

    def check(value: Any) -> None:
        for test in checks:
            test(value)

    return check


def chosen_by(member: str, variants: Mapping[str, Check]) -> Check:
    """An object whose ``member`` says which of the variants it is."""
    tagged = obj({member: one_of(*variants)})

    def check(value: Any) -> None:
        tagged(value)
        variants[value[member]](value)

    return check


def when(member: str, values: tuple[str, ...], then: Check) -> Check:
    """A rule for only those objects whose ``member`` has one of these values."""

    def check(value: Any) -> None:
        if value.get(member) in values:
            then(value)

    return check


def _member(value: Mapping[str, Any], name: str, test: Check) -> None:
    try:
        test(value[name])
    except Invalid as wrong:
        raise wrong.under(f".{name}") from None
