"""Answers that are not about our run, or of nobody who could know: they end no wait, and none goes on for ever unsaid."""

import asyncio
import logging

import pytest

from dataflow_async import APIError, ExecutionRef, JobExecution, NotFound, PollPolicy, ResponseLost
from tests.support.client import RUN, client
from tests.support.fake_service import FakeService, Waits, missing, outage
from tests.support.scripted import answer, scripted
from tests.support.warp import warped

REF = ExecutionRef(RUN["jobId"], RUN["jobExecutionId"])
ENDED = {**RUN, "status": "COMPLETED"}
HTML = "<html><body>It is not for you</body></html>"


def now():
    return asyncio.get_running_loop().time()


# --- answers of neither gateway nor service ------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", [302, 308, 400, 401, 403, 404, 405, 407, 408, 409, 421, 425, 429, 451, 499, 502, 503]
)
@pytest.mark.parametrize(
    "body", [HTML, b"", {"error": {"message": "no code"}}, {"message": "Forbidden"}, "null"]
)
async def test_an_answer_of_somebody_in_between_does_not_end_a_wait(status, body):
    foreign = answer(status, body)
    async with scripted(foreign, foreign, foreign, answer(200, ENDED)) as server, client(server.url) as flow:
        assert (await flow.wait(REF)).status == "COMPLETED"
        assert len(server.received) == 4


@warped
async def test_a_foreign_404_is_not_the_services_and_uses_up_no_grace():
    service = FakeService()
    ref = service.start(ends=1e9)
    foreign = NotFound("HTTP 404", status=404)
    service.runs[ref].script = ["RUNNING", *[foreign] * 50, missing(), "COMPLETED"]
    assert (await Waits(service).wait(ref)).status == "COMPLETED"
    assert now() > 600


@pytest.mark.parametrize("timeout", [1800.0, 100.0, None])
@warped
async def test_nothing_but_foreign_refusals_end_a_wait_after_half_an_hour(timeout):
    service = FakeService()
    ref = service.start(ends=20_000.0)

    def get(run, execution):
        if 10 < now() < 15_000:
            raise APIError("HTTP 403", status=403)
        return execution

    service.get = get
    policy = PollPolicy() if timeout == 1800.0 else PollPolicy(foreign_answer_timeout=timeout)
    waits = Waits(service, policy)
    waits.begin([ref])
    (result,) = await waits.all()
    if timeout is None:
        assert result.status == "COMPLETED"
    else:
        assert type(result) is APIError and result.may_have_run and result.execution_ref == ref
        assert 10 + timeout <= now() <= 10 + timeout + 40
    await waits.at_rest()


@pytest.mark.parametrize("jobs", [1, 50])
@warped
async def test_foreign_refusals_end_many_waits_as_well(jobs):
    service = FakeService()

    def refuse(*_):
        raise APIError("HTTP 403", status=403)

    service.get = service.page = refuse
    waits = Waits(service)
    waits.begin([service.start(job=f"job{number % jobs}") for number in range(200)])
    await asyncio.sleep(1000)
    late = service.start(job="job0")
    waits.begin([late])
    await asyncio.gather(*waits.tasks[:200], return_exceptions=True)
    assert 1800 <= now() <= 1900
    assert {type(task.exception()) for task in waits.tasks[:200]} == {APIError}
    assert not waits.tasks[200].done()
    await waits.all()
    assert 2800 <= now() <= 2900


@pytest.mark.parametrize("between", [outage(), "RUNNING", missing()])
@warped
async def test_any_other_answer_starts_the_half_hour_anew(between):
    service = FakeService()
    foreign = APIError("HTTP 403", status=403)
    ref = service.start(ends=1e9, script=[*[foreign] * 50, between, *[foreign] * 50, "COMPLETED"])
    assert (await Waits(service).wait(ref)).status == "COMPLETED"
    assert now() > 2000


@warped
async def test_a_lost_answer_between_foreign_refusals_is_no_other_answer():
    service = FakeService()
    foreign, lost = APIError("HTTP 403", status=403), ResponseLost("lost")
    ref = service.start(ends=1e9, script=[foreign, lost] * 100)
    with pytest.raises(APIError):
        await Waits(service).wait(ref)
    assert now() < 2000


