"""A page of a thousand runs does not hold the event loop: it is applied in steps."""

import asyncio

from dataflow_async import PollPolicy
from dataflow_async.polling.state import PolledJob
from dataflow_async.polling.tracker import Tracker
from dataflow_async.wire.run_rows import page_of
from tests.support.clocks import LeapClock
from tests.support.fake_service import FakeService, Waits
from tests.support.warp import warped


async def test_other_tasks_get_their_turn_while_a_page_is_applied():
    tracker = Tracker(None, PollPolicy(), LeapClock(), lambda: 1)
    rows = [{"jobExecutionId": f"r{number}"} for number in range(1000)]
    taking = asyncio.create_task(tracker.apply_page(PolledJob("job"), page_of(rows, "job")))
    turns = 0
    while not taking.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 5


@warped
async def test_other_tasks_get_their_turn_while_runs_that_are_due_together_are_taken():
    service = FakeService()
    waits = Waits(service)
    waits.begin([service.start(ends=1e9) for _ in range(5_000)])
    await asyncio.sleep(0.5)
    (job,) = waits.tracker.jobs.values()
    await asyncio.sleep(0.495)
    for run in job.runs.values():
        run.due = asyncio.get_running_loop().time()
        job.due_queue.enter(run)
    taking = asyncio.ensure_future(waits.tracker.schedule.take_due(job))
    turns = 0
    while not taking.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(await taking) == 5_000 and turns >= 5
    await waits.tracker.aclose()
    await waits.all()
