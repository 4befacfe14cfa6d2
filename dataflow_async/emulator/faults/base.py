"""The base classes of fault types: a name, the details of the type, and one thing that it does to a request.

A fault type is a frozen class of the package ``faults.kinds``, derived from one of the bases below; the base decides at which point
of a request's path it acts. A detail is a field made by `number`, `whole`, `choice` or `text`; the first one may
be given without its name in the text form (``list-order random``).
"""

import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from random import Random
from typing import Any, ClassVar, Protocol, cast

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.responses import Answer


class When(StrEnum):
    """On which side of a call's effect a fault is injected."""

    BEFORE = "before"
    AFTER = "after"


@attrs.frozen
class FaultType:
    """One fault type with its details."""

    name: ClassVar[str]
    moments: ClassVar[tuple[When, ...]] = (When.BEFORE, When.AFTER)
    """When it may be injected; the first is the default."""
    why: ClassVar[str] = ""
    """Why there is only one moment; the words after "because" in the refusal."""
    concerns: ClassVar[frozenset[str] | None] = None
    """The operationIds that it can be injected into; None for all."""

    @property
    def clock_off(self) -> float:
        """Seconds that it sets the service's clock ahead; below 0 behind."""
        return 0.0

    @classmethod
    def usage(cls) -> str:
        """Return the name and the details with their defaults, in the text form."""
        defaults = {wire_name(field.name): field.default for field in attrs.fields(cls)}
        texts = (
            f"{name}={it:g}" if isinstance(it, float) else f"{name}={it}" for name, it in defaults.items()
        )
        return " ".join((cls.name, *texts))

    @classmethod
    def summary(cls) -> str:
        """Return its effect in one line."""
        return (cls.__doc__ or "").partition("\n")[0]

    @classmethod
    def made_from(cls, details: Mapping[str, Any]) -> "FaultType":
        """Return a fault of this type from details as they are given in code, JSON or text.

        Raises:
            ValueError: The message names the type, the detail, the allowed values and the value.
        """
        fields = {field.name: field for field in attrs.fields(cls)}
        read: dict[str, Any] = {}
        for given, value in details.items():
            name = given.replace("-", "_")
            if name not in fields:
                known = ", ".join(map(wire_name, fields)) or "no details"
                raise ValueError(f"{cls.name}: details must be of {known}, got {given!r}")
            detail: Detail = fields[name].metadata["detail"]
            try:
                read[name] = detail.read(value)
            except (ValueError, TypeError):
                raise ValueError(f"{cls.name}: {given} must be {detail.allowed}, got {value!r}") from None
        return cls(**read)


def wire_name(name: str) -> str:
    """Return the name of a detail in the text form."""
    return name.replace("_", "-")


# --- details ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Detail:
    """The reader of a detail's value, which raises ValueError, and the allowed values in words."""

    read: Callable[[Any], Any]
    allowed: str
    """The words after "must be"."""


def _field(default: Any, read: Callable[[Any], Any], allowed: str) -> Any:
    return attrs.field(default=default, metadata={"detail": Detail(read, allowed)})


_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"([+-]?[0-9]*\.?[0-9]+)(ms|min|s|m|h)?", re.ASCII)


def _number(value: Any) -> float:
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value)
        if not match:
            raise ValueError(value)
        return float(match[1]) * _UNITS[match[2] or ""]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def number(default: float, low: float = 0.0, high: float = defaults.MAX_SECONDS) -> Any:
    """Return a field for a number, mostly of seconds; text may have a unit: ms, s, m or min, h."""

    def read(value: Any) -> float:
        result = _number(value)
        if not low <= result <= high:
            raise ValueError(value)
        return result

    return _field(default, read, f"a number from {low:g} to {high:g}, with or without ms, s, m or h")


def whole(default: int, low: int, high: int = defaults.MAX_WHOLE) -> Any:
    """Return a field for a whole number."""

    def read(value: Any) -> int:
        result = _number(value)
        if result != int(result) or not low <= result <= high:
            raise ValueError(value)
        return int(result)

    return _field(default, read, f"a whole number from {low} to {high}")


def choice(default: str, *others: str) -> Any:
    """Return a field for one of a few words."""
    words = (default, *others)

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(value)
        return cast("str", value)

    return _field(default, read, f"one of {', '.join(words)}")


def text(default: str, pattern: str = ".*", allowed: str = "printable ASCII text") -> Any:
    """Return a field for printable text that matches a pattern; a number is read as its digits."""

    def read(value: Any) -> str:
        result = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(result, str) or not result.isascii() or not result.isprintable():
            raise ValueError(value)
        if not re.fullmatch(pattern, result):
            raise ValueError(value)
        return result

    return _field(default, read, allowed)


# --- effects, in the order of a request's path -------- --------------------------------------------------------------


class Refuses(FaultType):
    """Refuses connections, before there is a request; it has no operations."""

    moments = (When.BEFORE,)
    why = "there is no request yet"
    concerns = frozenset()


class Delays(FaultType):
    """Makes a call take longer."""

    def seconds(self, chance: Random) -> float:
        """Return how many seconds longer, on the emulator's clock."""
        raise NotImplementedError


class Replaces(FaultType):
    """Replaces the answer of the service."""

    def answer(self, now: float) -> Answer:
        """Return the answer; ``now`` is the gateway's time."""
        raise NotImplementedError


class Lists(FaultType):
    """Changes which rows of a list are shown, and how."""

    moments = (When.AFTER,)
    why = "it changes an answer"

    def change(self, model: "ListModel", chance: Random) -> None:
        """Change the list."""
        raise NotImplementedError


@attrs.define
class ListModel:
    """A whole list, and the page of it that is shown."""

    rows: list[dict[str, Any]]
    """Every row, newest first."""
    first: int
    """Rows before the page."""
    size: int
    """Rows on the page."""
    counted: str = "page"
    """What ``count`` is: the rows of the ``page``, those in ``total``, or ``nothing`` (contract/notes.md#ruling-71)."""
    ages: Callable[[dict[str, Any]], float] = attrs.field(kw_only=True)
    """Seconds since a row was created, on the emulator's clock."""


class Rewrites(FaultType):
    """Changes an answer."""

    moments = (When.AFTER,)
    why = "it changes an answer"

    def rewrite(self, answer: Answer, chance: Random) -> Answer:
        """Return the changed answer."""
        raise NotImplementedError


class Stamps(FaultType):
    """Changes the headers of an answer."""

    moments = (When.AFTER,)
    why = "it changes an answer"

    def headers(self, now: float) -> dict[str, str]:
        """Return the headers to add or replace; ``now`` is the gateway's time."""
        raise NotImplementedError


class Connection(Protocol):
    """The connection of an answer, for a fault that sends the answer itself."""

    head: bytes
    """Status line and headers of the answer, to the empty line."""
    body: bytes

    @property
    def gone(self) -> bool:
        """Whether the client has disconnected, or the server stops."""

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""

    async def pause(self, seconds: float) -> None:
        """Wait on the emulator's clock."""

    async def hold_open(self) -> None:
        """Keep the connection open until the client disconnects or the server stops."""

    def reset(self) -> None:
        """Reset the connection (TCP RST); written bytes may never arrive."""

    async def stop_listening(self, seconds: float) -> None:
        """Close every connection, and refuse new ones for a time."""


class Sends(FaultType):
    """Sends the answer itself; the connection is closed when it returns."""

    delivers: ClassVar[bool] = False
    """Whether the whole answer arrives in the end."""

    async def send(self, connection: Connection) -> None:
        """Write to the connection what the client is to receive."""
        raise NotImplementedError
