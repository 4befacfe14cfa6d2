"""The control path: its effects, and the clients that it refuses."""

import io
import json
import re

import pytest

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.api.endpoints import ENDPOINTS
from dataflow_async.emulator.http.admin_api import PREFIX
from tests.emulator.conftest import session_of


@pytest.fixture
def control(api, server):
    """Calls without a signature; gives status and content."""

    async def call(method, path, body=None, *, data=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            data = json.dumps(body)
        async with api.session.request(
            method, f"{server.url}{PREFIX}{path}", data=data, headers=headers
        ) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(text) if is_json else text

    return call


async def test_faults_are_added_shown_and_cleared(control, api, server):
    status, content = await control("POST", "/faults", {"text": "executeJob 500 after 5%; close #99"})
    assert status == 201 and [it["kind"] for it in content["added"]] == ["500", "close"]
    fault = {"kind": "429", "operation": "getJobs", "count": 1, "details": {"code": "420", "retry-after": 3}}
    status, content = await control("POST", "/faults", fault)
    assert (status, content["added"][0]["text"]) == (201, "getJobs 429 code=420 retry-after=3 x1")
    assert (await api.send("GET", "/api/v1/jobs")).error_code == "420"

    status, content = await control("GET", "/faults")
    assert status == 200
    assert content["text"] == "executeJob 500 after 5%; close #99; getJobs 429 code=420 retry-after=3 x1"
    assert [(it["matched"], it["injected"]) for it in content["faults"]] == [(0, 0), (1, 0), (1, 1)]

    assert await control("DELETE", "/faults") == (200, {"text": "", "faults": []})
    assert not server.faults


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": "rain"}, "fault 'rain': a fault must begin with a kind or an operation, got 'rain'"),
        ({"text": 1}, "text must be a string"),
        ({"text": "reset", "count": 1}, "text must be a string and the only member"),
        ({"kind": 1}, "kind must be the name of a kind of fault"),
        ({"kind": "reset", "details": 1}, "kind must be the name of a kind of fault, and details"),
        ({"kind": "reset", "kinds": 1}, "members must be text, or kind, operation, .*, got 'kinds'"),
        ({"kind": "reset", "operation": 5}, "operation must be a list, got 5"),
        ({"kind": "reset", "operation": [{}]}, "operation must be a list, got"),
        ({"kind": "reset", "requests": 5}, "requests must be a list, got 5"),
        ({"kind": "reset", "details": {"count": 0}}, "count must be a whole number, 1 or more, got 0"),
        ({"kind": "reset", "probability": None}, "probability must be a number from 0 to 1, got None"),
        ({}, "kind must be the name"),
        ([], "The body must be a JSON object"),
    ],
)  # fmt: skip
async def test_a_bad_fault_is_refused_with_the_reason(control, server, body, words):
    status, content = await control("POST", "/faults", body)

    assert status == 400
    assert re.search(words, content["error"]), content
    assert not server.faults


async def test_bodies_are_json_and_say_so(control):
    assert (await control("POST", "/faults", data="{", Content_Type="application/json"))[0] == 400
    assert (await control("POST", "/faults", data="[" * 100_000, Content_Type="application/json"))[0] == 400
    assert (await control("POST", "/faults", data='{"text": "reset"}', Content_Type="text/plain"))[0] == 415
    big = io.BytesIO(b" " * 2_000_000)
    assert (await control("POST", "/faults", data=big, Content_Type="application/json"))[0] == 413


async def test_history_is_returned_from_any_event_on(control, api, server):
    await api.job()

    status, text = await control("GET", "/history")
    assert (status, text) == (200, server.history.to_jsonl())
    assert await control("GET", "/history?since=4") == (200, server.history.to_jsonl(4))
    assert (await control("GET", "/history?since=999"))[1] == ""
    for bad in ("-1", "x", "1.5", "9" * 30, "%D9%A1"):
        assert (await control("GET", f"/history?since={bad}"))[0] == 400


