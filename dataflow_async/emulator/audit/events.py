"""The events of a history, and their form as JSON Lines.

Every request leaves `RequestReceived`, `SignatureChecked`, and `AnswerSent` or `AnswerLost`; in between, the changes that it made
(`StateChanged`) and the statuses of runs that its answer reported (`StatusReported`). Keys and signatures are never recorded.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class ServerStarted(NamedTuple):
    """The server began to listen; requests in flight before it are cut off."""

    number: int
    """Place in the history, from 1, without gaps."""
    time: float
    """The emulator's clock, seconds since the epoch."""


class RequestReceived(NamedTuple):
    """A request was received."""

    number: int
    time: float
    request: int
    """Number of the request; its other events refer to it."""
    method: str
    target: str
    """Path and query as received, still encoded."""
    operation: str | None
    """operationId, or None if no endpoint matches."""
    access_key: bool
    """Whether it carried an access key."""
    body: Any
    """The body as a JSON value; None if there is none, if it is not JSON, or if it was not read."""


class SignatureChecked(NamedTuple):
    """The gateway checked the signature of a request."""

    number: int
    time: float
    request: int
    objection: str | None
    """Why the request was refused, or None if it was accepted."""


class StateChanged(NamedTuple):
    """The state of the service changed."""

    number: int
    time: float
    request: int | None
    """The request that made the change, or None for the clock, a test control or the control path."""
    what: str
    """``created``, ``updated``, ``deleted``, ``started`` (a workflow), ``launched``, ``restored`` (from a saved state) or
    ``canceled`` (a run), or ``finished`` and ``failed``, for a run that a test control ended."""
    resource: str
    """``job``, ``workflow``, ``trigger`` or ``execution``."""
    resource_id: str
    job_id: str | None = None
    """The job of a run."""
    parameters: Mapping[str, Any] | None = None
    """The parameters of a launched run."""


class StatusReported(NamedTuple):
    """An answer reported new statuses of runs."""

    number: int
    time: float
    request: int
    statuses: tuple[tuple[str, str], ...]
    """Pairs of execution id and status."""


class AnswerSent(NamedTuple):
    """The answer to a request was sent."""

    number: int
    time: float
    request: int
    status: int
    faults: tuple[str, ...] = ()
    """Names of the faults that were injected into the request."""


class AnswerLost(NamedTuple):
    """A request, or a connection, got no complete answer."""

    number: int
    time: float
    request: int | None
    """None for a connection without a request."""
    reason: str
    """The name of the fault that caused it, ``the connection was closed``, or ``the server stopped``."""
    faults: tuple[str, ...] = ()


Event = (
    ServerStarted
    | RequestReceived
    | SignatureChecked
    | StateChanged
    | StatusReported
    | AnswerSent
    | AnswerLost
)


def _type_name(kind: type[Event]) -> str:
    """Return the type of an event in JSON Lines: the class name in snake case."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", kind.__name__).lower()


_TYPES: dict[str, type[Event]] = {
    _type_name(it): it
    for it in (
        ServerStarted,
        RequestReceived,
        SignatureChecked,
        StateChanged,
        StatusReported,
        AnswerSent,
        AnswerLost,
    )
}


def to_line(event: Event) -> str:
    """Return an event as a line of JSON."""
    content = {"type": _type_name(type(event)), **event._asdict()}
    return json.dumps(content, separators=(",", ":"), default=str) + "\n"


def read_history(path: str | Path) -> list[Event]:
    """Read events from a file of JSON Lines; an incomplete last line is left out.

    Raises:
        OSError: The file can't be read.
        ValueError: A line is not an event; the message names its number.
    """
    return list(parse(Path(path).read_text(encoding="utf-8").splitlines(keepends=True)))


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of lines of JSON; an incomplete last line is left out.

    Raises:
        ValueError: A line is not an event; the message names its number.
    """
    for number, line in enumerate(lines, 1):
        if not line.endswith("\n"):
            return
        try:
            content = json.loads(line)
            event = _TYPES[content.pop("type")](**content | _tuples(content))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"line {number} must be an event of a history, got {line[:80]!r}") from None
        yield event


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    """Return the members that are tuples in an event; JSON has only arrays."""
    found: dict[str, Any] = {name: tuple(content[name]) for name in ("faults", "statuses") if name in content}
    if "statuses" in found:
        found["statuses"] = tuple(map(tuple, found["statuses"]))
    return found
