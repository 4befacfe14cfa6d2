"""Lists: pages, names, the dashboard, and the cost of a page with a hundred thousand runs."""

from collections import Counter
from itertools import count, takewhile

import pytest

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api import parsing, serializers
from dataflow_async.emulator.api.handlers import jobs as job_calls
from dataflow_async.emulator.api.handlers import workflows as workflow_calls
from dataflow_async.emulator.api.handlers.request import ValidRequest
from dataflow_async.emulator.service.state import Workflow
from tests.emulator.conftest import workflow_body
from tests.support.counting import calls_of


async def ids(api, operation_id, *path, **query):
    body = (await api(operation_id, *path, **query)).body
    assert body["count"] == len(body["list"])
    name = {"getJobs": "jobId", "getTriggers": "triggerId", "getWorkflows": "workflowId"}.get(
        operation_id, "jobExecutionId"
    )
    return [row[name] for row in body["list"]]


async def filled(api, operation_id):
    """Seven things of a kind, newest first, and the path of their list."""
    trigger, job = await api.trigger("a_trigger"), await api.job("a_job")
    made = {
        "getJobs": [job, *[await api.job(f"job_{n}") for n in range(6)]],
        "getTriggers": [trigger, *[await api.trigger(f"trigger_{n}") for n in range(6)]],
        "getWorkflows": [await api.workflow(trigger, {job: []}) for _ in range(7)],
    }
    if operation_id in made:
        return made[operation_id][::-1], ()
    workflow = made["getWorkflows"][0]
    runs = [(await api("executeJob", job, workflowId=workflow)).body["jobExecutionId"] for _ in range(7)]
    return runs[::-1], (job if operation_id == "getJobExecutions" else workflow,)


LISTS = ["getJobs", "getTriggers", "getWorkflows", "getJobExecutions", "getWorkflowExecutions"]


@pytest.mark.parametrize("operation_id", LISTS)
async def test_pages(api, operation_id):
    newest_first, path = await filled(api, operation_id)

    assert await ids(api, operation_id, *path) == newest_first
    for limit in (1, 3, 7, 8, 10**18 - 1):
        for page in (0, 1, 2, 7, 10**18 - 1):
            window = newest_first[page * limit : (page + 1) * limit]
            assert await ids(api, operation_id, *path, page=page, limit=limit) == window
    body = (await api(operation_id, *path, page=1, limit=3)).body
    assert (body["page"], body["limit"], body["count"]) == (1, 3, 3)
    body = (await api(operation_id, *path)).body
    assert (body["page"], body["limit"]) == (0, 1000)


@pytest.mark.parametrize("operation_id", LISTS)
async def test_a_page_limit_of_zero(api, operation_id):
    _, path = await filled(api, operation_id)

    reply = await api(operation_id, *path, limit=0)

    if operation_id == "getJobs":
        assert reply.status == 400
    else:
        assert (reply.status, reply.body["list"], reply.body["count"]) == (200, [], 0)


