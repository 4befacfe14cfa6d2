"""An emulator made from a report behaves as the account does: a probe of it gives the same report."""

import asyncio
import contextlib
import copy
import json
from functools import cache

import attrs
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import DataFlowError
from dataflow_async.emulator import Emulator
from dataflow_async.probe.probing import probe
from tests.probe.test_report import SCHEMA
from tests.support.clocks import LeapClock
from tests.support.differences import REFUTING
from tests.support.examples import example_count
from tests.support.replay import Replay, recorded
from tests.support.services import SERVICES, opened

REFUTED = {
    "as the notes have it": set(),
    "oldest first, all counted, capped": set(),
    "no order, UTC dates, other types": set(),
    "standardized errors": {20, 25, 30, 96},
    "dates without zone, nulls, older names": {62, 63, 68},
    "of other hands": {1, 15, 19, 20, 21, 22, 24, 25, 30, 33, 71, 85, 93},
}


@pytest.fixture(autouse=True)
def connections_are_held_shortly(monkeypatch):
    """Nothing is awaited for."""
    monkeypatch.setitem(probe.__kwdefaults__, "hold_idle", 0.0)


DIFFERENCES = {
    "as the notes have it": {"runs: order": "newest first", "connection": "kept open"},
    "oldest first, all counted, capped": {"jobs: order": "oldest first", "jobs: cap": 4, "jobs: count": "rows in all"},
    "no order, UTC dates, other types": {"runs: order": "no order", "job: dates": ["0 digits Z"], "headers: content types": ["text/plain"]},
    "standardized errors": {"answer: unknown job": "400 standardized NotFound", "connection": "kept open for 20 s"},
    "dates without zone, nulls, older names": {
        "runs: dates": ["0 digits no zone"], "job: settings": "runCondition", "jobs: statuses": ["READY", "SUSPENDED"],
        "run: nulls": ["description"], "answer: no signature": "401 gateway 200 as a number",
    },
    "of other hands": {
        "jobs: ids": ["uuid"], "jobs: envelope": "content, totalElements", "answer: no signature": "401 spring",
        "connection": "closed after an answer", "jobs: count": "absent", "headers: trace": ["x-request-id"],
        "signature: accepted": "-600 s, -240 s, +240 s, +600 s", "answer: times: newer path": "200 object",
    },
}  # fmt: skip


async def reports(name):
    """The report about a service, and that about an emulator made from it."""
    async with opened(name) as (url, keys, clock):
        report = await probe(keys, url, clock=clock)
    async with Emulator(like=json.loads(report.text())) as server:
        assert server.not_imitated == {}
        return report, await probe(server.credentials, server.url)


@pytest.mark.parametrize("name", SERVICES)
async def test_six_services_are_distinguished_and_imitated(name):
    report, again = await reports(name)
    assert DIFFERENCES[name].items() <= report.facts.items()
    assert {finding.ruling for finding in report.findings if finding.answer == "refuted"} == REFUTED[name]
    assert again.facts == report.facts
    assert again.text() == report.text()


@pytest.mark.parametrize(
    "facts",
    [
        {"jobs: dates": ["0 digits no zone after a space"]},
        {"jobs: dates": ["3 digits +0900"]},
        {"jobs: dates": ["6 digits +0000 after a space"]},
        {"answer: unknown job": "404 responseError"},
        {"answer: unknown job": "404 code and message other"},
        {"answer: unknown job": "302 empty"},
    ],
)
async def test_a_form_that_was_seen_is_imitated(facts):
    report = {"format": "dataflow_async probe", "version": 1, "facts": {"jobs: rows": 3, **facts}}
    async with Emulator(like=report) as server:
        assert facts.items() <= (await probe(server.credentials, server.url)).facts.items()


# --- services that differ in one thing, or in several ------------------------------------------------------


account = cache(recorded)


def changed(*changes):
    """The report about a service that differs from an account that shows everything."""
    replay = Replay(copy.deepcopy(account()), idle={"connection: kept idle": "open after 0 s"})
    for change in changes:
        with contextlib.suppress(KeyError, TypeError, AttributeError):  # changes that exclude each other
            change(replay)
    replay.launch = {}
    return replay.report()


async def differences(report):
    """What a probe of an emulator made from a report shows otherwise, but for what the emulator says."""
    async with Emulator(like=json.loads(report.text())) as server:
        again = await probe(server.credentials, server.url, clock=LeapClock())
    known = server.not_imitated
    return {
        name: (value, again.facts.get(name))
        for name, value in report.facts.items()
        if again.facts.get(name) != value and name not in known
    }


