"""What a launch pipeline needs to go on after a lost answer."""

# ruff: noqa: ARG002  # the arguments of `Recovery`, which `NoRecovery` has no use for
from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from dataflow_async.bulk.outcomes import without_run
from dataflow_async.bulk.phases import Phase, Resolve
from dataflow_async.bulk.run_context import RunContext


class Recovery(Protocol):
    """Finds out what became of launches whose answer was lost."""

    def launching(self, job_id: str) -> AbstractContextManager[None]:
        """Return a block for the time from the intent of a launch to the record of what came of it."""

    async def resolve(self, lost: Resolve, context: RunContext) -> Phase:
        """Return what comes next for a lost launch."""

    async def aclose(self) -> None:
        """Stop; launches that are not resolved yet stay open."""


class NoRecovery:
    """For a store that records nothing: what is lost stays uncertain."""

    _BLOCK: AbstractContextManager[None] = nullcontext()

    def launching(self, job_id: str) -> AbstractContextManager[None]:
        """Return a block that does nothing."""
        return self._BLOCK

    async def resolve(self, lost: Resolve, context: RunContext) -> Phase:
        """Return the outcome of a launch that may have started."""
        assert lost.error is not None  # noqa: S101  # nothing was left by an earlier process
        return without_run(lost.plan.key, lost.plan.given, lost.error)

    async def aclose(self) -> None:
        """Do nothing."""
