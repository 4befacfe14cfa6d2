"""Each kind of fault as bytes: what a plain socket sees."""

import asyncio
import json
import re
from email.utils import parsedate_to_datetime

import attrs
import pytest

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import AnswerLost, AnswerSent
from dataflow_async.emulator.faults.kinds import KINDS
from tests.emulator.conftest import signed_headers

PATIENCE = 5


def request_bytes(server, method, target, body=None):
    data = b"" if body is None else json.dumps(body).encode()
    stamp = int(server.clock.time() * 1000)
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in signed_headers(server, method, target, stamp).items()]
    lines += [f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode() + data


async def connection(server):
    return await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))


async def exchange(server, method, target, body=None):
    """Everything the server sends until it closes; a reset is raised."""
    reader, writer = await connection(server)
    try:
        writer.write(request_bytes(server, method, target, body))
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    finally:
        writer.close()


@attrs.frozen
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["errorCode"]


def parsed(data):
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first.startswith("HTTP/1.1 "), data
    return Reply(int(first.split(" ")[1]), {name.lower(): text for name, text in headers.items()}, body)


@pytest.fixture
async def job(api):
    return await api.job(jobCondition={"numWorker": 2})


def launch_of(server, job):
    return exchange(server, "POST", f"/api/v1/jobs/{job}/executions", {})


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


def ends_of(server):
    return [it for it in server.history if isinstance(it, AnswerSent | AnswerLost)]


# --- the connection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize(
    ("kind", "seen"), [("close", b""), ("garbage", b"\x16\x03\x01\x00\xa5 this is no HTTP\r\n\r\n")]
)
async def test_no_answer_but_the_end_of_the_connection(server, job, kind, seen, when, runs):
    server.faults.add(kind, operation="executeJob", when=when)

    assert await launch_of(server, job) == seen
    assert len(server.state.executions) == runs
    assert isinstance(ends_of(server)[-1], AnswerLost) and ends_of(server)[-1].reason == kind


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_reset(server, job, when, runs):
    server.faults.add("reset", operation="executeJob", when=when)

    with pytest.raises(ConnectionResetError):
        await launch_of(server, job)
    assert len(server.state.executions) == runs


async def test_accept_close(server, job):
    server.faults.add("accept-close", count=1)

    reader, writer = await connection(server)
    assert await reader.read() == b""
    writer.close()
    assert parsed(await launch_of(server, job)).status == 202
    assert [it.reason for it in server.history if isinstance(it, AnswerLost) and it.request is None] == [
        "accept-close"
    ]


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_refuse(server, clock, job, when, runs):
    server.faults.add("refuse", seconds=30, operation="executeJob", when=when, count=1)
    url = server.url
    idle, idle_writer = await connection(server)

    assert await launch_of(server, job) == b""
    with pytest.raises(ConnectionRefusedError):
        await connection(server)
    assert await idle.read() == b""
    idle_writer.close()
    assert len(server.state.executions) == runs
    assert server.url == url

    await clock.push(30)
    assert parsed(await launch_of(server, job)).status == 202


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_stalled_headers_until_the_client_leaves(server, job, when, runs):
    server.faults.add("stall-headers", operation="executeJob", when=when)
    reader, writer = await connection(server)
    writer.write(request_bytes(server, "POST", f"/api/v1/jobs/{job}/executions", {}))
    await until(lambda: server.faults and next(iter(server.faults)).injected)
    first_byte = asyncio.create_task(reader.read(1))
    for _ in range(100):
        await asyncio.sleep(0)

    assert not first_byte.done()
    assert len(server.state.executions) == runs
    first_byte.cancel()
    writer.close()
    await until(lambda: isinstance(ends_of(server)[-1], AnswerLost))
    assert ends_of(server)[-1].reason == "stall-headers"


