"""Changed answers, as bytes on a plain socket."""

from email.utils import parsedate_to_datetime

import pytest

from tests.emulator.faults.kinds.wire import exchange, launch_of, parsed


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
async def test_random_fields_are_some_of_all(server, job, kind):
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


async def test_dates_are_off_while_the_clock_is_right(server, clock, job):
    server.faults.add("dates", fraction="cut")
    reply = parsed(await launch_of(server, job))
    assert reply.json["createdDate"] == "2026-10-31T15:00:00+09:00"
    assert parsedate_to_datetime(reply.headers["date"]).timestamp() == int(clock.time())


@pytest.mark.parametrize(("until", "later"), [("running", {"day": "1"}), ("ever", {})])
async def test_no_echo(server, api, clock, until, later):
    job = await api.job(type="SCRIPT")
    server.faults.add("no-echo", until=until)
    body = {"jobCondition": {"parameters": {"day": "1"}}}
    run = await api.ok("executeJob", job, body=body)
    assert (run["status"], run["parsedParameters"]) == ("READY", {})
    await clock.push(3600)
    assert (await api.ok("getJobExecutionById", job, run["jobExecutionId"]))["parsedParameters"] == later
