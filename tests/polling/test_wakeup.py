"""The wake-up event by itself."""

import asyncio

from dataflow_async.polling.wakeup import WakeUp
from tests.support.warp import warped


@warped
async def test_a_notification_wakes_all_who_wait():
    wakeup = WakeUp()
    waiting = [asyncio.ensure_future(wakeup.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    wakeup.notify()
    await asyncio.gather(*waiting)


@warped
async def test_a_notification_that_nobody_waits_for_is_gone():
    wakeup = WakeUp()
    wakeup.notify()
    waiting = asyncio.ensure_future(wakeup.wait())
    await asyncio.sleep(1)
    assert not waiting.done()
    wakeup.notify()
    await waiting


@warped
async def test_a_wait_that_was_cancelled_does_not_keep_others_asleep():
    wakeup = WakeUp()
    gone, waiting = (asyncio.ensure_future(wakeup.wait()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    wakeup.notify()
    await waiting
