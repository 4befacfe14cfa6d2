"""The watchdog ends what takes too long, and leaves everybody else's cancellations alone."""

import asyncio

import pytest

from dataflow_async.watchdog import Watchdog


async def test_expiry_becomes_a_time_out_and_leaves_no_cancellation_behind():
    dog = Watchdog(0.01)
    with pytest.raises(TimeoutError), dog.watch(0.01):
        await asyncio.Event().wait()
    assert asyncio.current_task().cancelling() == 0
    assert dog._timer is None or not dog._watched
    dog.close()


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
