"""The emulator against a bare aiohttp server: requests per second, CPU per request, and the price of a long list.

Both servers run in processes of their own and are loaded by the same raw sockets, interleaved round by round:

- the emulator checks every signature and holds 10,000 executions; one call reads one of them, the other starts another;
- the bare server has one handler that answers the same status, headers and body to whatever comes.

A page of 1,000 rows is asked of a job with 100,000 executions and of one with 1,000.
"""

import argparse
import asyncio
import hmac
import statistics
import time
import urllib.request
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from itertools import cycle, islice
from multiprocessing.connection import Connection

import attrs
from aiohttp import web

from benchmarks.instructions import Counted
from benchmarks.load import load
from benchmarks.process import serving
from dataflow_async.emulator import Emulator

HELD = 10_000
SHORT, LONG = 1_000, 100_000
ACCESS, SECRET = "BENCHMARK-ACCESS-KEY", "a-secret-of-some-length-0123456789"
LAUNCH = b'{"jobCondition":{"parameters":{"day":"2026-11-07"}}}'
AT_ONCE = (0.0, 0.0)
"""Runs end as they begin: their answers are as long as answers get."""


# --- servers ----------------------------------------------------------------------------------------------------------


async def emulator(pipe: Connection, *sizes: int) -> None:
    """Serve an emulator with one job for each size, which has that many executions."""
    server = Emulator(access_key=ACCESS, secret_key=SECRET, ready_seconds=AT_ONCE, run_seconds=AT_ONCE)
    jobs = [_job(server, size) for size in sizes]
    async with server:
        pipe.send((_port(server.url), jobs))
        await _tell_cpu(pipe)


def _job(server: Emulator, size: int) -> tuple[str, list[str]]:
    job_id = server.create_job("orders_rollup")
    return job_id, [server.launch(job_id, parameters={"day": "2026-11-07"}) for _ in range(size)]


