"""What a bulk run is given: taken as it was when it was drawn, and refused by name where it can't be sent."""

import json
from types import MappingProxyType

import pytest

from dataflow_async import InvalidRequest, JobCondition, Launch, QuotaExceeded
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.verify import read_journal
from tests.support.client import client
from tests.support.clocks import LeapClock
from tests.support.scripted import answer, scripted


class Service:
    """Starts runs with ids of their own, which have completed at the first poll; keeps what it was sent."""

    def __init__(self, refuses=lambda request: None):
        self.refuses = refuses
        self.sent = []

    def __call__(self, request):
        if request.method == "POST":
            if (refusal := self.refuses(request)) is not None:
                return refusal
            self.sent.append(request)
            run = {"jobExecutionId": f"run{len(self.sent)}", "jobId": request.target.split("/")[4]}
            return answer(202, {**run, "status": "READY"})
        *_, job_id, _, execution_id = request.target.partition("?")[0].split("/")
        if "?" in request.target:
            return answer(200, {"list": []})
        return answer(200, {"jobExecutionId": execution_id, "jobId": job_id, "status": "COMPLETED"})

    def parameters(self):
        return sorted(json.loads(request.body)["jobCondition"]["parameters"]["n"] for request in self.sent)


@pytest.fixture(params=[None, "backfill.db"], ids=["without a journal", "with a journal"])
def journal(request, tmp_path):
    return request.param and tmp_path / request.param


def reused_dict():
    parameters = {}
    for n in range(20):
        parameters["n"] = str(n)
        yield Launch("J", parameters=parameters)


def list_of_a_reused_dict():
    return list(reused_dict())


def reused_condition():
    condition = {"parameters": {}}
    for n in range(20):
        condition["parameters"]["n"] = str(n)
        yield Launch("J", condition=condition)


def reused_in_a_typed_condition():
    parameters = {}
    for n in range(20):
        parameters["n"] = str(n)
        yield Launch("J", condition=JobCondition(num_worker=3, parameters=parameters))


def reused_behind_a_proxy():
    parameters = {}
    for n in range(20):
        parameters["n"] = str(n)
        yield Launch("J", parameters=MappingProxyType(parameters))


@pytest.mark.parametrize(
    "source",
    [
        reused_dict,
        list_of_a_reused_dict,
        reused_condition,
        reused_in_a_typed_condition,
        reused_behind_a_proxy,
    ],
)
async def test_a_mapping_that_is_filled_anew_for_each_launch_is_copied(source, journal):
    service = Service()
    async with scripted(service) as server, client(server.url) as flow:
        outcomes = [it async for it in flow.run_all(source(), journal=journal, max_in_flight=8)]
    assert service.parameters() == sorted(map(str, range(20)))
    assert len(outcomes) == 20


@pytest.mark.parametrize("wrong", [None, "J", 5, ("J",), Launch], ids=repr)
@pytest.mark.parametrize("awaited", [False, True])
async def test_an_item_that_is_no_launch_ends_the_run_in_words_and_loses_no_outcome(wrong, awaited, journal):
    items = [Launch("J", key="0"), Launch("J", key="1"), wrong, Launch("J", key="2")]

    async def one_by_one():
        for item in items:
            yield item

    taken = []
    async with scripted(Service()) as server, client(server.url) as flow:
        with pytest.raises(
            InvalidRequest, match=r"launches must be Launch objects \(item 2 is none\)"
        ) as caught:
            async for outcome in flow.run_all(one_by_one() if awaited else items, journal=journal):
                taken.append(outcome)
    assert caught.value.field == "launches"
    assert sorted(outcome.key for outcome in taken) == ["0", "1"]
    assert {outcome.status for outcome in taken} == {"COMPLETED"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Launch(None), "job_id"),
        (Launch(["J"]), "job_id"),
        (Launch({}), "job_id"),
        (Launch(5), "job_id"),
        (Launch(b"J"), "job_id"),
        (Launch(""), "job_id"),
        (Launch("a\ud800"), "job_id"),
        (Launch("J", trigger_id=["T"]), "trigger_id"),
        (Launch("J", workflow_id=5), "workflow_id"),
        (Launch("J", parameters=["n"]), "parameters"),
        (Launch("J", parameters={"n": {1, 2}}), "parameters['n']"),
        (Launch("J", condition="x"), "condition"),
    ],
    ids=repr,
)
async def test_a_launch_that_cannot_be_sent_is_an_outcome_that_names_the_argument(wrong, field, journal):
    mixed = [Launch("J", parameters={"n": str(n)}) for n in range(15)]
    mixed.insert(7, wrong)
    service = Service()
    async with scripted(service) as server, client(server.url) as flow:
        outcomes = [it async for it in flow.run_all(mixed, journal=journal, max_in_flight=16)]
    refused = [outcome for outcome in outcomes if outcome.error is not None]
    assert [(it.status, it.error.field) for it in refused] == [("NOT_LAUNCHED", field)]
    assert not refused[0].error.may_have_run
    assert len(service.sent) == 15
    if journal is not None:
        assert {row["phase"] for row in read_journal(journal)} == {"ended"}


async def test_parameters_that_hold_themselves_are_refused_too(journal):
    loop = {}
    loop["loop"] = loop
    async with scripted(Service()) as server, client(server.url) as flow:
        (outcome,) = [it async for it in flow.run_all([Launch("J", condition=loop)], journal=journal)]
    assert outcome.status == "NOT_LAUNCHED"


@pytest.mark.parametrize(
    "corrected", [Launch("J", parameters={"n": "5"}, key="a"), Launch("K", key="a")], ids=repr
)
async def test_a_launch_that_was_refused_may_be_corrected_under_its_key(corrected, tmp_path):
    def refuses(request):
        if b"five" in request.body:
            return answer(400, {"detail": "n is a number", "errorType": "bad-parameter"})
        return None

    service = Service(refuses)
    path = tmp_path / "backfill.db"
    others = [Launch("J", key=f"other{n}") for n in range(5)]
    async with scripted(service) as server, client(server.url) as flow:
        wrong = Launch("J", parameters={"n": "five"}, key="a")
        first = {it.key: it.status async for it in flow.run_all([*others, wrong], journal=path)}
        assert first["a"] == "NOT_LAUNCHED"
        again = {it.key: it async for it in flow.run_all([corrected, *others], journal=path)}
        assert {it.status for it in again.values()} == {"COMPLETED"}
        assert again["a"].execution.job_id == corrected.job_id
        with pytest.raises(
            InvalidRequest, match="other settings"
        ):  # it has started, and names that launch for ever
            _ = [it async for it in flow.run_all([wrong], journal=path)]
    assert len(service.sent) == 6


async def test_a_corrected_launch_whose_answer_is_lost_is_looked_for_under_its_own_settings(tmp_path):
    clock = LeapClock()
    path = tmp_path / "backfill.db"
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        job = await flow.jobs.create("stock_import", type="SCRIPT")
        wrong = Launch(job.job_id, parameters={"n": "1"}, key="a")
        server.faults.parse("executeJob 429 400 x1")
        with pytest.raises(QuotaExceeded):
            _ = [it async for it in flow.run_all([wrong], journal=path)]
        server.faults.parse("executeJob reset after x1")
        right = Launch(job.job_id, parameters={"n": "2"}, key="a")
        (second,) = [it async for it in flow.run_all([right], journal=path)]
        assert (second.status, second.execution.parsed_parameters) == ("COMPLETED", {"n": "2"})
        assert len([run async for run in flow.jobs.executions(job.job_id)]) == 1
