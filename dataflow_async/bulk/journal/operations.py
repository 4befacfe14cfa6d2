"""What a journal's file is asked to do: operations, each of which is applied to the file as a whole or not at all. Pure."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, NamedTuple, Self

from attrs import define

from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase


class OperationKind(Enum):
    """What an operation does to the file, and the arguments it takes for that."""

    INTEND = auto()
    """Add an intent if its key is new, else return the latest entry of that key, and whether this opening has submitted
    the key before. Arguments: an `Intent`."""
    ADD = auto()
    """Add an intent that is not there. Arguments: an `Intent`."""
    REPLACE = auto()
    """Replace a row by an intent. Arguments: an `Intent`, and the phase that the row is in."""
    WIDEN = auto()
    """Widen the time of an intent. Arguments: key, attempt, server time."""
    ACCEPT = auto()
    """Record an execution id. Arguments: a `Change` and an `Acceptance`."""
    CHANGE = auto()
    """Record an outcome. Arguments: a `Change`."""
    READ = auto()
    """Read. Arguments: a function that takes the connection."""


class Intent(NamedTuple):
    """What is recorded before an attempt is sent; a plain tuple, because every launch has one. As in `JournalEntry`."""

    key: str
    attempt: int
    job_id: str
    settings: bytes
    parameters: bytes | None
    intended_from: float
    intended_until: float

    @classmethod
    def of(cls, entry: JournalEntry) -> Self:
        """Return the intent of an entry."""
        return cls(
            entry.key,
            entry.attempt,
            entry.job_id,
            entry.settings,
            entry.parameters,
            entry.intended_from,
            entry.intended_until,
        )


class Change(NamedTuple):
    """What has become of an attempt."""

    key: str
    attempt: int
    phase: JournalPhase
    sent_by: float | None = None
    status: str | None = None
    ended_at: float | None = None


class Acceptance(NamedTuple):
    """Which run an attempt has started."""

    execution_id: str
    accepted_at: float | None
    created: str | None
    adopted: bool


@define(eq=False)
class Operation:
    """One operation on the file, and its result once it was applied."""

    kind: OperationKind
    key: str | None
    """The key whose rows it writes; None if it only reads."""
    arguments: Any
    result: Any = None
