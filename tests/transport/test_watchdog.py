"""The watchdog ends what takes too long, and leaves everybody else's cancellations alone."""

import asyncio

import aiohttp
import pytest

from dataflow_async import ResponseLost
from dataflow_async.transport.timeouts import Watchdog
from tests.support.client import RUN_OF_A1, client
from tests.support.scripted import STALL, answer, scripted


async def test_expiry_becomes_a_time_out_and_leaves_no_cancellation_behind():
    dog = Watchdog(0.01)
    with pytest.raises(TimeoutError), dog.watch(0.01):
        await asyncio.Event().wait()
    assert asyncio.current_task().cancelling() == 0
    assert dog._watched == set()
    dog.close()
    assert dog._timer is None


async def test_a_watchdog_with_nothing_to_watch_stops_ticking():
    dog = Watchdog(0.01)
    with dog.watch(10):
        assert dog._timer is not None
    async with asyncio.timeout(10):
        while dog._timer is not None:
            await asyncio.sleep(0.001)


async def test_a_cancellation_from_outside_wins_over_an_expiry_in_the_same_turn():
    dog = Watchdog(10)

    async def work():
        with dog.watch(10) as watch:
            watches.append(watch)
            await asyncio.Event().wait()

    watches = []
    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    watches[0].expire()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    dog.close()


async def test_the_ticking_stops_when_nothing_is_watched():
    dog = Watchdog(0.02)
    with dog.watch(5):
        assert dog._timer is not None
    while dog._timer is not None:
        await asyncio.sleep(0.005)


async def test_an_application_that_blocks_for_longer_than_the_time_out_finds_its_answers_in_the_sockets():
    async with scripted(answer(202, RUN_OF_A1)) as server, client(server.url) as flow:
        calls = [asyncio.create_task(flow.jobs.execute("a1")) for _ in range(5)]
        while len(server.received) < 5:
            await asyncio.sleep(0)
        flow._session._watchdog._due -= 60  # as a loop sees it that was blocked for a minute
        for watch in flow._session._watchdog._watched:
            watch.deadline -= 60
        flow._session._watchdog._timer.cancel()
        flow._session._watchdog._check()
        assert {run.job_id for run in await asyncio.gather(*calls)} == {"a1"}


async def test_a_loop_that_is_always_late_ends_what_is_overdue_at_the_second_check():
    dog = Watchdog(10)

    async def work():
        with dog.watch(10) as watch:
            watches.append(watch)
            await asyncio.Event().wait()

    watches = []
    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    watches[0].deadline -= 60
    for expired in (False, True):
        dog._due -= 60
        dog._timer.cancel()
        dog._check()
        assert watches[0].expired is expired
    with pytest.raises(TimeoutError):
        await task
    dog.close()


async def test_closing_leaves_the_requests_in_flight_their_time_out():
    dog = Watchdog(0.02)
    with pytest.raises(TimeoutError), dog.watch(0.02):
        dog.close()
        await asyncio.Event().wait()
    dog.close()
    assert dog._timer is None


async def test_calls_on_a_borrowed_session_keep_their_time_out_when_the_client_is_closed():
    async with scripted(STALL) as server, aiohttp.ClientSession() as session:
        flow = client(server.url, session=session, timeout=0.05)
        call = asyncio.create_task(flow.jobs.execute("a1"))
        while not server.received:
            await asyncio.sleep(0)
        await flow.aclose()
        with pytest.raises(ResponseLost) as caught:
            await call
        assert caught.value.timed_out
