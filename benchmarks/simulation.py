"""Waiting for many runs without a network and without waiting: the tracker against a service made of arithmetic."""

import asyncio
import random
import resource
import selectors
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dataflow_async import ExecutionRef, JobExecution, PollPolicy
from dataflow_async.polling.finished_runs import FinishedRuns
from dataflow_async.polling.tracker import Tracker
from dataflow_async.wire.run_rows import RunPage, RunRow

_JOB = "job000000000"


class _WarpSelector(selectors.DefaultSelector):
    """Time passes at once wherever the event loop would have slept."""

    warped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout:
            self.warped += timeout
        return events


class _Warp(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._selector_of_ours = _WarpSelector()
        super().__init__(self._selector_of_ours)

    def time(self) -> float:
        return self._selector_of_ours.warped


class _LoopClock:
    sleep = staticmethod(asyncio.sleep)

    def time(self) -> float:
        return self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class _Values(Sequence[dict[str, Any]]):
    """The JSON values of rows, made when they are needed."""

    def __init__(self, rows: list[RunRow]) -> None:
        self._rows = rows

    def __getitem__(self, index: Any) -> Any:
        row = self._rows[index]
        names = "jobExecutionId", "status", "createdDate"
        return dict(zip(names, row, strict=False))

    def __len__(self) -> int:
        return len(self._rows)


class _Service:
    """Runs that all began at 0, listed newest first; a page takes as long as it takes to make."""

    def __init__(self, count: int, shortest: float = 10.0, longest: float = 3600.0) -> None:
        draw = random.Random(7)
        self.ends = [shortest * (longest / shortest) ** draw.random() for _ in range(count)]
        self.made = 0.0
        self._dates = [
            datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="microseconds") for at in range(count)
        ]

    def _status(self, number: int, now: float) -> str:
        return "COMPLETED" if self.ends[number] <= now else "RUNNING"

    async def run_page(self, _: str, page: int, limit: int, /) -> RunPage:
        began = time.process_time()
        now = asyncio.get_running_loop().time()
        end = max(len(self.ends) - page * limit, 0)
        numbers = range(end - 1, max(end - limit, 0) - 1, -1)
        rows = [
            RunRow(f"r{number:07d}", self._status(number, now), self._dates[number]) for number in numbers
        ]
        self.made += time.process_time() - began
        return RunPage(rows, _Values(rows), _JOB)

    async def execution(self, _: str, execution_id: str, /) -> JobExecution:
        number = int(execution_id[1:])
        done = self.ends[number] <= asyncio.get_running_loop().time()
        return JobExecution(execution_id, _JOB, status="COMPLETED" if done else "RUNNING")


def _waiting(count: int) -> tuple[_Service, Tracker, FinishedRuns]:
    runs = _Service(count)
    refs = [ExecutionRef(_JOB, f"r{number:07d}") for number in range(count)]
    tracker = Tracker(runs, PollPolicy(), _LoopClock(), lambda: 32)
    return runs, tracker, FinishedRuns(tracker, refs, None)


async def _wait(count: int) -> tuple[float, str]:
    before = _resident()
    runs, tracker, pending = _waiting(count)
    cpu = time.process_time()
    peak = 0
    async with pending as endings:
        ended = 0
        async for _ in endings:
            ended += 1
            if ended == 1:
                peak = _resident() - before
    cpu = time.process_time() - cpu - runs.made
    assert ended == count
    stats = tracker.stats
    a_poll = cpu / stats.polls * 1e6
    return a_poll, (
        f"{count:>10,}{stats.requests:>10,}{stats.requests / count:>12.4f}{stats.polls / count:>10.1f}"
        f"{cpu / count * 1e6:>12.0f}{a_poll:>12.2f}{peak / count:>14.0f}"
    )


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def simulate(count: int) -> None:
    """Print a row: what waiting for so many runs of one job takes, by the virtual clock."""
    with asyncio.Runner(loop_factory=_Warp) as runner:
        print(runner.run(_wait(count))[1])


def cpu_of_a_poll(count: int) -> float:
    """Return the CPU microseconds of a poll, of so many runs of one job."""
    with asyncio.Runner(loop_factory=_Warp) as runner:
        return runner.run(_wait(count))[0]


def await_all(count: int) -> None:
    """Await so many runs of one job, each polled 45 times."""

    async def drain() -> None:
        _, _, pending = _waiting(count)
        async with pending as endings:
            async for _ in endings:
                pass

    with asyncio.Runner(loop_factory=_Warp) as runner:
        runner.run(drain())


def heading() -> None:
    """Print what the columns mean."""
    print(
        "\nsimulated, runs of 10 s to an hour of one job, by the virtual clock\n\n"
        f"{'runs':>10}{'requests':>10}{'a run':>12}{'polls':>10}{'CPU us/run':>12}{'us/poll':>12}{'bytes a run':>14}"
    )
