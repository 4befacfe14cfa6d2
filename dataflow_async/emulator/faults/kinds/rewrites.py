"""Faults that change an answer of the service."""

import re
from collections.abc import Callable
from random import Random
from typing import Any

import attrs

from dataflow_async.emulator.api.responses import Answer
from dataflow_async.emulator.faults.base import Rewrites, choice, number, text
from dataflow_async.emulator.service import dates

_Members = dict[str, Any]
DATES = frozenset({"createdDate", "updatedDate", "startDate", "endDate", "lastExecutionDate"})
"""Members with a date that the service writes."""
_FRACTION = re.compile(r"\.[0-9]+")
_ZONE = re.compile(r"(Z|[+-][0-9]{2}:[0-9]{2})$")


def everywhere(value: Any, change: Callable[[_Members], _Members]) -> Any:
    """Return a JSON value with a change made to each object in it, inner ones first."""
    if isinstance(value, dict):
        return change({name: everywhere(inner, change) for name, inner in value.items()})
    if isinstance(value, list):
        return [everywhere(inner, change) for inner in value]
    return value


def in_members(answer: Answer, change: Callable[[_Members], _Members]) -> Answer:
    """Return an answer with a change made to each object in its body."""
    return attrs.evolve(answer, body=everywhere(answer.body, change))


@attrs.frozen
class EmptyBody(Rewrites):
    """The body is empty.

    See contract/notes.md#ruling-18.
    """

    name = "empty-body"

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Drop the body."""
        return attrs.evolve(answer, body=b"")


@attrs.frozen
class ContentType(Rewrites):
    """The body is right, but its Content-Type is not.

    See contract/notes.md#ruling-17.
    """

    name = "content-type"
    value: str = text("text/plain;charset=UTF-8")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change the header."""
        return attrs.evolve(answer, headers={**answer.headers, "Content-Type": self.value})


@attrs.frozen
class NumericCode(Rewrites):
    """The errorCode of an error is a number.

    See contract/notes.md#ruling-22.
    """

    name = "numeric-code"

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change the type of the code."""
        return in_members(answer, _numeric)


def _numeric(members: _Members) -> _Members:
    code = members.get("errorCode")
    return members | {"errorCode": int(code)} if isinstance(code, str) and code.isdigit() else members


@attrs.frozen
class UnknownStatus(Rewrites):
    """Statuses are a word that is not documented.

    See contract/notes.md#ruling-63.
    """

    name = "unknown-status"
    value: str = text("DEFROSTING")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Replace every status."""
        new = {"status": self.value, "lastExecutionStatus": self.value}
        return in_members(
            answer, lambda members: members | {name: new[name] for name in members.keys() & new.keys()}
        )


class _SomeMembers(Rewrites):
    """Changes the members of these names, separated by commas, or else about half of all members at random."""

    fields: str

    def _is_chosen(self, chance: Random) -> Callable[[str], bool]:
        names = frozenset(filter(None, self.fields.split(",")))
        return (lambda name: name in names) if names else (lambda _: chance.random() < 0.5)


@attrs.frozen
class MissingFields(_SomeMembers):
    """Members are missing: those named (a,b,c), or half of them at random.

    See contract/notes.md#ruling-68.
    """

    name = "missing-fields"
    fields: str = text("")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:
        """Leave members out."""
        is_chosen = self._is_chosen(chance)
        return in_members(
            answer, lambda members: {name: value for name, value in members.items() if not is_chosen(name)}
        )


@attrs.frozen
class NullFields(_SomeMembers):
    """Members are null: those named (a,b,c), or half of them at random.

    See contract/notes.md#ruling-68.
    """

    name = "null-fields"
    fields: str = text("")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:
        """Set members to null."""
        is_chosen = self._is_chosen(chance)
        return in_members(
            answer,
            lambda members: {name: None if is_chosen(name) else value for name, value in members.items()},
        )


@attrs.frozen
class ExtraFields(Rewrites):
    """Every object has a member that is not documented.

    See contract/notes.md#ruling-33.
    """

    name = "extra-fields"
    member: str = text("extraMember")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Add a member."""
        extra = {self.member: {"nested": ["text", None, 8]}}
        return in_members(answer, lambda members: members | extra)


@attrs.frozen
class OldShape(Rewrites):
    """Another name for jobCondition (also runCondtion), or zoneless dates.

    See contract/notes.md#ruling-62 and contract/notes.md#ruling-66.
    """

    name = "old-shape"
    form: str = choice("runCondition", "runCondtion", "dates")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Change names or dates."""
        return in_members(answer, _without_zones if self.form == "dates" else self._renamed)

    def _renamed(self, members: _Members) -> _Members:
        return {self.form if name == "jobCondition" else name: value for name, value in members.items()}


@attrs.frozen
class WrongDates(Rewrites):
    """Dates in answers are off or lack milliseconds; the clock is right.

    The default, nine hours less, is UTC written with the zone of Korea (contract/notes.md#ruling-90).
    """

    name = "dates"
    shift: float = number(-32_400.0, low=-86_400)
    """Seconds added to every date."""
    fraction: str = choice("keep", "cut")
    """Whether milliseconds are printed."""

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Shift every date in the answer."""
        return in_members(answer, self._shifted)

    def _shifted(self, members: _Members) -> _Members:
        return {
            name: self._date(value) if name in DATES and isinstance(value, str) else value
            for name, value in members.items()
        }

    def _date(self, text: str) -> str:
        moved = dates.shifted(text, self.shift)
        return _FRACTION.sub("", moved) if self.fraction == "cut" else moved


@attrs.frozen
class NoEcho(Rewrites):
    """Runs show no parameters: while they are READY, or ever.

    See contract/notes.md#ruling-91.
    """

    name = "no-echo"
    until: str = choice("running", "ever")

    def rewrite(self, answer: Answer, chance: Random) -> Answer:  # noqa: ARG002 - the base passes chance
        """Remove the parameters."""
        return in_members(answer, self._without_parameters)

    def _without_parameters(self, members: _Members) -> _Members:
        hidden = "parsedParameters" in members and (self.until == "ever" or members.get("status") == "READY")
        return members | {"parsedParameters": {}} if hidden else members


def _without_zones(members: _Members) -> _Members:
    return {
        name: _ZONE.sub("", value) if name in DATES and isinstance(value, str) else value
        for name, value in members.items()
    }
