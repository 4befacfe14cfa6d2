"""What a probe does when an answer says nothing about its question: access is lost, or a page of a proxy comes."""

import json
from itertools import pairwise
from urllib.parse import quote

import pytest
from multidict import CIMultiDict

from dataflow_async import (
    APIError,
    Credentials,
    DecodeError,
    PermissionDenied,
    RateLimited,
    ResponseLost,
    defaults,
)
from dataflow_async.emulator import Emulator
from dataflow_async.probe import probing
from dataflow_async.probe.probing import probe
from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.wire.message import Answer
from tests.support.clocks import LeapClock
from tests.support.scripted import answer, gateway_error, scripted

KEYS = Credentials("x", "y")
EMPTY = answer(200, {"list": [], "count": 0}, **{"Content-Type": "application/json"})
PAGE = answer(200, "<html>please log in</html>", **{"Content-Type": "text/html"})


def why(report, ruling):
    return next(it.why for it in report.findings if it.ruling == ruling)


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (gateway_error(401, "210"), PermissionDenied),
        (gateway_error(403, "400"), PermissionDenied),
        (gateway_error(429, "410"), RateLimited),
        (answer(302, b"", Location="https://login.example/"), APIError),
        (PAGE, DecodeError),
        (b"", ResponseLost),
    ],
    ids=range(6),
)
async def test_access_that_is_lost_in_the_midst_ends_the_probe_and_is_no_finding(refusal, error):
    async with scripted(EMPTY, EMPTY, refusal, close=not refusal) as server:
        report = await probe(KEYS, server.url, clock=(clock := LeapClock()))
    assert isinstance(report.error, error)
    assert report.incomplete == "access was lost after the question 'triggers'"
    assert why(report, 70) == f"not asked: {report.incomplete}"
    assert report.facts["triggers: envelope"] is None and report.facts["workflows: rows"] == 0
    assert {it.ruling for it in report.findings if it.answer == "refuted"} == {1}
    assert clock.ticks <= 100


async def test_an_outage_that_passes_ends_nothing():
    outage = [gateway_error(503, "500")] * 20
    async with scripted(EMPTY, EMPTY, *outage, EMPTY) as server:
        report = await probe(KEYS, server.url, clock=(clock := LeapClock()))
    assert report.incomplete == "" and 30 < clock.ticks < 90


@pytest.mark.parametrize("body", [PAGE, answer(200, b"[" * 100_000), answer(200, b"")], ids=range(3))
async def test_a_first_answer_that_is_no_json_is_an_error(body):
    async with scripted(body) as server:
        with pytest.raises(DecodeError, match="jobs: HTTP 200 without JSON"):
            await probe(KEYS, server.url)
    assert len(server.received) == 1


async def test_one_refused_call_is_a_finding():
    async with Emulator(faults="getTriggers 401 210") as server:
        report = await probe(server.credentials, server.url)
    assert report.facts["triggers: envelope"] is None
    assert report.facts["answer: counts"] == "200 object"


async def test_a_lost_answer_is_no_throttling():
    async with Emulator(faults="getTriggers close #1", clock=(clock := LeapClock())) as server:
        report = await probe(server.credentials, server.url, clock=clock)
    assert report.facts["throttled"] == "no" and report.facts["triggers: rows"] == 0


@pytest.mark.parametrize("name", ["a/b?c#d", "a b", "한 글", "a\r\nX-Other: 1", "%2F", "\ud800"])
async def test_an_id_is_a_part_of_a_path_whatever_it_holds(name):
    row = answer(200, {"list": [{"jobId": name}], "count": 1})
    async with scripted(row) as server:
        await probe(KEYS, server.url)
    assert f"/api/v1/jobs/{quote(name, safe='', errors='replace')}" in server.targets


@pytest.mark.parametrize("value", [10**400, -(10**20), {"a": 1}, ["a"], None, "", True], ids=range(7))
async def test_members_of_any_kind_are_taken(value):
    members = "createdDate endDate status type triggerRule nodes id jobId jobExecutionId workflowId triggerId"
    rows = [dict.fromkeys(members.split(), value), dict.fromkeys(members.split(), value) | {"jobId": "a"}]
    thing = {"list": rows, "count": value, "nodes": [dict.fromkeys(members.split(), value) | {"type": "JOB"}]}
    async with scripted(answer(200, thing)) as server:
        report = await probe(KEYS, server.url)
    assert json.loads(report.text())["facts"] == report.facts