@warped
async def test_foreign_5xx_and_lost_answers_are_unbounded():
    service = FakeService()
    error = outage(502)
    error.source = None
    ref = service.start(ends=1e9, script=[*[error] * 500, "COMPLETED"])
    assert (await Waits(service).wait(ref)).status == "COMPLETED"
    assert now() > 10_000


@warped
async def test_foreign_refusals_are_logged_after_a_minute_and_then_every_ten(caplog):
    service = FakeService()

    def get(run, execution):
        if now() < 1700:
            raise APIError("HTTP 403", status=403)
        return execution

    service.get = get
    waits = Waits(service)
    waits.begin([service.start(ends=10.0, job=f"job{number}") for number in range(5)])
    with caplog.at_level(logging.WARNING):
        assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert len(caplog.records) == 3
    assert "5 of the 5 runs" in caplog.text


# --- answers about other runs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other", [ExecutionRef("job000000001", "another"), ExecutionRef("another", "r0000000")]
)
@warped
async def test_an_answer_about_another_run_is_not_ours(other, caplog):
    service = FakeService()
    ref = service.start(ends=1e9)
    strange = JobExecution(other.execution_id, other.job_id, status="FAILED")
    service.runs[ref].script = ["RUNNING", *[strange] * 20, "RUNNING", "COMPLETED"]
    waits = Waits(service)
    waits.begin([ref])
    (ended,) = await waits.all()
    assert ended.ref == ref and ended.status == "COMPLETED"
    assert str(other) in caplog.text


async def test_an_answer_about_another_run_over_http_is_not_ours():
    other = answer(200, {**ENDED, "jobExecutionId": "AnotherRun12", "status": "FAILED"})
    async with scripted(other, other, answer(200, ENDED)) as server, client(server.url) as flow:
        assert (await flow.wait(REF)).status == "COMPLETED"
        assert len(server.received) == 3


@warped
async def test_a_row_of_another_job_is_not_ours():
    service = FakeService()
    refs = [service.start(ends=30.0) for _ in range(5)]
    service.page = lambda job, number, rows: [{**row, "jobId": "another", "status": "FAILED"} for row in rows]
    waits = Waits(service)
    waits.begin(refs)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}


# --- odd rows ----------------------------------------------------------------------------------------------

ODD_ROWS = [
    None,
    5,
    "r0000001",
    [],
    {},
    {"jobExecutionId": None},
    {"jobExecutionId": ["r0000001"], "status": "FAILED"},
]


@pytest.mark.parametrize("row", ODD_ROWS, ids=repr)
@warped
async def test_an_odd_row_spoils_no_list(row):
    service = FakeService()
    refs = [service.start(ends=30.0) for _ in range(10)]
    service.page = lambda job, number, rows: [row, *rows, row]
    waits = Waits(service)
    waits.begin(refs)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert len(service.gets) <= len(service.read) / 5  # checks of the list


@pytest.mark.parametrize("status", [5, ["COMPLETED"], {}, True])
@warped
async def test_a_status_of_an_odd_type_ends_nothing_by_itself(status):
    service = FakeService()
    refs = [service.start(ends=30.0) for _ in range(3)]
    service.page = lambda job, number, rows: (
        [{**row, "status": status} for row in rows] if now() < 20 else rows
    )
    waits = Waits(service)
    waits.begin(refs)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}


# --- statuses that nobody knows ------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["by id", "by list"])
@warped
async def test_an_unknown_status_is_logged_after_ten_minutes_naming_the_setting(way, caplog):
    service = FakeService()
    refs = [service.start(ends=300.0, status="SKIPPED") for _ in range(1 if way == "by id" else 5)]
    service.page = lambda job, number, rows: [
        {k: v for k, v in row.items() if k != "endDate"} for row in rows
    ]
    waits = Waits(service)
    waits.begin(refs, 1600.0)
    await asyncio.sleep(890)
    assert caplog.text == ""
    await waits.all()
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 2
    assert all("'SKIPPED'" in text and "terminal_statuses" in text for text in warnings)


@warped
async def test_a_status_that_is_known_again_is_not_logged(caplog):
    service = FakeService()
    ref = service.start(ends=5_000.0)
    service.get = lambda run, execution: (
        JobExecution(run.ref.execution_id, run.ref.job_id, status="PAUSED")
        if now() % 1000 < 500
        else execution
    )
    await Waits(service).wait(ref)
    assert caplog.text == ""
