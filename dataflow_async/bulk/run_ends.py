"""Waits for the ends of the runs of a bulk run, unless an outage outlasts them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from dataflow_async.bulk.outage import Outage
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import JobExecution

Finish: TypeAlias = Callable[[JobExecution], Awaitable[JobExecution]]
"""Waits for the end of one run; raises `ExecutionFailed` and its kin unless it ended COMPLETED."""


class RunEnds:
    """The waits of one bulk run.

    Always true: a wait that `cancel_all` has cancelled ends with a `DataFlowError`, and any other cancellation of its
    task ends that task. Both may come at once; the count of cancellations tells them apart.
    """

    def __init__(self, finish: Finish, outage: Outage) -> None:
        self._finish = finish
        self._outage = outage
        self._waiting: set[asyncio.Task[Any]] = set()
        """Workers that wait for the end of a run."""
        self._cancelled: set[asyncio.Task[Any]] = set()
        """Those of them whose wait was cancelled here."""

    async def wait(self, execution: JobExecution) -> JobExecution:
        """Wait for the end of a run.

        Raises:
            DataFlowError: It did not end COMPLETED, or the wait for it ended before.
        """
        waiting = asyncio.current_task()
        assert waiting is not None  # noqa: S101  # workers are tasks
        self._waiting.add(waiting)
        try:
            return await self._finish(execution)
        except asyncio.CancelledError:
            if waiting.cancelling() > (cancelled := waiting in self._cancelled):
                raise
            if cancelled:
                waiting.uncancel()
            why = (
                f"no answer to any call: {self._outage.ended_by}" if cancelled else "cancelled from elsewhere"
            )
            raise DataFlowError(f"{execution.ref}: the wait has ended, the run goes on: {why}") from None
        finally:
            self._waiting.discard(waiting)
            self._cancelled.discard(waiting)

    def cancel_all(self) -> None:
        """End all waits: the outage has lasted too long for them as well."""
        waiting, self._waiting = self._waiting, set()
        self._cancelled |= waiting
        for task in waiting:
            task.cancel()
