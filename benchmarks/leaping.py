"""Waiting over real sockets, with real CPU, on a clock that leaps over the time in which there is nothing to do.

So 10,000 runs of up to a minute are awaited in the seconds of CPU that they take, and other processes make nothing late: time
passes with the CPU of this one, and by leaps. The service takes its time from the timestamps that calls are signed with.
"""

import asyncio
import selectors
import time

import attrs

from benchmarks.service import Running, length_of
from dataflow_async import Credentials, DataFlow, ExecutionRef

KEYS = Credentials("AKIDEXAMPLE", "a-secret-of-some-length-0123456789")


class _Selector(selectors.DefaultSelector):
    """Leaps where the loop would have slept with no call in flight, and notes how long each turn of the loop takes."""

    def __init__(self) -> None:
        super().__init__()
        self.flow: DataFlow | None = None
        self.now = 0.0
        """Seconds since this began, as of this turn."""
        self.blocks: list[float] = []
        """CPU seconds of the longest turn of the loop around each page."""
        self._leapt = self._longest = 0.0
        self._pages = 0
        self._turn = self._began = time.thread_time()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._note()
        events = super().select(0)
        if not events and timeout != 0:
            if timeout is None or (self.flow is not None and self.flow._calls.limiter.acquired):
                events = super().select(timeout)
            else:
                self._leapt += timeout
        self._turn = time.thread_time()
        self.now = self._turn - self._began + self._leapt
        return events

    def _note(self) -> None:
        self._longest = max(self._longest, time.thread_time() - self._turn)
        if self.flow is not None and self._pages != self.flow._tracker.fetcher.pages:
            self._pages = self.flow._tracker.fetcher.pages
            self.blocks.append(self._longest)
            self._longest = 0.0


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _Selector) -> None:
        self._leaping = selector
        super().__init__(selector)

    def time(self) -> float:
        return self._leaping.now


@attrs.frozen
class _Clock:
    """Time of the leaping loop, on the day it began."""

    selector: _Selector
    began: float
    sleep = staticmethod(asyncio.sleep)

    def time(self) -> float:
        return self.began + self.selector.now

    def monotonic(self) -> float:
        return self.selector.now


@attrs.frozen
class Waited:
    """What it took to await runs."""

    cpu: float
    polls: int
    requests: int
    received: int
    """Bytes of bodies."""
    late: list[float]
    """Seconds from the end of each run to its being seen."""
    blocks: list[float]
    """CPU seconds of the longest turn of the loop around each page."""


def await_runs(running: Running, at_once: int) -> Waited:
    """Await all runs of a service, which began as it started."""
    selector = _Selector()
    clock = _Clock(selector, running.began)
    late: list[float] = []

    async def wait() -> int:
        refs = [ExecutionRef(*pair) for pair in running.pairs()]
        async with DataFlow(KEYS, base_url=running.url, max_concurrency=at_once, clock=clock) as flow:
            selector.flow = flow
            ended = [(run.job_execution_id, selector.now) async for run in flow.as_finished(refs)]
            late.extend(now - length_of(execution_id) for execution_id, now in ended)
            return flow.poll_stats.polls

    cpu = time.process_time()
    with asyncio.Runner(loop_factory=lambda: _Loop(selector)) as runner:
        polls = runner.run(wait())
    cpu = time.process_time() - cpu
    return Waited(cpu, polls, *running.traffic(), late, selector.blocks)
