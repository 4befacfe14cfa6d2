"""Every call of the contract is present with its method and path, and answers as the contract promises."""

import re
from urllib.parse import unquote

import attrs
import pytest

from dataflow_async.emulator.api import request_schemas
from dataflow_async.emulator.api.endpoints import ENDPOINTS
from dataflow_async.emulator.api.routing import by_shape, route
from tests.support import contract

PERIOD = {"startDate": "2026-11-01T00:00:00", "endDate": "2026-11-02T23:59:59"}


def test_the_table_is_the_contract():
    ours = {row.name: (row.method, row.path) for row in ENDPOINTS}
    theirs = {it.operation_id: (it.method, it.path) for it in contract.operations().values()}

    assert ours == theirs
    assert len(ENDPOINTS) == len(ours) == contract.document()["x-operation-count"]


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.name)
def test_each_row_takes_what_the_contract_says(row):
    node = contract.operations()[row.name].node
    parameters = [contract.resolve(parameter) for parameter in node.get("parameters", [])]
    query = {parameter["name"]: parameter for parameter in parameters if parameter["in"] == "query"}

    assert set(row.query) == set(query)
    for name, parameter in query.items():
        default = parameter["schema"].get("default")
        assert default is None or row.query[name].default == default
    assert (row.body is not None) == ("requestBody" in node)
    if row.body:
        assert row.body_may_be_absent != node["requestBody"]["required"]
    assert row.payload == any(parameter["in"] == "header" for parameter in parameters)


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.name)
def test_each_row_is_found_by_its_path(row):
    names = re.findall(r"{(\w+)}", row.path)
    path = re.sub(r"{(\w+)}", r"id-of-\1", row.path)

    assert route(row.method, path) == (row, {name: f"id-of-{name}" for name in names})


async def test_each_call_answers_as_promised(api):
    """The fixture holds every answer against the schema of its status; here is which status that is."""
    seen = {}

    async def call(operation_id, *ids, **arguments):
        reply = await api(operation_id, *ids, **arguments)
        seen[operation_id] = reply.status
        return reply.body

    condition = {"jobCondition": {"numWorker": 3, "parameters": {"day": "1"}}}
    job = (await call("createJob", body=contract.request_examples("createJob")["visual"]))["jobId"]
    await call("getJobById", job)
    await call("getJobs", name="orders")
    await call("updateJob", job, body={"type": "SCRIPT", "maxConcurrentRuns": 3})
    await call("updateJobExecuteConfig", job, body=condition)
    await call("verifyJob", body=contract.request_examples("verifyJob")["filter"])
    trigger = (await call("createTrigger", body=contract.request_examples("createTrigger")["manual"]))[
        "triggerId"
    ]
    await call("getTriggerById", trigger)
    await call("getTriggers", name="hand")
    nodes = [
        {"id": trigger, "name": "start", "type": "TRIGGER", "parentNodeIds": []},
        {
            "id": job,
            "name": "step",
            "type": "JOB",
            "parentNodeIds": [trigger],
            "jobCondition": {"nrn": "nrn", "scriptPath": "s/", "logPath": "l/"},
        },
    ]
    workflow = (await call("createWorkflow", body={"name": "dawn", "nodes": nodes}))["workflowId"]
    await call("getWorkflowById", workflow)
    await call("getWorkflows")
    await call("updateWorkflow", workflow, body={"name": "dusk", "nodes": nodes})
    await call("executeWorkflow", workflow)
    run = (await call("executeJob", job, triggerId=trigger, workflowId=workflow))["jobExecutionId"]
    await call("getWorkflowExecutions", workflow, filter="dusk")
    await call("getJobExecutions", job)
    await call("getJobExecutionById", job, run)
    await call("cancelJobExecution", job, run)
    assert (await api("getJobExecutionById", job, run)).status == 200
    await call("getExecutionResult", **PERIOD)
    await call("getExecutionInterval", **PERIOD)
    await call("getExecutionTimes", **PERIOD)
    await call("deleteWorkflow", workflow)
    await call("deleteTrigger", trigger)
    await call("deleteJob", job)

    created = dict.fromkeys(("createJob", "createTrigger", "createWorkflow"), 201)
    accepted = dict.fromkeys(("executeJob", "executeWorkflow", "getJobExecutionById"), 202)
    assert seen == dict.fromkeys(contract.operations(), 200) | created | accepted


