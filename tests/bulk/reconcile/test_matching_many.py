"""A thousand lost launches against twenty thousand listed runs are matched in short steps; counted in calls, not in time."""

import asyncio
import sys

import pytest

from dataflow_async import PollPolicy
from dataflow_async.bulk.digests import parameters_digest
from dataflow_async.bulk.launch_records import Unresolved
from dataflow_async.bulk.reconcile.candidates import prepared
from dataflow_async.bulk.reconcile.dating import Dating, PrintedDates
from dataflow_async.bulk.reconcile.evidence import Evidence, LostLaunch
from dataflow_async.bulk.reconcile.matching import match_launches
from dataflow_async.bulk.reconcile.result import Absent
from dataflow_async.bulk.reconcile.run_index import RunIndex, listed_row, listed_run
from dataflow_async.bulk.reconcile.run_lister import RunLister
from dataflow_async.bulk.reconcile.steps import at_once
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.page import Page
from dataflow_async.wire.decoding import decode
from dataflow_async.wire.listed_rows import ModelPage
from dataflow_async.wire.server_time import ServerTime
from tests.bulk.reconcile.test_dating import text
from tests.bulk.reconcile.test_matching import Proven, T
from tests.support.clocks import LeapClock
from tests.support.counting import calls_of
from tests.support.examples import first_quick

LAUNCHES, RUNS = 1_000, 20_000
STEP = 40_000
"""Calls in one step, at most: about 5 ms."""


def lost_launch(number, parameters):
    sent = {"day": str(number)} if parameters else {}
    digest = parameters_digest(sent)
    return LostLaunch(str(number), repr(sent).encode(), digest, sent, False, T, T + 1, T + 30)


def runs(echoing):
    for number in range(RUNS):
        row = {"jobExecutionId": f"r{number}", "jobId": "job", "createdDate": text(T + number % 900)}
        if echoing:
            row |= {"status": "COMPLETED", "parsedParameters": {"day": f"other{number}"}}
        yield decode(JobExecution, row, {})


@pytest.mark.parametrize("echoing", [True, False])
@pytest.mark.parametrize("assume_exclusive", first_quick(True, False))
def test_each_launch_is_matched_in_a_short_step(echoing, assume_exclusive):
    lost = [lost_launch(number, echoing) for number in range(LAUNCHES)]
    known = Evidence(
        RunIndex(lost, (listed_run(run, None) for run in runs(echoing))),
        Dating(),
        Proven(),
        assume_exclusive=assume_exclusive,
        carried={it.parameters: 1 for it in lost if it.parameters},
        unresolved=[Unresolved(it.key, 1, it.settings, it.parameters) for it in lost],
        echoes=echoing,
    )
    preparing = prepared(lost, known)
    assert max(calls_of(lambda: next(preparing, None)) for _ in range(5)) < STEP
    at_once(preparing)
    matched = match_launches(lost, known)
    steps = [calls_of(lambda: next(matched)) for _ in range(20)]
    assert max(steps) < STEP
    assert sum(steps[1:]) < 19 * 7_000
    if echoing:
        assert max(steps[1:]) < 100
        assert set(dict(matched).values()) == {Absent()}


async def test_pages_are_taken_in_in_short_steps():
    """Between two steps the event loop turns: nobody else waits for longer than one of them."""
    pages = [list(runs(True))[:1_000], []]
    index = RunIndex([lost_launch(1, True)])

    class Service:
        async def listed_page(self, _job_id, number, _limit):
            return ModelPage(Page(pages[number]))

    clock = LeapClock()
    lister = RunLister(Service(), PollPolicy(), clock, lambda: ServerTime(clock.now, clock.now))
    counts = [0]

    def take(page, start, _ids, dates):
        for at, created in enumerate(dates, start):
            index.add(*listed_row(page, at, created, "job", None))

    def count(_frame, event, _argument):
        counts[-1] += event in {"call", "c_call"}

    async def turn():
        while True:
            counts.append(0)
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    sys.setprofile(count)
    try:
        await lister.complete("job", take, PrintedDates())
    finally:
        sys.setprofile(None)
    turning.cancel()
    assert len(index) == 1_000
    assert max(counts) < STEP
