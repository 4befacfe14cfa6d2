"""What an investigation reads, and in which order."""

from types import SimpleNamespace

import attrs
import pytest

from dataflow_async import PollPolicy
from dataflow_async.bulk.launch_records import KnownRuns
from dataflow_async.bulk.null_store import NullStore
from dataflow_async.bulk.reconcile.collecting import EvidenceCollector
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches
from dataflow_async.bulk.reconcile.run_lister import RunLister
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import Job
from dataflow_async.models.page import Page
from dataflow_async.wire.decoding import decode
from dataflow_async.wire.listed_rows import ModelPage
from dataflow_async.wire.server_time import ServerTime
from tests.bulk.reconcile.test_dating import text
from tests.bulk.reconcile.test_matching import NAME, T, lost
from tests.support.clocks import LeapClock

JOB = "Jq3kT9vLmN2x"
DAY = {"day": "1"}


@attrs.define(eq=False)
class Account:
    """Runs of a job by what each listing shows; keeps what was read, and what store and service were asked for."""

    listings: list[list[str]]
    recorded: int = 0
    """Runs that the store has beforehand; another one at each further reading."""
    read: list[str] = attrs.field(factory=list)
    counted: list[set[bytes]] = attrs.field(factory=list)
    carried: int = 1
    """How many launches carry the same parameters, whichever they are."""
    shown: dict = attrs.field(factory=lambda: DAY)
    """The parameters that every run echoes."""

    async def listed_page(self, _job_id, number, _limit):
        if number:
            return ModelPage(decode(Page[JobExecution], {"list": []}, {}))
        self.read.append("list")
        ids = self.listings.pop(0)
        shown = [
            {
                "jobExecutionId": name,
                "jobId": JOB,
                "createdDate": text(T + at),
                "parsedParameters": self.shown,
            }
            for at, name in enumerate(ids)
        ]
        return ModelPage(decode(Page[JobExecution], {"list": shown}, {"jobId": JOB}))

    async def get(self, _job_id):
        self.read.append("job")
        return decode(Job, {"jobId": JOB}, {})

    async def collect(self, launches, *, settled=True):
        account = self

        class Store(NullStore):
            async def known_runs(self, _):
                account.read.append("store")
                account.recorded += 1
                return KnownRuns(
                    (f"r{n}", f"k{n}", T + n - 1, T + n, T + n + 1, text(T + n), False, True)
                    for n in range(account.recorded - 1)
                )

            async def count_parameters(self, _, digests):
                account.counted.append(set(digests))
                return dict.fromkeys(digests, account.carried)

        clock = LeapClock()
        lister = RunLister(self, PollPolicy(), clock, lambda: ServerTime(T + 9_999, T + 9_999))
        options = SimpleNamespace(correlation_parameter=NAME, assume_exclusive=False, visibility_delay=120.0)
        collector = EvidenceCollector(Store(), InFlightLaunches(), options, lister)
        return await collector.collect(JOB, launches, settled=settled)


async def test_the_store_is_read_before_the_first_listing_and_after_the_last_one():
    account = Account([["a"], ["a"]])
    evidence = await account.collect([lost("a")])
    assert account.read == ["store", "job", "list", "list", "store"]
    assert evidence.absence.consistent


async def test_one_listing_proves_no_absence():
    account = Account([["a"]])
    evidence = await account.collect([lost("a")], settled=False)
    assert account.read == ["store", "list", "store"]
    assert not evidence.absence.consistent


async def test_a_run_that_is_recorded_by_the_last_listing_is_nobody_elses():
    """It comes with the second listing, and is no difference between the two."""
    account = Account([["a"], ["a", "r0"]])
    evidence = await account.collect([lost("a")])
    assert evidence.absence.consistent
    assert set(evidence.runs.ids) == {"a"}


async def test_listings_that_differ_are_read_until_two_do_not():
    account = Account([["a"], ["a", "b"], ["a", "b"]])
    evidence = await account.collect([lost("a")])
    assert account.read == ["store", "job", "list", "list", "store", "list", "store"]
    assert evidence.absence.consistent


@pytest.mark.parametrize(
    ("launch", "counts"), [(lost("a", DAY), 1), (lost("a", {"day": "2"}), 2)], ids=["of it", "of any"]
)
async def test_a_run_that_shows_parameters_of_a_launch_shows_that_they_are_echoed(launch, counts):
    account = Account([["a"], ["a"]])
    evidence = await account.collect([launch])
    assert evidence.echoes
    assert len(account.counted) == counts


@pytest.mark.parametrize(
    ("shown", "carried", "echoes"),
    [
        ({NAME: "k0", "day": "odd"}, 0, True),
        ({NAME: "K0"}, 0, False),
        ({NAME: "K0"}, 1, False),
        ({"day": "1"}, 0, False),
        ({"day": "1"}, 1, True),
    ],
)
async def test_a_run_of_ours_that_shows_its_key_shows_that_parameters_are_echoed(shown, carried, echoes):
    account = Account([["r0"], ["r0"]], recorded=1, carried=carried, shown=shown)
    evidence = await account.collect([lost("a")])
    assert evidence.echoes == echoes
    assert evidence.garbles == (shown == {NAME: "K0"})
