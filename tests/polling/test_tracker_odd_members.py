"""Odd members of runs keep no wait going, and spoil no list."""

import pytest

from dataflow_async import ExecutionRef
from tests.support.client import RUN, client
from tests.support.fake_service import FakeService, Waits
from tests.support.scripted import answer, scripted
from tests.support.warp import warped

REF = ExecutionRef(RUN["jobId"], RUN["jobExecutionId"])
ENDED = {**RUN, "status": "COMPLETED"}
ODD = {
    "NaN": {"waitingTime": "NaN", "runningTime": "2"},
    "epoch numbers": {"createdDate": 1_793_458_800, "endDate": 1_793_458_900_000},
    "lists": {"jobCondition": [], "parsedParameters": [], "jobName": [], "triggerId": {}},
    "numbers": {"jobName": 5, "type": 7, "executorNum": "many"},
    "nonsense": {"jobCondition": "none", "parsedParameters": "{}", "waitingTime": {}},
}


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_member_keeps_no_wait_going(odd):
    async with scripted(answer(200, {**ENDED, **ODD[odd]})) as server, client(server.url) as flow:
        assert (await flow.wait(REF, timeout=50)).status == "COMPLETED"
        assert len(server.received) == 1


@pytest.mark.parametrize("odd", ODD)
@warped
async def test_odd_members_of_rows_cost_no_further_request(odd):
    service = FakeService()
    refs = [service.start(ends=30.0) for _ in range(10)]
    service.page = lambda job, number, rows: [{**row, **ODD[odd]} for row in rows]
    waits = Waits(service)
    waits.begin(refs)
    assert {run.status for run in await waits.all()} == {"COMPLETED"}
    assert len(service.gets) <= len(service.read) / 5  # checks of the list
