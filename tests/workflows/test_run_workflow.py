"""A workflow started once and followed to its end: promises 3 and 7, rulings 48 to 51, 71 to 77, 86 to 88."""

import asyncio
import base64
import logging
import math
import random
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

import pytest

from dataflow_async import (
    AuthenticationFailed,
    BadRequest,
    BadState,
    DataFlowError,
    DecodeError,
    ExecutionCanceled,
    ExecutionFailed,
    ExecutionRef,
    InvalidRequest,
    JobExecution,
    LaunchUncertain,
    NotFound,
    PermissionDenied,
    PollPolicy,
    QuotaExceeded,
    ResponseLost,
    RetryPolicy,
    TriggerRule,
    WaitTimeout,
    WorkflowJobNode,
    WorkflowTriggerNode,
)
from dataflow_async.emulator import Emulator, ManualClock
from dataflow_async.emulator.service.state import Workflow
from dataflow_async.models.moment import KST, proven_time, read_moment
from dataflow_async.workflows.earlier_runs import EarlierRuns
from tests.support.client import client
from tests.support.clocks import LeapClock
from tests.support.scripted import RESET, STALL, answer, gateway_error, scripted

WORKFLOW, TRIGGER = "Wf7bR2cXpZ4d", "Tg5mH8sYqK1w"
ONCE = RetryPolicy(max_attempts=1)
ROLE = {"nrn": "nrn:PUB:IAM::1:Role/1", "scriptPath": "lake/scripts/", "logPath": "lake/logs/"}


# --- against the emulator ----------------------------------------------------------------------------------


async def made(flow, shape, *, rule=None):
    """A workflow of new jobs; ``shape`` maps names to names of parents, and gives the order of the nodes."""
    trigger = await flow.triggers.create("by_hand", rule or TriggerRule.manual())
    jobs = {name: (await flow.jobs.create(f"job_{name}")).job_id for name in shape}
    nodes = [WorkflowTriggerNode(trigger.trigger_id, "start")]
    for name, parents in shape.items():
        following = [jobs[parent] for parent in parents] or [trigger.trigger_id]
        nodes.append(WorkflowJobNode(jobs[name], name, following, ROLE))
    return (await flow.workflows.create("dawn_rollup", nodes)).workflow_id, jobs


SHAPES = {
    "one job": {"a": ""},
    "job after job": {"a": "", "b": "a", "c": "b"},
    "two at once": {"a": "", "b": ""},
    "a diamond, children first": {"d": "bc", "b": "a", "c": "a", "a": ""},
    "a short cut": {"a": "", "b": "a", "c": "ab"},
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_job_is_awaited_and_given_in_node_order(shape):
    clock = LeapClock()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, jobs = await made(flow, SHAPES[shape])
        runs = await flow.run_workflow(workflow, timeout=86_400)
        assert [run.job_id for run in runs] == list(jobs.values())
        assert {run.status for run in runs} == {"COMPLETED"}
        assert {run.job_execution_id for run in runs} == set(server.state.executions)


async def test_each_start_gets_its_own_runs_however_soon_after_the_last():
    clock = LeapClock()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["a diamond, children first"])
        seen = set()
        for _ in range(5):
            runs = {run.job_execution_id for run in await flow.run_workflow(workflow, timeout=86_400)}
            assert len(runs) == 4
            assert not runs & seen
            seen |= runs


async def test_hours_of_waiting_take_no_time_and_few_looks_at_the_list():
    clock = LeapClock()
    hours = (7200, 7200)
    async with Emulator(clock=clock, run_seconds=hours) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["job after job"])
        lists = 0
        page = flow.workflows.executions_page

        async def counted(*args, **settings):
            nonlocal lists
            lists += 1
            return await page(*args, **settings)

        flow.workflows.executions_page = counted
        assert len(await flow.run_workflow(workflow, timeout=86_400)) == 3
    assert clock.ticks >= 3 * 7200
    assert lists < 20


async def test_what_follows_a_job_that_failed_is_not_waited_for():
    clock = LeapClock()
    async with Emulator(clock=clock, fail_rate=1) as server, server.client(clock=clock) as flow:
        workflow, jobs = await made(flow, SHAPES["job after job"])
        with pytest.raises(ExecutionFailed) as caught:
            await flow.run_workflow(workflow, timeout=86_400)
    assert caught.value.execution.job_id == jobs["a"]
    assert caught.value.executions == (caught.value.execution,)
    assert caught.value.may_have_run


async def test_a_run_that_somebody_cancels_ends_it():
    clock = ManualClock()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, jobs = await made(flow, SHAPES["job after job"])
        running = asyncio.create_task(flow.run_workflow(workflow, timeout=86_400))
        await started(server)
        (execution_id,) = server.state.executions
        await flow.jobs.cancel_execution(jobs["a"], execution_id)
        while not running.done():
            await clock.push(1)
        with pytest.raises(ExecutionCanceled) as caught:
            await running
    assert caught.value.execution_ref == ExecutionRef(jobs["a"], execution_id)


async def test_only_a_start_by_hand_is_accepted_and_a_refusal_is_passed_on():
    async with Emulator() as server, server.client() as flow:
        workflow, _ = await made(flow, {"a": ""}, rule=TriggerRule.daily("03:30"))
        with pytest.raises(BadState) as refused:
            await flow.run_workflow(workflow, timeout=86_400)
        with pytest.raises(NotFound):
            await flow.run_workflow("NoSuchThing1")
    assert not refused.value.may_have_run
    assert not server.state.executions


