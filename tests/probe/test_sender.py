"""What a probe does when an answer says nothing about its question: access is lost, or a page of a proxy comes."""

import json
from urllib.parse import quote

import pytest

from dataflow_async import APIError, Credentials, DecodeError, PermissionDenied, RateLimited, ResponseLost
from dataflow_async.emulator import Emulator
from dataflow_async.probe.probing import probe
from tests.support.clocks import LeapClock
from tests.support.scripted import answer, gateway_error, scripted

KEYS = Credentials("x", "y")
EMPTY = answer(200, {"list": [], "count": 0}, **{"Content-Type": "application/json"})
PAGE = answer(200, "<html>please log in</html>", **{"Content-Type": "text/html"})


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
)
async def test_access_that_is_lost_in_the_midst_is_an_error_and_no_finding(refusal, error):
    async with scripted(EMPTY, EMPTY, refusal, close=not refusal) as server:
        with pytest.raises(error, match="jobs again, after triggers"):
            await probe(KEYS, server.url, clock=LeapClock())
    assert len(server.received) < 10


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


@pytest.mark.parametrize("name", ["a/b?c#d", "a b", "한 글", "a\r\nX-Other: 1", "%2F"])
async def test_an_id_is_a_part_of_a_path_whatever_it_holds(name):
    row = answer(200, {"list": [{"jobId": name}], "count": 1})
    async with scripted(row) as server:
        await probe(KEYS, server.url)
    assert f"/api/v1/jobs/{quote(name, safe='')}" in server.targets


@pytest.mark.parametrize("value", [10**400, -(10**20), {"a": 1}, ["a"], None, "", True], ids=range(7))
async def test_members_of_any_kind_are_taken(value):
    members = "createdDate endDate status type triggerRule nodes id jobId jobExecutionId workflowId triggerId"
    rows = [dict.fromkeys(members.split(), value), dict.fromkeys(members.split(), value) | {"jobId": "a"}]
    thing = {"list": rows, "count": value, "nodes": [dict.fromkeys(members.split(), value) | {"type": "JOB"}]}
    async with scripted(answer(200, thing)) as server:
        report = await probe(KEYS, server.url)
    assert json.loads(report.text())["facts"] == report.facts