@pytest.mark.parametrize("value", [b"null", b"true", b"3", b'"x"', b"[]", b"{}"])
async def test_a_first_answer_of_any_json_makes_a_report(value):
    async with scripted(answer(200, value)) as server:
        report = await probe(KEYS, server.url)
    assert next(it.answer for it in report.findings if it.ruling == 1) == "refuted"


# --- time ------------------------------------------------------------------------------------------------


def stalling(monkeypatch, clock, answers):
    """Replace the session: it takes all the time of an attempt, unless ``answers`` has an answer to it, in order."""
    asked = []

    class Stalling(Session):
        async def send(self, call, signature, timeout):
            asked.append(call.operation.name)
            given = answers(len(asked))
            if given is None:
                await clock.sleep(timeout)
                return ResponseLost("no answer in time", reason="timeout")
            return given

    monkeypatch.setattr(probing, "Session", Stalling)
    return asked


def empty(status=200, **headers):
    return Answer(status, CIMultiDict(headers), b'{"list": [], "count": 0}', 1)


async def test_a_service_that_stalls_after_its_first_answer_is_reported_within_minutes(monkeypatch):
    clock = LeapClock()
    stalling(monkeypatch, clock, lambda number: empty() if number == 1 else None)
    report = await probe(KEYS, "http://127.0.0.1", clock=clock)
    assert report.incomplete == "access was lost after the question 'workflows'"
    assert clock.ticks < defaults.PROBE_TIMEOUT
    assert report.facts["jobs: rows"] == 0


async def test_a_service_that_answers_each_third_call_is_reported_when_time_is_up(monkeypatch):
    clock = LeapClock()
    asked = stalling(monkeypatch, clock, lambda number: None if number % 3 else empty())
    report = await probe(KEYS, "http://127.0.0.1", clock=clock, timeout=500)
    assert report.incomplete == "time was up" and report.error is None
    assert 480 <= clock.ticks <= 500
    assert asked[-1] not in report.facts
    assert report.facts["workflows: rows"] == 0
    assert (
        why(report, 97) == ""
        and why(report, 24)
        == "not asked: time was up; no answer showed it, but not every question was asked: time was up"
    )
    assert "not every question was asked: time was up" in why(report, 15)


async def test_a_service_that_stalls_at_once_is_an_error(monkeypatch):
    clock = LeapClock()
    stalling(monkeypatch, clock, lambda _: None)
    with pytest.raises(ResponseLost):
        await probe(KEYS, "http://127.0.0.1", clock=clock)
    assert clock.ticks <= 60


async def test_no_time_at_all_is_a_report_about_nothing():
    async with scripted(EMPTY) as server:
        report = await probe(KEYS, server.url, timeout=0)
    assert report.incomplete == "time was up" and server.received == []


async def test_bytes_that_drip_are_no_answer(monkeypatch):
    monkeypatch.setattr(defaults, "PROBE_QUESTION_TIMEOUT", 0.05)
    async with Emulator(faults="getTriggers trickle pause=0.04 size=4") as server:
        report = await probe(server.credentials, server.url, clock=LeapClock())
    assert report.facts["triggers: rows"] is None
    assert "no answer to 'triggers' (timeout)" in why(report, 1) or report.facts["jobs: rows"] == 0
    assert why(report, 52) == "no answer to 'triggers' (timeout)"


@pytest.mark.parametrize(("seconds", "is_awaited"), [(7, True), (59, True), (120, False)])
async def test_a_retry_after_is_heeded_within_bounds(seconds, is_awaited):
    clock = LeapClock()
    throttled = gateway_error(429, "410", Retry_After=str(seconds))
    async with scripted(EMPTY, throttled, EMPTY) as server:
        report = await probe(KEYS, server.url, clock=clock)
    if is_awaited:
        assert seconds in [round(nap) for nap in clock.naps] and report.incomplete == ""
        assert report.facts["throttled"] == "yes"
    else:
        assert report.incomplete == f"a Retry-After of {seconds} s was answered"
        assert isinstance(report.error, RateLimited)
        assert len(server.received) == 2 and clock.naps == []


async def test_a_pause_is_heeded_before_the_next_question_too():
    clock = LeapClock()
    times = []

    def note(request):
        times.append((clock.ticks, request.target))
        return gateway_error(429, "410", Retry_After="20") if "workflows" in request.target else EMPTY

    async with scripted(note) as server:
        await probe(KEYS, server.url, clock=clock)
    gaps = [after - before for (before, target), (after, _) in pairwise(times) if "workflows" in target]
    assert gaps and min(gaps) >= 19.9
