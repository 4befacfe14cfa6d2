"""Sends launches, and tells apart the runs that their answers name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

from dataflow_async import defaults, tasks
from dataflow_async.errors import DecodeError, ResponseLost
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.launch import Launch
from dataflow_async.transport.call_control import CallControl

Execute: TypeAlias = Callable[[Launch, CallControl], Awaitable[JobExecution]]
"""Starts one run, or raises a `DataFlowError`."""


class Sender:
    """Sends launches of one run.

    Always true: no two launches are given the same run. An answer that names the run of another launch, as one that was
    left on a connection does, leaves open what became of its own launch.
    """

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._runs: dict[str, None] = {}
        """The execution ids that launches of this run were given last."""

    async def send(
        self,
        launch: Launch,
        is_abandoned: Callable[[], bool],
        before_new_offset: Callable[[], Awaitable[None]],
    ) -> JobExecution:
        """Send a launch and return the run that its answer names.

        Args:
            launch: What is sent.
            is_abandoned: Returns whether no further attempt may be sent.
            before_new_offset: Awaited before an attempt under a corrected clock.

        Raises:
            DataFlowError: No run is known; ``may_have_run`` says whether one may have started.
        """
        check = partial(self._check, job_id=launch.job_id)
        try:
            execution = await self._execute(launch, CallControl(is_abandoned, before_new_offset, check=check))
        except asyncio.CancelledError:
            if tasks.is_cancelled():
                raise
            raise ResponseLost(
                "executeJob: something else than this run has cancelled the call, which may have taken effect",
                operation="executeJob",
                may_have_run=True,
            ) from None
        except DecodeError as error:  # an answer that is odd in a minor member names its run all the same
            if (ref := error.execution_ref) is None:
                raise
            execution = JobExecution(ref.execution_id, ref.job_id)
            check(execution)
        self.note(execution)
        return execution

    def note(self, execution: JobExecution) -> None:
        """Remember a run; the one that was noted first is forgotten for it."""
        self._runs[execution.job_execution_id] = None
        if len(self._runs) > defaults.KNOWN_RUNS:
            del self._runs[next(iter(self._runs))]

    def _check(self, execution: JobExecution, job_id: str) -> None:
        """Check the run that answers a launch of a job.

        Raises:
            DecodeError: The answer is about another launch; this one may have started.
        """
        given, known = execution.job_execution_id, execution.job_execution_id in self._runs
        if execution.job_id != job_id or known:
            whose = "another launch" if known else f"job {execution.job_id}"
            raise DecodeError(
                f"executeJob: the answer to a launch of job {job_id} names execution {given} of {whose};"
                " the call may have taken effect",
                operation="executeJob",
                may_have_run=True,
            )