async def test_a_deleted_job_keeps_a_workflow_from_being_started():
    async with Emulator() as server, server.client() as flow:
        workflow, jobs = await made(flow, SHAPES["job after job"])
        await flow.jobs.delete(jobs["b"])
        with pytest.raises(InvalidRequest, match=rf"{jobs['b']} is deleted \(isValid is false\)"):
            await flow.run_workflow(workflow, timeout=86_400)
    assert not server.state.executions


async def test_cancelling_leaves_nothing_behind_and_tells_what_is_known():
    clock, before = ManualClock(), asyncio.all_tasks()
    async with Emulator(clock=clock) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, {"a": ""})
        running = asyncio.create_task(flow.run_workflow(workflow, timeout=86_400))
        await started(server)
        await clock.push(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await running
        assert [run.job_execution_id for run in caught.value.executions] == list(server.state.executions)
        assert flow._calls.limiter.acquired == 0
    assert asyncio.all_tasks() <= before


async def started(server):
    while not server.state.executions:
        await asyncio.sleep(0)


@pytest.fixture
def starts(monkeypatch):
    """All starts of workflows that an emulator in this process has begun."""
    begun, begin = [], Workflow.begin

    def remembered(*args):
        begun.append(begin(*args))
        return begun[-1]

    monkeypatch.setattr(Workflow, "begin", remembered)
    return begun


async def overlapping(server, clock, starts, chance, *, apart=5.0, count=3):
    """Start one workflow several times at once; give how often nobody could tell whose runs are whose."""
    owned, told = {}, 0
    async with server.client(clock=clock) as flow:
        workflow, _ = await made(flow, chance.choice(list(SHAPES.values())))
        execute, one_at_a_time = flow.workflows.execute, asyncio.Lock()

        async def owning(*args, **settings):
            async with one_at_a_time:
                receipt = await execute(*args, **settings)
                owned[asyncio.current_task()] = starts[-1]
            return receipt

        async def one():
            nonlocal told
            await clock.sleep(chance.uniform(0, apart))
            try:
                runs = await flow.run_workflow(workflow, timeout=3_600)
            except (LaunchUncertain, WaitTimeout):
                told += 1
            else:
                mine = owned[asyncio.current_task()].executions.values()
                assert {run.job_execution_id for run in runs} == set(mine)

        flow.workflows.execute = owning
        await asyncio.gather(*(one() for _ in range(count)))
    return told


@pytest.mark.parametrize("seed", range(12))
async def test_starts_that_overlap_are_never_mixed_up(seed, starts):
    """Each gets exactly its own runs, or is told that nobody can say which they are."""
    clock = LeapClock()
    async with Emulator(clock=clock, seed=seed) as server:
        assert await overlapping(server, clock, starts, random.Random(seed))


LYING = [
    "late 8",
    "list-stale",
    "list-gap",
    "list-order",
    "page-cap",
    "dates",
    "dates shift=0 fraction=cut",
    "dates; late 8",
    "date-header 50%",
    "date-header seconds=7200 50%; late 8",
    "date-header seconds=-7200 50%; late 8",
]


@pytest.mark.parametrize("faults", LYING)
@pytest.mark.parametrize("seed", range(6))
async def test_starts_are_never_mixed_up_whatever_lists_and_dates_show(seed, faults, starts):
    clock = LeapClock()
    async with Emulator(clock=clock, seed=seed, faults=faults) as server:
        await overlapping(server, clock, starts, random.Random(seed), apart=120.0)


# --- against scripts: what the emulator does not do --------------------------------------------------------


def run(execution_id, job_id="a", status="COMPLETED", **members):
    """A row of a list; None leaves a member out."""
    row = {"jobExecutionId": execution_id, "jobId": job_id, "status": status, "triggerId": TRIGGER, **members}
    return {name: value for name, value in row.items() if value is not None}


def node(job_id, *parents, kind="JOB", **members):
    return {"id": job_id, "name": "step", "type": kind, "parentNodeIds": list(parents), **members}


ONE = [node("a", TRIGGER), node(TRIGGER, kind="TRIGGER")]
CHAIN = [*ONE, node("b", "a")]
UNTIL_NOW = object()


class Service:
    """A workflow whose list of runs is scripted, look by look.

    Args:
        nodes: The workflow's.
        before: Rows listed before the start.
        looks: What the list shows on each look after the start, the last one from then on: rows, an answer,
            or a function of the page number that gives either.
        runs: Answers to looks at single runs, by id, the last one from then on; others have COMPLETED.
        accepted: The answer to the start.
    """

    def __init__(self, nodes, looks, *, before=(), runs=None, accepted=None):
        self.nodes, self.before, self.looks, self.runs = nodes, list(before), list(looks), dict(runs or {})
        self.accepted = accepted or answer(
            202, {"workflowId": WORKFLOW, "triggerId": TRIGGER, "status": "ACCEPTED"}
        )
        self.asked = []

    @property
    def starts(self):
        return self.asked.count("start")

    @property
    def walks(self):
        return self.asked[self.asked.index("start") :].count("list 0")

    def __call__(self, request):
        url = urlsplit(request.target)
        *_, kind, last = url.path.split("/")
        if request.method == "POST":
            self.asked.append("start")
            return self.accepted
        if "/jobs/" in url.path:
            return self._look_at(url.path.split("/")[-3], last)
        if kind == "workflows":
            return answer(200, {"workflowId": WORKFLOW, "name": "dawn_rollup", "nodes": self.nodes})
        number = int(parse_qs(url.query)["page"][0])
        self.asked.append(f"list {number}")
        return self._list(number)

    def _list(self, number):
        shown = self.before if not self.starts else self.looks[min(self.walks, len(self.looks)) - 1]
        if callable(shown):
            shown = shown(number)
        elif number and not isinstance(shown, bytes):
            shown = []
        return shown if isinstance(shown, bytes) else answer(200, {"list": shown})

    def _look_at(self, job_id, execution_id):
        self.asked.append(execution_id)
        given = self.runs.get(execution_id, [run(execution_id, job_id)])
        shown = given.pop(0) if len(given) > 1 else given[0]
        return shown if isinstance(shown, bytes) else answer(200, shown)


async def follow(service, *, seconds=None, payload=None, **settings):
    """Run the scripted workflow; naps take no time."""
    settings.setdefault("retry", ONCE)
    async with scripted(service) as server, client(server.url, **settings) as flow:
        async with asyncio.timeout(5):  # what is never found ends the test, not the day
            return await flow.run_workflow(WORKFLOW, timeout=seconds, payload=payload)


def ids(runs):
    return [run.job_execution_id for run in runs]


# --- what can't be awaited is not started ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([], "no JOB node"),
        ([node(TRIGGER, kind="TRIGGER")], "no JOB node"),
        ([*ONE, node("a", TRIGGER)], r"nodes\[2\]: job a stands in an earlier node too"),
        ([*ONE, node("b", "a", isValid=False)], r"nodes\[2\]: job b is deleted"),
        ([*ONE, {"type": "JOB"}], r"nodes\[2\] names no job"),
        ([node("a", "b"), node("b", "a")], "cycle"),
    ],
)
async def test_a_workflow_that_could_not_be_awaited_is_not_started(nodes, problem):
    service = Service(nodes, [[]])
    with pytest.raises(InvalidRequest, match=problem) as refused:
        await follow(service)
    assert not service.starts
    assert not refused.value.may_have_run