async def test_stalled_body_until_the_server_stops(job, server):
    server.faults.add("stall-body", operation="getJobById")
    reader, writer = await connection(server)
    writer.write(request_bytes(server, "GET", f"/api/v1/jobs/{job}"))
    head = await reader.readuntil(b"\r\n\r\n")
    promised = int(re.search(rb"Content-Length: ([0-9]+)", head)[1])
    half = await reader.readexactly(promised // 2)
    assert half.startswith(b'{"jobId":')

    async with asyncio.timeout(PATIENCE):
        await server.stop()
        assert await reader.read() == b""
    writer.close()
    assert ends_of(server)[-1].reason == "stall-body"


async def test_half_body(server, job):
    server.faults.add("half-body", operation="getJobById")

    reply = parsed(await exchange(server, "GET", f"/api/v1/jobs/{job}"))
    assert len(reply.body) == int(reply.headers["content-length"]) // 2 > 0


@pytest.mark.parametrize(
    ("kind", "details", "pieces"),
    [("trickle", {"pause": 1, "size": 50}, 8), ("bandwidth", {"bytes_per_second": 500}, 4)],
)
async def test_an_answer_in_pieces_comes_whole(server, clock, job, kind, details, pieces):
    plain = parsed(await exchange(server, "GET", f"/api/v1/jobs/{job}"))
    server.faults.add(kind, operation="getJobById", **details)
    start = clock.time()

    task = asyncio.create_task(exchange(server, "GET", f"/api/v1/jobs/{job}"))
    while not task.done():
        await clock.push(0.1)
    reply = parsed(await task)

    assert (reply.status, reply.body) == (200, plain.body)
    assert clock.time() - start >= pieces * (1 if kind == "trickle" else 0.1)
    assert isinstance(ends_of(server)[-1], AnswerSent)


# --- answers in place of the service ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("details", "code", "header"),
    [
        ({}, "410", None),
        ({"code": "400"}, "400", None),
        ({"code": 420, "retry_after": 3}, "420", "3"),
        ({"code": "477", "retry_after": "soon, perhaps"}, "477", "soon, perhaps"),
    ],
)
async def test_429(server, job, details, code, header):
    server.faults.add("429", **details)

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.code, reply.headers.get("retry-after")) == (429, code, header)
    assert not server.state.executions


async def test_429_with_a_date(server, clock, job):
    server.faults.add("429", retry_after="date+90")

    header = parsed(await launch_of(server, job)).headers["retry-after"]
    assert parsedate_to_datetime(header).timestamp() == int(clock.time()) + 90


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize(("kind", "code"), [("500", "900"), ("503", "500"), ("504", "510")])
async def test_gateway_errors(server, job, kind, code, when, runs):
    server.faults.add(kind, operation="executeJob", when=when)

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.code) == (int(kind), code)
    assert len(server.state.executions) == runs


async def test_401(server, clock, job):
    server.faults.add("401", skew=-400)

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.code) == (401, "200")
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == int(clock.time()) - 400


async def test_302(server, job):
    server.faults.add("302", location="http://127.0.0.1:1/login")

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.headers["location"], reply.body) == (302, "http://127.0.0.1:1/login", b"")


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
async def test_html(server, job, when, runs):
    server.faults.add("html", status=503, operation="executeJob", when=when)

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.headers["content-type"], reply.body[:6]) == (503, "text/html", b"<html>")
    assert len(server.state.executions) == runs


# --- answers that are changed -----------------------------------------------------------------------------------------


async def test_empty_body(server, job):
    server.faults.add("empty-body")

    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.headers["content-length"], reply.body) == (202, "0", b"")


async def test_content_type(server, job):
    server.faults.add("content-type")

    reply = parsed(await launch_of(server, job))
    assert reply.headers["content-type"] == "text/plain;charset=UTF-8"
    assert reply.json["jobId"] == job


async def test_numeric_code(server, job):
    server.faults.parse("429 code=420; numeric-code")

    assert parsed(await launch_of(server, job)).code == 420


async def test_unknown_status(server, job):
    server.faults.add("unknown-status", value="PAUSED")

    assert parsed(await launch_of(server, job)).json["status"] == "PAUSED"
    assert (
        parsed(await exchange(server, "GET", f"/api/v1/jobs/{job}")).json["lastExecutionStatus"] == "PAUSED"
    )


async def test_missing_fields(server, job):
    server.faults.add("missing-fields", fields="jobName,numWorker")

    body = parsed(await launch_of(server, job)).json
    assert "jobName" not in body and "numWorker" not in body["jobCondition"] and body["jobId"] == job


async def test_null_fields(server, job):
    server.faults.add("null-fields", fields="jobName,numWorker")

    body = parsed(await launch_of(server, job)).json
    assert body["jobName"] is None and body["jobCondition"]["numWorker"] is None and body["jobId"] == job


@pytest.mark.parametrize("kind", ["missing-fields", "null-fields"])
async def test_fields_by_chance_are_some(server, job, kind):
    plain = parsed(await exchange(server, "GET", f"/api/v1/jobs/{job}")).json
    server.faults.add(kind)

    bodies = [parsed(await exchange(server, "GET", f"/api/v1/jobs/{job}")).json for _ in range(4)]
    kept = [{name for name, value in body.items() if value is not None} for body in bodies]
    assert all(names < plain.keys() for names in kept)
    assert len(set(map(frozenset, kept))) > 1


async def test_extra_fields(server, job):
    server.faults.add("extra-fields", member="added")

    body = parsed(await launch_of(server, job)).json
    assert body["added"] == body["jobCondition"]["added"] == {"nested": ["text", None, 8]}
    assert "added" not in server.state.jobs[job].condition


