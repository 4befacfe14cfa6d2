"""What values have in common, written once: attrs would compile it anew for each class, at every import."""

from typing import Any, TypeGuard

import attrs
from attrs import field, frozen

from dataflow_async.models.naming import camel


class Value:
    """A value: equal by its members, hashed by the first of them (an id), shown by what is there."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Return whether the other is of the same class with the same members; ``raw`` does not count."""
        if not _alike(self, other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _names(self))

    def __hash__(self) -> int:
        """Return the hash of the first member: equal values have equal first members."""
        return hash((type(self), getattr(self, _names(self)[0])))

    def __repr__(self) -> str:
        """Return the members that are not None; a value that is being made, and shown by a debugger, may lack some."""
        members = ((name, getattr(self, name, None)) for name in _names(self))
        shown = ", ".join(f"{name}={value!r}" for name, value in members if value is not None)
        return f"{type(self).__name__}({shown})"


def _alike(one: Value, other: object) -> TypeGuard[Value]:
    return type(one) is type(other)


def _names(value: Any) -> list[str]:
    return [member.name for member in attrs.fields(type(value)) if member.eq]


@frozen(eq=False, repr=False)
class Response(Value):
    """An object of an answer.

    Members that are absent and members that are null look alike: None.

    Attributes:
        raw: The JSON object as received, unknown members included.
    """

    raw: dict[str, Any] = field(init=False, factory=dict, eq=False, repr=False)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Return the members of an odd type, by the wire's names; they read as None, and stay in ``raw``."""
        members = [(it.name, camel(it.name)) for it in attrs.fields(type(self)) if it.init]
        return tuple(
            wire for name, wire in members if getattr(self, name) is None and self.raw.get(wire) is not None
        )