@pytest.mark.parametrize("operation_id", ["getJobs", "getTriggers"])
async def test_a_name_matches_in_part_and_is_paged_after(api, operation_id):
    newest_first, _ = await filled(api, operation_id)

    assert await ids(api, operation_id, name="_3") == [newest_first[2]]
    assert (
        await ids(api, operation_id, name="r_" if operation_id == "getTriggers" else "b_", limit=2, page=1)
        == newest_first[2:4]
    )
    assert await ids(api, operation_id, name="") == newest_first
    assert await ids(api, operation_id, name="JOB_") == []


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("page=-1", "page"),
        ("page=", "page"),
        ("page=one", "page"),
        ("page=1.0", "page"),
        ("page=%2B1", "page"),
        ("page=+1", "page"),
        ("page=%D9%A1", "page"),
        ("page=" + "9" * 5000, "page"),
        ("limit=-1", "limit"),
        ("limit=1e3", "limit"),
        ("limit=null", "limit"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_numbers_are_digits(api, query, named):
    reply = await api.send("GET", f"/api/v1/triggers?{query}")

    assert (reply.status, reply.body["errorType"]) == (400, "bad-parameter")
    assert reply.body["detail"].startswith(f"{named} must be ")


@pytest.mark.parametrize(
    ("spelt", "found"), [("a%5Fjob", 1), ("a_job", 1), ("a+job", 0), ("a%20job", 0), ("a_job&other=1&&", 1)]
)
async def test_the_query_is_decoded(api, spelt, found):
    await api.job("a_job")

    assert (await api.send("GET", f"/api/v1/jobs?name={spelt}")).body["count"] == found


def test_a_plus_sign_is_a_space():
    assert parsing.query_members("name=a+b%2Bc%20d&&e&f==") == {"name": "a b+c d", "e": "", "f": "="}


# --- dashboard --------------------------------------------------------------------------------------------------------


async def test_the_dashboard_counts_what_ran(api, clock, server):
    """Three days; the last run of the second one is still going."""
    job = await api.job()
    for wait in (0, 60, 86400 - 60, 3600, 86400 - 3600 - 1):
        clock.advance(wait)
        await api("executeJob", job)
    await api("cancelJobExecution", job, next(iter(server.state.executions)))

    async def counts(start, end):
        query = {"startDate": start, "endDate": end}
        result = (await api("getExecutionResult", **query)).body
        days = (await api("getExecutionInterval", **query)).body["result"]
        hours = (await api("getExecutionTimes", **query)).body["result"]
        total = result["totalCount"]
        assert total == sum(row["totalCount"] for row in days) == sum(row["value"] for row in hours)
        return total, result["completedCount"], result["failedCount"], [row["totalCount"] for row in days]

    # the run of the start was over when it was to be canceled, the last has just begun
    assert await counts("2026-11-01T00:00:00", "2026-11-03T00:00:00") == (5, 4, 0, [2, 3, 0])
    assert await counts("2026-11-01T00:00:00", "2026-11-01T23:59:59") == (2, 2, 0, [2])
    assert await counts("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z") == (2, 2, 0, [0, 2])
    assert await counts("2026-11-01T00:00:00.000000001+09:00", "2026-11-01T12:00:00+09:00") == (2, 2, 0, [2])
    assert await counts("2027-01-01T00:00:00", "2027-01-01T00:00:00") == (0, 0, 0, [0])


async def test_rows_of_the_dashboard(api, clock):
    job = await api.job()
    await api("executeJob", job)
    clock.advance(5400)
    await api("executeJob", job)
    period = {"startDate": "2026-10-31T12:00:00", "endDate": "2026-11-01T12:00:00"}

    assert (await api("getExecutionInterval", **period)).body["result"] == [
        {"totalCount": 0, "startDate": "2026-10-31T00:00:01", "endDate": "2026-11-01T00:00:00"},
        {"totalCount": 2, "startDate": "2026-11-01T00:00:01", "endDate": "2026-11-02T00:00:00"},
    ]
    assert (await api("getExecutionTimes", **period)).body["result"] == [
        {"time": 1793458800000, "value": 1},
        {"time": 1793462400000, "value": 1},
    ]


async def test_failed_and_canceled_runs_are_distinguished(api, clock, server):
    server.state.lifecycle_settings.fail_rate = 1
    job = await api.job()
    runs = [(await api("executeJob", job)).body["jobExecutionId"] for _ in range(3)]
    await api.ok("cancelJobExecution", job, runs[1])
    clock.advance(4)

    body = (
        await api("getExecutionResult", startDate="2026-11-01T00:00:00", endDate="2026-11-02T00:00:00")
    ).body

    assert body == {"totalCount": 3, "completedCount": 0, "failedCount": 2}


@pytest.mark.parametrize("operation_id", ["getExecutionResult", "getExecutionInterval", "getExecutionTimes"])
@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        (None, "2026-11-01T00:00:00", "startDate must be present"),
        ("2026-11-01T00:00:00", None, "endDate must be present"),
        ("", "2026-11-01T00:00:00", "startDate must be a date"),
        ("2026-11-01", "2026-11-01T00:00:00", "startDate must be a date"),
        ("2026-11-01 00:00:00", "2026-11-01T00:00:00", "startDate must be a date"),
        ("2026-13-01T00:00:00", "2026-11-01T00:00:00", "startDate must be a date"),
        ("2026-11-01T00:00:00", "2026-11-01T25:00:00", "endDate must be a date"),
        ("2026-11-01T00:00:00+99:99", "2026-11-01T00:00:00", "startDate must be a date"),
        ("0001-01-01T00:00:00", "2026-11-01T00:00:00", "startDate must be a date"),
        ("2026-11-01T00:00:00", "9999-12-31T23:59:59", "endDate must be a date"),
        ("2026-11-02T00:00:00", "2026-11-01T00:00:00", "endDate must not be before startDate"),
    ],
)
async def test_a_period_needs_two_dates(api, operation_id, start, end, named):
    query = {name: value for name, value in (("startDate", start), ("endDate", end)) if value is not None}

    reply = await api(operation_id, **query)

    assert (reply.status, reply.body["errorType"]) == (400, "bad-parameter")
    assert reply.body["detail"].startswith(named)