async def test_the_control_path_leaves_no_trace_in_the_history(control, server):
    await control("GET", "/status")
    assert server.history.last == 1


async def test_status(control, api, server, clock):
    job = await api.job()
    for _ in range(3):
        await api.ok("executeJob", job)
    await clock.push(60)
    await api.ok("executeJob", job)
    server.faults.add("close", count=1)

    status, content = await control("GET", "/status")
    assert status == 200
    assert content["counts"] == {"jobs": 1, "workflows": 0, "triggers": 0, "executions": 4}
    assert content["executions"] == {"COMPLETED": 3, "READY": 1}
    assert content["jobs"] == [{"jobId": job, "name": "orders_rollup", "executions": 4}]
    assert (content["faults"], content["time"], content["speed"]) == ("close x1", clock.time(), 1.0)
    assert content["history"] == {"last": server.history.last, "dropped": 0}


@pytest.mark.parametrize(
    ("ending", "status"), [("finish", "COMPLETED"), ("fail", "FAILED"), ("cancel", "CANCELED")]
)
async def test_runs_are_ended_by_hand(control, api, server, ending, status):
    job = await api.job()
    run = (await api.ok("executeJob", job))["jobExecutionId"]

    path = f"/executions/{run}/{ending}"
    assert await control("POST", path) == (200, {"jobId": job, "jobExecutionId": run, "status": status})
    assert await api.status(job, run) == status
    assert await control("POST", path) == (409, {"error": f"{run} has ended before: {status}."})
    assert (await control("POST", f"/executions/nobody/{ending}"))[0] == 404
    assert [it.what for it in server.history if getattr(it, "resource", "") == "execution"][1:] == [
        {"finish": "finished", "fail": "failed", "cancel": "canceled"}[ending]
    ]


async def test_an_unknown_path_is_answered_with_the_known_ones(control):
    status, content = await control("GET", "/wheather")
    assert status == 404 and "faults, history, status" in content["error"]
    assert (await control("PUT", "/faults", {}))[0] == 404
    assert (await control("POST", "/executions/x/pause"))[1][
        "error"
    ] == "The last step of the path must be finish, fail, cancel, got pause."
    assert (await control("POST", "/executions/x/__init__"))[0] == 404


async def test_faults_do_not_affect_the_control_path(control, server):
    server.faults.parse("close; 500")
    assert (await control("GET", "/status"))[0] == 200


# --- who is turned away -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "a@127.0.0.1x"]
)
async def test_a_rebound_host_name_is_refused(control, host):
    status, content = await control("GET", "/status", Host=host)
    assert status == 403 and "Host must be" in content["error"]


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:5", "10.1.2.3"])
async def test_ip_addresses_are_accepted_as_host(control, host):
    assert (await control("GET", "/status", Host=host))[0] == 200


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1"])
async def test_pages_of_others_are_refused(control, server, origin):
    status, content = await control("DELETE", "/faults", Origin=origin)
    assert status == 403 and origin in content["error"]
    assert (await control("DELETE", "/faults", Origin=server.url))[0] == 200


async def test_other_machines_are_refused_unless_remote_callers_are_allowed(monkeypatch, clock):
    from aiohttp import web

    monkeypatch.setattr(web.BaseRequest, "remote", "192.0.2.7")
    for allowed, status in ((False, 403), (True, 200)):
        async with Emulator(clock=clock, allow_remote=allowed) as server, session_of(server) as api:
            async with api.session.get(f"{server.url}{PREFIX}/status") as response:
                assert response.status == status


def test_the_control_path_differs_from_every_path_of_the_api():
    assert not any(endpoint.path.startswith(PREFIX) for endpoint in ENDPOINTS)


async def test_other_paths_under_the_api_are_unchanged(api):
    for target in ("/_emulator", "/_emulatorx/faults", "/api/v1/_emulator/faults"):
        assert (await api.send("GET", target)).error_code == "300"
