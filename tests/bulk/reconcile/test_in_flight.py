"""Launches in flight: a listing waits for the launches that were in flight when it ended, and for no others."""

import asyncio

from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches


async def test_a_listing_waits_for_launches_that_were_in_flight_and_holds_none_up():
    in_flight = InFlightLaunches()
    met = []

    async def launch(name, leave):
        with in_flight.launching("job"):
            met.append(f"{name} in")
            await leave.wait()
        met.append(f"{name} out")

    async def listing():
        for one in in_flight.of_job("job"):
            await one.wait()
        met.append("matched")

    first, second = asyncio.Event(), asyncio.Event()
    tasks = [asyncio.create_task(launch("a", first)), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(listing()), asyncio.create_task(launch("b", second))]
    for _ in range(5):
        await asyncio.sleep(0)
    assert met == ["a in", "b in"]
    first.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert met == ["a in", "b in", "a out", "matched"]
    second.set()
    await asyncio.gather(*tasks)
    assert len(in_flight) == 0


async def test_a_wait_for_a_launch_that_is_cancelled_leaves_nothing_behind():
    in_flight = InFlightLaunches()
    with in_flight.launching("job"):
        (one,) = in_flight.of_job("job")
        waiting = asyncio.create_task(one.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await one.wait()
    assert len(in_flight) == 0
    assert not in_flight.of_job("job")
