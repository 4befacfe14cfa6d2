"""Reconciliation: what became of 1,000 lost launches of a job of which 100,000 runs are listed.

The pages are bodies made beforehand, so all that is measured is ours: decoding, what is kept of the rows, matching, and the
longest step of the event loop, in CPU time of its thread. Half of the launches have started, and half have not.

- recorded: the other runs are launches of the same journal;
- foreign: somebody else started them, with parameters that are echoed;
- older: so it was, more than a day before.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import Context
from datetime import UTC, datetime
from typing import Any, NamedTuple

import attrs

from benchmarks.instructions import Counted
from benchmarks.stub import EXECUTION
from dataflow_async import Job, Launch, PollPolicy
from dataflow_async.bulk.digests import digests, parameters_digest
from dataflow_async.bulk.launch_records import (
    JournalEntry,
    JournalPhase,
    KnownRun,
    KnownRuns,
    PlainKnownRun,
    Unresolved,
)
from dataflow_async.bulk.null_store import NullStore
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches
from dataflow_async.bulk.reconcile.reconciler import Reconciler
from dataflow_async.bulk.run_reads import RunReads
from dataflow_async.wire.decoding import decode
from dataflow_async.wire.listed_rows import ListedPage
from dataflow_async.wire.message import Answer
from dataflow_async.wire.server_time import ServerTime

JOB = "Jq3kT9vLmN2x"
NOW = 1_800_000_000.0
KINDS = "recorded", "foreign", "older"


_ROW = json.dumps(
    {
        **EXECUTION,
        **dict.fromkeys(("createdDate", "startDate", "endDate"), "%b"),
        "jobExecutionId": "%b",
        "triggerId": None,
        "type": "JOB",
        "parsedParameters": {"day": "%b"},
    }
).encode()
"""A row of 1.15 kB."""


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


@attrs.define(eq=False)
class _Options:
    correlation_parameter: str | None = None
    assume_exclusive: bool = False
    visibility_delay: float = 120.0


class _Clock:
    """One in which no time passes."""

    def time(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, _: float) -> None:
        await asyncio.sleep(0)


class _Store(NullStore):
    """What a journal has recorded, in memory: reading it is not what is measured."""

    def __init__(self, known: list[PlainKnownRun], lost: list[JournalEntry]) -> None:
        super().__init__()
        self._known = KnownRuns(known)
        self._lost = {it.key: it for it in lost}
        self._carried = {it.parameters: 1 for it in lost}

    async def known_runs(self, _: str) -> Sequence[KnownRun]:
        return self._known

    async def unresolved(self, _: str) -> list[Unresolved]:
        return [Unresolved(it.key, it.attempt, it.settings, it.parameters) for it in self._lost.values()]

    async def count_parameters(self, _: str, digests: Collection[bytes]) -> dict[bytes, int]:
        return {digest: self._carried.get(digest, 0) for digest in digests}

    async def accepted(self, key: str, *_: Any, **__: Any) -> None:
        del self._lost[key]


class _Account:
    """The pages of a job's runs, newest first, and what a journal has of them."""

    def __init__(self, kind: str, lost: int, listed: int) -> None:
        self.launches = [Launch(JOB, key=f"lost-{n}", parameters={"day": f"lost-{n}"}) for n in range(lost)]
        apart = 3_600.0 / listed
        known: list[PlainKnownRun] = []
        rows: list[bytes] = []
        intents: list[float] = []
        every = listed // (lost + 1)
        for number in range(listed):
            at = NOW - 7_200.0 + number * apart
            if number % every == every - 1 and len(intents) < lost:
                if len(intents) % 2:
                    rows.append(self._row(f"own{number:07d}", f"lost-{len(intents)}", at))
                intents.append(at)
            shown = at - 3 * 86_400.0 if kind == "older" and 100 < number < listed - 100 else at
            key = f"{kind}-{number}"
            rows.append(self._row(f"r{number:07d}", key, shown))
            if kind == "recorded" or number < 100 or number > listed - 100:
                known.append((f"r{number:07d}", key, at - 0.3, at + 0.2, at + 0.5, _date(at), False, True))
        rows.reverse()
        self.bodies = [
            b'{"list":[%b],"count":%d,"page":0,"limit":1000}'
            % (b",".join(rows[start : start + 1000]), len(rows))
            for start in range(0, len(rows), 1000)
        ]
        self.entries = [
            JournalEntry(
                launch.key or "",
                1,
                JOB,
                digests(launch)[0],
                parameters_digest({"day": launch.key}),
                JournalPhase.UNKNOWN,
                at - 0.3,
                at + 0.2,
                NOW - 3_600.0,
            )
            for launch, at in zip(self.launches, intents, strict=True)
        ]
        self.store = _Store(known, self.entries)

    @staticmethod
    def _row(execution_id: str, key: str, at: float) -> bytes:
        dates = (_date(at), _date(at + 1), _date(at + 60))
        return _ROW % tuple(each.encode() for each in (execution_id, *dates, key))

    def answer(self, number: int) -> Answer:
        body = self.bodies[number] if number < len(self.bodies) else b'{"list":[]}'
        return Answer(200, {}, body, 1)

    async def get(self, _: str, /) -> Job:
        shown = {"jobId": JOB, "lastExecutionDate": _date(NOW - 3_601.0), "lastExecutionStatus": "COMPLETED"}
        return decode(Job, shown, {})

    async def page_by(
        self, read: Callable[..., ListedPage], operation: Any, job_id: str, *, query: Mapping[str, Any]
    ) -> ListedPage:
        return read(operation, self.answer(int(query["page"])), job_id)


