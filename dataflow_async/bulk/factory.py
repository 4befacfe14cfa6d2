"""Wires bulk runs: makes the parts of a run from those of its client."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from attrs import field, frozen

from dataflow_async import defaults
from dataflow_async.bulk.launch_pipeline import LaunchPipeline
from dataflow_async.bulk.launch_plan import Planner
from dataflow_async.bulk.launch_source import Launches
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.bulk.null_store import NullStore, no_server_time
from dataflow_async.bulk.options import JournalOptions, RunOptions
from dataflow_async.bulk.outage import Outage
from dataflow_async.bulk.recovery import NoRecovery
from dataflow_async.bulk.run import BulkRun
from dataflow_async.bulk.run_ends import Finish, RunEnds
from dataflow_async.bulk.run_reads import RunReads
from dataflow_async.bulk.sender import Sender
from dataflow_async.bulk.worker_pool import WorkerPool
from dataflow_async.clock import Clock
from dataflow_async.errors import DataFlowError
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.launch import Launch
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.resources.jobs import Jobs, start_run
from dataflow_async.transport.call_control import CallControl
from dataflow_async.transport.pipeline import CallPipeline
from dataflow_async.wire.retry import RetryPolicy


@frozen
class BulkFactory:
    """Makes the bulk runs of one client."""

    base_url: str
    calls: CallPipeline
    jobs: Jobs
    retry: RetryPolicy
    poll: PollPolicy
    clock: Clock
    answered_at: Callable[[], float | None]
    """Returns the monotonic time of the last answer to any call of the client."""
    pools: weakref.WeakSet[WorkerPool] = field(factory=weakref.WeakSet, init=False)
    """The worker pools of its runs, as far as anybody still holds them."""

    def run(
        self,
        launches: Launches,
        finish: Finish | None,
        options: RunOptions,
    ) -> BulkRun:
        """Return a bulk run; its parts are made once it is iterated over, in the event loop that does so.

        Args:
            launches: What is launched.
            finish: Waits for the end of a run; None where ends are not waited for.
            options: How the run behaves.
        """

        def make_pool() -> WorkerPool:
            outage = Outage(self.clock, options.max_outage, self.answered_at)
            ends = None if finish is None else RunEnds(finish, outage)
            if options.journal is None:
                open_pipeline = partial(self._open_unrecorded, outage, ends)
            else:
                open_pipeline = partial(self._open_recorded, outage, ends, options.journal)
            pool = WorkerPool(launches, open_pipeline, outage, options, self.clock)
            self.pools.add(pool)
            return pool

        return BulkRun(make_pool)

    async def _open_unrecorded(self, outage: Outage, ends: RunEnds | None) -> LaunchPipeline:
        """Return a pipeline without a journal."""
        return LaunchPipeline(
            Planner(recorded=False),
            Sender(self._execute),
            NullStore(),
            NoRecovery(),
            ends,
            retry=self.retry,
            clock=self.clock,
            server_time=no_server_time,
            outage=outage,
        )

    async def _open_recorded(
        self, outage: Outage, ends: RunEnds | None, options: JournalOptions
    ) -> LaunchPipeline:
        """Open the journal, and return a pipeline with it.

        Raises:
            InvalidRequest: Field ``"journal"``: it is held, foreign, or no journal.
            CredentialsError: Whose journal it is can't be established without keys.
        """
        from dataflow_async.bulk.journal_recovery import recorded_pipeline
        from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches

        access_key = await self.calls.access_key()
        await self._establish_server_time()
        journal = options.journal
        if isinstance(journal, str | os.PathLike):
            journal = await self._open_journal(journal, access_key)
        return recorded_pipeline(
            journal,
            options,
            RunReads(self.jobs, self.calls),
            Sender(self._execute),
            ends,
            in_flight=InFlightLaunches(),
            retry=self.retry,
            poll=self.poll,
            clock=self.clock,
            server_time=self.calls.gateway_clock.interval,
            outage=outage,
        )

    async def _open_journal(self, path: str | os.PathLike[str], access_key: str) -> LaunchStore:
        from dataflow_async.bulk.journal.account import reads_one_of
        from dataflow_async.bulk.journal.writer import JournalWriter

        return await JournalWriter.open(
            path,
            base_url=self.base_url,
            access_key=access_key,
            prove=partial(reads_one_of, self.jobs),
        )

    async def _establish_server_time(self) -> None:
        """Make sure that intents are in the gateway's time from the first on; any answer shows it.

        By a clock that is hours ahead, the runs of launches would look older than their intents.
        """
        if not self.calls.gateway_clock.has_observed:
            with suppress(DataFlowError, TimeoutError):  # a launch will meet the same, and report it
                async with asyncio.timeout(defaults.SERVER_TIME_TIMEOUT):
                    await self.jobs.page(limit=1)

    async def _execute(self, launch: Launch, control: CallControl) -> JobExecution:
        return await start_run(
            self.calls,
            launch.job_id,
            condition=launch.condition,
            parameters=launch.parameters,
            trigger_id=launch.trigger_id,
            workflow_id=launch.workflow_id,
            control=control,
        )
