"""Launches of one job that are lost one after the other: each is looked for alone, so that none gets another's run."""

import asyncio
from contextvars import ContextVar
from datetime import UTC, datetime
from types import SimpleNamespace

from dataflow_async.bulk.journal.reader import Journal
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.options import JournalOptions
from dataflow_async.bulk.reconcile.collecting import EvidenceCollector
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches
from dataflow_async.bulk.reconcile.reconciler import Reconciler
from dataflow_async.bulk.reconcile.result import Absent, Adopt
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import Job
from dataflow_async.models.launch import Launch
from dataflow_async.models.page import Page
from dataflow_async.polling.policy import PollPolicy
from dataflow_async.wire.decoding import decode
from dataflow_async.wire.listed_rows import ModelPage
from dataflow_async.wire.server_time import ServerTime
from tests.support.clocks import LeapClock

JOB, LOOKS_ALIKE = "Jq3kT9vLmN2x", b"s" * 16


async def test_two_investigations_do_not_take_the_same_run(tmp_path):
    """The second launch is lost while the list is read for the first; both look alike, and there is one run."""
    clock = LeapClock()
    listing, go_on = asyncio.Event(), asyncio.Event()
    asked_by = ContextVar("asked_by", default="nobody")
    listed_for = set()
    date = datetime.fromtimestamp(clock.now, UTC).isoformat()
    run = decode(JobExecution, {"jobExecutionId": "run0", "jobId": JOB, "createdDate": date}, {})

    async def listed_page(_job_id, number, _limit):
        listed_for.add(asked_by.get())
        listing.set()
        await go_on.wait()
        return ModelPage(Page([] if number else [run], 1))

    async def get(_job_id):
        return decode(Job, {"jobId": JOB, "lastExecutionDate": date}, {})

    journal = await JournalWriter.open(
        tmp_path / "backfill.db", base_url="http://127.0.0.1:1", access_key="k"
    )
    reconciler = Reconciler(
        SimpleNamespace(listed_page=listed_page, get=get),
        journal,
        InFlightLaunches(),
        JournalOptions("j.db", None, True, 0.0, frozenset(), False),
        PollPolicy(),
        clock,
        lambda: ServerTime(clock.now, clock.now),
    )

    async def lost(key):
        asked_by.set(key)
        assert await journal.intend(key, JOB, LOOKS_ALIKE, None, ServerTime(clock.now, clock.now)) is None
        await journal.unknown(key, 1, clock.now)
        with Journal.open(tmp_path / "backfill.db") as recorded:
            (entry,) = [entry for entry in recorded.rows() if entry.key == key]
        return await reconciler.resolve(
            entry, clock.ticks, Launch(JOB), {}, correlated=False, more_may_come=lambda: False
        )

    first = asyncio.create_task(lost("a"))
    await listing.wait()
    second = asyncio.create_task(lost("b"))
    while not reconciler.queued and not second.done():
        await asyncio.sleep(0)
    for _ in range(20):  # turns enough for a second investigation to begin, if it could
        await asyncio.sleep(0)
    go_on.set()
    assert (await first, await second) == (Adopt(run), Absent())
    assert listed_for == {"nobody"}  # traced and logged under neither
    await reconciler.aclose()
    await journal.aclose()


async def test_runs_that_are_adopted_together_are_recorded_together(tmp_path, monkeypatch):
    """A journal writes them to disk at once: one after the other, a thousand lost launches would take seconds."""
    clock, together = LeapClock(), asyncio.Barrier(2)
    date = datetime.fromtimestamp(clock.now, UTC).isoformat()
    rows = [{"jobExecutionId": name, "jobId": JOB, "createdDate": date} for name in ("run0", "run1")]
    before = datetime.fromtimestamp(clock.now - 7_200, UTC).isoformat()
    rows.append({"jobExecutionId": "before", "jobId": JOB, "createdDate": before})

    async def listed_page(_job_id, number, _limit):
        return ModelPage(Page([] if number else [decode(JobExecution, row, {}) for row in rows], 2))

    async def get(_job_id):
        return decode(Job, {"jobId": JOB, "lastExecutionDate": date}, {})

    class Store(JournalWriter):
        async def accepted(self, *args, **more):
            await together.wait()
            await super().accepted(*args, **more)

    journal = await Store.open(tmp_path / "backfill.db", base_url="http://127.0.0.1:1", access_key="k")
    now = ServerTime(clock.now, clock.now)
    reconciler = Reconciler(
        SimpleNamespace(listed_page=listed_page, get=get),
        journal,
        InFlightLaunches(),
        JournalOptions("j.db", None, True, 0.0, frozenset(), False),
        PollPolicy(),
        clock,
        lambda: now,
    )
    held, collect = [], EvidenceCollector.collect

    async def collected(*args, **more):
        held.append(await collect(*args, **more))
        return held[-1]

    monkeypatch.setattr(EvidenceCollector, "collect", collected)
    for key in "ab":
        await journal.intend(key, JOB, LOOKS_ALIKE, None, now)
        await journal.unknown(key, 1, clock.now)
    with Journal.open(tmp_path / "backfill.db") as recorded:
        entries = [*recorded.rows()]
    results = await asyncio.gather(
        *(
            reconciler.resolve(
                it, clock.ticks, Launch(JOB), {}, correlated=False, more_may_come=lambda: False
            )
            for it in entries
        )
    )
    assert {result.execution.job_execution_id for result in results} == {"run0", "run1"}
    assert {run.execution_id for run in await journal.known_runs(JOB)} == {"run0", "run1"}
    (evidence,) = held
    assert len(evidence.runs) == 0  # released in steps, not all at once
    await reconciler.aclose()
    await journal.aclose()