class _TimedLoop(asyncio.SelectorEventLoop):
    """Measures the CPU of every step, with the garbage collections in it and without."""

    def __init__(self) -> None:
        super().__init__()
        self.longest = self.longest_own = 0.0
        self._collecting = self._collection_began = 0.0
        gc.callbacks.append(self._collection)

    def close(self) -> None:
        super().close()
        if self._collection in gc.callbacks:
            gc.callbacks.remove(self._collection)

    def _collection(self, phase: str, _: object) -> None:
        if phase == "start":
            self._collection_began = time.thread_time()
        else:
            self._collecting += time.thread_time() - self._collection_began

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        def timed() -> None:
            began, collecting = time.thread_time(), self._collecting
            callback(*args)
            took = time.thread_time() - began
            self.longest = max(self.longest, took)
            self.longest_own = max(self.longest_own, took - (self._collecting - collecting))

        return super().call_soon(timed, context=context)


async def reconcile(account: _Account) -> dict[str, int]:
    """Resolve all lost launches of an account; return how many came to which end."""
    calls: Any = account
    reads = RunReads(calls, calls)
    reconciler = Reconciler(
        reads, account.store, InFlightLaunches(), _Options(), PollPolicy(), _Clock(), _server_time
    )
    results = await asyncio.gather(
        *(
            reconciler.resolve(
                entry, 0.0, launch, launch.parameters or {}, correlated=False, more_may_come=bool
            )
            for entry, launch in zip(account.entries, account.launches, strict=True)
        )
    )
    return {kind.__name__: sum(type(it) is kind for it in results) for kind in {type(it) for it in results}}


def _server_time() -> ServerTime:
    return ServerTime(NOW - 0.2, NOW + 0.2)


class Measured(NamedTuple):
    """What reconciliation took, in seconds of CPU."""

    seconds: float
    longest: float
    """Of all steps of the event loop."""
    longest_own: float
    """The same, if garbage collections are not counted."""
    ends: dict[str, int]
    """How many launches came to which end."""


def measured(kind: str, lost: int, listed: int) -> Measured:
    """Measure it in this process."""
    account = _Account(kind, lost, listed)
    gc.collect()
    with asyncio.Runner(loop_factory=_TimedLoop) as runner:
        cpu = time.process_time()
        ends = runner.run(reconcile(account))
        cpu = time.process_time() - cpu
        loop = runner.get_loop()
        assert isinstance(loop, _TimedLoop)
        return Measured(cpu, loop.longest, loop.longest_own, ends)


def _work(kind: str) -> Callable[[str, int, str], Any]:
    async def work(_: str, count: int, __: str) -> None:
        await reconcile(_Account(kind, 50, count))

    return work


COUNTED = {f"{kind} runs": Counted(_work(kind), "listed run", 1_000, 5_000) for kind in KINDS}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks reconcile", description=__doc__)
    parser.add_argument("--lost", type=int, default=1_000)
    parser.add_argument("--listed", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default=",".join(KINDS), help="comma-separated")
    options = parser.parse_args(argv)
    print(f"\n{options.lost:,} lost launches against {options.listed:,} listed runs, listed twice\n")
    print(f"{'runs':<12}{'CPU s':>8}{'longest step, ms':>18}{'without collections':>21}  results")
    for kind in options.kinds.split(","):
        rounds = [measured(kind, options.lost, options.listed) for _ in range(options.rounds)]
        cpu = statistics.median(each.seconds for each in rounds)
        longest = statistics.median(each.longest for each in rounds) * 1000
        own = statistics.median(each.longest_own for each in rounds) * 1000
        print(f"{kind:<12}{cpu:>8.2f}{longest:>18.1f}{own:>21.1f}  {rounds[0].ends}", flush=True)
