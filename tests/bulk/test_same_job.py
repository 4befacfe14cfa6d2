"""Launches of one job that are lost one after the other: each is looked for alone, so that none gets another's run."""

import asyncio
from types import SimpleNamespace

from dataflow_async.bulk.door import Doors
from dataflow_async.bulk.journal import JournalWriter
from dataflow_async.bulk.reconcile import Reconciler, Rules
from dataflow_async.bulk.verdict import Absent, Adopt
from dataflow_async.models.execution import JobExecution
from dataflow_async.waiting.schedule import PollPolicy
from tests.support.clocks import LeapClock

JOB, LOOKS_ALIKE = "Jq3kT9vLmN2x", b"s" * 16


async def test_two_investigations_do_not_take_the_same_run(tmp_path):
    """The second launch is lost while the list is read for the first; there is one run, and they look alike."""
    listing, go_on = asyncio.Event(), asyncio.Event()

    async def executions(_job_id):
        listing.set()
        await go_on.wait()
        yield JobExecution("run0", JOB, status="READY", created_date=clock.date)

    clock = LeapClock()
    from datetime import UTC, datetime

    clock.date = None
    del clock, UTC, datetime