HELD = {98}
"""Shown by holding a connection idle, which `test_an_idle_connection_is_closed_as_a_report_says` does in real time."""
OTHERS = sorted(REFUTING.keys() - HELD)
QUICK = frozenset({1, 4, 16, 33, 48, 51, 59, 66, 68, 72, 78, 85})
"""Those that are made by different code; the others are slow because there are many."""
ONE_BY_ONE = [it if it in QUICK else pytest.param(it, marks=pytest.mark.slow) for it in OTHERS]


@pytest.mark.parametrize("number", ONE_BY_ONE)
def test_a_service_that_differs_in_one_thing_is_imitated(number):
    assert asyncio.run(differences(changed(REFUTING[number]))) == {}


@settings(max_examples=example_count(3, 100))
@given(numbers=st.sets(st.sampled_from(OTHERS), min_size=2, max_size=6))
def test_a_service_that_differs_in_several_things_is_imitated(numbers):
    report = changed(*(REFUTING[number] for number in sorted(numbers)))
    assert asyncio.run(differences(report)) == {}


words = st.text(max_size=8) | st.sampled_from(
    ["other", "12 hex", "200 object", "0 digits Z", "newest first", "99999999 s", "1 digits"]
)
values = st.none() | st.integers(-5, 2000) | words | st.lists(words, max_size=3)


@settings(max_examples=example_count(10, 200))
@given(data=st.data())
def test_a_report_of_any_facts_makes_an_emulator_that_answers(data):
    report = changed().record()
    names = data.draw(st.sets(st.sampled_from(sorted(report["facts"])), max_size=8))
    report["facts"] |= {name: data.draw(values) for name in sorted(names)}
    jsonschema.validate(report, SCHEMA)

    async def answers():
        async with Emulator(like=report) as server:
            return await probe(server.credentials, server.url, clock=LeapClock())

    try:
        asyncio.run(answers())
    except DataFlowError:
        assert "answer: jobs" in names or "jobs: envelope" in names


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"throttled": "yes"}, "rate limits"),
        ({"runs: ids": ["number"]}, "ids are texts"),
        ({"runs: ids": ["3 digits"]}, "ids are texts"),
        ({"counts by day: starts": ["other"], "answer: counts by day": "200 array"}, "of another form"),
        ({"run: dates": ["0 digits -05:00"]}, "zones"),
        ({"signature: accepted": "-600 s, -240 s, +240 s"}, "symmetric"),
        ({"answer: wrong signature": "403 gateway 200", "answer: no signature": "401 gateway 200"}, "all refusals"),
        ({"answer: times: newer path": "404 service not-found"}, "paths of the times"),
        ({"connection: kept idle": "data came within 2 s"}, "nothing is sent"),
        ({"headers: date": "absent"}, "always writes a Date"),
        ({"runs: rows": 2, "runs: statuses": ["", "FAILED"], "jobs: rows": 1}, "not empty"),
        ({"headers: trace": ['"']}, "begin with x-"),
        ({"headers: trace": ["x-ncp-trace-id", "content-length"]}, "begin with x-"),
    ],
)  # fmt: skip
def test_what_is_not_imitated_is_named(facts, why):
    server = Emulator(like={"format": "dataflow_async probe", "version": 1, "facts": facts})
    assert any(why in server.not_imitated.get(fact, "") for fact in facts)


@pytest.mark.parametrize(
    "name", ['"', "content-length", "transfer-encoding", "x-a b", "x-trace-id,connection"]
)
async def test_a_trace_header_that_would_change_how_answers_are_read_is_left_out(name):
    report = {"format": "dataflow_async probe", "version": 1, "facts": {"headers: trace": [name]}}
    async with Emulator(like=report) as server:
        again = (await probe(server.credentials, server.url)).facts
    assert again["headers: trace"] == ["x-ncp-apigw-request-id"]


