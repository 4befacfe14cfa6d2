"""Whatever happens, in whatever order: every wait ends exactly once, with what the service says at last."""

import asyncio
import math
import random

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dataflow_async import (
    DecodeError,
    InvalidRequest,
    JobExecution,
    NotFound,
    PermissionDenied,
    PollPolicy,
    WaitTimeout,
)
from dataflow_async.polling.tracker import Tracker
from tests.support.examples import example_count
from tests.support.fake_service import FakeService, missing, outage
from tests.support.warp import LoopClock, WarpLoop

JOBS = ("job one", "job two")
GRACE = 60.0
FAULTS = ("fine", "503", "503, later", "202 without a body", "not readable", "slow")
PAGES = (
    "fine",
    "403",
    "empty",
    "oldest first",
    "shuffled",
    "shifted",
    "doubled",
    "the same again",
    "junk",
    "dateless",
)
STALE = ("RUNNING", "READY", "WARMING_UP", None)
ENDED = "2026-11-01T00:00:00"


@attrs.define(eq=False)
class Wait:
    """What one waiter was promised, and what it got."""

    run: object
    began: float
    timeout: float | None
    subscription: object = None
    left: bool = False
    endings: list = attrs.field(factory=list)

    @property
    def live(self):
        return not self.left and not self.endings