async def test_a_node_is_only_deleted_if_it_says_so_and_a_trigger_is_left_to_the_service():
    nodes = [node("a", TRIGGER, isValid=None), node(TRIGGER, kind="TRIGGER", isValid=False)]
    assert ids(await follow(Service(nodes, [[run("x1")]]))) == ["x1"]


@pytest.mark.parametrize("arguments", [{"seconds": -1}, {"seconds": "1"}, {"payload": "night shift"}])
async def test_bad_arguments_are_refused_before_anything_starts(arguments):
    service = Service(ONE, [[]])
    with pytest.raises(InvalidRequest, match=r"^(timeout|payload) must "):
        await follow(service, **arguments)
    assert not service.starts


async def test_the_payload_goes_out_with_the_start():
    async with scripted(Service(ONE, [[run("x1")]])) as server, client(server.url) as flow:
        await flow.run_workflow(WORKFLOW, payload={"by": "night-shift"})
    (start,) = [request for request in server.received if request.method == "POST"]
    assert base64.b64decode(start.headers["x-ncp-dataflow-payload"]) == b'{"by":"night-shift"}'


# --- the start itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "error", "may_have_run"),
    [
        (RESET, ResponseLost, True),
        (answer(202, "<html>"), DecodeError, True),
        (answer(400, {"detail": "scheduled", "errorType": "bad-state"}), BadState, False),
    ],
)
async def test_a_start_without_an_answer_is_not_repeated(accepted, error, may_have_run):
    service = Service(ONE, [[run("x1")]], accepted=accepted)
    with pytest.raises(error) as caught:
        await follow(service, retry=RetryPolicy(max_attempts=3))
    assert service.starts == 1
    assert caught.value.may_have_run is may_have_run


@pytest.mark.parametrize("before", [gateway_error(503, "500"), gateway_error(401, "210")])
async def test_nothing_starts_before_the_list_is_known(before):
    service = Service(ONE, [[run("x1")]])
    service.before = lambda _: before
    with pytest.raises(DataFlowError) as caught:
        await follow(service)
    assert not service.starts
    assert not caught.value.may_have_run


# --- which rows are ours -----------------------------------------------------------------------------------

OLD = [run("o1"), run("o2", "b"), run("o3", status="FAILED"), run("o4", "b", "CANCELED")]


async def test_rows_from_before_are_not_ours_whatever_becomes_of_them():
    before = [run("o1"), run("o2", status="RUNNING")]
    service = Service(ONE, [before, [run("o2"), run("x1", status="RUNNING"), *before]], before=before)
    assert ids(await follow(service)) == ["x1"]


async def test_rows_of_other_triggers_and_of_jobs_that_are_no_nodes_are_not_ours():
    others = [run("y1", triggerId="Tg0other0000"), run("y2", "c")]
    assert ids(await follow(Service(ONE, [others, [*others, run("x1")]]))) == ["x1"]


