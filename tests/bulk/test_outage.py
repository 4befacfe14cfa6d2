"""An outage does not drain a run: launches wait, one probes, and a run that has waited long enough ends with the error."""

import logging

import attrs
import pytest

from dataflow_async import AuthenticationFailed, Launch, NotSent, Progress, ResponseLost
from dataflow_async.emulator.audit.verify import read_journal
from tests.bulk.test_launch_source_items import Service
from tests.support.client import client
from tests.support.clocks import LeapClock
from tests.support.examples import first_quick
from tests.support.internals import session_of
from tests.support.scripted import answer, gateway_error, scripted

PASSES = ["refused", "reset", "dns", "connect_timeout", "no_files"]
HAS_TO_BE_MENDED = ["tls", "proxy", "other"]
PAGE = answer(503, "<html>maintenance</html>")


@attrs.define(slots=False)
class Network:
    """What a client sends goes out, unless the network is down."""

    flow: object
    clock: LeapClock
    reason: str
    until: float = 0.0
    after: int = 20
    """Launches that are sent before it goes down."""
    only_launches: bool = False
    launches: int = 0
    failed: int = 0

    def __attrs_post_init__(self):
        session_of(self.flow).send, self._send = self.send, session_of(self.flow).send

    async def send(self, call, *arguments):
        launch = call.operation.name == "executeJob"
        down = self.launches >= self.after and self.clock.monotonic() < self.until
        if down and (launch or not self.only_launches):
            self.failed += launch
            return NotSent("executeJob: never sent: down", operation="executeJob", reason=self.reason)
        self.launches += launch
        return await self._send(call, *arguments)


@pytest.fixture
def clock():
    return LeapClock()


@pytest.fixture(params=[None, "backfill.db"], ids=["without a journal", "with a journal"])
def journal(request, tmp_path):
    return request.param and tmp_path / request.param


def days(count):
    return (Launch("J", parameters={"n": str(n)}, key=f"day-{n}") for n in range(count))


async def taken(run):
    outcomes, error = [], None
    try:
        async for outcome in run:
            outcomes.append(outcome)
    except Exception as problem:
        error = problem
    return outcomes, error


@pytest.mark.parametrize("reason", first_quick(*PASSES))
async def test_launches_wait_for_the_end_of_an_outage(reason, clock, journal, caplog):
    service, told = Service(), []
    async with scripted(service) as server, client(server.url, clock=clock) as flow:
        network = Network(flow, clock, reason, until=600.0)
        run = flow.launch_all(days(120), journal=journal, max_in_flight=16, on_progress=told.append)
        outcomes, error = await taken(run)
    assert error is None
    assert {outcome.status for outcome in outcomes} == {"READY"}
    assert len(service.sent) == len(outcomes) == 120
    assert network.failed < 16 * 3 + 3 * 40
    assert clock.monotonic() >= 600
    waiting = [progress for progress in told if progress.outage is not None]
    assert max(progress.outage for progress in waiting) > 400
    assert max(progress.submitted for progress in waiting) <= 20 + 16 + 1
    assert told[-1].outage is None
    lines = [
        it.message for it in caplog.records if it.levelno == logging.WARNING and "launches" in it.message
    ]
    assert "launches wait, one probes" in lines[0]
    assert "900 s" in lines[0]
    assert "the service answers again" in lines[-1]
    assert len(lines) <= 6  # launches that were in flight when it began are answered


@pytest.mark.parametrize("reason", first_quick(*PASSES))
async def test_a_run_that_has_waited_long_enough_ends_with_the_error(reason, clock, journal):
    service = Service()
    async with scripted(service) as server, client(server.url, clock=clock) as flow:
        network = Network(flow, clock, reason, until=float("inf"))
        drawn = iter(days(120))
        outcomes, error = await taken(flow.launch_all(drawn, journal=journal, max_in_flight=16))
        assert isinstance(error, NotSent)
        assert error.reason == reason
        assert 900 <= clock.monotonic() < 960
        unsent = [outcome for outcome in outcomes if outcome.error is not None]
        assert {outcome.status for outcome in unsent} == {"NOT_LAUNCHED"}
        assert not any(outcome.error.may_have_run for outcome in unsent)
        assert len(outcomes) - len(unsent) == 20
        assert len(unsent) <= 16
        if journal is not None:
            assert {row["phase"] for row in read_journal(journal)} == {"accepted", "not_sent"}
            network.until = 0.0
            outcomes, error = await taken(flow.run_all(days(120), journal=journal))
            assert error is None
            assert {outcome.status for outcome in outcomes} == {"COMPLETED"}
            assert len(service.sent) == 120


