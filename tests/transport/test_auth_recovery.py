"""Recovery from a 401: the gateway's time, other keys, one pause."""

import asyncio
from email.utils import formatdate

import pytest

from dataflow_async import AuthenticationFailed, Credentials, PermissionDenied
from dataflow_async.transport.call_control import CallControl
from dataflow_async.wire import operation as op
from tests.support.client import RUN_OF_A1, client
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of, session_of
from tests.support.scripted import answer, gateway_error, scripted

NOW = 1_800_000_000.0
WINDOW = 300.0


def gateway(now, ok, refusal=lambda date: gateway_error(401, "200", Date=date)):
    """A gateway whose clock shows ``now()``, and which refuses timestamps outside its window."""

    def respond(request):
        stamp = int(request.headers["x-ncp-apigw-timestamp"]) / 1000
        date = formatdate(now(), usegmt=True)
        return ok if abs(stamp - now()) < WINDOW else refusal(date)

    return respond


async def test_refused_call_is_repeated_by_the_gateways_time_and_the_offset_is_adopted():
    clock = LeapClock(now=NOW)
    async with scripted(gateway(lambda: clock.now + 3600, answer(202, RUN_OF_A1))) as server:
        async with client(server.url, clock=clock) as flow:
            await flow.jobs.execute("a1")
            assert len(server.received) == 2
            await flow.jobs.execute("a1")
            assert len(server.received) == 3
            assert calls_of(flow).gateway_clock.offset == pytest.approx(3600, abs=2)
    assert clock.naps == []


async def test_candidate_offset_that_fails_is_reported_and_not_adopted():
    clock = LeapClock(now=NOW)
    async with scripted(gateway_error(401, "200", Date=formatdate(NOW - 500, usegmt=True))) as server:
        async with client(server.url, clock=clock) as flow:
            with pytest.raises(
                AuthenticationFailed, match="clock differs from the server's by -500 s"
            ) as caught:
                await flow.jobs.execute("a1")
            assert calls_of(flow).gateway_clock.offset == 0
    assert caught.value.clock_skew == pytest.approx(-500, abs=2)
    assert caught.value.attempts == len(server.received) == 2


@pytest.mark.parametrize(
    ("code", "skew", "error"),
    [
        ("200", 59.0, AuthenticationFailed),
        ("210", 3600.0, PermissionDenied),
        ("401", 3600.0, AuthenticationFailed),
    ],
)
async def test_no_repeat_unless_code_200_and_more_than_a_minute_off(code, skew, error):
    clock = LeapClock(now=NOW)
    async with scripted(gateway_error(401, code, Date=formatdate(NOW + skew, usegmt=True))) as server:
        async with client(server.url, clock=clock) as flow:
            with pytest.raises(error):
                await flow.jobs.get("a1")
    assert len(server.received) == 1


async def test_no_repeat_without_a_date():
    refusal = answer(401, {"error": {"errorCode": "200", "message": "no"}})
    async with scripted(refusal) as server, client(server.url) as flow:
        with pytest.raises(AuthenticationFailed):
            await flow.jobs.get("a1")
    assert len(server.received) == 1


async def test_one_candidate_offset_at_a_time_serves_all_calls():
    clock = LeapClock(now=NOW)
    async with scripted(gateway(lambda: clock.now - 7200, answer(202, RUN_OF_A1))) as server:
        async with client(server.url, clock=clock, max_concurrency=20) as flow:
            await asyncio.gather(*(flow.jobs.execute("a1") for _ in range(20)))
    assert len(server.received) == 40  # 20 refused, one candidate offset, 19 repeats by it


async def test_calls_that_waited_for_a_failed_candidate_offset_do_not_try_it():
    clock = LeapClock(now=NOW)
    async with scripted(gateway_error(401, "200", Date=formatdate(NOW + 3600, usegmt=True))) as server:
        async with client(server.url, clock=clock, max_concurrency=20) as flow:
            results = await asyncio.gather(
                *(flow.jobs.execute("a1") for _ in range(20)), return_exceptions=True
            )
    assert {type(result) for result in results} == {AuthenticationFailed}
    assert all(result.clock_skew == pytest.approx(3600, abs=2) for result in results)
    assert len(server.received) == 21


