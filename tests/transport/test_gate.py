"""One gate a client: fair, bounded, and it learns from 429 (promise 11)."""

import asyncio
from random import Random

import pytest

from dataflow_async import QuotaExceeded
from dataflow_async.transport.limiter import Gate
from tests.support.client import RUN_OF_A1, client
from tests.support.clocks import LeapClock
from tests.support.scripted import answer, gateway_error, scripted


async def test_slots_go_to_the_longest_waiting():
    gate = Gate(1)
    await gate.acquire()
    order = []

    async def caller(name, **how):
        await gate.acquire(**how)
        order.append(name)
        gate.release()

    tasks = [asyncio.create_task(caller(n)) for n in range(5)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(caller("repeat", first=True)))
    await asyncio.sleep(0)
    gate.release()
    await asyncio.gather(*tasks)
    assert order == ["repeat", 0, 1, 2, 3, 4]
    assert gate.taken == 0


async def test_a_cancelled_waiter_neither_takes_nor_loses_a_slot():
    gate = Gate(1)
    await gate.acquire()
    waiting = [asyncio.create_task(gate.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.release()  # hands the slot to the second ...
    waiting[1].cancel()  # ... which is cancelled in the same instant
    await asyncio.gather(*waiting, return_exceptions=True)
    assert waiting[2].done() and not waiting[2].cancelled()
    gate.release()
    assert gate.taken == 0
    assert gate.waiting == 0
    await asyncio.wait_for(gate.acquire(), 1)


async def test_one_cut_per_burst_and_one_back_per_as_many_successes_as_the_limit():
    gate = Gate(64)
    cuts = [await gate.acquire() for _ in range(64)]
    for cut in cuts:
        gate.throttled(cut)
        gate.release()
    assert gate.limit == 32
    gate.throttled(await gate.acquire())
    assert gate.limit == 16
    for _ in range(15):
        gate.succeeded()
    assert gate.limit == 16
    gate.succeeded()
    assert gate.limit == 17


async def test_a_large_limit_grows_by_one_per_hundred_successes():
    gate = Gate(1000)
    gate.throttled(await gate.acquire())
    for _ in range(99):
        gate.succeeded()
    assert gate.limit == 500
    gate.succeeded()
    assert gate.limit == 501


def served(share, ticks=2_000):
    """Calls that end well when a full gate's calls all end with each tick, ``share`` of them refused at random."""
    gate, chance, well = Gate(64), Random(7), 0
    for _ in range(ticks):
        for _ in range(gate.limit):
            if chance.random() < share:
                gate.throttled(gate._cuts)
            else:
                gate.succeeded()
                well += 1
    return well / ticks


@pytest.mark.parametrize(("share", "least"), [(0.0, 64), (0.01, 10), (0.02, 7)])
def test_stray_refusals_do_not_collapse_the_limit(share, least):
    assert served(share) >= least


async def test_the_limit_stays_between_one_and_the_ceiling():
    gate = Gate(3)
    for _ in range(5):
        gate.throttled(await gate.acquire())
        gate.release()
    assert gate.limit == 1
    for _ in range(1000):
        gate.succeeded()
    assert gate.limit == 3


async def test_a_throttled_call_halves_the_clients_limit():
    async with scripted(gateway_error(429, "420"), answer(200, {"jobId": "a1"})) as server:
        async with client(server.url, max_concurrency=10) as flow:
            await flow.jobs.get("a1")
            assert flow._caller.gate.limit == 5


async def test_a_quota_neither_repeats_nor_halves():
    async with scripted(gateway_error(429, "400")) as server, client(server.url) as flow:
        with pytest.raises(QuotaExceeded):
            await flow.jobs.get("a1")
        assert flow._caller.gate.limit == flow._caller.gate.ceiling
    assert len(server.received) == 1


async def test_two_thousand_gathered_calls_are_sent_with_fresh_signatures_and_none_times_out():
    """A slow gateway: each answer takes a second of the clock, so the queue takes 2,000 s, the last included."""
    clock = LeapClock(now=1_800_000_000.0)
    stamps = []
    in_the_air = peak = 0

    def respond(request):
        nonlocal in_the_air, peak
        clock.now += 1
        clock.ticks += 1
        stamps.append(clock.now - int(request.headers["x-ncp-apigw-timestamp"]) / 1000)
        return answer(202, RUN_OF_A1)

    async with scripted(respond) as server, client(server.url, clock=clock, max_concurrency=64) as flow:
        send = flow._session.send

        async def counted(*arguments):
            nonlocal in_the_air, peak
            in_the_air += 1
            peak = max(peak, in_the_air)
            try:
                return await send(*arguments)
            finally:
                in_the_air -= 1

        flow._session.send = counted
        runs = await asyncio.gather(*(flow.jobs.execute("a1") for _ in range(2_000)))
    assert len(runs) == len(server.received) == 2_000
    assert peak <= 64
    assert max(stamps) < 300 / 2


async def test_time_in_the_queue_does_not_count_against_the_deadline():
    clock = LeapClock()
    async with scripted(gateway_error(503, "500"), answer(200, {"jobId": "a1"})) as server:
        async with client(server.url, clock=clock, max_concurrency=1) as flow:
            await flow._caller.gate.acquire()
            waiting = asyncio.create_task(flow.jobs.get("a1"))
            await asyncio.sleep(0)
            clock.ticks += 100_000
            flow._caller.gate.release()
            assert (await waiting).job_id == "a1"