@pytest.mark.parametrize("form", ["runCondition", "runCondtion"])
async def test_older_names(server, job, form):
    server.faults.add("old-shape", form=form)

    body = parsed(await launch_of(server, job)).json
    assert body[form]["numWorker"] == 2 and "jobCondition" not in body


async def test_dates_without_zone(server, job):
    server.faults.add("old-shape", form="dates")

    assert parsed(await launch_of(server, job)).json["createdDate"] == "2026-11-01T00:00:00.000"


# --- lists ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def runs(api, job, clock):
    """Five runs, a second apart, oldest first."""
    ids = []
    for _ in range(5):
        ids.append((await api.ok("executeJob", job))["jobExecutionId"])
        await clock.push(1)
    return ids


async def listed(server, job, page=0, limit=2):
    target = f"/api/v1/jobs/{job}/executions?page={page}&limit={limit}"
    body = parsed(await exchange(server, "GET", target)).json
    assert (body["page"], body["limit"]) == (page, limit)
    return [row["jobExecutionId"] for row in body["list"]], body["count"]


async def test_late(server, clock, job, runs):
    server.faults.add("late", seconds=3)

    assert (await listed(server, job, limit=9))[0] == runs[:3][::-1]
    target = f"/api/v1/jobs/{job}/executions/{runs[-1]}"
    reply = parsed(await exchange(server, "GET", target))
    assert (reply.status, reply.json["errorType"]) == (404, "not-found")
    await clock.push(2)
    assert parsed(await exchange(server, "GET", target)).json["jobExecutionId"] == runs[-1]


async def test_list_order(server, job, runs):
    server.faults.add("list-order", order="oldest")
    assert (await listed(server, job, page=1))[0] == runs[2:4]

    server.faults.clear()
    server.faults.add("list-order", order="random")
    orders = [tuple((await listed(server, job, limit=9))[0]) for _ in range(4)]
    assert {frozenset(order) for order in orders} == {frozenset(runs)}
    assert len(set(orders)) > 1


async def test_shift(server, job, runs):
    server.faults.add("shift", rows=1)

    newest = runs[::-1]
    assert [(await listed(server, job, page=page))[0] for page in range(3)] == [
        newest[0:2],
        newest[1:3],
        newest[3:5],
    ]
    server.faults.clear()
    server.faults.add("shift", rows=-1)
    assert (await listed(server, job, page=1))[0] == newest[3:5]


async def test_page_cap(server, job, runs):
    server.faults.add("page-cap", rows=2)

    newest = runs[::-1]
    assert [(await listed(server, job, page=page, limit=4))[0] for page in range(3)] == [
        newest[0:2],
        newest[2:4],
        newest[4:5],
    ]


async def test_list_count(server, job, runs):
    assert (await listed(server, job))[1] == 2
    server.faults.add("list-count")
    assert (await listed(server, job))[1] == 5


async def test_list_window(server, job, runs):
    server.faults.add("list-window", rows=3)
    assert (await listed(server, job, limit=10))[0] == runs[:1:-1]


async def test_list_gap_leaves_the_same_rows_out_of_every_list(server, job, runs, api):
    server.faults.add("list-gap", every=2)
    rows, _ = await listed(server, job, limit=10)
    assert 0 < len(rows) < 5 and (await listed(server, job, limit=10))[0] == rows
    assert [(await api.ok("getJobExecutionById", job, run))["jobExecutionId"] for run in runs] == runs


async def test_list_stale_tells_one_status_whatever_the_run_itself_tells(server, job, runs, api, clock):
    await clock.push(3600)
    server.faults.add("list-stale")
    target = f"/api/v1/jobs/{job}/executions?page=0&limit=10"
    rows = parsed(await exchange(server, "GET", target)).json["list"]
    assert {row["status"] for row in rows} == {"RUNNING"} and not any("endDate" in row for row in rows)
    assert (await api.ok("getJobExecutionById", job, runs[0]))["status"] == "COMPLETED"


@pytest.mark.parametrize("operation", ["getJobs", "getTriggers", "getWorkflows", "getWorkflowExecutions"])
async def test_faults_reach_all_lists(server, api, clock, operation):
    trigger, one = await api.trigger(), await api.job()
    workflow = await api.workflow(trigger, {one: []})
    await api.ok("executeWorkflow", workflow)
    ids = [workflow] if operation == "getWorkflowExecutions" else []
    assert (await api.ok(operation, *ids))["count"] == 1

    server.faults.add("late", seconds=3)
    assert (await api.ok(operation, *ids))["list"] == []
    await clock.push(3)
    server.faults.parse("list-order oldest; list-count; page-cap 1")
    assert (await api.ok(operation, *ids))["count"] == 1


