"""What is repeated, what is not, and what the error says about it."""

import hmac
from base64 import b64encode

import aiohttp
import pytest

from dataflow_async import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    BadState,
    DecodeError,
    NotFound,
    NotSent,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ResponseLost,
    RetryPolicy,
    ServerError,
)
from dataflow_async.errors import DataFlowError
from tests.support.client import ACCESS, RUN_OF_A1, SECRET, client, closed_port
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of
from tests.support.scripted import RESET, answer, gateway_error, scripted

HALF = answer(200, b"x" * 50)[:-10]
GARBAGE = b"\x00\x01 this is not HTTP\r\n\r\n"
PAGE = "<!doctype html><title>Somebody in between</title>"
REDIRECT = answer(302, b"", Location="http://127.0.0.1:9/elsewhere")

# fault, error, requests of (a read, an idempotent write, a creating call), creating call may have run
FAULTS = {
    "reset after the request": (RESET, ResponseLost, (3, 3, 1), True),
    "half a body": (HALF, ResponseLost, (3, 3, 1), True),
    "garbage": (GARBAGE, ResponseLost, (3, 3, 1), True),
    "503/500": (gateway_error(503, "500"), ServerError, (3, 3, 1), True),
    "504/510": (gateway_error(504, "510"), ServerError, (3, 3, 1), True),
    "500/900": (gateway_error(500, "900"), ServerError, (3, 3, 1), True),
    "502 HTML": (answer(502, "<h1>Bad Gateway</h1>"), ServerError, (3, 3, 1), True),
    "429/410": (gateway_error(429, "410"), RateLimited, (3, 3, 3), False),
    "429/420": (gateway_error(429, "420"), RateLimited, (3, 3, 3), False),
    "429 with an unknown code": (gateway_error(429, "499"), RateLimited, (3, 3, 1), True),
    "429 without a body": (answer(429), RateLimited, (3, 3, 1), True),
    "429/400, a quota": (gateway_error(429, "400"), QuotaExceeded, (1, 1, 1), False),
    "302": (REDIRECT, APIError, (3, 3, 1), True),
    "408 that closes an idle connection": (answer(408), APIError, (3, 3, 1), True),
    "421 HTML": (answer(421, PAGE), APIError, (3, 3, 1), True),
    "425": (answer(425, PAGE), APIError, (3, 3, 1), True),
    "499": (answer(499), APIError, (3, 3, 1), True),
    "a proxy's 400": (answer(400, PAGE), BadRequest, (3, 3, 1), True),
    "a proxy's 401": (answer(401, PAGE), AuthenticationFailed, (3, 3, 1), True),
    "a proxy's 403": (answer(403, PAGE), PermissionDenied, (3, 3, 1), True),
    "a proxy's 404": (answer(404, PAGE), NotFound, (3, 3, 1), True),
    "a proxy's 409": (answer(409, PAGE), BadState, (3, 3, 1), True),
    "an error without a code": (answer(404, {"error": {"message": "no"}}), NotFound, (3, 3, 1), True),
    "a detail without a type": (answer(404, {"detail": "Not Found"}), NotFound, (3, 3, 1), True),
    "404/300": (gateway_error(404, "300"), NotFound, (1, 1, 1), False),
    "400 NotFound": (gateway_error(400, "NotFound"), NotFound, (1, 1, 1), False),
    "409 AlreadyExists": (gateway_error(409, "AlreadyExists"), BadState, (1, 1, 1), False),
    "503 InsufficientCapacity": (gateway_error(503, "InsufficientCapacity"), ServerError, (3, 3, 1), True),
    "404": (answer(404, {"detail": "no", "errorType": "not-found"}), NotFound, (1, 1, 1), False),
    "a page under 200": (answer(200, PAGE), DecodeError, (3, 3, 1), True),
    "2xx that is not JSON": (answer(200, "OK"), DecodeError, (1, 1, 1), True),
    "2xx without a body": (answer(204), DecodeError, (1, 1, 1), True),
    "2xx without an id": (answer(202, {"status": "READY"}), DecodeError, (None, None, 1), True),
}


async def _read(flow):
    await flow.jobs.get("Jq3kT9vLmN2x")


async def _write(flow):
    await flow.workflows.update("Wf7bR2cXpZ4d", "dawn_rollup", [])


async def _create(flow):
    await flow.jobs.execute("Jq3kT9vLmN2x")


CALLS = (_read, _write, _create)


CASES = [(fault, kind) for fault, row in FAULTS.items() for kind in range(3) if row[2][kind] is not None]