@pytest.mark.parametrize("receipt", [{"workflowId": WORKFLOW, "triggerId": TRIGGER}, {}])
async def test_a_row_without_a_trigger_counts(receipt):
    service = Service(ONE, [[run("x1", triggerId=None)]], accepted=answer(202, receipt))
    assert ids(await follow(service)) == ["x1"]


async def test_without_a_trigger_in_the_receipt_any_new_row_of_a_node_counts():
    service = Service(ONE, [[run("x1"), run("y2", "c")]], accepted=answer(202, {}))
    assert ids(await follow(service)) == ["x1"]


async def test_rows_come_late_in_any_order_and_may_be_missing_on_a_listing():
    """Not seen means unknown: `x1` is away on the look that shows `x2`."""
    looks = [
        OLD,
        [*OLD, run("x1", status="READY")],
        [],
        OLD[:1],
        [run("x2", "b", "READY"), *OLD[::-1]],
        [run("x2", "b"), run("x1")],
    ]
    service = Service(CHAIN, looks, before=OLD)
    runs = await follow(service)
    assert ids(runs) == ["x1", "x2"]
    assert {one.status for one in runs} == {"COMPLETED"}
    assert service.walks == len(looks)


def paged(rows, size, *, shift=0):
    """Pages capped at ``size``; all but the first begin ``shift`` rows early, as if rows had come in."""
    return lambda number: rows[max(0, number * size - shift * bool(number)) :][:size]


@pytest.mark.parametrize("shift", [0, 1])
async def test_every_page_is_read_however_pages_are_capped_and_shift(shift):
    many = [run(f"o{number}") for number in range(9)]
    looks = [paged([*many, run("x1")], 2, shift=shift)]
    service = Service(ONE, looks)
    service.before = paged(many, 2, shift=shift)
    assert ids(await follow(service)) == ["x1"]


async def test_a_row_that_one_walk_before_the_start_misses_is_not_taken_for_ours():
    service = Service(ONE, [[run("o1"), run("o2"), run("x1")]])
    walks = iter([[run("o1")], [], [run("o1"), run("o2")], []])
    service.before = lambda _: next(walks)
    assert ids(await follow(service)) == ["x1"]


async def test_a_known_run_is_awaited_by_its_id():
    looking = [run("x1", status="RUNNING")] * 50 + [run("x1")]
    service = Service(ONE, [[run("x1", status="RUNNING")]], runs={"x1": looking})
    assert ids(await follow(service)) == ["x1"]
    assert service.asked.count("x1") == 51
    assert service.walks == 2


async def test_a_row_without_a_status_is_looked_up():
    assert ids(await follow(Service(ONE, [[run("x1", status=None)]]))) == ["x1"]


# --- other starts ------------------------------------------------------------------------------------------


async def refused_to_guess(service, **settings):
    with pytest.raises(LaunchUncertain) as caught:
        await follow(service, **settings)
    assert caught.value.may_have_run
    assert service.starts == 1
    return caught.value


async def test_two_new_rows_of_a_job_are_ambiguous():
    error = await refused_to_guess(Service(ONE, [[run("x1", status="RUNNING"), run("y1")]]))
    assert ids(error.candidates) == ["x1", "y1"]
    assert all(isinstance(one, JobExecution) for one in error.candidates)
    assert "job a has 2 new runs (x1, y1)" in str(error)


async def test_a_row_of_another_start_that_shows_late_is_noticed_at_the_end():
    service = Service(ONE, [[run("x1", status="RUNNING")], [run("x1"), run("y1", status="READY")]])
    assert ids((await refused_to_guess(service)).candidates) == ["x1", "y1"]


async def test_candidates_stand_in_node_order_with_those_of_undoubted_jobs():
    error = await refused_to_guess(Service(CHAIN, [[run("y2", "b"), run("x2", "b"), run("x1")]]))
    assert ids(error.candidates) == ["x1", "y2", "x2"]
    assert "job a" not in str(error)
    assert "job b has 2 new runs (y2, x2)" in str(error)


DAYS_AGO = "2026-01-01T00:00:00.000+09:00"
LATER = "2099-01-01T00:00:00.000+09:00"
DEEP = [*CHAIN, node("c", "b")]


@pytest.mark.parametrize(
    ("before", "source"),
    [
        ([run("o1", status="RUNNING")], "o1"),
        ([run("o1", status="NEW_IN_2027")], "o1"),
        ([run("o1", endDate=LATER)], "o1"),
        ([run("o1", status=None)], "o1"),
        ([run("o1", endDate="2026-01-01T00:00:00.000")], "o1"),
        ([run("o1", endDate="some day")], "o1"),
        ([run("o1", status="ABORTED", endDate=LATER)], "o1"),
        ([run("o1", endDate=LATER), run("o2", endDate=LATER), run("o3", "b")], "o2"),
        ([run("o1", status="RUNNING", triggerId=None)], "o1"),
    ],
)
@pytest.mark.parametrize("job", ["b", "c"])
async def test_a_row_that_may_follow_an_earlier_run_is_ambiguous(before, source, job):
    """Ours or theirs: an earlier start may still bring a run of what follows job a."""
    nodes = DEEP if job == "c" else CHAIN
    ours = [run("x1"), *([run("x2", "b")] if job == "b" else [run("x3", "c")])]
    error = await refused_to_guess(Service(nodes, [[*before, *ours]], before=before))
    assert ids(error.candidates) == ids_of(ours)
    assert (
        f"job {job} has one new run ({ours[-1]['jobExecutionId']}), which may follow the earlier run {source}"
        in str(error)
    )


