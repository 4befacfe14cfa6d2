"""Other forms of right answers, as bytes on a plain socket."""

import pytest

from tests.emulator.faults.kinds.wire import exchange, launch_of, parsed


async def get(server, path):
    return parsed(await exchange(server, "GET", f"/api/v1{path}"))


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("standardized", ["detail", "errorCode", "fieldErrors", "message"]),
        ("gateway", ["details", "errorCode", "message"]),
    ],
)
async def test_error_form_within_an_error(server, form, body):
    server.faults.add("error-form", of="not-found", status=400, form=form, code="NotFound")

    reply = await get(server, "/jobs/nobody")
    assert (reply.status, reply.code, sorted(reply.json["error"])) == (400, "NotFound", body)
    assert (await get(server, "/nowhere")).code == "300"


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("service", b'{"detail"'),
        ("responseError", b'{"responseError"'),
        ("message", b'{"code"'),
        ("spring", b'{"timestamp"'),
        ("page", b"<html>"),
        ("empty", b""),
        ("list", b'{"list":[]'),
    ],
)
async def test_error_form(server, form, start):
    server.faults.parse(f"error-form of=300 status=410 form={form}")

    reply = await get(server, "/nowhere")
    assert reply.status == 410 and reply.body[: len(start)] == start and bool(reply.body) is bool(start)


async def test_status_code(server, job):
    server.faults.add("status-code", operation="executeJob", of=202, status=201)

    assert parsed(await launch_of(server, job)).status == 201
    assert (await get(server, f"/jobs/{job}")).status == 200


@pytest.mark.parametrize(
    ("details", "date"),
    [
        ("zone=Z digits=0", "2026-10-31T15:00:00Z"),
        ("zone=+00:00 digits=3", "2026-10-31T15:00:00.000+00:00"),
        ("zone=+09:00 digits=6", "2026-11-01T00:00:00.000000+09:00"),
        ("zone=none digits=1", "2026-11-01T00:00:00.0"),
        ("zone=none digits=0 after=space", "2026-11-01 00:00:00"),
        ("zone=+0900 digits=3", "2026-11-01T00:00:00.000+0900"),
        ("zone=+0000 digits=0", "2026-10-31T15:00:00+0000"),
        ("zone=epoch", 1_793_458_800_000),
    ],
)
async def test_date_form(server, job, details, date):
    server.faults.parse(f"date-form {details}")

    assert (await get(server, f"/jobs/{job}")).json["createdDate"] == date


async def test_date_form_keeps_the_days_of_the_dashboard(server):
    server.faults.parse("date-form Z")

    period = "startDate=2026-11-01T00%3A00%3A00&endDate=2026-11-01T00%3A00%3A00"
    rows = (await get(server, f"/stats/executions-interval?{period}")).json["result"]
    assert rows[0]["startDate"] == "2026-11-01T00:00:01"


async def test_members(server, job):
    server.faults.parse("members drop=name,type add=isTemp,lastExecutionDate null=status")

    thing = (await get(server, f"/jobs/{job}")).json
    row = (await get(server, "/jobs")).json["list"][0]
    for shown in (thing, row):
        assert shown["status"] is None and shown["isTemp"] == "" and shown["lastExecutionDate"][:4] == "2026"
        assert "name" not in shown and "type" not in shown
    assert "isTemp" not in (await get(server, "/jobs/nobody")).json


async def test_list_envelope(server, job):
    server.faults.parse("getJobs list-envelope rows=content others=count,size")
    body = (await get(server, "/jobs")).json
    assert (list(body), body["count"], body["size"]) == (["content", "count", "size"], 1, 0)

    server.faults.clear()
    server.faults.parse("list-envelope rows=")
    assert [row["jobId"] for row in (await get(server, "/jobs")).json] == [job]


async def test_job_status(server, job):
    server.create_job("second")
    server.faults.parse("job-status READY,SUSPENDED")

    assert [row["status"] for row in (await get(server, "/jobs")).json["list"]] == ["READY", "SUSPENDED"]
    assert (await get(server, f"/jobs/{job}")).json["status"] == "READY"
    assert "status" not in (await get(server, "/jobs/nobody")).json


async def test_trace_headers(server):
    server.faults.parse("trace-headers x-ncp-trace-id,x-request-id")

    headers = (await get(server, "/jobs")).headers
    assert headers["x-ncp-trace-id"] and headers["x-request-id"]
    assert "x-ncp-apigw-request-id" not in headers


@pytest.mark.parametrize(
    ("seconds", "headers"), [(20, {"keep-alive": "timeout=20"}), (0, {"connection": "close"})]
)
async def test_keep_alive(server, seconds, headers):
    server.faults.parse(f"keep-alive {seconds}")

    assert headers.items() <= (await get(server, "/jobs")).headers.items()


async def test_member_values(server, job):
    server.create_job("orders")
    server.faults.add("member-values", operation="getJobs", member="disabled", values="7,text")
    server.faults.add("member-values", operation="getJobById", member="status", values="null")

    rows = (await get(server, "/jobs?page=0&limit=10")).json["list"]
    assert [row["disabled"] for row in rows] == [7, "text"]
    assert (await get(server, f"/jobs/{job}")).json["status"] is None


@pytest.mark.parametrize(
    ("unit", "time"), [("seconds", 30.0), ("milliseconds", 30_000.0), ("text", "0.5 min")]
)
async def test_run_times(server, job, unit, time):
    server.script(job, [("COMPLETED", 30)])
    run = server.launch(job)
    server.finish(run)
    await server.clock.push(3600)
    own = (await get(server, f"/jobs/{job}/executions/{run}")).json["runningTime"]
    server.faults.add("run-times", unit=unit)
    other = (await get(server, f"/jobs/{job}/executions/{run}")).json["runningTime"]
    assert other == (f"{own} min" if unit == "text" else own * (60 if unit == "seconds" else 60_000))


async def test_error_form_of_a_success(server, job):
    server.faults.parse("getTriggers error-form of=limit-0 status=400 form=service code=bad-limit")
    server.faults.parse(
        "getJobById error-form of=success status=302 form=empty; getExecutionInterval error-form of=long-period form=text"
    )

    assert (await get(server, "/triggers?page=0&limit=0")).json["errorType"] == "bad-limit"
    assert (await get(server, "/triggers?page=0&limit=1")).status == 200
    assert (await get(server, f"/jobs/{job}")).status == 302
    days = "/stats/executions-interval?startDate={}-11-01T00:00:00&endDate=2026-11-02T00:00:00"
    assert (await get(server, days.format(2025))).body == b"Error"
    assert (await get(server, days.format(2026))).status == 200


async def test_members_within_another(server, job):
    server.faults.parse("getJobById members within=jobCondition drop=timeout add=workerType null=numWorker")
    assert (await get(server, f"/jobs/{job}")).json["jobCondition"] == {"numWorker": None, "workerType": ""}


async def test_members_that_are_null_in_the_last_row(server, job):
    server.create_job("orders")
    server.faults.parse("getJobs members null=type null-in=last")
    rows = (await get(server, "/jobs?page=0&limit=10")).json["list"]
    assert [row["type"] is None for row in rows] == [False, True]


async def test_date_form_of_some_members(server, job):
    server.faults.parse(
        "getJobById date-form zone=other only=createdDate; getJobById date-form zone=Z only=updatedDate"
    )
    shown = (await get(server, f"/jobs/{job}")).json
    assert shown["createdDate"] == "a date" and shown["updatedDate"].endswith("Z")