class Waiting(RuleBasedStateMachine):
    capacity = 3

    def __init__(self):
        super().__init__()
        self.loop = WarpLoop()
        self.runner = asyncio.Runner(loop_factory=lambda: self.loop)
        self.draw = random.Random(4)
        self.fault = self.listed = "fine"
        self.waits, self.wrong = [], []
        self.gone = {}
        self.service = self.do(FakeService)
        self.service.get = self.get
        self.service.page = self.page
        self.tracker = Tracker(self, PollPolicy(), LoopClock(), lambda: self.capacity, self.draw.random)

    def do(self, action, *args, **named):
        """Run something in the loop, and let what it wakes run."""

        async def inside():
            result = action(*args, **named)
            for _ in range(5):
                await asyncio.sleep(0)
            return result

        return self.runner.run(inside())

    @property
    def now(self):
        return self.loop.time()

    @property
    def runs(self):
        return list(self.service.runs.values())

    @property
    def live(self):
        return [wait for wait in self.waits if wait.live]

    # --- the service, as the tracker meets it ---------------------------------------------------------------

    async def execution(self, job_id, execution_id, /):
        if not any(
            wait.run.ref.execution_id == execution_id and wait.run.ref.job_id == job_id for wait in self.live
        ):
            self.wrong.append(f"a poll of {execution_id} of {job_id} that nobody waits for")
        self.service.latency = 7.0 if self.fault == "slow" else 0.05
        return await self.service.execution(job_id, execution_id)

    async def run_page(self, job_id, page, limit, /):
        if not any(wait.run.ref.job_id == job_id for wait in self.live):
            self.wrong.append(f"a page of {job_id} that nobody waits for")
        self.service.latency = 7.0 if self.fault == "slow" else 0.05
        return await self.service.run_page(job_id, page, limit)

    def get(self, run, execution):
        if run in self.gone:
            raise missing()
        match self.fault:
            case "503":
                raise outage()
            case "503, later":
                raise outage(retry_after=20.0)
            case "not readable":
                raise DecodeError("not JSON", operation="getJobExecutionById", body="<html>")
            case "202 without a body":
                return JobExecution(execution.job_execution_id, execution.job_id)
        if run.status == "ODD" and self.now >= run.ends:
            return JobExecution(execution.job_execution_id, execution.job_id, status="ODD", end_date=ENDED)
        return execution

    def page(self, job_id, number, rows):
        hidden = {run.ref.execution_id for run in self.gone if run.ref.job_id == job_id}
        rows = [row for row in rows if row["jobExecutionId"] not in hidden]
        for row in rows:
            run = next(
                each
                for each in self.runs
                if each.ref.job_id == job_id and each.ref.execution_id == row["jobExecutionId"]
            )
            if run.script:
                row["status"] = run.script.pop(0)
                row.pop("endDate", None)
        match self.listed:
            case "403":
                raise PermissionDenied("no", status=403)
            case "empty":
                return []
            case "oldest first":
                return rows[::-1]
            case "shuffled":
                return self.draw.sample(rows, len(rows))
            case "shifted":
                foreign = [{"jobExecutionId": f"foreign{number}.{at}", "status": "READY"} for at in range(3)]
                return foreign + rows[: len(rows) // 2]
            case "doubled":
                return rows + rows
            case "the same again":
                return [{"jobExecutionId": "foreign", "status": "READY"}] * 5
            case "junk":
                return [
                    None,
                    7,
                    [],
                    {},
                    {"jobExecutionId": [1]},
                    *({**row, "status": 5} for row in rows[::2]),
                    *rows[1::2],
                ]
            case "dateless":
                return [{name: value for name, value in row.items() if name != "createdDate"} for row in rows]
        return rows

    # --- what happens there -----------------------------------------------------------------------------------

    @rule(job=st.sampled_from(JOBS), count=st.integers(1, 4))
    def launch(self, job, count):
        for _ in range(count):
            self.do(self.service.start, math.inf, job)

    def some(self, data, chosen):
        return data.draw(st.sampled_from(sorted(chosen, key=lambda run: str(run.ref))))

    @property
    def going(self):
        return [run for run in self.runs if run.ends == math.inf]

    @precondition(lambda self: self.going)
    @rule(data=st.data(), status=st.sampled_from(["COMPLETED", "FAILED", "CANCELED", "ODD"]))
    def finish(self, data, status):
        run = self.some(data, self.going)
        run.status, run.ends = status, self.now

    @precondition(lambda self: self.going)
    @rule(data=st.data(), states=st.lists(st.sampled_from(STALE), min_size=1, max_size=4))
    def go_backwards(self, data, states):
        self.some(data, self.going).script[:] = states

    @precondition(lambda self: set(self.going) - set(self.gone))
    @rule(data=st.data())
    def vanish(self, data):
        run = self.some(data, set(self.going) - set(self.gone))
        self.gone[run] = self.now

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def come_back(self, data):
        del self.gone[self.some(data, self.gone)]

    @rule(fault=st.sampled_from(FAULTS))
    def change_fault(self, fault):
        self.fault = fault

    @rule(listed=st.sampled_from(PAGES), cap=st.sampled_from([2, 5, 1000]))
    def change_lists(self, listed, cap):
        self.listed = listed
        self.service.cap = cap

    # --- what waiters do ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.runs)
    @rule(
        data=st.data(),
        timeout=st.one_of(st.none(), st.sampled_from([0.0, 0.5, 3.0, 40.0])),
        every_change=st.booleans(),
        count=st.integers(1, 3),
    )
    def wait(self, data, timeout, every_change, count):
        run = self.some(data, self.runs)
        for _ in range(count):
            self.do(self.subscribe, run, timeout, every_change)

    @rule(job=st.sampled_from(JOBS))
    def wait_for_all(self, job):
        def every():
            for run in self.runs:
                if run.ref.job_id == job:
                    self.subscribe(run, None, every_change=False)

        self.do(every)

    def subscribe(self, run, timeout, every_change):
        wait = Wait(run, self.now, timeout)

        def notify(subscription):
            if wait.left:
                self.wrong.append("a notification for a wait that has left")
            if subscription.over:
                wait.endings.append(subscription.error or subscription.news[-1])
                self.check(wait, wait.endings[-1])

        self.waits.append(wait)
        wait.subscription = self.tracker.subscribe(
            run.ref, notify, every_change=every_change, timeout=timeout
        )

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def leave(self, data):
        wait = data.draw(st.sampled_from(self.live))
        wait.left = True
        self.do(self.tracker.unsubscribe, wait.subscription)

    @precondition(lambda self: self.live)
    @rule(again=st.booleans())
    def all_leave(self, again):
        def everybody():
            leaving = self.live
            for wait in leaving:
                wait.left = True
                self.tracker.unsubscribe(wait.subscription)
            for wait in leaving if again else ():
                self.subscribe(wait.run, wait.timeout, every_change=False)

        self.do(everybody)

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 5.0, 30.0, 100.0]))
    def time_passes(self, seconds):
        self.runner.run(asyncio.sleep(seconds))

    @rule()
    def client_closes(self):
        live = self.live
        self.runner.run(self.tracker.aclose())
        assert all(isinstance(wait.endings[0], InvalidRequest) for wait in live)
        assert not self.tracker.jobs

    # --- what must hold -------------------------------------------------------------------------------------------

    def check(self, wait, ending):
        """Whether a wait may end like this, now."""
        run = wait.run
        if isinstance(ending, WaitTimeout):
            fair = wait.timeout is not None and self.now - wait.began >= wait.timeout - 0.002
        elif isinstance(ending, NotFound):
            fair = run in self.gone and self.now - self.gone[run] >= GRACE
        elif isinstance(ending, InvalidRequest):
            fair = "closed" in str(ending)
        else:
            fair = isinstance(ending, JobExecution) and run.ends <= self.now and ending.status == run.status
            fair = fair and ending.job_execution_id == run.ref.execution_id
        if not fair:
            self.wrong.append(f"{run.ref} of {run} ended with {ending!r}")

    @invariant()
    def nothing_went_wrong(self):
        assert self.wrong == []
        assert all(len(wait.endings) <= 1 for wait in self.waits)

    @invariant()
    def counters_and_queues_agree(self):
        live, tracker = self.live, self.tracker
        assert tracker.waiters == len(live)
        polled = {run.ref: run for job in tracker.jobs.values() for run in job.runs.values()}
        assert set(polled) == {wait.run.ref for wait in live}
        assert len(tracker.poll_loop.tasks) <= self.capacity + bool(live)
        assert tracker.poll_loop.is_running == bool(live)
        for run in polled.values():
            job = run.job
            assert [each.index for each in run.subscriptions] == list(range(len(run.subscriptions)))
            busy = job.queued or job.in_flight > 0
            if run.due is None:
                assert busy or run in job.due_now or run in job.single_polls
            else:
                assert run.heap_time is not None and run.heap_time <= run.due
            assert busy or (job.heap_time is not None and job.heap_time <= job.due)
            if job.queued:
                assert job in tracker.schedule.ready
        for job in tracker.jobs.values():
            assert job.in_flight or not job.planners
            held = job.due is not None and job.due <= max(job.backoff.resume_at, self.now)
            assert job.in_flight or job.queued or not job.due_now or held

    @invariant()
    def no_wait_outlasts_its_time_out(self):
        for wait in self.live:
            if wait.timeout is not None:
                assert self.now <= wait.began + max(wait.timeout + 1.0, 5.0) + 0.01

    def teardown(self):
        try:
            self.fault = self.listed = "fine"
            self.gone.clear()
            for run in self.runs:
                run.ends = min(run.ends, self.now)
            self.runner.run(asyncio.sleep(120))
            self.nothing_went_wrong()
            self.counters_and_queues_agree()
            assert self.live == []
            assert all(len(wait.endings) == (0 if wait.left else 1) for wait in self.waits if not wait.left)
            assert (
                not self.tracker.jobs
                and not self.tracker.schedule.ready
                and not self.tracker.poll_loop.is_running
            )
            assert asyncio.all_tasks(self.loop) == set()
        finally:
            self.runner.close()


TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(
    max_examples=example_count(25, 100),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
class TestWaitingDeeply(Waiting.TestCase):
    settings = settings(
        max_examples=1_500, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