# --- time -------------------------------------------------------------------------------------------------------------


async def test_clock(server, clock, job):
    server.faults.parse("clock +4min")
    assert parsed(await launch_of(server, job)).json["createdDate"] == "2026-11-01T00:04:00.000+09:00"

    server.faults.clear()
    server.faults.parse("clock -6min")
    reply = parsed(await launch_of(server, job))
    assert (reply.status, reply.code) == (401, "200")
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == int(clock.time()) - 360


async def test_dates_are_off_while_the_clock_is_right(server, clock, job):
    server.faults.add("dates", fraction="cut")
    reply = parsed(await launch_of(server, job))
    assert reply.json["createdDate"] == "2026-10-31T15:00:00+09:00"
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == int(clock.time())


@pytest.mark.parametrize(("age", "told"), [(0, None), (7200, "7200")])
async def test_date_header_is_off_while_the_clock_is_right(server, clock, job, age, told):
    server.faults.add("date-header", seconds=660, age=age)
    reply = parsed(await launch_of(server, job))
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == int(clock.time()) + 660
    assert reply.headers.get("age") == told
    assert reply.json["createdDate"] == "2026-11-01T00:00:00.000+09:00"


@pytest.mark.parametrize(("until", "later"), [("running", {"day": "1"}), ("ever", {})])
async def test_no_echo(server, api, clock, until, later):
    job = await api.job(type="SCRIPT")
    server.faults.add("no-echo", until=until)
    body = {"jobCondition": {"parameters": {"day": "1"}}}
    run = await api.ok("executeJob", job, body=body)
    assert (run["status"], run["parsedParameters"]) == ("READY", {})
    await clock.push(3600)
    assert (await api.ok("getJobExecutionById", job, run["jobExecutionId"]))["parsedParameters"] == later


@pytest.mark.parametrize("when", ["before", "after"])
async def test_latency(server, clock, job, when):
    server.faults.add("latency", mean=2, when=when, operation="executeJob")

    task = asyncio.create_task(launch_of(server, job))
    await until(lambda: clock.next_wake)
    assert len(server.state.executions) == (when == "after")
    await clock.push(1.9)
    assert not task.done()
    await clock.push(0.1)
    assert parsed(await task).status == 202
    assert len(server.state.executions) == 1


def test_latency_follows_its_distribution():
    from random import Random

    chance = Random(1)
    for name in ("constant", "uniform", "exponential", "lognormal"):
        kind = KINDS["latency"].made_from({"mean": 0.1, "distribution": name})
        drawn = [kind.seconds(chance) for _ in range(20_000)]
        assert 0.095 < sum(drawn) / len(drawn) < 0.105, name
        assert (len(set(drawn)) == 1) == (name == "constant")
    assert KINDS["latency"].made_from({"mean": "0", "distribution": "lognormal"}).seconds(chance) == 0


async def test_an_effect_happens_although_the_client_left_during_the_latency_before_it(server, clock, job):
    server.faults.add("latency", mean=5, when="before", operation="executeJob")
    _, writer = await connection(server)
    writer.write(request_bytes(server, "POST", f"/api/v1/jobs/{job}/executions", {}))
    await until(lambda: clock.next_wake)
    writer.close()
    await writer.wait_closed()

    await clock.push(5)
    await until(lambda: server.state.executions)
    await until(lambda: isinstance(ends_of(server)[-1], AnswerLost))
    assert ends_of(server)[-1].reason == "the connection was closed"


@pytest.mark.parametrize(
    "spec",
    ["stall-headers", "stall-body", "latency 3600", "trickle pause=3600", "refuse 3600", "bandwidth 1"],
)
async def test_a_stop_ends_everything_that_hangs(spec):
    before = asyncio.all_tasks()
    async with asyncio.timeout(PATIENCE):
        async with Emulator(faults=spec) as server:
            reader, writer = await connection(server)
            writer.write(request_bytes(server, "GET", "/api/v1/jobs"))
            await until(lambda: next(iter(server.faults)).injected)
            for _ in range(20):
                await asyncio.sleep(0)
        await reader.read()
        writer.close()
        await until(lambda: asyncio.all_tasks() == before)
    assert len(ends_of(server)) == 1


async def test_a_calm_server_after_a_clear(server, job):
    server.faults.parse("reset; accept-close; 500")
    server.faults.clear()

    assert parsed(await launch_of(server, job)).status == 202


def test_every_kind_has_its_test_here():
    from pathlib import Path

    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in KINDS if not re.search(rf'"(.*; )?{name}[" ]', text)] == []