def ids_of(rows):
    return [row["jobExecutionId"] for row in rows]


@pytest.mark.parametrize(
    "before",
    [
        [run("o1", status="FAILED"), run("o2", status="CANCELED")],
        [run("o1", endDate=LATER), run("o2", "b", endDate=LATER)],
        [run("o1", endDate=LATER), run("o2", "b", "FAILED", endDate=LATER)],
        [run("o1", endDate=LATER), run("o2", "b", "RUNNING")],
        [run("o1", endDate=DAYS_AGO)],
        [run("o1", status="ABORTED", endDate=DAYS_AGO)],
        [run("o1", status="RUNNING", triggerId="Tg0other0000")],
        [run("o1", "c", "RUNNING")],
    ],
)
async def test_an_earlier_start_that_can_bring_no_more_rows_does_no_harm(before):
    service = Service(CHAIN, [[*before, run("x1"), run("x2", "b")]], before=before)
    assert ids(await follow(service)) == ["x1", "x2"]


async def test_an_earlier_run_that_fails_meanwhile_brings_no_more_rows():
    late = [run("o1", status="FAILED")]
    looks = [[run("o1", status="RUNNING"), run("x1")], [*late, run("x1"), run("x2", "b")]]
    service = Service(CHAIN, looks, before=[run("o1", status="RUNNING")])
    assert ids(await follow(service)) == ["x1", "x2"]


def test_a_time_proves_something_only_with_a_zone():
    aware = datetime(2026, 11, 1, tzinfo=KST)
    assert proven_time(read_moment("2026-11-01T00:00:00+09:00")) == aware.timestamp()
    assert proven_time(read_moment("2026-10-31T15:00:00Z")) == aware.timestamp()
    for text in ("2026-11-01T00:00:00", "some day"):
        assert proven_time(read_moment(text)) is None
    assert proven_time(None) is None


# --- dates -------------------------------------------------------------------------------------------------

NOW = 1_800_000_000.4


def dated(service, clock, *, off=0.0):
    """Let every answer of a service carry a Date, ``off`` seconds ahead of ``clock``."""

    def respond(request):
        head, _, rest = service(request).partition(b"\r\n")
        return head + f"\r\nDate: {formatdate(clock.now + off, usegmt=True)}\r\n".encode() + rest

    return respond


def at(moment, *, zone=9, shown="+09:00", digits=3):
    """A date as the service prints it."""
    text = datetime.fromtimestamp(moment, timezone(timedelta(hours=zone))).isoformat(timespec="milliseconds")
    return (text[:19] if not digits else text[:23]) + shown


async def follow_dated(service, *, off=0.0, clock=None, **settings):
    clock = clock or LeapClock(now=NOW)
    async with scripted(dated(service, clock, off=off)) as server:
        async with client(server.url, clock=clock, retry=ONCE, **settings) as flow:
            async with asyncio.timeout(5):
                return await flow.run_workflow(WORKFLOW)


@pytest.mark.parametrize("ago", [0.5, 3.0, 400.0, 90_000.0])
@pytest.mark.parametrize("status", ["COMPLETED", "RUNNING"])
async def test_a_run_dated_before_the_start_is_never_ours_listed_late_or_not(ago, status):
    late = run("o1", status=status, createdDate=at(NOW - ago - 0.5))
    ours = run("x1", createdDate=at(NOW + 0.1))
    service = Service(ONE, [[], [late], [late, ours]])
    assert ids(await follow_dated(service)) == ["x1"]


async def test_a_late_run_of_an_earlier_start_may_still_bring_another():
    late = run("o1", status="RUNNING", createdDate=at(NOW - 30))
    ours = [run("x1", createdDate=at(NOW + 0.1)), run("x2", "b", createdDate=at(NOW + 0.2))]
    with pytest.raises(LaunchUncertain, match=r"job b has one new run \(x2\), which may follow .* o1"):
        await follow_dated(Service(CHAIN, [[late, *ours]]))


@pytest.mark.parametrize("padding", ["", ".000"])
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.6, 0.999])
async def test_a_date_in_whole_seconds_keeps_nobody_from_their_run(fraction, padding):
    """A run created at ...05.7 is printed as ...05, which looks older than a start at ...05.4."""
    clock = LeapClock(now=1_800_000_000.0 + fraction)
    ours = run("x1", createdDate=at(clock.now + 0.01, shown=padding + "+09:00", digits=0))
    assert ids(await follow_dated(Service(ONE, [[ours]]), clock=clock)) == ["x1"]


@pytest.mark.parametrize("ago", [0.5, 3.0, 200.0])
async def test_without_any_date_header_our_own_clock_tells_the_start(ago):
    """The gateway has accepted our clock, and nothing contradicts it."""
    late = run("o1", status="RUNNING", createdDate=at(NOW - ago - 0.5))
    clock = LeapClock(now=NOW)
    for listed, found in (([run("x1", createdDate=at(NOW + 0.1))], ["x1"]), ([late], None)):
        async with (
            scripted(Service(ONE, [listed])) as server,
            client(server.url, clock=clock, retry=ONCE) as flow,
        ):
            if found:
                assert ids(await flow.run_workflow(WORKFLOW)) == found
            else:
                with pytest.raises(LaunchUncertain, match="may have begun before the start"):
                    await flow.run_workflow(WORKFLOW)


