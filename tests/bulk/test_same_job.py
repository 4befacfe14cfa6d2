"""Launches of one job that are lost one after the other: each is looked for alone, so that none gets another's run."""

import asyncio
from contextvars import ContextVar
from datetime import UTC, datetime
from types import SimpleNamespace

from dataflow_async.bulk.door import Doors
from dataflow_async.bulk.journal import JournalWriter
from dataflow_async.bulk.reconcile import Reconciler
from dataflow_async.bulk.terms import Terms
from dataflow_async.bulk.verdict import Absent, Adopt
from dataflow_async.models.execution import JobExecution
from dataflow_async.waiting.schedule import PollPolicy
from dataflow_async.wire.server_time import ServerTime
from tests.support.clocks import LeapClock

JOB, LOOKS_ALIKE = "Jq3kT9vLmN2x", b"s" * 16


async def test_two_investigations_do_not_take_the_same_run(tmp_path):
    """The second launch is lost while the list is read for the first; both look alike, and there is one run."""
    clock = LeapClock()
    listing, go_on = asyncio.Event(), asyncio.Event()
    asked_by = ContextVar("asked_by", default="nobody")
    listed_for = set()
    run = JobExecution("run0", JOB, status="READY", created_date=datetime.fromtimestamp(clock.now, UTC))

    async def executions(_job_id):
        listed_for.add(asked_by.get())
        listing.set()
        await go_on.wait()
        yield run

    journal = await JournalWriter.open(
        tmp_path / "backfill.db", base_url="http://127.0.0.1:1", access_key="k"
    )
    reconciler = Reconciler(
        SimpleNamespace(executions=executions),
        journal,
        Doors(),
        Terms("j.db", None, True, 0.0, frozenset(), False),
        PollPolicy(),
        clock,
        clock.time,
    )

    async def lost(key):
        asked_by.set(key)
        assert await journal.intend(key, JOB, LOOKS_ALIKE, None, ServerTime(clock.now, clock.now)) is None
        await journal.unknown(key, 1, clock.now)
        entry = await journal.intend(key, JOB, LOOKS_ALIKE, None, ServerTime(clock.now, clock.now))
        return await reconciler.fate(entry, clock.ticks, {}, correlated=False)

    first = asyncio.create_task(lost("a"))
    await listing.wait()
    second = asyncio.create_task(lost("b"))
    while not reconciler._open and not second.done():
        await asyncio.sleep(0)
    for _ in range(20):  # turns enough for a second investigation to begin, if it could
        await asyncio.sleep(0)
    go_on.set()
    assert (await first, await second) == (Adopt(run), Absent())
    assert listed_for == {"nobody"}  # traced and logged under neither
    await reconciler.aclose()
    await journal.aclose()