async def test_our_clock_stepping_later_is_corrected_again():
    clock = LeapClock(now=NOW)
    true_time = {"offset": 3600.0}
    async with scripted(gateway(lambda: clock.now + true_time["offset"], answer(202, RUN_OF_A1))) as server:
        async with client(server.url, clock=clock) as flow:
            await flow.jobs.execute("a1")
            clock.now += 3600  # somebody set our clock right
            true_time["offset"] = 0.0
            await flow.jobs.execute("a1")
            assert calls_of(flow).gateway_clock.offset == pytest.approx(0, abs=2)
            await flow.jobs.execute("a1")
    assert len(server.received) == 5


async def test_candidate_offset_that_meets_a_503_is_adopted_only_after_an_accepted_signature():
    clock = LeapClock(now=NOW)
    answers = [
        gateway_error(401, "200", Date=formatdate(NOW + 900, usegmt=True)),
        gateway_error(503, "500", Date=formatdate(NOW + 900, usegmt=True)),
        answer(200, {"jobId": "a1"}),
    ]
    async with scripted(*answers) as server, client(server.url, clock=clock) as flow:
        offsets = []
        send = session_of(flow).send

        async def spy(*arguments):
            offsets.append(calls_of(flow).gateway_clock.offset)
            return await send(*arguments)

        session_of(flow).send = spy
        await flow.jobs.get("a1")
        assert offsets == [0, 0, 0]
        assert calls_of(flow).gateway_clock.offset == pytest.approx(900, abs=2)


class Rotating:
    """A source whose keys change once the first have been refused."""

    def __init__(self):
        self.asked = 0

    async def get(self):
        self.asked += 1
        return Credentials(f"KEY{min(self.asked, 2)}", "secret")


async def test_fresh_keys_are_tried_once():
    def respond(request):
        good = request.headers["x-ncp-iam-access-key"] == "KEY2"
        return answer(202, RUN_OF_A1) if good else gateway_error(401, "200")

    async with scripted(respond) as server, client(server.url, credentials=Rotating()) as flow:
        await flow.jobs.execute("a1")
    assert len(server.received) == 2


async def test_the_same_keys_again_are_not_tried_again():
    async with scripted(gateway_error(401, "200")) as server, client(server.url) as flow:
        with pytest.raises(AuthenticationFailed):
            await flow.jobs.execute("a1")
    assert len(server.received) == 1


def late_refusals(flow):
    """Let every refusal but the first arrive only after the clock has been corrected."""
    send, corrected, refusals = session_of(flow).send, asyncio.Event(), []

    async def slow(*arguments):
        result = await send(*arguments)
        if result.status != 401:
            corrected.set()
            return result
        refusals.append(result)
        if len(refusals) > 1:
            await corrected.wait()
            await asyncio.sleep(0)
        return result

    session_of(flow).send = slow


@pytest.mark.parametrize("off", [-600.0, 600.0])
@pytest.mark.parametrize("call", ["execute", "get"])
async def test_adopted_offset_serves_other_calls_whose_refusals_come_later(call, off):
    clock = LeapClock(now=NOW)
    ok = answer(202, RUN_OF_A1 | {"name": "rollup"})
    async with scripted(gateway(lambda: clock.now + off, ok)) as server:
        async with client(server.url, clock=clock, max_concurrency=32) as flow:
            late_refusals(flow)
            await asyncio.gather(*(getattr(flow.jobs, call)("a1") for _ in range(32)))
            assert calls_of(flow).gateway_clock.offset == pytest.approx(off, abs=2)
    assert len(server.received) == 64
    assert clock.naps == []


