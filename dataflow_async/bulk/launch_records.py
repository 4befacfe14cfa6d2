"""What is recorded of launches: attempts, and the runs they have started. Pure.

A `LaunchStore` returns these, and reconciliation reads them; neither depends on how they are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, overload

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


PlainKnownRun: TypeAlias = tuple[str, str, float, float, float | None, str | None, bool, bool]
"""What a `KnownRun` holds, as a tuple of Python's own."""


_known_run: Callable[[PlainKnownRun], KnownRun] = partial(tuple.__new__, KnownRun)
"""As ``KnownRun._make``, but without a function of Python's."""


class KnownRuns(Sequence[KnownRun]):
    """Recorded runs, each made where it is looked at: garbage collections don't walk a hundred thousand plain tuples.

    Args:
        rows: What they hold.
    """

    def __init__(self, rows: Iterable[PlainKnownRun]) -> None:
        self._rows = tuple(rows)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._rows)

    def __iter__(self) -> Iterator[KnownRun]:
        """Return the runs in their order."""
        return map(_known_run, self._rows)

    @overload
    def __getitem__(self, at: int) -> KnownRun: ...

    @overload
    def __getitem__(self, at: slice) -> KnownRuns: ...

    def __getitem__(self, at: int | slice) -> KnownRun | KnownRuns:
        """Return a run, or some of them."""
        return KnownRuns(self._rows[at]) if isinstance(at, slice) else _known_run(self._rows[at])


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
