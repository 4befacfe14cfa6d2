"""What is recorded of launches: attempts, and the runs they have started. Pure.

A `LaunchStore` returns these, and reconciliation reads them; neither depends on how they are stored.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen

if TYPE_CHECKING:
    from dataflow_async.models.execution import JobExecution


class KeyRepeated(Exception):
    """A key comes a second time in one run."""


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
    """It was sent, and no answer shows what became of it."""
    ENDED = "ended"
    """The run was observed to have ended."""


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
    """Server time in seconds since the epoch, earlier end; nothing of this attempt was sent before."""
    intended_until: float
    """The later end of the time of the last intent; seconds since the epoch."""
    sent_by: float | None = None
    """Server time, later end, by which the last send was over; phase UNKNOWN only."""
    execution_id: str | None = None
    accepted_at: float | None = None
    """Server time, later end, at which the execution id was recorded."""
    created: str | None = None
    """``createdDate`` of the run, as the service wrote it."""
    adopted: bool = False
    """Whether the run was found by reconciliation or named by a person, not returned by the launch."""
    status: str | None = None
    """Last status of a run that ended; class of the error of a launch that was rejected or not sent."""
    ended_at: float | None = None
    """Server time at which the run was observed to have ended."""

    @property
    def state(self) -> str:
        """Where this attempt is, in one word: status of a run that ended, else the phase."""
        return self.status if self.phase is JournalPhase.ENDED and self.status else self.phase.value


class KnownRun(NamedTuple):
    """A run that is recorded, as evidence about others."""

    execution_id: str
    key: str
    intended_from: float
    """Server time, earlier end, as for the other moments of a `JournalEntry`."""
    intended_until: float
    accepted_at: float | None
    created: str | None
    """``createdDate``, as the service wrote it."""
    adopted: bool
    ended: bool


class Unresolved(NamedTuple):
    """One attempt of which it is not recorded whether it started."""

    key: str
    attempt: int
    settings: bytes
    parameters: bytes | None


def created_text(execution: JobExecution) -> str | None:
    """Return the ``createdDate`` of a run as the service wrote it, if it is text."""
    created = execution.raw.get("createdDate")
    return created if isinstance(created, str) else None