@pytest.mark.parametrize(
    "operation_id", [it for it in contract.operations() if "{" in contract.operations()[it].path]
)
async def test_an_unknown_id_is_a_404_of_the_service(api, operation_id):
    operation = contract.operations()[operation_id]
    body = (
        next(iter(contract.request_examples(operation_id).values()))
        if "requestBody" in operation.node
        else None
    )
    ids = ["Jq3kT9vLmN2x", "Ex9dN4uVrB6t"][: operation.path.count("{")]

    reply = await api(operation_id, *ids, body=body)

    assert (reply.status, reply.body["errorType"]) == (404, "not-found")
    assert "Jq3kT9vLmN2x" in reply.body["detail"]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/"),
        ("GET", "/api/v1"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/api/v1/jobs/"),
        ("GET", "/api/v1/jobs//executions"),
        ("GET", "//api/v1/jobs"),
        ("GET", "/api/v1/jobs/a/executions/b/c"),
        ("PUT", "/api/v1/jobs/Jq3kT9vLmN2x"),
        ("DELETE", "/api/v1/jobs"),
        ("PUT", "/api/v1/triggers/Tg5mH8sYqK1w"),
        ("OPTIONS", "/api/v1/jobs"),
        ("PROPFIND", "/api/v1/jobs"),
        ("GET", "/api/v1/stats/executions-times?startDate=2026-11-01T00:00:00&endDate=2026-11-02T00:00:00"),
    ],
)
async def test_an_unknown_url_is_a_404_of_the_gateway(api, method, target):
    reply = await api.send(method, target)

    assert (reply.status, reply.error_code) == (404, "300")


async def test_head_is_no_call(api):
    assert (await api.send("HEAD", "/api/v1/jobs")).status == 404


@pytest.mark.parametrize(
    "resource_id", ["a%2Fb", "%2E%2E", "..", "%ED%95%9C", "a+b", "%25", "a;b=c", "verify"]
)
async def test_an_id_is_one_segment_however_it_is_spelt(api, resource_id):
    reply = await api.send("GET", f"/api/v1/jobs/{resource_id}")

    assert reply.status == 404
    assert reply.body["detail"] == f"Nothing has the id {unquote(resource_id)}."


@pytest.mark.parametrize(
    "target", ["/api/v1/jobs/%", "/api/v1/jobs/%zz", "/api/v1/jobs/%FF", "/api/v1/jobs?name=%C3"]
)
async def test_a_url_that_is_not_utf8_is_a_400_of_the_gateway(api, target):
    reply = await api.send("GET", target)

    assert (reply.status, reply.error_code) == (400, "100")


async def test_fixed_text_beats_an_id(api):
    body = contract.request_examples("verifyJob")["rollup"]

    assert (await api("verifyJob", body=body)).body is True
    assert (await api.send("DELETE", "/api/v1/jobs/verify")).status == 404


def test_the_path_with_more_fixed_text_is_matched_first():
    """No two calls of today compete; the next one may."""
    row = ENDPOINTS[0]
    rows = [attrs.evolve(row, path=path) for path in ("/jobs/{a}/{b}", "/jobs/{a}/last", "/jobs/all/last")]

    (templates,) = by_shape(rows).values()

    assert [it.endpoint for it in templates] == rows[::-1]


async def test_every_answer_has_its_own_request_id_and_the_clock_s_date(api, clock):
    replies = [await api.send("GET", path) for path in ("/api/v1/jobs", "/api/v1/jobs/x", "/nothing")]
    replies.append(await api.send("GET", "/api/v1/jobs", headers={"x-ncp-iam-access-key": "other"}))

    assert len({reply.headers["x-ncp-apigw-request-id"] for reply in replies}) == 4
    assert {reply.headers["Date"] for reply in replies} == {"Sat, 31 Oct 2026 15:00:00 GMT"}
    assert {reply.headers["Content-Type"] for reply in replies} == {"application/json"}
    clock.advance(61)
    assert (await api.send("GET", "/api/v1/jobs")).headers["Date"] == "Sat, 31 Oct 2026 15:01:01 GMT"


def test_every_node_type_has_its_own_members():
    """A node type that the contract adds must be added to the tables here."""
    mapping = contract.document()["components"]["schemas"]["JobNode"]["discriminator"]["mapping"]
    minimal = {"id": 1, "name": "n", "parentNodeIds": []}
    for node_type in mapping:
        with pytest.raises(request_schemas.Invalid, match="must be present"):
            request_schemas.JOB_NODE({"type": node_type} | minimal)
    with pytest.raises(request_schemas.Invalid, match="type must be one of"):
        request_schemas.JOB_NODE({"type": "TRANSFORM_DROP_NULL"} | minimal)
