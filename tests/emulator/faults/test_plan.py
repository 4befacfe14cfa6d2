"""The plan of faults: which faults are injected into which request, equally for equal seeds."""

import pytest

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.faults.plan import FaultPlan


def injected(plan, operations):
    """The kinds injected into each of these requests."""
    return [[fault.kind.name for fault in plan.inject(operation)] for operation in operations]


# --- which requests ---------------------------------------------------------------------------------------------------


def test_a_fault_is_injected_into_its_operations_only():
    plan = FaultPlan()
    plan.add("reset", operation="executeJob")
    plan.add("500", operation=["getJobs", "getJobById"])
    plan.add("close")

    assert injected(plan, ["executeJob", "getJobs", "getTriggers", None]) == [
        ["reset", "close"], ["500", "close"], ["close"], ["close"],
    ]  # fmt: skip


def test_count_and_exact_numbers_count_matching_requests_only():
    plan = FaultPlan()
    twice = plan.add("reset", operation="executeJob", count=2)
    exact = plan.add("503", operation="executeJob", requests=[2, 4])

    requests = ["executeJob", "getJobs"] * 5
    assert injected(plan, requests)[::2] == [["reset"], ["reset", "503"], [], ["503"], []]
    assert (twice.matched, twice.injected, exact.injected) == (5, 2, 2)


@pytest.mark.parametrize("probability", [0, 0.05, 0.5, 1])
def test_probability_is_the_share_that_is_injected(probability):
    plan = FaultPlan(seed=7)
    fault = plan.add("reset", probability=probability)

    injected(plan, ["getJobs"] * 10_000)
    assert abs(fault.injected / 10_000 - probability) < 0.01


def test_the_same_seed_and_requests_give_the_same_faults():
    def chances(seed, requests):
        plan = FaultPlan(seed, "reset 30%; executeJob 500 50%; latency distribution=exponential 20%")
        return [[(fault.kind.name, fault.chance.random()) for fault in plan.inject(it)] for it in requests]

    requests = ["executeJob", "getJobs", None] * 50
    assert chances(1, requests) == chances(1, requests)
    assert chances(1, requests) != chances(2, requests)


def test_one_fault_does_not_change_the_chance_of_another():
    alone = FaultPlan(3)
    alone.add("reset", probability=0.5)
    crowd = FaultPlan(3)
    crowd.add("reset", probability=0.5)
    crowd.add("500", probability=0.5)

    assert [("reset" in it) for it in injected(alone, ["getJobs"] * 100)] == [
        ("reset" in it) for it in injected(crowd, ["getJobs"] * 100)
    ]


async def test_the_same_requests_meet_the_same_faults_on_the_wire(clock):
    from tests.emulator.conftest import session_of

    async def status(api, number):
        try:
            return (await api.send("GET", f"/api/v1/jobs?page={number}")).status
        except ValueError:
            return "no JSON"

    async def statuses():
        async with (
            Emulator(clock=clock, seed=5, faults="500 30%; 429 30%; html 30%") as server,
            session_of(server) as api,
        ):
            return [await status(api, number) for number in range(40)]

    first = await statuses()
    assert first == await statuses()
    assert {200, 429, 500, "no JSON"} <= set(first)


def test_a_fault_can_be_removed():
    plan = FaultPlan(text="reset; close")
    first, second = plan
    plan.remove(first)
    plan.remove(first)
    assert list(plan) == [second]
    plan.clear()
    assert not plan and injected(plan, ["getJobs"]) == [[]]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("rain", {}, "kind must be one of refuse, .*, bandwidth, got 'rain'"),
        ("reset", {"probability": 1.5}, "probability must be a number from 0 to 1, got 1.5"),
        ("reset", {"probability": True}, "probability .*, got True"),
        ("reset", {"probability": "5%"}, "probability .*, got '5%'"),
        ("reset", {"count": 0}, "count must be a whole number, 1 or more, got 0"),
        ("reset", {"requests": [1, 0]}, "requests must be a whole number, 1 or more, got 0"),
        ("reset", {"requests": []}, "requests must be a list of at least one number"),
        ("reset", {"when": "later"}, "when must be before or after, got 'later'"),
        ("reset", {"operation": "runJob"}, "reset: operation must be of cancelJobExecution, .*, got runJob"),
        ("reset", {"operation": []}, "operation must be of"),
        ("reset", {"sky": 1}, "reset: details must be of no details, got 'sky'"),
        ("429", {"when": "after"}, "429: when must be before, because the gateway refuses before .*, got after"),
        ("half-body", {"when": "before"}, "half-body: when must be after, because it changes how an answer arrives"),
        ("unknown-status", {"when": "before"}, "must be after, because it changes an answer"),
        ("list-order", {"operation": "executeJob"}, "list-order: operation must be of getJobExecutions, .*, got executeJob"),
        ("list-order", {"order": "sideways"}, "list-order: order must be one of random, oldest, newest, swapped, got 'sideways'"),
        ("accept-close", {"operation": "getJobs"}, "operation must be absent, because the fault acts on connections"),
        ("latency", {"mean": -1}, "latency: mean must be a number from 0 to 3600, .*, got -1"),
        ("latency", {"mean": "soon"}, "mean must be a number .*, got 'soon'"),
        ("latency", {"mean": float("nan")}, "mean must be a number .*, got nan"),
        ("page-cap", {"rows": 0}, "rows must be a whole number from 1 .*, got 0"),
        ("page-cap", {"rows": 1.5}, "rows must be a whole number"),
        ("429", {"retry_after": "a\r\nb"}, "retry_after must be printable ASCII text"),
        ("429", {"code": True}, "code must be printable ASCII text, got True"),
        ("trace-headers", {"names": "x-a,date"}, "names must be names of headers that begin with x-"),
    ],
)  # fmt: skip
def test_invalid_faults_are_refused_with_the_reason(kind, arguments, words):
    plan = FaultPlan()
    with pytest.raises(ValueError, match=words):
        plan.add(kind, **arguments)
    assert not plan