async def test_runs_that_are_waited_for_when_it_ends_are_not_waited_for_any_longer(clock, journal):
    service = Service()

    def respond(request):
        if request.method == "GET" and "?" not in request.target:
            *_, job_id, _, execution_id = request.target.split("/")
            return answer(200, {"jobExecutionId": execution_id, "jobId": job_id, "status": "RUNNING"})
        return service(request)

    async with scripted(respond) as server, client(server.url, clock=clock) as flow:
        Network(flow, clock, "refused", until=float("inf"))
        outcomes, error = await taken(flow.run_all(days(100), journal=journal, max_in_flight=24))
        assert isinstance(error, NotSent)
        started = [outcome for outcome in outcomes if outcome.execution is not None]
        assert len(started) == 20
        for outcome in started:
            assert outcome.error.may_have_run
            assert outcome.error.execution_ref == outcome.execution.ref
        if journal is not None:
            assert {row["phase"] for row in read_journal(journal)} == {"accepted", "not_sent"}


async def test_max_outage_is_a_setting(clock):
    async with scripted(Service()) as server, client(server.url, clock=clock) as flow:
        Network(flow, clock, "refused", until=float("inf"))
        _, error = await taken(flow.launch_all(days(120), max_in_flight=16, max_outage=60))
    assert isinstance(error, NotSent)
    assert 60 <= clock.monotonic() < 100


async def test_an_answer_to_any_call_counts_as_one(clock):
    """No file is left for new connections, and polls are answered: the run goes on for as long as it takes."""
    service = Service()

    def respond(request):
        if request.method == "GET" and "?" not in request.target and clock.monotonic() < 3000:
            *_, job_id, _, execution_id = request.target.split("/")
            return answer(200, {"jobExecutionId": execution_id, "jobId": job_id, "status": "RUNNING"})
        return service(request)

    async with scripted(respond) as server, client(server.url, clock=clock) as flow:
        network = Network(flow, clock, "no_files", until=2000.0, only_launches=True)
        outcomes, error = await taken(flow.run_all(days(100), max_in_flight=30))
    assert error is None
    assert network.failed > 20
    assert {outcome.status for outcome in outcomes} == {"COMPLETED"}
    assert len(outcomes) == 100


@pytest.mark.parametrize("reason", HAS_TO_BE_MENDED)
async def test_what_somebody_has_to_mend_is_no_outage(reason, clock, journal):
    async with scripted(Service()) as server, client(server.url, clock=clock) as flow:
        Network(flow, clock, reason, until=float("inf"))
        outcomes, error = await taken(flow.launch_all(days(50), journal=journal, max_in_flight=8))
    assert error is None
    assert len(outcomes) == 50
    assert sum(outcome.status == "NOT_LAUNCHED" for outcome in outcomes) == 30


async def test_an_address_that_never_answered_is_no_outage(clock, journal):
    async with client("http://127.0.0.1:1", clock=clock) as flow:
        outcomes, error = await taken(flow.run_all(days(5), journal=journal))
    assert error is None
    assert [outcome.status for outcome in outcomes] == ["NOT_LAUNCHED"] * 5


async def test_resets_after_a_launch_was_sent_hold_the_others_back(clock):
    """Each of them may have started, so that none is sent again, and none more is sent than it takes to see it."""
    lost = 0

    async with scripted(Service()) as server, client(server.url, clock=clock) as flow:
        assert await flow.jobs.page() is not None
        send = session_of(flow).send

        async def reset(call, *arguments):
            nonlocal lost
            if call.operation.name != "executeJob":
                return await send(call, *arguments)
            lost += 1
            return ResponseLost("executeJob: lost", operation="executeJob", may_have_run=True, reason="reset")

        session_of(flow).send = reset
        outcomes, error = await taken(flow.run_all(days(120), max_in_flight=4))
    assert isinstance(error, ResponseLost)
    assert lost < 5 + 4 + 40
    assert sum(outcome.status == "UNCERTAIN" for outcome in outcomes) == lost


