"""The text form of faults: what it means, what is refused, and that written text is read back."""

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


def test_the_example_of_its_docstring_is_read():
    example = spec.__doc__.partition("For example::")[2]
    assert [fault.kind.name for fault in FaultPlan().parse(example.strip())] == [
        *("reset", "429", "list-order", "clock"),
    ]


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