@pytest.mark.parametrize(("fault", "kind"), CASES)
async def test_fault_matrix(fault, kind):
    given, error, requests, may_have_run = FAULTS[fault]
    async with scripted(given, close=given in (HALF, GARBAGE)) as server, client(server.url) as flow:
        with pytest.raises(DataFlowError) as caught:
            await CALLS[kind](flow)
    assert type(caught.value) is error
    assert len(server.received) == requests[kind]
    assert caught.value.may_have_run is (may_have_run and kind == 2)
    if hasattr(caught.value, "attempts"):
        assert caught.value.attempts == requests[kind]


@pytest.mark.parametrize("call", CALLS)
async def test_a_refused_connection_is_proof_that_nothing_was_sent(call):
    clock = LeapClock()
    async with client(f"http://127.0.0.1:{closed_port()}", clock=clock) as flow:
        with pytest.raises(NotSent) as caught:
            await call(flow)
    assert caught.value.attempts == 3
    assert len(clock.naps) == 2
    assert caught.value.may_have_run is False


async def test_a_stalled_answer_is_lost_after_the_time_out():
    from tests.support.scripted import STALL

    async with scripted(STALL) as server, client(server.url, timeout=0.05) as flow:
        with pytest.raises(ResponseLost, match=r"no answer within 0\.05 s") as caught:
            await flow.jobs.execute("Jq3kT9vLmN2x")
    assert caught.value.timed_out
    assert caught.value.may_have_run
    assert len(server.received) == 1


async def test_a_stalled_body_is_lost_after_the_time_out():
    stalled = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    async with scripted(stalled) as server, client(server.url, timeout=0.05) as flow:
        with pytest.raises(ResponseLost, match="no answer within"):
            await flow.jobs.get("Jq3kT9vLmN2x")
    assert len(server.received) == 3


async def test_every_attempt_is_signed_anew_over_the_target_that_went_out():
    clock = LeapClock(now=1_800_000_000.0)
    async with scripted(
        gateway_error(503, "500"), gateway_error(503, "500"), answer(200, {"status": "READY"})
    ) as server:
        async with client(server.url, clock=clock) as flow:
            await flow.jobs.execution("a b+c/d", "한글")
    stamps = [request.headers["x-ncp-apigw-timestamp"] for request in server.received]
    assert len(set(stamps)) == 3
    for request, stamp in zip(server.received, stamps, strict=True):
        assert request.target == "/api/v1/jobs/a%20b%2Bc%2Fd/executions/%ED%95%9C%EA%B8%80"
        message = f"GET {request.target}\n{stamp}\n{ACCESS}".encode()
        expected = b64encode(hmac.digest(SECRET.encode(), message, "sha256")).decode()
        assert request.headers["x-ncp-apigw-signature-v2"] == expected


async def test_pauses_have_full_jitter_and_retry_after_lengthens_them():
    clock = LeapClock()
    slow = gateway_error(429, "410", Retry_After="7")
    async with scripted(slow, gateway_error(503, "500"), answer(200, {"jobId": "a1"})) as server:
        async with client(server.url, clock=clock) as flow:
            calls_of(flow).draw = lambda: 0.5
            await flow.jobs.get("a1")
    assert clock.naps == [7.0, 0.5]


async def test_the_deadline_ends_repeating_before_the_attempts_do():
    async with scripted(gateway_error(503, "500", Retry_After="50")) as server:
        async with client(server.url, retry=RetryPolicy(max_attempts=9, total_timeout=120)) as flow:
            with pytest.raises(ServerError):
                await flow.jobs.get("a1")
    assert len(server.received) == 3  # at 0, 50 and 100 s; the next would be at 150 s


async def test_an_empty_budget_repeats_nothing_and_does_not_wait():
    clock = LeapClock()
    async with scripted(gateway_error(503, "500")) as server:
        async with client(server.url, clock=clock, retry=RetryPolicy(budget=14)) as flow:
            for _ in range(3):
                with pytest.raises(ServerError):
                    await flow.jobs.get("a1")
    assert len(server.received) == 3 + 2  # 14 tokens pay for two repeats at 5
    assert len(clock.naps) == 2


LOST_THEN = {
    "delete, then 404": ("delete", RESET, 404, None),
    "delete, 503, then 404": ("delete", gateway_error(503, "500"), 404, None),
    "cancel, then 404": ("cancel", RESET, 404, None),
    "cancel, then bad-state": ("cancel", RESET, 400, None),
    "delete, a proxy's page, then 404": ("delete", answer(403, PAGE), 404, None),
    "delete, throttled, then 404": ("delete", gateway_error(429, "410"), 404, NotFound),
    "cancel, throttled, then bad-state": ("cancel", gateway_error(429, "410"), 400, BadState),
}


