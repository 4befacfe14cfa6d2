"""Bodies as bytes: JSON, sizes, depth, and bodies that are absent or not read."""

import json

import pytest

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api import parsing
from dataflow_async.emulator.api.responses import Refused
from tests.emulator.api.test_request_schemas import JOB, NODE


@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"{", b"{'a': 1}", b"[1,]", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": -Infinity}', b"{}{}"],
)
@pytest.mark.parametrize(
    "target", ["/api/v1/jobs", "/api/v1/triggers", "/api/v1/workflows", "/api/v1/jobs/verify"]
)
async def test_invalid_json_is_refused(api, data, target):
    reply = await api.send("POST", target, data)

    assert (reply.status, reply.body["errorType"], reply.body["detail"]) == (
        400,
        "bad-parameter",
        "The body must be JSON.",
    )


@pytest.mark.parametrize("data", [b'"\xff"', b'{"name": "\xed\xa0\x80"}', '{"name":"가"}'.encode("utf-16")])
async def test_bytes_that_are_not_utf8_are_refused_by_the_gateway(api, data):
    reply = await api.send("POST", "/api/v1/jobs", data)

    assert (reply.status, reply.error_code) == (400, "100")


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 900 + b"]" * 900, b"9" * 5000, b'{"a":' + b"9" * 5000 + b"}"],
)
async def test_absurd_json_is_refused(api, data):
    reply = await api.send("POST", "/api/v1/jobs", data)

    assert (reply.status, reply.body["errorType"]) == (400, "bad-parameter")


def test_depth_has_a_limit_of_its_own():
    def nested(depth):
        return b"[" * depth + b"]" * depth

    assert parsing.json_value(nested(defaults.MAX_DEPTH), "It")
    assert parsing.json_value(b"[" + b"[]," * 500 + b"{}]", "It")
    for depth in (defaults.MAX_DEPTH + 1, 500):
        with pytest.raises(Refused):
            parsing.json_value(nested(depth), "It")


async def test_bodies_are_read_up_to_a_mebibyte(api):
    frame = len(json.dumps({"name": "abc", "type": "SCRIPT", "note": ""}, separators=(",", ":")))

    async def create(size):
        data = json.dumps(
            {"name": "abc", "type": "SCRIPT", "note": "x" * (size - frame)}, separators=(",", ":")
        ).encode()
        assert len(data) == size
        return await api.send("POST", "/api/v1/jobs", data)

    assert (await create(2**20)).status == 201
    for size in (2**20 + 1, 2**22):
        reply = await create(size)
        assert (reply.status, reply.error_code) == (413, "430")


@pytest.mark.parametrize("data", [None, b"", b"{}"])
async def test_a_run_needs_no_body(api, data):
    job = await api.job()

    assert (await api.send("POST", f"/api/v1/jobs/{job}/executions", data)).status == 202


async def test_a_body_that_is_not_asked_for_is_not_read(api):
    job = await api.job()
    run = (await api("executeJob", job)).body["jobExecutionId"]

    assert (await api.send("POST", f"/api/v1/jobs/{job}/executions/{run}/cancel", b"{{{")).status == 200
    assert (await api.send("GET", f"/api/v1/jobs/{job}", b"{{{")).status == 200


async def test_open_members_survive_a_round_trip(api):
    node = NODE | {"name": "\ud800 한", "extra": {"deep": [1, 2.5, None, True, 2**80]}, "id": 2**63 - 1}
    job = (await api("createJob", body=JOB | {"nodes": [node]})).body

    assert job["nodes"] == [node]
    assert (await api("getJobById", job["jobId"])).body["nodes"] == [node]


async def test_a_refused_change_changes_nothing(api):
    job = await api.job()
    before = (await api("getJobById", job)).body

    reply = await api(
        "updateJob", job, body={"type": "VISUAL", "name": "renamed", "jobCondition": {"timeout": 0}}
    )

    assert reply.status == 400
    assert (await api("getJobById", job)).body == before