async def test_adopted_offset_serves_other_calls_whose_refusals_have_no_date():
    clock = LeapClock(now=NOW)
    refusals = []

    def refusal(date):
        refusals.append(date)
        return gateway_error(401, "200", Date=date if len(refusals) == 1 else "")

    async with scripted(gateway(lambda: clock.now + 600, answer(202, RUN_OF_A1), refusal)) as server:
        async with client(server.url, clock=clock, max_concurrency=8) as flow:
            late_refusals(flow)
            await asyncio.gather(*(flow.jobs.execute("a1") for _ in range(8)))
    assert len(server.received) == 16


async def test_a_clock_set_right_in_flight_is_not_corrected_once_more():
    """The refusal was right when it was made; by now our clock is right by itself."""
    clock = LeapClock(now=NOW - 3600)
    ok = answer(202, RUN_OF_A1)
    async with scripted(gateway(lambda: NOW, ok)) as server, client(server.url, clock=clock) as flow:
        send = session_of(flow).send

        async def stepping(*arguments):
            result = await send(*arguments)
            clock.now = NOW
            return result

        session_of(flow).send = stepping
        await flow.jobs.execute("a1")
        assert calls_of(flow).gateway_clock.offset == 0
    assert len(server.received) == 2


async def test_wrong_date_of_one_refusal_fails_no_call_with_a_right_one():
    clock = LeapClock(now=NOW)
    refusals = []

    def refusal(date):
        refusals.append(date)
        return gateway_error(
            401, "200", Date=formatdate(NOW - 90_000, usegmt=True) if len(refusals) == 1 else date
        )

    async with scripted(gateway(lambda: clock.now + 600, answer(202, RUN_OF_A1), refusal)) as server:
        async with client(server.url, clock=clock, max_concurrency=8) as flow:
            results = await asyncio.gather(
                *(flow.jobs.execute("a1") for _ in range(8)), return_exceptions=True
            )
    assert sum(isinstance(result, AuthenticationFailed) for result in results) == 1


async def test_a_refusal_met_by_a_client_that_was_accepted_is_repeated_once_after_a_pause():
    clock = LeapClock(now=NOW)
    stray = gateway_error(401, "200", Date=formatdate(NOW, usegmt=True))
    ok = answer(202, RUN_OF_A1)
    async with scripted(ok, stray, ok, stray, stray, ok) as server:
        async with client(server.url, clock=clock) as flow:
            await flow.jobs.execute("a1")
            await flow.jobs.execute("a1")
            assert clock.naps == [5.0]
            with pytest.raises(AuthenticationFailed):
                await flow.jobs.execute("a1")
    assert clock.naps == [5.0, 5.0]
    assert len(server.received) == 5


async def test_call_does_not_pause_before_a_first_acceptance_or_without_permission():
    clock = LeapClock(now=NOW)
    dated = {"Date": formatdate(NOW, usegmt=True)}
    answers = [
        gateway_error(401, "200", **dated),
        answer(202, RUN_OF_A1),
        gateway_error(401, "210", **dated),
    ]
    async with scripted(*answers) as server, client(server.url, clock=clock) as flow:
        with pytest.raises(AuthenticationFailed):
            await flow.jobs.execute("a1")
        await flow.jobs.execute("a1")
        with pytest.raises(PermissionDenied):
            await flow.jobs.execute("a1")
    assert len(server.received) == 3
    assert clock.naps == []


async def test_a_pause_is_not_slept_for_an_abandoned_call():
    clock = LeapClock(now=NOW)
    stray = gateway_error(401, "200", Date=formatdate(NOW, usegmt=True))
    async with scripted(answer(202, RUN_OF_A1), stray) as server:
        async with client(server.url, clock=clock) as flow:
            await flow.jobs.execute("a1")
            control = CallControl(lambda: len(server.received) == 2)
            with pytest.raises(AuthenticationFailed):
                await calls_of(flow).call(op.GET_JOB, "a1", control=control)
    assert len(server.received) == 2
    assert clock.naps == []
