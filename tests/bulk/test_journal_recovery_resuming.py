"""What a journal left open is taken up again: ends that were inferred, runs that are gone, launches in doubt."""

import asyncio

import pytest

from dataflow_async import InvalidRequest, Launch, NotFound
from dataflow_async.emulator.audit.verify import read_journal
from tests.support.client import client
from tests.support.scripted import answer, scripted

GONE = answer(404, {"detail": "no such execution", "errorType": "not-found"})


class Service:
    """Starts runs, and tells of each what it is told to."""

    def __init__(self):
        self.posts = 0
        self.lost = set()
        self.status = "COMPLETED"
        self.gone = False

    def __call__(self, request):
        if request.method == "POST":
            self.posts += 1
            if self.posts in self.lost:
                return b""
            return answer(202, {"jobExecutionId": f"run{self.posts}", "jobId": "J", "status": "READY"})
        if "?" in request.target:  # it lists somebody's run without a date: nothing can be told
            return answer(200, {"list": [{"jobExecutionId": "strange", "jobId": "J"}]})
        execution_id = request.target.rpartition("/")[2]
        if execution_id == "J":
            return answer(200, {"jobId": "J", "name": "stock_import"})
        if self.gone and execution_id == "run1":
            return GONE
        row = {"jobExecutionId": execution_id, "jobId": "J", "status": self.status}
        return answer(200, {**row, "endDate": "2026-11-01T00:00:00+09:00"})


async def taken(flow, path, **more):
    (outcome,) = [it async for it in flow.run_all([Launch("J", key="a")], journal=path, **more)]
    return outcome


async def test_an_end_that_was_inferred_is_looked_at_again(tmp_path):
    path = tmp_path / "backfill.db"
    service = Service()
    async with scripted(service) as server, client(server.url) as flow:
        service.status = "SKIPPED"
        assert (await taken(flow, path)).status == "SKIPPED"
        assert [row["phase"] for row in read_journal(path)] == ["ended"]
        service.status = "COMPLETED"
        outcome = await taken(flow, path)
        assert (outcome.status, outcome.error, outcome.resumed) == ("COMPLETED", None, True)
        polls = len(server.received)
        assert (await taken(flow, path)).status == "COMPLETED"  # which is certain
        assert all("/executions/" not in it.target for it in server.received[polls:])
    assert service.posts == 1


async def test_a_run_that_the_service_does_not_know_any_more_can_be_run_again(tmp_path):
    path = tmp_path / "backfill.db"
    service = Service()
    async with scripted(service) as server, client(server.url) as flow:
        async with flow.launch_all([Launch("J", key="a")], journal=path) as run:
            _ = [outcome async for outcome in run]
        service.gone = True
        for _ in range(2):
            outcome = await taken(flow, path)
            assert isinstance(outcome.error, NotFound)
            assert outcome.error.may_have_run
        assert service.posts == 1
        outcome = await taken(flow, path, rerun=["NOT_FOUND"])
        assert (outcome.status, outcome.execution.job_execution_id) == ("COMPLETED", "run2")
        assert (await taken(flow, path, rerun=["NOT_FOUND"])).status == "COMPLETED"
    assert service.posts == 2


async def test_a_launch_that_stays_uncertain_can_be_run_again_by_a_later_run(tmp_path):
    path = tmp_path / "backfill.db"
    service = Service()
    service.lost = {1}
    async with scripted(service, close=True) as server, client(server.url) as flow:
        for _ in range(2):
            assert (await taken(flow, path)).status == "UNCERTAIN"
        assert service.posts == 1
        assert (await taken(flow, path, rerun=["UNCERTAIN"])).status == "COMPLETED"
    assert service.posts == 2


async def test_what_is_lost_in_the_very_run_is_reported_first(tmp_path):
    service = Service()
    service.lost = {1}
    async with scripted(service, close=True) as server, client(server.url) as flow:
        assert (await taken(flow, tmp_path / "backfill.db", rerun=["UNCERTAIN"])).status == "UNCERTAIN"
    assert service.posts == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_an_async_on_progress_is_awaited_one_at_a_time(fails):
    told, at_once, most = [], 0, 0

    async def note(progress):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        for _ in range(5):
            await asyncio.sleep(0)
        at_once -= 1
        told.append(progress)
        if fails and progress.completed:
            raise ZeroDivisionError

    service, outcomes = Service(), []
    async with scripted(service) as server, client(server.url) as flow:
        launches = [Launch("J", key=str(n)) for n in range(20)]
        try:
            async for outcome in flow.run_all(launches, max_in_flight=4, on_progress=note):
                outcomes.append(outcome)
        except ZeroDivisionError:
            assert fails
        else:
            assert not fails
    assert most == 1
    assert told[-1].completed == len(outcomes)
    assert len(outcomes) == service.posts
    assert fails or len(outcomes) == 20


@pytest.mark.parametrize(
    "bad",
    [
        {"max_in_flight": True},
        {"max_in_flight": 2.0},
        {"max_in_flight": 10**5000},
        {"max_failures": "3"},
        {"visibility_delay": "120"},
        {"visibility_delay": float("nan")},
        {"visibility_delay": 10**5000},
        {"max_outage": None},
        {"max_outage": -1},
        {"max_outage": 10**5000},
        {"assume_exclusive": 1},
        {"correlation_parameter": 5},
        {"correlation_parameter": ""},
        {"rerun": "FAILED"},
        {"rerun": [5]},
        {"rerun": 5},
        {"on_uncertain": "again"},
        {"on_progress": 5},
        {"on_progress": list},
        {"cancel_runs_on_exit": "yes"},
        {"total": -1},
        {"total": "5"},
        {"journal": 5},
        {"journal": b"backfill.db"},
    ],
    ids=lambda bad: next(iter(bad)),
)
async def test_arguments_are_checked_before_anything_is_sent(bad):
    (name,) = bad
    asked = {"journal": "backfill.db", **bad}
    async with client("http://127.0.0.1:1") as flow:
        with pytest.raises(InvalidRequest, match=name) as caught:
            flow.run_all([Launch("J")], **asked)
        assert caught.value.field.partition("[")[0] == name
        if name != "cancel_runs_on_exit":
            with pytest.raises(InvalidRequest, match=name):
                flow.launch_all([Launch("J")], **asked)


@pytest.mark.parametrize("launches", [None, 5, "J", b"J", Launch("J"), {"J": 1}], ids=repr)
async def test_what_holds_no_launches_is_refused(launches):
    async with client("http://127.0.0.1:1") as flow:
        with pytest.raises(InvalidRequest, match="launches"):
            flow.run_all(launches)
