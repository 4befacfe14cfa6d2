"""A page of a thousand runs holds nobody up: it is taken in bit by bit."""

import asyncio

from dataflow_async import PollPolicy
from dataflow_async.waiting.tracker import Tracker
from dataflow_async.waiting.watched import Watchlist
from tests.support.clocks import LeapClock


async def test_others_get_their_turn_while_a_page_is_taken_in():
    tracker = Tracker(None, PollPolicy(), LeapClock(), lambda: 1)
    rows = [{"jobExecutionId": f"r{number}"} for number in range(1000)]
    taking = asyncio.create_task(tracker._seen_on_page(Watchlist("job"), rows))
    turns = 0
    while not taking.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 5
