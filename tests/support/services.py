"""Services that differ from each other on purpose: six that a probe must be able to distinguish."""

import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from uuid import UUID

from aiohttp import web

from dataflow_async import Credentials, JobCondition, WorkflowJobNode, WorkflowTriggerNode
from dataflow_async.emulator import Emulator, ManualClock
from dataflow_async.wire.signature import Signer

KEYS = Credentials("AK7Qm2Rt9Zc4", "q8Zk/wT+3vB=n0Lx")
VARIANTS = {
    "as the notes have it": "",
    "oldest first, all counted, capped": "list-order oldest; list-count total; page-cap rows=4",
    "no order, UTC dates, other types": "list-order random; date-form zone=Z digits=0; content-type text/plain",
    "standardized errors": "error-form of=not-found status=400 form=standardized code=NotFound;"
    " error-form of=bad-parameter status=400 form=standardized code=InvalidParameter;"
    " trace-headers x-ncp-trace-id; keep-alive 20",
    "dates without zone, nulls, older names": "date-form zone=none digits=0; members null=description;"
    " getJobById old-shape runCondition; job-status READY,SUSPENDED; numeric-code",
}


async def filled(server, push=None):
    """Fill an emulator with an account of every kind of thing; ``push`` moves its clock on."""
    push = push or server.clock.push
    for number in range(6):
        job = server.create_job(f"stock_import_{number}", condition={"parameters": {"day": "2026-11-01"}})
        await push(1)
    for outcome in ("COMPLETED", "FAILED", "COMPLETED", "CANCELED", "COMPLETED", "RUNNING"):
        server.script(job, [outcome if outcome != "RUNNING" else ("COMPLETED", 1e6)])
        server.launch(job, parameters={"day": "2026-11-01"})
        await push(5)
    async with server.client(clock=server.clock) as flow:
        for number in range(2):
            trigger = await flow.triggers.create(f"nightly_{number}", type="NONE", rule={"type": "NONE"})
            await push(1)
        nodes = [
            WorkflowTriggerNode(id=trigger.trigger_id, name="start"),
            WorkflowJobNode(
                id=job,
                name="load",
                parent_node_ids=[trigger.trigger_id],
                job_condition=JobCondition(nrn="nrn:1", script_path="bucket/script", log_path="bucket/logs"),
            ),
        ]
        workflow = await flow.workflows.create("nightly_load", nodes=nodes)
        for _ in range(3):
            await flow.workflows.execute(workflow.workflow_id)
            await push(1)


@asynccontextmanager
async def variant(name):
    """An emulator that differs by its faults; its address and keys."""
    clock = ManualClock(time.time())
    async with Emulator(clock=clock) as server:
        await filled(server)
        server.faults.parse(VARIANTS[name])
        yield server.url, server.credentials, clock


def uuid(number):
    return str(UUID(int=number * 2**96 + 0xABCDEF))


def row(number):
    moment = datetime.fromtimestamp(1_790_000_000 + number * 60, UTC).isoformat(timespec="milliseconds")
    return {"jobId": uuid(number), "name": f"stock_import_{number}", "createdDate": moment, "tenantNo": 7}


@asynccontextmanager
async def foreign():
    """A service of other hands: uuid ids, another envelope, Spring's errors, connections that close, no signatures."""
    jobs = [row(number) for number in range(1, 6)]

    def respond(status, body):
        headers = {"Date": formatdate(usegmt=True), "x-request-id": "r"}
        answer = web.json_response(body, status=status, headers=headers)
        answer.force_close()
        return answer

    async def handle(request):
        path = request.path.removeprefix("/api/v1")
        page, limit = (
            int(request.query.get(name, 0)) if request.query.get(name, "0").isdigit() else -1
            for name in ("page", "limit")
        )
        known = {job["jobId"]: job for job in jobs}
        stamp = int(request.headers.get("x-ncp-apigw-timestamp", 0))
        signed = Signer(KEYS).headers(request.method, request.raw_path, stamp)["x-ncp-apigw-signature-v2"]
        if request.headers.get("x-ncp-apigw-signature-v2") != signed:
            return respond(401, {"timestamp": "t", "status": 401, "path": path})
        if path in {"/jobs", "/workflows", "/triggers"} and page >= 0:
            rows = jobs[::-1] if path == "/jobs" else []
            shown = rows[page * limit : (page + 1) * limit]
            return respond(200, {"content": shown, "totalElements": len(rows)})
        if path.startswith("/jobs/") and path.removeprefix("/jobs/") in known:
            return respond(200, known[path.removeprefix("/jobs/")])
        if path.endswith("/executions") and path.split("/")[2] in known:
            return respond(200, {"content": [], "totalElements": 0})
        if path.startswith("/stats/"):
            return respond(200, {"totalCount": 0, "result": [{"startDate": "2026-11-01T00:00:01"}]})
        return respond(404, {"timestamp": "t", "status": 404, "path": path})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", KEYS, None
    finally:
        await runner.cleanup()


SERVICES = (*VARIANTS, "of other hands")


def opened(name):
    """A context manager that opens one of the services: its address, its keys, and its clock if it has one."""
    return variant(name) if name in VARIANTS else foreign()
