"""Which answers bound the server time, and what wrong ones do; through whole calls."""

import math
from contextlib import suppress
from email.utils import formatdate

import pytest

from dataflow_async import DataFlowError
from dataflow_async.emulator import Emulator
from dataflow_async.polling.polls import Polls
from tests.support.client import RUN_OF_A1, client
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of
from tests.support.scripted import answer, gateway_error, scripted

NOW = 1_800_000_000.0
JOB = {"jobId": "a1", "name": "rollup"}


def dated(ahead):
    return {"Date": formatdate(NOW + ahead, usegmt=True)}


async def interval_after(*answers, call=lambda flow: flow.jobs.get("a1")):
    """What a client believes after one call for each answer."""
    clock = LeapClock(now=NOW)
    async with scripted(*answers) as server, client(server.url, clock=clock) as flow:
        for _ in answers:
            with suppress(DataFlowError):
                await call(flow)
        clock.now = NOW
        return calls_of(flow).gateway_clock.interval()


HEARD = {
    "success": answer(200, JOB, **dated(30)),
    "service": answer(404, {"detail": "no", "errorType": "not-found"}, **dated(30)),
    "permission": gateway_error(401, "210", **dated(30)),
}
NOT_HEARD = {
    "cached": answer(200, JOB, Age="7", **dated(30)),
    "html": answer(200, "<html>Welcome</html>", **dated(30)),
    "other shape": answer(200, [], **dated(30)),
    "throttled": gateway_error(429, "400", **dated(30)),
    "gateway": gateway_error(404, "300", **dated(30)),
    "unauthenticated": gateway_error(401, "200", **dated(30)),
    "foreign": answer(404, "<html>no</html>", **dated(30)),
    "foreign 401": answer(401, "", **dated(30)),
}


@pytest.mark.parametrize("given", HEARD.values(), ids=HEARD)
async def test_answers_of_gateway_and_service_bound_the_server_time(given):
    interval = await interval_after(given)
    assert interval.earlier == pytest.approx(NOW + 30, abs=2)
    assert interval.later == pytest.approx(NOW + 31, abs=2)
    assert interval.earlier <= NOW + 31


@pytest.mark.parametrize("given", NOT_HEARD.values(), ids=NOT_HEARD)
async def test_answers_of_others_do_not_bound_the_server_time(given):
    assert (await interval_after(given)).earlier == -math.inf


async def test_success_without_a_body_does_not_bound_the_server_time():
    interval = await interval_after(
        answer(202, b"", **dated(30)), call=lambda flow: flow.jobs.execution("a1", "e1")
    )
    assert interval.earlier == -math.inf


async def test_page_of_raw_rows_bounds_the_server_time():
    interval = await interval_after(
        answer(200, {"list": []}, **dated(30)),
        call=lambda flow: Polls(calls_of(flow)).run_page("a1", 0, 1000),
    )
    assert interval.earlier == pytest.approx(NOW + 30, abs=2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (1, 1, 0)])
@pytest.mark.parametrize("wrong", [-7200, 660, 7200])
async def test_a_wrong_date_widens_and_never_moves_the_interval(order, wrong):
    """The right answer is for 11 minutes the wrong one's neighbour: a cache's, another node's."""
    answers = [answer(202, RUN_OF_A1, **dated(0)), answer(202, RUN_OF_A1, **dated(wrong))]
    interval = await interval_after(*(answers[n] for n in order), call=lambda flow: flow.jobs.execute("a1"))
    assert interval.earlier <= NOW + 1
    assert interval.later >= NOW
    assert interval.later - interval.earlier < 2  # the accepted timestamps side with the right one


@pytest.mark.parametrize("wrong", [-7200, 660, 7200])
async def test_one_wrong_date_alone_leaves_the_truth_within(wrong):
    interval = await interval_after(
        answer(202, RUN_OF_A1, **dated(wrong)), call=lambda flow: flow.jobs.execute("a1")
    )
    assert interval.earlier <= NOW <= interval.later


@pytest.mark.parametrize("off", [-7200.0, 7200.0])
async def test_a_gateway_that_lets_any_timestamp_pass_is_not_dated_by_it(off):
    """Its right Date, clamped to our wrong clock, would date intents after their runs."""
    clock = LeapClock()
    truth = clock.now
    clock.now += off
    service = LeapClock(now=truth)
    async with Emulator(signature_window=math.inf, clock=service) as server:
        async with server.client(clock=clock) as flow:
            await flow.jobs.create("rollup")
            interval = calls_of(flow).gateway_clock.interval()
    assert interval.earlier <= truth <= interval.later


async def test_nodes_that_disagree_a_little_span_their_times_in_any_order():
    answers = [answer(200, JOB, **dated(ahead)) for ahead in (0, 200, 0, 200, 0)]
    interval = await interval_after(*answers)
    assert interval.earlier <= NOW + 1
    assert interval.later >= NOW + 200