@pytest.mark.parametrize("case", LOST_THEN)
async def test_repeated_delete_or_cancel_succeeds_when_an_unclear_attempt_had_worked(case):
    what, first, status, error = LOST_THEN[case]
    then = answer(status, {"detail": "gone", "errorType": "bad-state" if status == 400 else "not-found"})
    async with scripted(first, then) as server, client(server.url) as flow:
        doing = flow.jobs.delete("a1") if what == "delete" else flow.jobs.cancel_execution("a1", "b2")
        if error is None:
            assert await doing is None
        else:
            with pytest.raises(error):
                await doing
    assert len(server.received) == 2


NOT_THE_SERVICES = {
    "no such URL": (gateway_error(404, "300"), NotFound, 2),
    "a proxy's 404": (answer(404, PAGE), NotFound, 3),
    "a bare 404": (answer(404), NotFound, 3),
    "a proxy's 401": (answer(401, PAGE), AuthenticationFailed, 3),
    "a proxy's 409": (answer(409, PAGE), BadState, 3),
}


@pytest.mark.parametrize("what", ["delete", "cancel"])
@pytest.mark.parametrize("case", NOT_THE_SERVICES)
async def test_foreign_answer_does_not_prove_that_a_lost_delete_worked(case, what):
    then, error, requests = NOT_THE_SERVICES[case]
    async with scripted(RESET, then) as server, client(server.url) as flow:
        with pytest.raises(error):
            await (flow.jobs.delete("a1") if what == "delete" else flow.jobs.cancel_execution("a1", "b2"))
    assert len(server.received) == requests


async def test_standardized_not_found_proves_that_a_lost_delete_worked():
    async with scripted(RESET, gateway_error(400, "NotFound")) as server, client(server.url) as flow:
        await flow.workflows.delete("Wf7bR2cXpZ4d")
    assert len(server.received) == 2


async def test_a_redirect_names_the_host_it_points_to_and_nothing_else():
    moved = answer(308, b"", Location="https://other.example:8443/x?token=secret")
    async with scripted(moved) as server, client(server.url) as flow:
        with pytest.raises(APIError, match=r"redirects to other\.example:8443: check base_url") as caught:
            await flow.jobs.execute("a1")
    assert caught.value.redirect_host == "other.example:8443"
    assert "secret" not in f"{caught.value!r}{caught.value}{vars(caught.value)}"


async def test_a_delete_that_a_borrowed_session_repeats_by_itself_counts_as_unclear():
    gone = answer(404, {"detail": "gone", "errorType": "not-found"})
    clock = LeapClock()
    async with (
        scripted(answer(200, "true"), RESET, gone) as server,
        aiohttp.ClientSession() as session,
        client(server.url, session=session, clock=clock) as flow,
    ):
        await flow.jobs.delete("a1")  # leaves a pooled connection, which then turns out dead
        await flow.jobs.delete("b2")
    assert server.targets == ["/api/v1/jobs/a1", "/api/v1/jobs/b2", "/api/v1/jobs/b2"]
    assert clock.naps == []  # it was not ours to repeat


async def test_a_post_on_a_dead_pooled_connection_goes_out_once():
    async with scripted(answer(202, RUN_OF_A1), RESET) as server, client(server.url) as flow:
        await flow.jobs.execute("a1")
        with pytest.raises(ResponseLost) as caught:
            await flow.jobs.execute("a1")
    assert len(server.received) == 2
    assert caught.value.may_have_run


async def test_request_takes_a_post_for_creating_and_a_get_for_reading():
    async with scripted(gateway_error(503, "500")) as server, client(server.url) as flow:
        for method, expected in (("post", 1), ("PATCH", 1), ("GET", 3), ("PUT", 3), ("DELETE", 3)):
            before = len(server.received)
            with pytest.raises(ServerError) as caught:
                await flow.request(method, "/api/v1/jobs/new-thing", json={})
            assert len(server.received) - before == expected
            assert caught.value.may_have_run is (expected == 1)


@pytest.mark.parametrize(("left", "requests"), [(0.9, 1), (1.1, 2)])
async def test_launch_is_not_sent_when_too_little_of_its_deadline_remains(left, requests):
    """Sent all the same, it would be cut off at once, and nobody would know whether it ran."""
    clock = LeapClock()
    throttled = gateway_error(429, "410", Retry_After="59")
    policy = RetryPolicy(total_timeout=59.0 + left)
    async with scripted(throttled, answer(202, RUN_OF_A1)) as server:
        async with client(server.url, clock=clock, retry=policy) as flow:
            if requests == 1:
                with pytest.raises(NotSent, match="never sent") as caught:
                    await flow.jobs.execute("a1")
                assert not caught.value.may_have_run
            else:
                await flow.jobs.execute("a1")
    assert len(server.received) == requests
