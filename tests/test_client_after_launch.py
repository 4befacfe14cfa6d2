"""Once a launch was accepted, nothing that follows may deny it: a caller who believes that launches twice."""

import asyncio

import pytest

from dataflow_async import (
    AuthenticationFailed,
    BadRequest,
    ExecutionRef,
    InvalidRequest,
    Launch,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
)
from tests.support.client import RUN, client
from tests.support.scripted import answer, gateway_error, scripted

REF = ExecutionRef(RUN["jobId"], RUN["jobExecutionId"])
STARTED = answer(202, RUN)
ENDS_THE_WAIT = {
    "400": (answer(400, {"detail": "no", "errorType": "bad-parameter"}), BadRequest),
    "401": (lambda _: gateway_error(401, "200"), AuthenticationFailed),
    "401/210": (gateway_error(401, "210"), PermissionDenied),
    "403": (gateway_error(403, "230"), PermissionDenied),
    "404": (answer(404, {"detail": "gone", "errorType": "not-found"}), NotFound),
    "quota": (gateway_error(429, "400"), QuotaExceeded),
}


def posts(server):
    return sum(request.method == "POST" for request in server.received)


@pytest.mark.parametrize("case", ENDS_THE_WAIT)
async def test_what_ends_the_wait_of_a_run_does_not_deny_the_launch(case):
    given, error = ENDS_THE_WAIT[case]
    async with scripted(STARTED, given) as server, client(server.url) as flow:
        with pytest.raises(error) as caught:
            await flow.run(REF.job_id)
    assert caught.value.may_have_run
    assert caught.value.execution_ref == REF
    assert REF.execution_id in str(caught.value)
    assert posts(server) == 1


@pytest.mark.parametrize("with_journal", [False, True])
@pytest.mark.parametrize("case", ENDS_THE_WAIT)
async def test_the_outcome_of_a_launch_does_not_deny_it(case, with_journal, tmp_path):
    given, error = ENDS_THE_WAIT[case]

    def respond(request):
        if request.target.startswith("/api/v1/jobs?"):
            return answer(200, {"list": []})
        if request.method == "POST":
            return STARTED
        return given(request) if callable(given) else given

    journal = tmp_path / "j.db" if with_journal else None
    async with scripted(respond) as server, client(server.url) as flow:
        run = flow.run_all([Launch(REF.job_id, key="a")], journal=journal)
        (outcome,) = [outcome async for outcome in run]
    assert isinstance(outcome.error, error)
    assert outcome.error.may_have_run
    assert outcome.error.execution_ref == outcome.execution.ref == REF


async def test_a_client_that_is_closed_meanwhile_does_not_deny_the_launch():
    async with scripted(STARTED, answer(200, {**RUN, "status": "RUNNING"})) as server:
        flow = client(server.url)

        async def close_it(_):
            await flow.aclose()

        with pytest.raises(InvalidRequest) as caught:
            await flow.run(REF.job_id, on_change=close_it)
    assert caught.value.may_have_run
    assert caught.value.execution_ref == REF


async def test_errors_of_the_callers_own_code_carry_the_run_as_well():
    class Closed(Exception):
        def __setattr__(self, name, value):
            raise AttributeError(name)

    for raised in (ZeroDivisionError(), asyncio.CancelledError(), Closed()):

        def angry(_, raised=raised):
            raise raised

        async with scripted(STARTED, answer(200, RUN)) as server, client(server.url) as flow:
            with pytest.raises(type(raised)) as caught:
                await flow.run(REF.job_id, on_change=angry)
        if not isinstance(raised, Closed):
            assert (caught.value.may_have_run, caught.value.execution_ref) == (True, REF)


@pytest.mark.parametrize(
    "bad",
    [
        {"timeout": "5"},
        {"timeout": -1},
        {"timeout": True},
        {"timeout": float("nan")},
        {"timeout": 10**5000},
        {"on_change": 5},
        {"on_change": ZeroDivisionError},
        {"cancel_on_timeout": 1},
        {"cancel_on_cancel": "no"},
        {"check": None},
        {"parameters": ["n"]},
        {"condition": 5},
        {"trigger_id": 5},
        {"workflow_id": ""},
    ],
    ids=lambda bad: next(iter(bad)),
)
async def test_every_argument_is_checked_before_anything_is_sent(bad):
    (name,) = bad
    async with scripted(STARTED) as server, client(server.url) as flow:
        with pytest.raises(InvalidRequest, match=name.replace("_id", "")) as caught:
            await flow.run(REF.job_id, **bad)
        if name in {"timeout", "on_change", "check"}:
            with pytest.raises(InvalidRequest, match=name):
                await flow.wait(REF, **bad)
    assert not caught.value.may_have_run
    assert server.received == []
