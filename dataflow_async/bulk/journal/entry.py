"""What a journal holds: attempts at launches, and the operations that write them. Pure."""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import define, frozen

if TYPE_CHECKING:
    from dataflow_async.models.execution import JobExecution


class JournalPhase(StrEnum):
    """How far an attempt has come."""

    INTENT = "intent"
    """It may have been sent, or will be."""
    ACCEPTED = "accepted"
    """The service gave it an execution id."""
    REJECTED = "rejected"
    """The service refused it: it did not start."""
    NOT_SENT = "not_sent"
    """It provably never reached the service."""
    UNKNOWN = "unknown"
    """It was sent, and no answer tells what became of it."""
    ENDED = "ended"
    """The run was seen to end."""


@frozen
class JournalEntry:
    """One attempt at one launch, as a journal has it."""

    key: str
    """Names the launch within its journal."""
    attempt: int
    """From 1; a rerun makes a further one."""
    job_id: str
    settings: bytes
    """Digest of job and settings: 16 bytes of SHA-256."""
    parameters: bytes | None
    """Digest of the parameters as sent, or None where there are none."""
    phase: JournalPhase
    intended_from: float
    """Server time in seconds since the epoch, earlier end; nothing of this attempt was sent before (ruling 87)."""
    intended_until: float
    """The later end of the time of the last intent."""
    sent_by: float | None = None
    """Server time, later end, by which the last send was over; phase UNKNOWN only."""
    execution_id: str | None = None
    accepted_at: float | None = None
    """Server time, later end, at which the execution id was recorded."""
    created: str | None = None
    """``createdDate`` of the run, as the service wrote it (ruling 90)."""
    adopted: bool = False
    """Whether the run was found by reconciliation or named by a person, not given in answer to the launch."""
    status: str | None = None
    """Last status of a run that ended; class of the error of a launch that was rejected or not sent."""
    ended_at: float | None = None
    """Server time at which the run was seen to have ended."""

    @property
    def state(self) -> str:
        """Where this attempt is, in one word: status of a run that ended, else the phase."""
        return self.status if self.phase is JournalPhase.ENDED and self.status else self.phase.value


class KnownRun(NamedTuple):
    """A run that a journal has, as evidence about others."""

    execution_id: str
    key: str
    intended_from: float
    intended_until: float
    accepted_at: float | None
    created: str | None
    """``createdDate``, as the service wrote it."""
    adopted: bool
    ended: bool


class Unresolved(NamedTuple):
    """One attempt of which nobody knows whether it started."""

    key: str
    attempt: int
    settings: bytes
    parameters: bytes | None


class KeyRepeated(Exception):
    """A key comes a second time in one run."""


class Kind(Enum):
    """What an operation does to the file, and what it is given for that."""

    INTEND = auto()
    """Add an intent if its key is new, else return the latest entry of that key, and whether this opening has asked for
    it before. Given: the entry."""
    ADD = auto()
    """Add an intent that is not there. Given: the entry."""
    PUT = auto()
    """Put an intent in the place of a row that is there. Given: the entry, and the phase that the row is in."""
    WIDEN = auto()
    """Widen the time of an intent. Given: key, attempt, server time."""
    ACCEPT = auto()
    """Record an execution id. Given: a `Change` and an `Acceptance`."""
    CHANGE = auto()
    """Record an outcome. Given: a `Change`."""
    ASK = auto()
    """Read. Given: a function that takes the connection."""


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
    """One thing asked of the file, and what came of it."""

    kind: Kind
    key: str | None
    given: Any
    result: Any = None


def created_text(execution: JobExecution) -> str | None:
    """Return the ``createdDate`` of a run as the service wrote it, if it is text."""
    created = execution.raw.get("createdDate")
    return created if isinstance(created, str) else None
