"""A probe with a run: what only a launch shows, and that nothing is started twice."""

import pytest

from dataflow_async.emulator import Emulator, RequestReceived, verify_history
from dataflow_async.probe.probing import probe
from tests.support.clocks import LeapClock


async def observed(faults="", like=None, **settings):
    """A report about a service on which a run of a job was started, and that service."""
    clock = LeapClock()
    async with Emulator(clock=clock, like=like, **settings) as server:
        job = server.create_job("stock_import", condition={"parameters": {"day": "2026-11-01"}})
        await clock.sleep(600)
        server.faults.parse(faults)
        report = await probe(server.credentials, server.url, job_to_run=job, clock=clock, run_timeout=100)
    return report, server


def launch_facts(report):
    return {
        name.removeprefix("launch: "): value
        for name, value in report.facts.items()
        if name.startswith("launch")
    }


async def test_a_run_shows_states_times_echo_and_a_late_cancel():
    report, server = await observed(ready_seconds=(4, 4), run_seconds=(30, 30))
    assert launch_facts(report) == {
        "answer": "202 object",
        "first read": "202 object",
        "found after": "at once",
        "listed after": "at once",
        "parameters": "at once",
        "states": ["READY", "RUNNING", "COMPLETED"],
        "date off": "0 h",
        "ready seconds": 4,
        "run seconds": 30,
        "cancel of an ended run": "400 service bad-state",
        "status after cancel": "unchanged",
    }
    assert report.record()["withRuns"] is True
    assert "stock_import" not in report.text() and "2026-11-01" not in report.text()
    assert len(server.state.executions) == 1
    assert verify_history(server.history) == []


SLOW = "late 3; no-echo; getJobs,getJobExecutions,executeJob,getJobExecutionById dates"


async def test_delays_and_wrong_dates_are_seen_and_imitated():
    report, _ = await observed(SLOW, ready_seconds=(4, 4), run_seconds=(30, 30))
    facts = launch_facts(report)
    assert (facts["first read"], facts["found after"], facts["listed after"]) == (
        "404 service not-found",
        "3 s",
        "3 s",
    )
    assert (facts["parameters"], facts["date off"]) == ("once running", "-9 h")
    assert [it.ruling for it in report.findings if it.answer == "refuted"] == [90]

    again, server = await observed(like=report.record())
    assert launch_facts(again) == facts
    assert {name: why for name, why in server.not_imitated.items() if name.startswith("launch")} == {}
    assert server.run_seconds == (30, 30)


async def test_settings_that_are_given_beat_those_of_the_report():
    report, _ = await observed(ready_seconds=(4, 4), run_seconds=(30, 30))
    server = Emulator(like=report.record(), run_seconds=(7, 7))
    assert (server.ready_seconds, server.run_seconds) == ((4, 4), (7, 7))


@pytest.mark.parametrize(
    "fault", ["executeJob reset", "executeJob 504", "executeJob 500 before", "executeJob 429"]
)
async def test_a_launch_is_sent_once_whatever_is_answered(fault):
    report, server = await observed(fault)
    launches = [
        it for it in server.history if isinstance(it, RequestReceived) and it.operation == "executeJob"
    ]
    assert len(launches) == 1
    assert launch_facts(report)["answer"] in {
        "no answer",
        "504 gateway 510",
        "500 gateway 900",
        "429 gateway 410",
    }
    assert launch_facts(report)["states"] is None


async def test_a_run_that_goes_on_is_neither_awaited_for_ever_nor_cancelled():
    report, server = await observed(ready_seconds=(0, 0), run_seconds=(1e6, 1e6))
    facts = launch_facts(report)
    assert facts["states"] == ["RUNNING"] and facts["cancel of an ended run"] is None
    assert [server.status(run) for run in server.state.executions] == ["RUNNING"]


@pytest.mark.parametrize("loss", ["401", "html status=403", "302", "html status=200", "503", "close", "429"])
async def test_access_that_is_lost_after_a_launch_ends_it_early(loss):
    clock = LeapClock()
    async with Emulator(clock=clock, run_seconds=(1e6, 1e6)) as server:
        job = server.create_job("stock_import")

        def lose(exchange):
            if exchange.question.name == "launch":
                server.faults.parse(loss)

        report = await probe(server.credentials, server.url, job_to_run=job, clock=clock, on_answer=lose)
    assert report.incomplete == "access was lost after the question 'launched run'"
    assert report.error is not None and report.with_runs
    assert launch_facts(report)["states"] == ["READY"]
    assert clock.ticks < 150


async def test_an_outage_of_seconds_is_outlasted():
    report, _ = await observed(
        "getJobExecutionById 503 #2,3,4,5,6,7,8,9", ready_seconds=(4, 4), run_seconds=(30, 30)
    )
    assert report.incomplete == "" and launch_facts(report)["states"][-1] == "COMPLETED"


async def test_nothing_is_started_once_time_is_up():
    async with Emulator() as server:
        job = server.create_job("stock_import")
        report = await probe(server.credentials, server.url, job_to_run=job, timeout=0)
    assert len(server.state.executions) == 0
    assert not report.with_runs and report.incomplete == "time was up"