async def test_periods_at_the_ends_of_the_calendar(api):
    for start, end in (
        ("1970-01-01T00:00:00+23:59", "1970-01-02T00:00:00"),
        ("9998-12-31T00:00:00", "9998-12-31T23:59:59-23:59"),
    ):
        for operation_id in ("getExecutionResult", "getExecutionInterval", "getExecutionTimes"):
            assert (await api(operation_id, startDate=start, endDate=end)).status == 200


async def test_days_are_counted_for_ten_years_at_most(api):
    longest = {"startDate": "2016-10-25T00:00:00", "endDate": "2026-11-01T00:00:00"}

    assert len((await api("getExecutionInterval", **longest)).body["result"]) == defaults.MAX_DAYS
    longer = longest | {"startDate": "2016-10-24T00:00:00"}
    assert (await api("getExecutionInterval", **longer)).status == 400
    assert (await api("getExecutionResult", **longer)).status == 200


# --- size -------------------------------------------------------------------------------------------------------------


async def test_a_page_costs_the_same_however_many_runs_there_are(api, server, clock):
    """Of ten runs from 10 or 20,000, and of a thousand from 1,000 or 20,000; that these have ended changes nothing."""
    tiny, small, large = [await api.job(name) for name in ("tiny", "small", "large")]
    for job, runs in ((tiny, 10), (small, 1_000), (large, 20_000)):
        for _ in range(runs):
            server.launch(job)
    clock.advance(3600)
    now = server.state.settle()

    def cost(job_id, limit, page=0):
        request = ValidRequest({"jobId": job_id}, {"page": page, "limit": limit}, None, now)
        return calls_of(lambda: job_calls.get_job_executions(server.state, request))

    one, thousand = cost(tiny, 10), cost(small, 1_000)
    for page in (0, 1_000, 1_999):
        assert cost(large, 10, page) < 1.2 * one
    for page in (0, 19):
        assert cost(large, 1_000, page) < 1.2 * thousand
    newest = server.state.jobs[large].executions[-1].execution_id
    assert await ids(api, "getJobExecutions", large, limit=1) == [newest]


def test_pages_view_no_row_twice(server, monkeypatch):
    """All pages of ten, with and without a name: each row is made into its view once, not again for each page."""
    viewed = Counter()
    for name in ("job_row", "workflow_row"):
        view = getattr(serializers, name)
        monkeypatch.setattr(
            serializers, name, lambda *args, it=view, name=name: viewed.update([name]) or it(*args)
        )
    jobs = [server.create_job(f"job_{number}") for number in range(10_000)]
    for job_id in jobs:
        workflow = Workflow(server.state.new_id(), "flow", workflow_body(None, {job_id: []})["nodes"], 0, 0)
        server.state.workflows[workflow.workflow_id] = workflow

    def walk(effect, **query):
        pages = (
            effect(server.state, ValidRequest({}, query | {"page": page}, None, 0)).body["list"]
            for page in count()
        )
        return [row["resourceId"] for rows in takewhile(bool, pages) for row in rows]

    assert walk(job_calls.get_jobs, limit=10, name="") == jobs[::-1]
    assert len(walk(job_calls.get_jobs, limit=10, name="job_77")) == 111
    assert len(walk(workflow_calls.get_workflows, limit=10)) == 10_000
    assert viewed == {"job_row": 10_111, "workflow_row": 10_000}
