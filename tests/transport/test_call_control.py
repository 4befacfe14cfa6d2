"""How the caller of one call takes part in its attempts: `CallControl`."""

from email.utils import formatdate

import pytest

from dataflow_async import JournalError, NotSent, ServerError
from dataflow_async.resources.jobs import start_run
from dataflow_async.transport.call_control import CallControl
from dataflow_async.wire import operation as op
from tests.support.client import RUN_OF_A1, client
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of
from tests.support.scripted import answer, gateway_error, scripted

NOW = 1_800_000_000.0


def gateway(clock, off):
    """A gateway whose clock is ``off`` seconds ahead of ``clock``."""

    def respond(request):
        now = clock.now + off
        stamp = int(request.headers["x-ncp-apigw-timestamp"]) / 1000
        date = formatdate(now, usegmt=True)
        return (
            answer(202, RUN_OF_A1, Date=date)
            if abs(stamp - now) < 300
            else gateway_error(401, "200", Date=date)
        )

    return respond


async def test_attempt_by_another_offset_waits_for_before_new_offset():
    clock = LeapClock(now=NOW)
    async with scripted(gateway(clock, 3600)) as server, client(server.url, clock=clock) as flow:
        sent = []

        async def before_new_offset():
            sent.append(len(server.received))

        control = CallControl(before_new_offset=before_new_offset)
        await start_run(calls_of(flow), "a1", control=control)
        assert sent == [1]
        await start_run(calls_of(flow), "a1", control=control)
    assert sent == [1]
    assert len(server.received) == 3


async def test_what_before_new_offset_raises_ends_the_call_unsent():
    clock = LeapClock(now=NOW)
    async with scripted(gateway(clock, 3600)) as server, client(server.url, clock=clock) as flow:

        async def before_new_offset():
            raise JournalError("the disk is full")

        with pytest.raises(JournalError):
            await start_run(calls_of(flow), "a1", control=CallControl(before_new_offset=before_new_offset))
    assert len(server.received) == 1


async def test_attempt_by_the_same_offset_does_not_wait():
    clock = LeapClock(now=NOW)
    throttled = gateway_error(429, "410")
    async with scripted(throttled, answer(202, RUN_OF_A1)) as server, client(server.url, clock=clock) as flow:

        async def before_new_offset():
            raise AssertionError

        await start_run(calls_of(flow), "a1", control=CallControl(before_new_offset=before_new_offset))
    assert len(server.received) == 2


async def test_nothing_is_sent_for_an_abandoned_call():
    async with scripted(answer(202, RUN_OF_A1)) as server, client(server.url) as flow:
        with pytest.raises(NotSent):
            await start_run(calls_of(flow), "a1", control=CallControl(lambda: True))
    assert server.received == []


async def test_an_abandoned_call_is_not_repeated():
    async with scripted(gateway_error(503, "500")) as server, client(server.url) as flow:

        def is_abandoned():
            return bool(server.received)

        with pytest.raises(ServerError):
            await calls_of(flow).call(op.GET_JOB, "a1", control=CallControl(is_abandoned))
    assert len(server.received) == 1