@pytest.mark.parametrize("off", [-7200.0, 660.0, 7200.0])
async def test_a_wrong_date_header_adopts_no_earlier_run(off):
    """All that was heard contradicts itself, so a date within tells nothing; one before it still does."""
    inside = run("x1", createdDate=at(NOW + 0.1))
    with pytest.raises(LaunchUncertain, match="may have begun before the start") as caught:
        await follow_dated(Service(ONE, [[inside]]), off=off)
    assert ids(caught.value.candidates) == ["x1"]
    earlier = run("o1", createdDate=at(NOW - 9000))
    assert ids(await follow_dated(Service(ONE, [[earlier, run("x1")]]), off=off)) == ["x1"]


@pytest.mark.parametrize("ended_ago", [10.0, 700.0])
async def test_a_wrong_date_header_settles_no_earlier_start(ended_ago):
    """By a Date two hours ahead a run that has just ended looks as if it could bring no more."""
    before = [run("o1", endDate=at(NOW - ended_ago))]
    service = Service(CHAIN, [[*before, run("x1"), run("x2", "b")]], before=before)
    with pytest.raises(LaunchUncertain, match="may follow the earlier run o1"):
        await follow_dated(service, off=7200.0)


async def test_dates_that_nothing_explains_adopt_nothing_and_hang_nowhere():
    """UTC printed as +09:00, and the run had ended before it was first listed."""
    ours = run("x1", createdDate=at(NOW + 0.1, zone=0), endDate=at(NOW + 1, zone=0))
    with pytest.raises(LaunchUncertain, match="dates are wrong") as caught:
        await follow_dated(Service(ONE, [[ours]]))
    assert caught.value.may_have_run
    assert ids(caught.value.candidates) == ["x1"]


@pytest.mark.parametrize("zone", [0, 5.75, 18])
@pytest.mark.parametrize("late", [True, False])
async def test_a_wrong_zone_is_learned_from_runs_that_were_watched(zone, late):
    """UTC or another zone printed as +09:00: our run looks hours old, or hours ahead; so do those of others."""
    clock = LeapClock(now=NOW)

    def listed(number):
        if number:
            return []
        over = clock.now > NOW + 400
        ours = run(
            "x1",
            status="COMPLETED" if over else "RUNNING",
            createdDate=at(NOW + 0.1, zone=zone),
            endDate=at(NOW + 400, zone=zone) if over else None,
        )
        others = run("o1", createdDate=at(NOW - 50, zone=zone), endDate=at(NOW - 10, zone=zone))
        return [others, ours] if late else [ours]

    service = Service(ONE, [listed])
    assert ids(await follow_dated(service, clock=clock)) == ["x1"]


@pytest.mark.parametrize("shift", [-32_400, 32_400, -3600])
async def test_an_emulator_with_wrong_dates_starts_and_awaits_all_the_same(shift):
    clock = LeapClock()
    weather = f"dates shift={shift}"
    async with Emulator(clock=clock, faults=weather) as server, server.client(clock=clock) as flow:
        workflow, jobs = await made(flow, SHAPES["job after job"])
        for _ in range(3):
            runs = await flow.run_workflow(workflow, timeout=86_400)
            assert [run.job_id for run in runs] == list(jobs.values())


async def test_a_service_whose_clock_is_ahead_of_its_gateways_loses_no_run():
    ours = run("x1", createdDate=at(NOW + 8))
    assert ids(await follow_dated(Service(ONE, [[ours]]))) == ["x1"]


async def test_a_list_that_lags_longer_than_another_start_waits_for_ours():
    late = run("o1", createdDate=at(NOW - 60))
    ours = run("x1", createdDate=at(NOW + 0.1))
    service = Service(ONE, [*[[late]] * 20, [late, ours]])
    assert ids(await follow_dated(service)) == ["x1"]


@pytest.mark.parametrize("cut", [True, False])
async def test_thirty_starts_in_a_row_are_all_told_apart_by_an_emulator(cut):
    clock = LeapClock()
    faults = "dates shift=0 fraction=cut" if cut else ""
    async with Emulator(clock=clock, faults=faults) as server, server.client(clock=clock) as flow:
        workflow, _ = await made(flow, SHAPES["one job"])
        for _ in range(30):
            clock.now += random.Random(7).random()
            (one,) = await flow.run_workflow(workflow, timeout=86_400)
            assert one.status == "COMPLETED"


# --- long histories ----------------------------------------------------------------------------------------


def history(pages, size, order):
    """Runs of earlier days, long over."""
    rows = [
        run(
            f"o{n}",
            createdDate=at(NOW - 100_000 - n * 60),
            endDate=at(NOW - 99_000 - n * 60),
            triggerId="other",
        )
        for n in range(pages * size)
    ]
    if order == "oldest first":
        rows.reverse()
    elif order == "any":
        random.Random(3).shuffle(rows)
    return rows