async def _bare_runner(status: int, headers: dict[str, str], body: bytes) -> web.AppRunner:
    """Start a server with one answer."""

    async def handle(request: web.Request) -> web.Response:
        if request.method == "POST":
            await request.read()
        return web.Response(body=body, status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def bare(pipe: Connection, status: int, headers: dict[str, str], body: bytes) -> None:
    """Serve one answer."""
    runner = await _bare_runner(status, headers, body)
    pipe.send((runner.addresses[0][1], None))
    await _tell_cpu(pipe)


async def _tell_cpu(pipe: Connection) -> None:
    """Answer every question with the CPU seconds of this process so far."""

    def tell() -> None:
        pipe.recv()
        pipe.send(time.process_time())

    asyncio.get_running_loop().add_reader(pipe.fileno(), tell)
    await asyncio.Event().wait()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


# --- requests ---------------------------------------------------------------------------------------------------------


def signed(method: str, target: str, body: bytes = b"") -> bytes:
    """A whole request, to be sent within five minutes."""
    headers = "\r\n".join(f"{name}: {value}" for name, value in _signature(method, target).items())
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n{length}\r\n".encode() + body


def _signature(method: str, target: str) -> dict[str, str]:
    timestamp = str(int(time.time() * 1000))
    message = f"{method} {target}\n{timestamp}\n{ACCESS}".encode()
    return {
        "x-ncp-apigw-timestamp": timestamp,
        "x-ncp-iam-access-key": ACCESS,
        "x-ncp-apigw-signature-v2": b64encode(hmac.digest(SECRET.encode(), message, "sha256")).decode(),
    }


@attrs.frozen
class Requests:
    """Calls of one kind."""

    name: str
    method: str
    targets: Iterator[str]
    body: bytes = b""

    def signed(self, count: int) -> list[bytes]:
        """The next requests as bytes."""
        return [signed(self.method, target, self.body) for target in islice(self.targets, count)]

    def answer(self, port: int) -> tuple[int, dict[str, str], bytes]:
        """What the emulator answers to the next one, for the bare server to answer as well."""
        target = next(self.targets)
        headers = {"Content-Type": "application/json", **_signature(self.method, target)}
        url = f"http://127.0.0.1:{port}{target}"
        asked = urllib.request.Request(url, self.body or None, headers, method=self.method)
        with urllib.request.urlopen(asked) as answer:
            kept = ("Content-Type", "x-ncp-apigw-request-id")
            return answer.status, {name: answer.headers[name] for name in kept}, answer.read()


# --- measuring --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Rival:
    """A server under load."""

    pipe: Connection
    port: int

    def measure(self, requests: list[bytes], at_once: int) -> tuple[float, float, float]:
        """Give requests per second, and CPU microseconds per request of the server and of the load."""
        before = self._cpu()
        wall, own = asyncio.run(load(self.port, requests, at_once))
        each = 1e6 / len(requests)
        return len(requests) / wall, (self._cpu() - before) * each, own * each

    def _cpu(self) -> float:
        self.pipe.send("cpu")
        spent: float = self.pipe.recv()
        return spent


def _call(method: str, job_id: str, runs: list[str]) -> Requests:
    executions = f"/api/v1/jobs/{job_id}/executions"
    if method == "GET":
        return Requests("getJobExecutionById", "GET", cycle(f"{executions}/{run}" for run in runs))
    return Requests("executeJob", "POST", cycle([executions]), LAUNCH)


def ratios(rounds: int, count: int, at_once: int) -> dict[str, float]:
    """Return the requests per second of both calls as a share of the bare server's."""
    return {call: _ratio(results, "emulator") for call, results in _measured(rounds, count, at_once)}


def compare(rounds: int, count: int, at_once: int) -> None:
    """Measure both calls, and report."""
    print(f"\n{at_once} at once, {HELD:,} executions held; medians of {rounds} rounds of {count:,}\n")
    print(f"{'call':<24}{'server':<10}{'req/s':>10}{'CPU us':>10}{'load us':>10}{'x bare':>10}")
    for call, results in _measured(rounds, count, at_once):
        _report(call, results)


Results = dict[str, list[tuple[float, float, float]]]


def _measured(rounds: int, count: int, at_once: int) -> Iterator[tuple[str, Results]]:
    with ExitStack() as stack:
        pipe = stack.enter_context(serving(emulator, HELD))
        port, [(job_id, runs)] = pipe.recv()
        for call in (_call(method, job_id, runs) for method in ("GET", "POST")):
            other = stack.enter_context(serving(bare, *call.answer(port)))
            rivals = {"bare": Rival(other, other.recv()[0]), "emulator": Rival(pipe, port)}
            results: Results = {name: [] for name in rivals}
            for turn in range(rounds + 1):  # the first is to warm up
                for name in rivals if turn % 2 else reversed(rivals):
                    measured = rivals[name].measure(call.signed(count), at_once)
                    if turn:
                        results[name].append(measured)
            yield call.name, results


def _ratio(results: Results, name: str) -> float:
    return statistics.median(
        row[0] / bare[0] for row, bare in zip(results[name], results["bare"], strict=True)
    )


def _report(call: str, results: Results) -> None:
    for name, rows in results.items():
        rate, cpu, own = (statistics.median(column) for column in zip(*rows, strict=True))
        ratio = _ratio(results, name)
        print(f"{call:<24}{name:<10}{rate:>10.0f}{cpu:>10.1f}{own:>10.1f}{ratio:>10.2f}")


def lists(rounds: int, pages: int = 5) -> None:
    """Measure a page of a short list and pages of a long one, one request at a time, and report."""
    with serving(emulator, SHORT, LONG) as pipe:
        port, [(short, _), (long, _)] = pipe.recv()
        rival = Rival(pipe, port)
        targets = {
            f"the page of {SHORT:,}": f"/api/v1/jobs/{short}/executions?page=0&limit=1000",
            f"first of {LONG:,}": f"/api/v1/jobs/{long}/executions?page=0&limit=1000",
            f"last of {LONG:,}": f"/api/v1/jobs/{long}/executions?page=99&limit=1000",
        }
        spent: dict[str, list[float]] = {name: [] for name in targets}
        for turn in range(rounds + 1):
            for name, target in targets.items():
                rate, _, _ = rival.measure([signed("GET", target)] * pages, 1)
                if turn:
                    spent[name].append(1000 / rate)
    print(f"\n{'page of 1,000 rows':<24}{'ms':>10}{'x short':>10}")
    base = next(iter(spent.values()))
    for name, rows in spent.items():
        ratio = statistics.median(row / other for row, other in zip(rows, base, strict=True))
        print(f"{name:<24}{statistics.median(rows):>10.1f}{ratio:>10.2f}")


# --- by instructions --------------------------------------------------------------------------------------------------
#
# Server and load share a process here. The load alone, against a server that only writes bytes, is to be subtracted.


class _Bytes(asyncio.Protocol):
    """A server that reads no HTTP, and writes an answer to whatever arrives."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - asyncio passes what was received
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(self._answer)


async def _load_alone(method: str, count: int) -> None:
    async with _filled() as (port, job_id, runs):
        call = _call(method, job_id, runs)
        _, _, body = await asyncio.to_thread(call.answer, port)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: _Bytes(answer), "127.0.0.1", 0) as server:
        await load(server.sockets[0].getsockname()[1], call.signed(count), 16)


async def _bare_served(method: str, count: int) -> None:
    async with _filled() as (port, job_id, runs):
        call = _call(method, job_id, runs)
        answer = await asyncio.to_thread(call.answer, port)
    runner = await _bare_runner(*answer)
    try:
        await load(runner.addresses[0][1], call.signed(count), 16)
    finally:
        await runner.cleanup()


async def _emulator_served(method: str, count: int) -> None:
    async with _filled() as (port, job_id, runs):
        await load(port, _call(method, job_id, runs).signed(count), 16)


@asynccontextmanager
async def _filled() -> AsyncIterator[tuple[int, str, list[str]]]:
    server = Emulator(access_key=ACCESS, secret_key=SECRET, ready_seconds=AT_ONCE, run_seconds=AT_ONCE)
    job_id, runs = _job(server, 100)
    async with server:
        yield _port(server.url), job_id, runs


async def _bare_started(count: int) -> None:
    for _ in range(count):
        await (await _bare_runner(200, {}, b"")).cleanup()


async def _emulator_started(count: int) -> None:
    for _ in range(count):
        async with Emulator():
            pass


def _counted(served: Callable[[str, int], Awaitable[None]], method: str, rival: str = "") -> Counted:
    return Counted(lambda _, count, __: served(method, count), "request", 100, 400, rival=rival)


COUNTED = {
    "getJobExecutionById: load alone": _counted(_load_alone, "GET"),
    "getJobExecutionById: bare": _counted(_bare_served, "GET"),
    "getJobExecutionById: emulator": _counted(_emulator_served, "GET", "getJobExecutionById: bare"),
    "executeJob: load alone": _counted(_load_alone, "POST"),
    "executeJob: bare": _counted(_bare_served, "POST"),
    "executeJob: emulator": _counted(_emulator_served, "POST", "executeJob: bare"),
    "start and stop: bare": Counted(lambda _, count, __: _bare_started(count), "server", 20, 60),
    "start and stop: emulator": Counted(
        lambda _, count, __: _emulator_started(count), "server", 20, 60, rival="start and stop: bare"
    ),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks emulator", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=3000, help="requests per server and round")
    parser.add_argument("--at-once", type=int, default=64)
    options = parser.parse_args(argv)
    compare(options.rounds, options.count, options.at_once)
    lists(options.rounds)
