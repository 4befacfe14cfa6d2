"""What a probe reads of an account, in order. Nothing here starts, changes or ends anything: every question is a GET."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from attrs import field, frozen

from dataflow_async import defaults
from dataflow_async.probe.exchange import Exchange, Question, Signing
from dataflow_async.probe.shapes import KST

Send = Callable[[Question], Awaitable[Exchange]]
API = "/api/v1"


@frozen
class Listing:
    """A kind of list: the name of its facts, and the member that identifies a row."""

    name: str
    id_name: str


JOBS = Listing("jobs", "jobId")
RUNS = Listing("runs", "jobExecutionId")
WORKFLOWS = Listing("workflows", "workflowId")
WORKFLOW_RUNS = Listing("workflow runs", "jobExecutionId")
TRIGGERS = Listing("triggers", "triggerId")
LISTINGS = (JOBS, RUNS, WORKFLOWS, WORKFLOW_RUNS, TRIGGERS)


@frozen
class Interview:
    """The questions of one probe, one after the other, and their answers."""

    send: Send
    exchanges: dict[str, Exchange] = field(factory=dict)

    async def get(
        self,
        name: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        signing: Signing = Signing.RIGHT,
        clock_offset: float = 0.0,
    ) -> Exchange:
        """Send a question that reads, and keep its answer."""
        return await self.ask(Question(name, "GET", API + path, query, signing, clock_offset))

    async def ask(self, question: Question) -> Exchange:
        """Send a question and keep its answer."""
        exchange = self.exchanges[question.name] = await self.send(question)
        return exchange


async def read_account(interview: Interview, now: datetime) -> None:
    """Read every kind of list and thing, and how the gateway refuses."""
    jobs = await _list(interview, JOBS, "/jobs")
    if jobs:
        await interview.get("job", f"/jobs/{_id(jobs[0], JOBS)}")
    job = await _runs(interview, jobs)
    workflows = await _list(interview, WORKFLOWS, "/workflows")
    if workflows:
        path = f"/workflows/{_id(workflows[0], WORKFLOWS)}"
        await interview.get("workflow", path)
        await _list(interview, WORKFLOW_RUNS, f"{path}/executions")
    triggers = await _list(interview, TRIGGERS, "/triggers")
    if triggers:
        await interview.get("trigger", f"/triggers/{_id(triggers[0], TRIGGERS)}")
    await _dashboard(interview, now)
    await _refusals(interview, jobs, workflows, triggers, job)
    await _signatures(interview)


async def _list(interview: Interview, listing: Listing, path: str) -> list[Mapping[str, Any]]:
    """Read a list in a large page, the page after it, and two small ones."""
    rows = (await interview.get(listing.name, path, _page(0, defaults.PROBE_PAGE))).rows
    if rows:
        await interview.get(f"{listing.name}: next page", path, _page(1, defaults.PROBE_PAGE))
        await interview.get(f"{listing.name}: small page", path, _page(0, defaults.PROBE_SMALL_PAGE))
        await interview.get(f"{listing.name}: second small page", path, _page(1, defaults.PROBE_SMALL_PAGE))
    return [row for row in rows if isinstance(it := row.get(listing.id_name), str | int) and it != ""]


def _page(number: int, limit: int) -> dict[str, int]:
    return {"page": number, "limit": limit}


def _id(row: Mapping[str, Any], listing: Listing) -> str:
    """Return an id as a part of a path."""
    return path_part(row[listing.id_name])


def path_part(identifier: object) -> str:
    """Return an id as it stands in a path."""
    return quote(str(identifier), safe="", errors="replace")


async def _runs(interview: Interview, jobs: list[Mapping[str, Any]]) -> str | None:
    """Read the runs of a job that has some, and one of them; return the id of the job."""
    likely = sorted(jobs, key=lambda row: row.get("lastExecutionDate") is None)
    for job in likely[: defaults.PROBE_JOBS]:
        path = f"/jobs/{_id(job, JOBS)}/executions"
        if rows := await _list(interview, RUNS, path):
            run = next((row for row in rows if row.get("endDate")), rows[0])
            await interview.get("run", f"{path}/{_id(run, RUNS)}")
            if going := next((row for row in rows if row.get("status") in ("READY", "RUNNING")), None):
                await interview.get("run in progress", f"{path}/{_id(going, RUNS)}")
            return _id(job, JOBS)
    return _id(jobs[0], JOBS) if jobs else None


async def _dashboard(interview: Interview, now: datetime) -> None:
    today = now.astimezone(KST).replace(microsecond=0, tzinfo=None)
    week = {"startDate": (today - timedelta(days=7)).isoformat(), "endDate": today.isoformat()}
    long = week | {"startDate": (today - timedelta(days=defaults.PROBE_LONG_PERIOD)).isoformat()}
    await interview.get("counts", "/stats/executions", week)
    await interview.get("counts by day", "/stats/executions-interval", week)
    await interview.get("counts by day: long period", "/stats/executions-interval", long)
    await interview.get("times", "/stats/execution-times", week)
    await interview.get("times: newer path", "/stats/executions-times", week)


async def _refusals(
    interview: Interview,
    jobs: list[Mapping[str, Any]],
    workflows: list[Mapping[str, Any]],
    triggers: list[Mapping[str, Any]],
    job: str | None,
) -> None:
    """Name what does not exist, and send values that no page allows."""
    await interview.get("unknown path", "/probe")
    await interview.get("unknown job", f"/jobs/{_nobody(jobs, JOBS)}")
    if job is not None:
        await interview.get("unknown run", f"/jobs/{job}/executions/{_nobody(jobs, JOBS)}")
    await interview.get("unknown workflow", f"/workflows/{_nobody(workflows, WORKFLOWS)}")
    await interview.get("unknown trigger", f"/triggers/{_nobody(triggers, TRIGGERS)}")
    await interview.get("page that is no number", "/triggers", {"page": "x", "limit": 1})
    await interview.get("jobs: limit 0", "/jobs", {"page": 0, "limit": 0})
    await interview.get("triggers: limit 0", "/triggers", {"page": 0, "limit": 0})
    await interview.get("query to encode", "/jobs", {"page": 0, "limit": 1, "name": "a b:c/d 한"})


def _nobody(rows: list[Mapping[str, Any]], listing: Listing) -> str:
    """Return an id of the shape of the others, which nobody has."""
    known = str(rows[0][listing.id_name]) if rows else "0" * 12
    return quote(re.sub(r"[^\W_]", "0", known), safe="", errors="replace")


async def _signatures(interview: Interview) -> None:
    """Sign wrongly, and at other times than now."""
    small = _page(0, 1)
    await interview.get("no signature", "/jobs", small, signing=Signing.NONE)
    await interview.get("wrong signature", "/jobs", small, signing=Signing.WRONG)
    for offset in defaults.PROBE_OFFSETS:
        await interview.get(f"signed {offset:+.0f} s", "/jobs", small, clock_offset=offset)