@pytest.mark.parametrize("status", [403, 404, 409, 503])
async def test_five_answers_of_somebody_else_in_a_row_pause_the_drawing(status, clock):
    page = answer(status, "<html>maintenance</html>")
    service = Service()
    foreign = 0

    def respond(request):
        nonlocal foreign
        if request.method == "POST" and len(service.sent) >= 10 and clock.monotonic() < 300:
            foreign += 1
            return page
        return service(request)

    async with scripted(respond) as server, client(server.url, clock=clock) as flow:
        outcomes, error = await taken(flow.launch_all(days(200), max_in_flight=4))
    assert error is None
    assert len(outcomes) == 200
    assert foreign < 5 + 4 + 20
    assert sum(outcome.status == "UNCERTAIN" for outcome in outcomes) == foreign
    assert len(service.sent) == 200 - foreign


async def test_an_accepted_launch_in_between_is_no_outage(clock):
    service, posts = Service(), 0

    def respond(request):
        nonlocal posts
        posts += request.method == "POST"
        return PAGE if request.method == "POST" and posts % 5 else service(request)

    async with scripted(respond) as server, client(server.url, clock=clock) as flow:
        outcomes, error = await taken(flow.launch_all(days(50), max_in_flight=1))
    assert error is None
    assert sum(outcome.status == "UNCERTAIN" for outcome in outcomes) == 40
    assert clock.monotonic() < 10


async def test_answers_of_somebody_else_that_never_end_end_the_run(clock):
    async with scripted(PAGE) as server, client(server.url, clock=clock) as flow:
        outcomes, error = await taken(flow.launch_all(days(120), max_in_flight=4))
    assert error.status == 503
    assert len(server.received) < 5 + 4 + 50
    assert {outcome.status for outcome in outcomes} == {"UNCERTAIN", "NOT_LAUNCHED"}


@pytest.mark.parametrize("stray", [1, 2])
async def test_keys_that_are_refused_after_they_were_accepted_get_one_more_try(stray, clock, journal):
    service, left = Service(), stray

    def respond(request):
        nonlocal left
        if request.method == "POST" and len(service.sent) == 3 and left:
            left -= 1
            return gateway_error(401, "200")
        return service(request)

    async with scripted(respond) as server, client(server.url, clock=clock) as flow:
        outcomes, error = await taken(flow.launch_all(days(6), journal=journal, max_in_flight=1))
    assert 5.0 in clock.naps
    if stray == 1:
        assert error is None
        assert [outcome.error for outcome in outcomes] == [None] * 6
    else:
        assert isinstance(error, AuthenticationFailed)
        assert [outcome.status for outcome in outcomes] == ["READY"] * 3 + ["NOT_LAUNCHED"]


async def test_keys_that_were_never_accepted_end_the_run_at_once(clock):
    async with (
        scripted(lambda _: gateway_error(401, "200")) as server,
        client(server.url, clock=clock) as flow,
    ):
        _, error = await taken(flow.launch_all(days(6), max_in_flight=1))
    assert isinstance(error, AuthenticationFailed)
    assert clock.naps == []


async def test_a_run_that_is_left_in_an_outage_closes_at_once(clock, journal):
    async with scripted(Service()) as server, client(server.url, clock=clock) as flow:
        network = Network(flow, clock, "refused", until=float("inf"), after=2)
        run = flow.launch_all(days(50), journal=journal, max_in_flight=4)
        await anext(run)
        await run.aclose()
        assert network.failed < 40
        assert clock.monotonic() < 900


def test_progress_says_that_there_is_no_outage_unless_there_is_one():
    assert Progress(None, 0, 0, 0, 0, 0, 0, 0.0, None).outage is None