@pytest.mark.parametrize(
    ("order", "most"), [("newest first", 60 + 50), ("oldest first", 60 + 100), ("any", 60 * 3 + 200)]
)
async def test_a_long_history_is_not_read_again_at_each_poll(order, most):
    old = history(50, 2, order)
    ours = [run("x1", createdDate=at(NOW + 0.1))]
    looks = [paged(old, 2)] * 20 + [paged([*old, *ours] if order == "oldest first" else [*ours, *old], 2)]
    service = Service(ONE, looks, before=[])
    service.before = paged(old, 2)
    polls = [0]

    def shown(number):
        polls[0] += number == 0 or (order == "oldest first" and number == 49)
        return looks[min(polls[0] // (2 if order == "oldest first" else 1), 20)](number)

    service.looks = [shown]
    assert ids(await follow_dated(service)) == ["x1"]
    lists = sum(asked.startswith("list") for asked in service.asked)
    assert lists <= most


async def test_what_has_changed_deep_in_a_long_history_is_read_before_anybody_guesses():
    old = history(20, 2, "newest first")
    old[-1] = old[-1] | {"status": "RUNNING", "triggerId": TRIGGER, "endDate": None}
    now = [*old[:-1], old[-1] | {"status": "FAILED"}]
    ours = [run("x2", "b", createdDate=at(NOW + 50)), run("x1", createdDate=at(NOW + 0.1))]
    service = Service(CHAIN, [paged([*ours, *now], 2)])
    service.before = paged(old, 2)
    assert ids(await follow_dated(service)) == ["x1", "x2"]


@pytest.mark.parametrize("before_the_start", [True, False])
async def test_pages_that_time_out_are_asked_for_in_smaller_ones(before_the_start):
    service = Service(ONE, [[run("x1")]])
    limits = []

    def respond(request):
        query = parse_qs(urlsplit(request.target).query)
        if "limit" in query and bool(service.starts) is not before_the_start:
            limits.append(int(query["limit"][0]))
            if limits[-1] > 250:
                return gateway_error(504, "510")
        return service(request)

    assert ids(await follow(respond)) == ["x1"]
    assert limits[:3] == [1000, 500, 250]
    assert set(limits[3:]) <= {250}


async def test_a_stranger_in_between_who_refuses_the_list_for_half_an_hour_is_told():
    service = Service(ONE, [[], answer(403, "<html>Blocked</html>")])
    with pytest.raises(PermissionDenied) as caught:
        await follow(service)
    assert caught.value.may_have_run


def test_a_hundred_thousand_earlier_runs_are_counted_once():
    """Each poll asks which jobs they may still bring a run of."""
    earlier = EarlierRuns(frozenset({"COMPLETED"}), math.inf)
    for n in range(1000):
        earlier.note(JobExecution(f"o{n}", "a", status="COMPLETED"))
    asked = []

    def is_of_trigger(trigger):
        asked.append(trigger)
        return True

    assert earlier.open_jobs({"a": (), "b": ("a",)}, is_of_trigger, math.inf) == {"b": "o999"}
    assert len(asked) < 20


# --- ends --------------------------------------------------------------------------------------------------

FORK = [*ONE, node("b", "a"), node("c", TRIGGER), node("d", "b", "c")]


@pytest.mark.parametrize(("status", "error"), [("FAILED", ExecutionFailed), ("CANCELED", ExecutionCanceled)])
async def test_what_can_still_run_is_awaited_before_a_failure_is_told(status, error):
    running = [run("x3", "c", "RUNNING")] * 9 + [run("x3", "c")]
    service = Service(FORK, [[run("x3", "c", "RUNNING"), run("x1", "a", status)]], runs={"x3": running})
    with pytest.raises(error) as caught:
        await follow(service)
    assert caught.value.execution.job_execution_id == "x1"
    assert ids(caught.value.executions) == ["x1", "x3"]
    assert service.asked.count("x3") == 10


async def test_the_first_failure_in_node_order_is_told():
    service = Service(FORK, [[run("x3", "c", "CANCELED"), run("x1", "a", "FAILED")]])
    with pytest.raises(ExecutionFailed):
        await follow(service)
    service = Service(FORK[::-1], [[run("x3", "c", "CANCELED"), run("x1", "a", "FAILED")]])
    with pytest.raises(ExecutionCanceled):
        await follow(service)


async def test_a_run_behind_a_failure_is_awaited_if_there_is_one_after_all():
    looks = [[run("x1", status="FAILED"), run("x2", "b", "RUNNING")]]
    service = Service(CHAIN, looks, runs={"x2": [run("x2", "b", "RUNNING"), run("x2", "b")]})
    with pytest.raises(ExecutionFailed) as caught:
        await follow(service)
    assert [one.status for one in caught.value.executions] == ["FAILED", "COMPLETED"]


async def test_an_unknown_status_with_an_end_date_ends_it_and_a_taught_one_too():
    odd = run("x1", status="ABORTED", endDate=LATER)
    for policy in (PollPolicy(), PollPolicy(terminal_statuses={"ABORTED"})):
        with pytest.raises(ExecutionFailed) as caught:
            await follow(Service(CHAIN, [[odd]], runs={"x1": [odd]}), poll=policy)
        assert caught.value.execution.status == "ABORTED"


# --- weather -----------------------------------------------------------------------------------------------

WEATHER = {
    "503": gateway_error(503, "500"),
    "504": gateway_error(504, "510"),
    "429": gateway_error(429, "420"),
    "a reset": RESET,
    "not JSON": answer(200, "<html>"),
    "an early 404": answer(404, {"detail": "not yet", "errorType": "not-found"}),
    "nothing": answer(200),
}


@pytest.mark.parametrize("weather", WEATHER)
async def test_weather_between_the_looks_is_forgiven(weather):
    storm, found = WEATHER[weather], [run("x1", status="RUNNING")]
    service = Service(ONE, [storm, storm, found, storm, storm, [run("x1")]])
    assert ids(await follow(service)) == ["x1"]
    assert service.walks == 6


async def test_hours_after_the_last_look_at_the_list_an_early_404_is_still_early():
    hours = [run("x1", status="RUNNING")] * 300 + [run("x1")]
    missing = WEATHER["an early 404"]
    service = Service(ONE, [[run("x1", status="RUNNING")], missing, missing, []], runs={"x1": hours})
    clock = LeapClock()
    assert ids(await follow(service, clock=clock)) == ["x1"]
    assert clock.ticks > 3600


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(400, {"detail": "no", "errorType": "bad-parameter"}), BadRequest),
        (lambda _: gateway_error(401, "200"), AuthenticationFailed),
        (gateway_error(401, "210"), PermissionDenied),
        (gateway_error(429, "400"), QuotaExceeded),
    ],
)
async def test_what_will_not_heal_ends_it_and_says_that_it_may_have_run(given, error):
    service = Service(CHAIN, [[run("x1")], given])
    with pytest.raises(error) as caught:
        await follow(service)
    assert caught.value.may_have_run
    assert ids(caught.value.executions) == ["x1"]
    # keys that were accepted get one pause (ruling 24)
    assert service.walks == (3 if error is AuthenticationFailed else 2)


