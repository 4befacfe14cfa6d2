"""The probe against services that differ: it tells each difference, and it only reads."""

import pytest

from dataflow_async import APIError, AuthenticationFailed, Credentials, TransportError
from dataflow_async.emulator import Emulator, RequestReceived, StateChanged
from dataflow_async.probe.probing import probe
from tests.support.clocks import LeapClock
from tests.support.scripted import gateway_error, scripted


def answers(report):
    return {finding.ruling: str(finding.answer) for finding in report.findings}


def seen(report, ruling):
    return next(finding.seen for finding in report.findings if finding.ruling == ruling)


async def test_it_reads_and_changes_nothing():
    async with Emulator() as server:
        job = server.create_job("stock_import")
        server.launch(job)
        before = len(server.history)
        await probe(server.credentials, server.url)
        events = [*server.history][before:]
    assert {event.method for event in events if isinstance(event, RequestReceived)} == {"GET"}
    assert not any(isinstance(event, StateChanged) for event in events)
    assert len(server.state.executions) == 1


async def test_an_account_as_the_notes_have_it_refutes_nothing():
    async with Emulator(run_seconds=(0, 0), ready_seconds=(0, 0)) as server:
        job = server.create_job("stock_import")
        server.launch(job)
        report = await probe(server.credentials, server.url)
    assert {ruling for ruling, answer in answers(report).items() if answer == "refuted"} == set()
    assert sum(answer == "confirmed" for answer in answers(report).values()) > 40


async def test_refused_keys_are_an_error_and_no_finding():
    async with Emulator() as server:
        with pytest.raises(AuthenticationFailed):
            await probe(Credentials("x", "y"), server.url)


async def test_no_answer_is_an_error():
    async with scripted() as server:
        with pytest.raises(TransportError):
            await probe(Credentials("x", "y"), server.url)


async def test_a_first_answer_that_is_a_refusal_is_raised():
    async with scripted(gateway_error(401, "210")) as server:
        with pytest.raises(APIError):
            await probe(Credentials("x", "y"), server.url)


@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_a_wrong_clock_of_ours_is_no_finding(seconds):
    async with Emulator(faults=f"clock seconds={seconds}") as server:
        server.create_job("stock_import")
        report = await probe(server.credentials, server.url)
    assert answers(report)[15] == "confirmed"


async def test_a_date_that_contradicts_an_accepted_signature_is_reported_and_not_signed_by():
    async with Emulator(faults="date-header seconds=660 age=30") as server:
        server.create_job("stock_import")
        report = await probe(server.credentials, server.url)
    assert answers(report)[87] == "refuted" and "differ" in seen(report, 87)
    assert answers(report)[15] == "confirmed" and answers(report)[64] == "confirmed"
    async with Emulator(like=report.record()) as server:
        assert (await probe(server.credentials, server.url)).facts == report.facts


async def test_members_that_the_contract_lacks_are_named():
    async with Emulator(faults="getJobs members add=tenantNo,labels") as server:
        server.create_job("stock_import")
        report = await probe(server.credentials, server.url)
    assert seen(report, 33) == "labels, tenantNo (members unknown)"


@pytest.mark.parametrize(
    ("faults", "is_throttled"), [("getJobs 503 #2", True), ("getTriggers 429 410 #1", True), ("", False)]
)
async def test_an_answer_that_passes_is_asked_for_again(faults, is_throttled):
    clock = LeapClock()
    async with Emulator(faults=faults, clock=clock) as server:
        server.create_job("stock_import")
        report = await probe(server.credentials, server.url, clock=clock)
    assert report.facts["throttled"] == ("yes" if is_throttled else "no")
    assert report.facts["triggers: rows"] == 0 and report.facts["jobs: page 1"] is None


async def test_what_is_never_answered_is_not_seen():
    clock = LeapClock()
    async with Emulator(faults="getTriggers close", clock=clock) as server:
        server.create_job("stock_import")
        report = await probe(server.credentials, server.url, clock=clock)
    assert report.facts["triggers: envelope"] is None
    assert answers(report)[4] == "confirmed"
