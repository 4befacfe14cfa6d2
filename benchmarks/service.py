"""A Data Flow of runs alone, in a process of its own, as cheap as Python can make it: it must not be what is measured.

It has three calls: start a run, read one, read a page of a job's runs (newest first). A run's length is part of its
id, so that the benchmark can compute when it should have ended. Signatures are not checked.
"""

import asyncio
import json
import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from multiprocessing.connection import Connection

import attrs

from benchmarks.stub import EXECUTION

_KST = timezone(timedelta(hours=9))
_MARKS = ("@id@", "@job@", "@status@", "@created@")
_ROW = json.dumps(
    {**EXECUTION, **dict(zip(("jobExecutionId", "jobId", "status", "createdDate"), _MARKS, strict=True))}
)
_BEFORE_ID, _REST = _ROW.split("@id@")
_BEFORE_JOB, _REST = _REST.split("@job@")
_BEFORE_STATUS, _REST = _REST.split("@status@")
_BEFORE_CREATED, _AFTER = _REST.split("@created@")


@attrs.frozen
class Lengths:
    """How long runs take: log-uniform between these seconds."""

    shortest: float
    longest: float
    seed: int = 7

    def source(self) -> Iterator[float]:
        draw = random.Random(self.seed)
        ratio = self.longest / self.shortest
        while True:
            yield self.shortest * ratio ** draw.random()


def length_of(execution_id: str) -> float:
    """Seconds that this run takes."""
    return int(execution_id.rpartition("x")[2]) / 1000


class _Run:
    __slots__ = ("created", "ends", "head", "text")

    def __init__(self, number: int, job_id: str, seconds: float, created: float) -> None:
        execution_id = f"r{number:07d}x{seconds * 1000:06.0f}"
        date = datetime.fromtimestamp(created, _KST).isoformat(timespec="milliseconds")
        self.created = created
        self.ends = created + round(seconds * 1000) / 1000
        self.head = f"{_BEFORE_ID}{execution_id}{_BEFORE_JOB}{job_id}{_BEFORE_STATUS}"
        self.text = f"{_BEFORE_CREATED}{date}{_AFTER}"

    def row(self, now: float) -> str:
        return self.head + ("COMPLETED" if self.ends <= now else "RUNNING") + self.text


class _Service:
    def __init__(self, jobs: list[str], runs: int, lengths: Lengths, older: int) -> None:
        self.lengths = lengths.source()
        self.requests = self.sent = 0
        self.count = 0
        self.jobs: dict[str, list[_Run]] = {job: [] for job in jobs}
        self.runs: dict[str, _Run] = {}
        now = time.time()
        for number in range(older):
            self.start(jobs[number % len(jobs)], now - 86_400 + number / older)
        self.runs.clear()
        self.began = now
        for number in range(runs):
            self.start(jobs[number % len(jobs)], now)

    def start(self, job_id: str, now: float) -> _Run:
        seconds = next(self.lengths)
        run = _Run(self.count, job_id, seconds, now)
        self.runs[f"r{self.count:07d}x{seconds * 1000:06.0f}"] = run
        self.jobs[job_id].append(run)
        self.count += 1
        return run

    def answer(self, method: str, target: str, now: float) -> tuple[int, str]:
        self.requests += 1
        path, _, query = target.partition("?")
        parts = path.split("/")  # /api/v1/jobs/JOB/executions[/RUN]
        if method == "POST":
            return 202, self.start(parts[4], now).row(now)
        if len(parts) == 7:
            run = self.runs[parts[6]]
            return 200 if run.ends <= now else 202, run.row(now)
        asked = dict(pair.split("=") for pair in query.split("&"))
        page, limit = int(asked["page"]), int(asked["limit"])
        runs = self.jobs[parts[4]] if len(parts) > 4 else []
        end = max(len(runs) - page * limit, 0)
        rows = ",".join([run.row(now) for run in reversed(runs[max(end - limit, 0) : end])])
        return 200, f'{{"list":[{rows}],"count":{len(runs)},"page":{page},"limit":{limit}}}'


def _now(head: bytes) -> float:
    """The time of whoever signed the request, whose clock may leap; else ours."""
    _, _, stamp = head.partition(b"x-ncp-apigw-timestamp: ")
    return int(stamp.partition(b"\r")[0]) / 1000 if stamp else time.time()


class _Protocol(asyncio.Protocol):
    def __init__(self, service: _Service) -> None:
        self._service = service
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            size = 0
            if head.startswith(b"POST"):
                at = head.lower().find(b"content-length:")
                size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + size:
                return
            self._buffer = self._buffer[end + 4 + size :]
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            status, body = self._service.answer(method, target, _now(head))
            assert self._transport is not None
            self._service.sent += len(body)
            self._transport.write(
                f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )


async def _serve(pipe: Connection, jobs: list[str], runs: int, lengths: Lengths, older: int) -> None:
    service = _Service(jobs, runs, lengths, older)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Protocol(service), "127.0.0.1", 0, backlog=1024)
    pipe.send((server.sockets[0].getsockname()[1], list(service.runs), service.began))

    def asked() -> None:
        pipe.recv()
        pipe.send((service.requests, service.sent))

    loop.add_reader(pipe.fileno(), asked)
    await server.serve_forever()


def _run(pipe: Connection, jobs: list[str], runs: int, lengths: Lengths, older: int) -> None:
    asyncio.run(_serve(pipe, jobs, runs, lengths, older))


@attrs.frozen
class Running:
    """A service that runs: its address, and the ids of the runs it began with, job by job in turn."""

    url: str
    jobs: list[str]
    executions: list[str]
    began: float
    """When these runs began, in seconds since the epoch."""
    _pipe: Connection

    def requests(self) -> int:
        """How many requests it has had."""
        return self.traffic()[0]

    def traffic(self) -> tuple[int, int]:
        """How many requests it has had, and how many bytes of bodies it has sent."""
        self._pipe.send("traffic")
        traffic: tuple[int, int] = self._pipe.recv()
        return traffic

    def pairs(self) -> list[tuple[str, str]]:
        """Job id and run id of each run it began with."""
        return [(self.jobs[number % len(self.jobs)], each) for number, each in enumerate(self.executions)]


@contextmanager
def service(jobs: int, runs: int, lengths: Lengths, older: int = 0) -> Iterator[Running]:
    """Give a service with so many jobs, and runs spread over them that begin as it starts; ``older`` ones ended long ago."""
    names = [f"job{number:09d}" for number in range(jobs)]
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_run, args=(theirs, names, runs, lengths, older), daemon=True
    )
    process.start()
    try:
        port, executions, began = ours.recv()
        yield Running(f"http://127.0.0.1:{port}", names, executions, began, ours)
    finally:
        process.terminate()
        process.join()
