"""A long list costs garbage collections next to nothing: they walk a few of its runs, not each of them."""

import gc
import json
from types import SimpleNamespace

import pytest

from dataflow_async import PollPolicy
from dataflow_async.bulk.launch_records import KnownRuns
from dataflow_async.bulk.null_store import NullStore
from dataflow_async.bulk.reconcile.collecting import EvidenceCollector
from dataflow_async.bulk.reconcile.dating import DateReader
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches
from dataflow_async.bulk.reconcile.run_index import RunIndex
from dataflow_async.bulk.reconcile.run_lister import RunLister
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import Job
from dataflow_async.models.page import Page
from dataflow_async.wire import jsontext
from dataflow_async.wire.decoding import decode
from dataflow_async.wire.listed_rows import ModelPage, read_fast
from dataflow_async.wire.server_time import ServerTime
from tests.bulk.reconcile.test_dating import text
from tests.bulk.reconcile.test_matching import NAME, T, lost, run
from tests.support.clocks import LeapClock

JOB, RUNS = "Jq3kT9vLmN2x", 4_000


def rows(number):
    shown = {"parsedParameters": {NAME: f"other{number}", "day": "1"}, "status": "COMPLETED"}
    return {"jobExecutionId": f"r{number}", "jobId": JOB, "createdDate": text(T + number), **shown}


def whole(body):
    return ModelPage(decode(Page[JobExecution], jsontext.read(body), {"jobId": JOB}))


def fast(body):
    pytest.importorskip("msgspec")
    return read_fast(body, JOB)


class Store(NullStore):
    """It has recorded every second run."""

    async def known_runs(self, _):
        return KnownRuns(
            (f"r{n}", f"k{n}", T + n - 1, T + n, T + n + 1, text(T + n), False, True)
            for n in range(0, RUNS, 2)
        )


@pytest.mark.parametrize("read", [whole, fast])
async def test_a_collection_walks_few_of_the_runs_that_an_investigation_holds(read):
    bodies = [
        json.dumps({"list": [rows(number) for number in range(at, at + 1_000)]}).encode()
        for at in range(0, RUNS, 1_000)
    ]

    async def listed_page(_job_id, number, _limit):
        return read(bodies[number] if number < len(bodies) else b'{"list": []}')

    async def get(_job_id):
        return decode(Job, {"jobId": JOB}, {})

    clock = LeapClock()
    service = SimpleNamespace(listed_page=listed_page, get=get)
    lister = RunLister(service, PollPolicy(), clock, lambda: ServerTime(T + 9_999, T + 9_999))
    options = SimpleNamespace(correlation_parameter=NAME, assume_exclusive=False, visibility_delay=120.0)
    collector = EvidenceCollector(Store(), InFlightLaunches(), options, lister)
    launches = [lost("a", {"day": "1"}), lost("b", correlated=True)]

    async def held():
        gc.collect()
        before = len(gc.get_objects())
        evidence = await collector.collect(JOB, launches, settled=True)
        gc.collect()
        gc.collect()
        return evidence, len(gc.get_objects()) - before

    await held()  # what is made once
    evidence, walked = await held()
    assert len(evidence.runs) == RUNS / 2
    assert walked < RUNS / 10


def test_a_run_is_the_same_in_all_answers():
    launch = lost("a", {"day": "1"}, correlated=True)
    index = RunIndex([launch], [run({NAME: "a", "day": "1"})])
    (named,) = index.named("a")
    assert [*index.since(T, DateReader())] == [named]
    assert [*index.echoing(launch.sent)] == [*index.with_key_or_without_one("a")] == [named]


def test_only_keys_in_question_are_asked_for():
    with pytest.raises(KeyError):
        RunIndex([lost("a")], [run({NAME: "z"})]).named("z")
