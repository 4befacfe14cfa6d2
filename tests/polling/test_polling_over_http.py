"""Waiting over loopback, where the whole path matters: gate, sockets, loops and closing."""

import asyncio
import json
import threading
from contextlib import asynccontextmanager

import pytest

from dataflow_async import ExecutionRef, InvalidRequest
from dataflow_async.emulator import Emulator
from tests.support.client import client
from tests.support.clocks import LeapClock
from tests.support.internals import calls_of
from tests.support.scripted import STALL, answer, gateway_error, scripted


class Held:
    """A server that holds back every poll until it may answer, and answers launches at once."""

    def __init__(self):
        self.polls = self.most_polls = self.launches = 0
        self.may_answer = asyncio.Event()

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, target, _ = head.split(" ", 2)
                length = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
                await reader.readexactly(int(length[0].partition(":")[2]) if length else 0)
                job, _, run = target.removeprefix("/api/v1/jobs/").partition("/executions")
                if method == "POST":
                    self.launches += 1
                    run = f"/launched{self.launches}"
                else:
                    self.polls += 1
                    self.most_polls = max(self.most_polls, self.polls)
                    await self.may_answer.wait()
                    self.polls -= 1
                status = "READY" if method == "POST" else "COMPLETED"
                body = json.dumps({"jobExecutionId": run[1:], "jobId": job, "status": status}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def held():
    server = Held()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    try:
        yield server, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        server.may_answer.set()
        listener.close()


async def test_polls_take_half_of_all_calls_so_that_launches_never_starve():
    async with held() as (server, url), client(url, max_concurrency=8) as flow:
        waits = [asyncio.ensure_future(flow.wait(ExecutionRef(f"job{n}", f"run{n}"))) for n in range(100)]
        while server.polls < 4:
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            launched = await asyncio.gather(*(flow.jobs.execute(f"other{n}") for n in range(20)))
        assert [run.status for run in launched] == ["READY"] * 20
        assert server.most_polls == 4
        server.may_answer.set()
        assert {run.status for run in await asyncio.gather(*waits)} == {"COMPLETED"}


async def test_three_hundred_runs_of_a_job_cost_a_few_pages():
    clock = LeapClock()
    async with Emulator(clock=clock, run_seconds=(20.0, 400.0)) as server:
        async with server.client(clock=clock) as flow:
            job = (await flow.jobs.create("orders_rollup")).job_id
            refs = [ExecutionRef(job, server.launch(job)) for _ in range(300)]
            ended = [run async for run in flow.as_finished(refs)]
            assert {run.status for run in ended} == {"COMPLETED"}
            assert {run.ref for run in ended} == set(refs)
            stats = flow.poll_stats
    assert (stats.watched, stats.waiters) == (0, 0)
    assert stats.pages <= stats.requests < len(refs) / 3
    assert stats.polls > 15 * stats.requests


async def test_a_list_that_is_forbidden_is_replaced_by_single_polls():
    def serve(request):
        run = request.target.partition("/executions/")[2]
        return (
            answer(200, {"jobExecutionId": run, "status": "COMPLETED"}) if run else gateway_error(403, "230")
        )

    async with scripted(serve) as server, client(server.url) as flow:
        ended = await flow.wait_all([ExecutionRef("job", f"run{number}") for number in range(10)])
    assert [run.job_execution_id for run in ended] == [f"run{number}" for number in range(10)]
    assert sum("page=" in target for target in server.targets) == 1


async def test_closing_with_waits_pending_ends_them_all_and_leaves_nothing():
    before = asyncio.all_tasks()
    async with scripted(STALL) as server:
        flow = client(server.url)
        refs = [ExecutionRef(f"job{number % 20}", f"run{number}") for number in range(60)]
        endings = flow.as_finished(refs)

        async def watching():
            async for _ in flow.watch(refs[0]):
                pass

        tasks = [asyncio.ensure_future(flow.wait(ref)) for ref in refs]
        tasks += [asyncio.ensure_future(watching()), asyncio.ensure_future(anext(endings))]
        while len(server.received) < 20:
            await asyncio.sleep(0)
        await flow.aclose()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {InvalidRequest}
        assert calls_of(flow).limiter.acquired == 0
        assert flow.poll_stats.watched == 0
        with pytest.raises(InvalidRequest):
            await flow.wait(refs[0])
        await endings.aclose()
    assert asyncio.all_tasks() == before


async def test_another_event_loop_is_refused_while_this_one_waits():
    ref = ExecutionRef("job", "run")
    async with held() as (server, url), client(url) as flow:
        here = asyncio.ensure_future(flow.wait(ref))
        while not server.polls:
            await asyncio.sleep(0)
        problems = []

        def elsewhere():
            try:
                asyncio.run(flow.wait(ref))
            except InvalidRequest as error:
                problems.append(str(error))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
        assert len(problems) == 1 and "another event loop" in problems[0]
        server.may_answer.set()
        assert (await here).status == "COMPLETED"
        assert flow.poll_stats.waiters == 0