@pytest.mark.parametrize("order", ["newest first", "oldest first", "no order"])
async def test_runs_are_those_of_a_job_that_is_listed_before_that_of_the_workflow(order):
    facts = {
        "jobs: order": order, "jobs: rows": 3, "jobs: members": ["createdDate", "jobId", "lastExecutionDate"],
        "job: members": ["jobId"], "runs: rows": 3, "runs: types": ["JOB"], "runs: members": ["jobExecutionId", "type"],
        "workflows: rows": 1, "workflow runs: rows": 3, "workflow runs: types": ["WORKFLOW"],
    }  # fmt: skip
    async with Emulator(like={"format": "dataflow_async probe", "version": 1, "facts": facts}) as server:
        again = (await probe(server.credentials, server.url)).facts
    names = ("jobs: order", "job: members", "runs: types", "workflow runs: types")
    assert {name: again[name] for name in names} == {name: facts[name] for name in names}


async def test_a_list_without_order_has_the_same_one_on_every_page():
    facts = {"jobs: order": "no order", "jobs: cap": 20, "jobs: rows": 3, "jobs: count": "other"}
    async with Emulator(like={"format": "dataflow_async probe", "version": 1, "facts": facts}) as server:
        assert server.not_imitated == {}
        again = (await probe(server.credentials, server.url)).facts
    assert {name: again[name] for name in facts} == facts


@pytest.mark.parametrize(
    ("seen", "seconds"), [("2 s", 1.0), ("0.5 s", 0.25), ("6 s", 4.0), ("20 s, sooner than announced", 11.0)]
)
def test_idle_connections_are_closed_between_two_periods_of_the_probe(seen, seconds):
    facts = {"connection: kept idle": f"closed within {seen}"}
    server = Emulator(like={"format": "dataflow_async probe", "version": 1, "facts": facts})
    assert server.idle_limit == seconds and server.not_imitated == {}


async def test_an_idle_connection_is_closed_as_a_report_says():
    facts = {"connection: kept idle": "closed within 0.2 s"}
    async with Emulator(like={"format": "dataflow_async probe", "version": 1, "facts": facts}) as server:
        report = await probe(server.credentials, server.url, hold_idle=0.2)
    assert report.facts["connection: kept idle"] == facts["connection: kept idle"]


def test_a_saved_state_has_an_account_of_its_own(tmp_path):
    Emulator().save(tmp_path / "state.json")
    with pytest.raises(ValueError, match="like must be absent beside a saved state"):
        Emulator.load(
            tmp_path / "state.json", like={"format": "dataflow_async probe", "version": 1, "facts": {}}
        )


async def test_a_file_is_read_and_faults_of_a_test_come_on_top(tmp_path):
    async with opened("oldest first, all counted, capped") as (url, keys, clock):
        report = await probe(keys, url, clock=clock)
    (tmp_path / "probe.json").write_text(report.text())
    async with Emulator(like=tmp_path / "probe.json", faults="getJobs 503 before") as server:
        server.faults.clear()
        async with server.client() as flow:
            page = await flow.jobs.page(limit=10)
    assert len(page.items) == 4 and page.count > 4
    assert page.items[0].created_date < page.items[-1].created_date


async def test_a_suite_runs_against_it():
    async with opened("as the notes have it") as (url, keys, clock):
        report = await probe(keys, url, clock=clock)
    async with Emulator(like=report.record(), speed=1000) as server, server.client() as flow:
        job = await flow.jobs.create("orders_rollup", type="SCRIPT")
        assert (await flow.run(job.job_id)).status == "COMPLETED"


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"format": "x"}, "must be the report of a probe"),
        ({"format": "dataflow_async probe", "version": 2, "facts": {}}, "report of version 1, got version 2"),
        ({"format": "dataflow_async probe", "version": 1}, "report of version 1"),
    ],
)
def test_something_else_is_refused(like, message):
    with pytest.raises(ValueError, match=message):
        Emulator(like=like)


def test_a_file_that_is_no_report_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("[")
    with pytest.raises(ValueError, match="must be the report of a probe"):
        Emulator(like=str(tmp_path / "x.json"))
    with pytest.raises(OSError, match="nowhere"):
        Emulator(like="nowhere.json")


def test_an_empty_report_makes_an_empty_emulator():
    server = Emulator(like={"format": "dataflow_async probe", "version": 1, "facts": {}})
    assert len(server.likeness) == 0 and not server.state.jobs
    assert attrs.evolve(server, like=None).signature_window == server.signature_window


@pytest.mark.parametrize(
    ("facts", "window"),
    [("-240 s", 300), ("only the present", 120), ("-240 s, +240 s, +600 s", float("inf"))],
)
def test_the_window_of_signatures(facts, window):
    report = {"format": "dataflow_async probe", "version": 1, "facts": {"signature: accepted": facts}}
    assert Emulator(like=report).signature_window == window
