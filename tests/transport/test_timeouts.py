"""The watchdog ends overdue requests and leaves every other cancellation alone."""

import asyncio

import aiohttp
import pytest

from dataflow_async import ResponseLost
from dataflow_async.transport.timeouts import Watchdog
from tests.support.client import RUN_OF_A1, client
from tests.support.internals import session_of
from tests.support.scripted import STALL, answer, scripted


async def hang(watchdog, requests):
    with watchdog.limit(10) as request:
        requests.append(request)
        await asyncio.Event().wait()


async def until_idle(watchdog):
    async with asyncio.timeout(60):
        while watchdog.is_ticking:
            await asyncio.sleep(0.001)


async def test_expiry_becomes_a_timeout_error_and_leaves_no_cancellation_behind():
    watchdog = Watchdog(0.01)
    with pytest.raises(TimeoutError), watchdog.limit(0.01):
        await asyncio.Event().wait()
    assert asyncio.current_task().cancelling() == 0
    assert watchdog.in_flight == 0
    watchdog.close()
    assert not watchdog.is_ticking


@pytest.mark.parametrize("timeout", [0.01, 0.2])
async def test_timer_stops_when_no_request_is_in_flight(timeout):
    watchdog = Watchdog(timeout)
    with watchdog.limit(10):
        assert watchdog.is_ticking
    await until_idle(watchdog)


async def test_cancellation_from_outside_wins_over_an_expiry_in_the_same_turn():
    watchdog, requests = Watchdog(10), []
    task = asyncio.create_task(hang(watchdog, requests))
    await asyncio.sleep(0)
    task.cancel()
    requests[0].expire()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    watchdog.close()


async def test_answers_that_arrive_while_the_application_blocks_the_loop_are_read():
    async with scripted(answer(202, RUN_OF_A1)) as server, client(server.url) as flow:
        calls = [asyncio.create_task(flow.jobs.execute("a1")) for _ in range(5)]
        while len(server.received) < 5:
            await asyncio.sleep(0)
        watchdog = session_of(flow).watchdog
        assert watchdog.in_flight == 5
        watchdog.check(asyncio.get_running_loop().time() + 60)  # as after a minute without a turn of the loop
        assert {run.job_id for run in await asyncio.gather(*calls)} == {"a1"}


async def test_requests_overdue_at_two_late_checks_are_ended():
    watchdog, requests = Watchdog(10), []
    task = asyncio.create_task(hang(watchdog, requests))
    await asyncio.sleep(0)
    now = asyncio.get_running_loop().time()
    for late, expired in ((60, False), (120, True)):
        watchdog.check(now + late)
        assert requests[0].expired is expired
    with pytest.raises(TimeoutError):
        await task
    watchdog.close()


async def test_closing_keeps_the_time_out_of_requests_in_flight():
    watchdog = Watchdog(0.02)
    with pytest.raises(TimeoutError), watchdog.limit(0.02):
        watchdog.close()
        await asyncio.Event().wait()
    watchdog.close()
    assert not watchdog.is_ticking


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