async def test_a_404_that_stays_ends_it_after_the_grace():
    clock = LeapClock()
    service = Service(ONE, [WEATHER["an early 404"]])
    with pytest.raises(NotFound) as caught:
        await follow(service, clock=clock)
    assert caught.value.may_have_run
    assert 60 <= clock.ticks < 70


async def test_what_will_not_heal_at_a_known_run_carries_its_ref():
    service = Service(ONE, [[run("x1", status="RUNNING")]], runs={"x1": [gateway_error(401, "210")]})
    with pytest.raises(PermissionDenied) as caught:
        await follow(service)
    assert caught.value.execution_ref == ExecutionRef("a", "x1")
    assert ids(caught.value.executions) == ["x1"]


async def test_retry_after_lengthens_the_pause_and_age_does_too():
    clock = LeapClock()
    service = Service(ONE, [gateway_error(429, "420", Retry_After="20"), *[[]] * 30, [run("x1")]])
    await follow(service, clock=clock)
    assert clock.naps[0] == 20
    assert 2 <= clock.naps[1] <= 3
    assert 24 <= clock.naps[-1] <= 36


async def test_a_minute_of_looking_in_vain_is_told_once(caplog):
    service = Service(CHAIN, [[run("x1")], *[[run("x1")]] * 30, [run("x1"), run("x2", "b")]])
    await follow(service)
    (told,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "a run of job b" in told.message


# --- time-outs ---------------------------------------------------------------------------------------------


async def test_the_first_look_comes_before_any_sleep():
    assert ids(await follow(Service(ONE, [[run("x1")]]), seconds=0)) == ["x1"]
    service = Service(ONE, [[]])
    with pytest.raises(WaitTimeout, match="no run") as caught:
        await follow(service, seconds=0)
    assert service.walks == 1
    assert caught.value.execution is caught.value.execution_ref is None
    assert caught.value.executions == ()
    assert caught.value.may_have_run


async def test_patience_is_counted_over_all_jobs():
    clock = LeapClock()
    half = {
        "x1": [*[run("x1", status="RUNNING")] * 8, run("x1")],
        "x2": [run("x2", "b", "RUNNING")],
    }
    looks = [[run("x1", status="RUNNING")], [run("x1"), run("x2", "b", "READY")]]
    service = Service(DEEP, looks, runs=half)
    with pytest.raises(WaitTimeout, match=r"timeout 20 s.*job a COMPLETED, job b RUNNING") as caught:
        await follow(service, seconds=20, clock=clock)
    assert clock.ticks == pytest.approx(20)
    assert caught.value.execution_ref == ExecutionRef("b", "x2")
    assert [one.status for one in caught.value.executions] == ["COMPLETED", "RUNNING"]


async def test_time_that_is_over_while_a_row_is_looked_for_ends_it():
    clock = LeapClock()
    with pytest.raises(WaitTimeout, match="job a COMPLETED"):
        await follow(Service(CHAIN, [[run("x1")]]), seconds=7, clock=clock)
    assert clock.ticks == pytest.approx(7)


async def test_a_poll_that_stalls_does_not_outlive_the_time_out():
    class Hurried(LeapClock):
        async def sleep(self, seconds, /):
            await super().sleep(0.95 if self.ticks == 0 else seconds)

    service = Service(ONE, [[], STALL])
    with pytest.raises(WaitTimeout):
        await asyncio.wait_for(follow(service, seconds=1, clock=Hurried(), timeout=30), 5)


async def test_the_last_poll_comes_at_the_deadline():
    """A gateway in an outage asks for a pause that is longer than the caller's patience."""
    busy = gateway_error(503, "500", Retry_After="43200")
    assert ids(await follow(Service(ONE, [busy, [run("x1")]]), seconds=30)) == ["x1"]
