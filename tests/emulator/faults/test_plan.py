"""The plan of faults: what is injected into which request, the same each time; and how a plan is written down."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.faults import plan
from dataflow_async.emulator.faults import text as spec
from dataflow_async.emulator.faults.base import When
from dataflow_async.emulator.faults.kinds import KINDS
from dataflow_async.emulator.faults.plan import NAMES, FaultPlan, described


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
        ("list-order", {"order": "sideways"}, "list-order: order must be one of random, oldest, newest, got 'sideways'"),
        ("accept-close", {"operation": "getJobs"}, "operation must be absent, because the fault acts on connections"),
        ("latency", {"mean": -1}, "latency: mean must be a number from 0 to 3600, .*, got -1"),
        ("latency", {"mean": "soon"}, "mean must be a number .*, got 'soon'"),
        ("latency", {"mean": float("nan")}, "mean must be a number .*, got nan"),
        ("page-cap", {"rows": 0}, "rows must be a whole number from 1 .*, got 0"),
        ("page-cap", {"rows": 1.5}, "rows must be a whole number"),
        ("429", {"retry_after": "a\r\nb"}, "retry_after must be printable ASCII text"),
        ("429", {"code": True}, "code must be printable ASCII text, got True"),
    ],
)  # fmt: skip
def test_invalid_faults_are_refused_with_the_reason(kind, arguments, words):
    plan = FaultPlan()
    with pytest.raises(ValueError, match=words):
        plan.add(kind, **arguments)
    assert not plan


# --- as text ----------------------------------------------------------------------------------------------------------


def test_the_text_form():
    plan = FaultPlan()
    added = plan.parse(
        "executeJob reset after 5%; * 429 code=410 retry-after=3 2%\nlist-order random;; clock +240s;"
        " getJobs,getJobById html before status=503 x3 #1,4; 429 400 retry-after='in a; while'"
    )

    assert list(plan) == added
    reset, many, order, clock, html, quota = added
    assert (reset.operations, reset.when, reset.probability) == ({"executeJob"}, When.AFTER, 0.05)
    assert (many.operations, many.kind.code, many.kind.retry_after) == (None, "410", "3")
    assert order.kind.order == "random"
    assert clock.kind.seconds == 240
    assert (html.operations, html.when, html.kind.status) == ({"getJobs", "getJobById"}, When.BEFORE, 503)
    assert (html.count, html.requests) == (3, {1, 4})
    assert (quota.kind.code, quota.kind.retry_after) == ("400", "in a; while")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2", 2), ("250ms", 0.25), ("1.5s", 1.5), ("+2m", 120), ("2min", 120), (".5h", 1800)],
)
def test_seconds_have_units(text, seconds):
    (fault,) = FaultPlan().parse(f"latency {text}")
    assert fault.kind.mean == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("close; rain 5%", "fault 'rain 5%': a fault must begin with a kind or an operation, got 'rain'"),
        ("executeJob", "fault 'executeJob': kind must be one of .*, got nothing"),
        ("executeJob rain", "fault 'executeJob rain': kind must be one of refuse, .*, got 'rain'"),
        ("executeJob,runJob reset", "a fault must begin with a kind or an operation, got 'runJob'"),
        (
            "reset sometimes",
            "fault 'reset sometimes': each word after the kind must be name=value, before, after, 5%, x3 or #1,2, got 'sometimes'",
        ),
        ("429 410 420", "x3 or #1,2, got '420'"),
        ("429 retry-afer=3", "429: details must be of code, retry-after, got 'retry-afer'"),
        ("reset 120%", "fault 'reset 120%': probability must be a number from 0 to 1, got 1.2"),
        ("reset x0", "count must be a whole number, 1 or more, got 0"),
        ("reset #0", "requests must be a whole number"),
        ("429 code='4", "fault .*: No closing quotation"),
        ("429 after", "fault '429 after': 429: when must be before"),
    ],
)
def test_bad_text_is_refused_with_the_part_at_fault(text, words):
    plan = FaultPlan()
    with pytest.raises(ValueError, match=words):
        plan.parse(text)
    assert not plan
    with pytest.raises(ValueError, match=words):
        Emulator(faults=text)


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
VALUES = st.sampled_from([0, 1, 2.5, "3s", "oldest", "dates", "exponential"]) | TEXTS


@given(st.data())
def test_written_text_is_read_back(data):
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    fields = [field.name for field in attrs.fields(KINDS[kind])]
    details = data.draw(st.dictionaries(st.sampled_from(fields), VALUES)) if fields else {}
    arguments = {
        "operation": data.draw(st.none() | st.lists(st.sampled_from(sorted(NAMES)), max_size=3)),
        "probability": data.draw(st.sampled_from([0, 0.05, 0.123, 1])),
        "count": data.draw(st.none() | st.integers(1, 5)),
        "requests": data.draw(st.none() | st.lists(st.integers(1, 9), max_size=3)),
        "when": data.draw(st.sampled_from([None, "before", "after"])),
        **details,
    }
    plan = FaultPlan()
    try:
        fault = plan.add(kind, **arguments)
    except ValueError:
        assert not plan
        return
    (again,) = FaultPlan().parse(str(plan))

    assert again.kind == fault.kind
    assert described(again) | {"details": 0} == described(fault) | {"details": 0}


@given(st.text(st.sampled_from("reset 429%x#=;,'\"afterbefore\n\\*"), max_size=40))
def test_any_text_is_read_or_refused(text):
    refusal = ""
    try:
        FaultPlan().parse(text)
    except ValueError as error:
        refusal = str(error)
    assert refusal == "" or refusal.startswith("fault ")


def test_the_module_of_the_text_form_documents_it():
    assert spec.__doc__ and "N%" in spec.__doc__
    assert all(kind.summary() and len(f"        {kind.summary()}") <= 80 for kind in KINDS.values())
    assert plan.NAMES
