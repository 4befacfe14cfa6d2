"""What the pipeline of a launch sees of the bulk run that it belongs to."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from dataflow_async.errors import DataFlowError


class RunContext(Protocol):
    """A bulk run, as its launches see it."""

    def shielded(self) -> AbstractContextManager[None]:
        """Return a block that is completed even when the run is abandoned meanwhile."""

    def is_abandoned(self) -> bool:
        """Return whether the run was abandoned: nothing more may be sent then."""

    def may_submit(self, held: int) -> bool:
        """Return whether further launches may come while so many of those submitted are held up."""

    def launched(self) -> None:
        """Count a run that has started."""

    def report(self) -> None:
        """Report to the caller how far the run has come, not too often."""

    def end_with(self, error: DataFlowError) -> None:
        """Submit nothing more, and raise this once all that is in flight has its outcome."""
