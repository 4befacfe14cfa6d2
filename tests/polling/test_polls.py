"""What a poll costs in requests: one attempt, and nothing of the retry budget."""

import pytest

from dataflow_async import ExecutionRef, RetryPolicy, ServerError
from dataflow_async.polling.polls import Polls
from tests.support.client import RUN, client
from tests.support.internals import calls_of
from tests.support.scripted import answer, gateway_error, scripted

JOB, EXECUTION = RUN["jobId"], RUN["jobExecutionId"]


@pytest.mark.parametrize("kind", ["run", "page"])
async def test_a_poll_is_one_attempt_and_leaves_the_retry_budget_alone(kind):
    async with scripted(gateway_error(503, "500")) as server, client(server.url) as flow:
        polls, before = Polls(calls_of(flow)), calls_of(flow).budget.tokens
        with pytest.raises(ServerError) as caught:
            await (polls.execution(JOB, EXECUTION) if kind == "run" else polls.run_page(JOB, 0, 1000))
        assert caught.value.attempts == len(server.received) == 1
        assert calls_of(flow).budget.tokens == before


async def test_polls_that_succeed_pay_nothing_in_either():
    async with scripted(answer(200, RUN)) as server, client(server.url, retry=RetryPolicy(budget=50)) as flow:
        calls_of(flow).budget.tokens = 7
        assert (await Polls(calls_of(flow)).execution(JOB, EXECUTION)).status == "READY"
        assert calls_of(flow).budget.tokens == 7


async def test_a_wait_repeats_its_polls_by_their_schedule_alone():
    ended = answer(200, {**RUN, "status": "COMPLETED"})
    refusals = [gateway_error(503, "500")] * 5
    async with scripted(*refusals, ended) as server, client(server.url) as flow:
        before = calls_of(flow).budget.tokens
        assert (await flow.wait(ExecutionRef(JOB, EXECUTION))).status == "COMPLETED"
        assert len(server.received) == 6
        assert calls_of(flow).budget.tokens == before


async def test_other_reads_are_repeated_as_ever():
    async with scripted(gateway_error(503, "500"), answer(200, RUN)) as server, client(server.url) as flow:
        await flow.jobs.execution(JOB, EXECUTION)
        assert len(server.received) == 2
