"""The rule of a trigger in a request."""

import itertools
import json
from datetime import UTC, date, datetime, time

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import (
    InvalidRequest,
    Trigger,
    TriggerRule,
    TriggerType,
)
from dataflow_async.models.naming import camel
from dataflow_async.models.trigger import trigger_to_wire
from dataflow_async.wire.decoding import decode
from tests.models.api import JUNK, Api, refused
from tests.support import contract
from tests.support.examples import example_count

ABSENT = object()
TYPES = ["RECURRING", "ONE_TIME", "NONE", "DAILY", ABSENT]
INTERVALS = ["HOUR", "DAY", "WEEK", "MONTH", "YEAR", ABSENT]
TIMES = ["15", "03:30", "24:00", "3:30", "60", "03:30:00", ABSENT]
WEEKDAYS = [["MONDAY", "SUNDAY"], [], ["monday"], "MONDAY", ABSENT]
MONTH_DAYS = ["-1", "31", "0", "32", "01", ABSENT]
EXECUTION_DATES = ["2026-12-24T06:00:00", "", ABSENT]


def members(type_, interval, time, weekdays, month_day, moment):
    rule = {
        "type": type_,
        "interval": interval,
        "time": time,
        "dayOfWeek": weekdays,
        "dateOfMonth": month_day,
        "executionDate": moment,
    }
    return {name: value for name, value in rule.items() if value is not ABSENT}


async def allows(rule):
    """Whether the client lets a rule through, to where it would go out unchanged."""
    api = Api()
    problem = None
    try:
        await api.triggers.create("abc", rule)
    except InvalidRequest as error:
        problem = error
    if problem is not None:
        assert problem.field.startswith("rule")
        assert api.sent == []
        return False
    contract.validate_request("createTrigger", api.body)
    return True


async def test_of_all_combinations_exactly_those_of_the_contract_are_let_through():
    wrong = []
    for rule in itertools.starmap(
        members, itertools.product(TYPES, INTERVALS, TIMES, WEEKDAYS, MONTH_DAYS, EXECUTION_DATES)
    ):
        ours = await allows(rule)
        if ours is not RULES.is_valid(rule):
            wrong.append(rule)
    assert wrong == []


RULES = jsonschema.Draft202012Validator(contract.document()["components"]["schemas"]["TriggerRule"])


@pytest.mark.parametrize("member", ["type", "interval", "time", "dayOfWeek", "dateOfMonth", "executionDate"])
@pytest.mark.parametrize("kind", ["RECURRING", "ONE_TIME", "NONE"])
async def test_a_null_member_is_never_sent(kind, member):
    rule = {"type": kind, "interval": "DAY", "time": "03:30", "executionDate": "x"} | {member: None}
    await allows(rule)


RULE_JUNK = JUNK | st.sampled_from([5, "MONDAY", ["MONDAY"], "15", "03:30", "-1"])


@settings(max_examples=example_count(25, 300))
@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["RECURRING", "ONE_TIME", "NONE"]) | RULE_JUNK},
        optional={
            "interval": st.sampled_from(["HOUR", "DAY", "WEEK", "MONTH"]) | RULE_JUNK,
            "time": st.from_regex(r"[0-2][0-9](:[0-5][0-9])?") | RULE_JUNK,
            "dayOfWeek": st.lists(st.sampled_from(["MONDAY", "SUNDAY", "x"]), max_size=2) | RULE_JUNK,
            "dateOfMonth": st.integers(-2, 32) | st.integers(-2, 32).map(str) | RULE_JUNK,
            "executionDate": st.text(max_size=3) | RULE_JUNK,
            "tomorrow": RULE_JUNK,
        },
    )
)
async def test_rules_that_are_let_through_are_those_of_the_contract(rule):
    await allows(rule)


@pytest.mark.parametrize(
    ("rule", "kind", "sent"),
    [
        (TriggerRule.hourly(5), "SCHEDULED", {"type": "RECURRING", "interval": "HOUR", "time": "05"}),
        (TriggerRule.daily("03:30"), "SCHEDULED", {"type": "RECURRING", "interval": "DAY", "time": "03:30"}),
        (
            TriggerRule.weekly(("SATURDAY", "SUNDAY"), "22:05"),
            "SCHEDULED",
            {"type": "RECURRING", "interval": "WEEK", "time": "22:05", "dayOfWeek": ["SATURDAY", "SUNDAY"]},
        ),
        (
            TriggerRule.monthly(-1, "23:45"),
            "SCHEDULED",
            {"type": "RECURRING", "interval": "MONTH", "time": "23:45", "dateOfMonth": "-1"},
        ),
        (
            TriggerRule.once("2026-12-24T06:00:00"),
            "SCHEDULED",
            {"type": "ONE_TIME", "executionDate": "2026-12-24T06:00:00"},
        ),
        (
            TriggerRule.once(datetime(2026, 12, 23, 21, 0, tzinfo=UTC)),
            "SCHEDULED",
            {"type": "ONE_TIME", "executionDate": "2026-12-24T06:00:00"},
        ),
        (
            TriggerRule.once(datetime(2026, 12, 24, 6, 0)),  # noqa: DTZ001
            "SCHEDULED",
            {"type": "ONE_TIME", "executionDate": "2026-12-24T06:00:00"},
        ),
        (TriggerRule.once("whenever"), "SCHEDULED", {"type": "ONE_TIME", "executionDate": "whenever"}),
        (TriggerRule.manual(), "NONE", {"type": "NONE"}),
    ],
)
async def test_the_makers_of_rules_make_what_the_contract_requires(api, rule, kind, sent):
    await api.triggers.create("abc", rule)
    assert (api.body["type"], api.body["triggerRule"]) == (kind, sent)
    contract.validate_request("createTrigger", api.body)


@pytest.mark.parametrize(
    ("rule", "field", "words"),
    [
        (TriggerRule("RECURRING"), "rule.interval", ["None", "HOUR"]),
        (TriggerRule("RECURRING", "DAY"), "rule.time", ["None", "HH:MM"]),
        (TriggerRule("RECURRING", "HOUR", "03:30"), "rule.time", ["'03:30'", "HOUR"]),
        (TriggerRule("RECURRING", "HOUR", time(3, 30)), "rule.time", ["'03:30'", "HOUR"]),
        (TriggerRule("RECURRING", "DAY", "15"), "rule.time", ["'15'", "HH:MM"]),
        (TriggerRule("RECURRING", "WEEK", "03:30"), "rule.dayOfWeek", ["None"]),
        (TriggerRule("RECURRING", "MONTH", "03:30"), "rule.dateOfMonth", ["None"]),
        (TriggerRule("ONE_TIME"), "rule.executionDate", ["None"]),
        (TriggerRule("SOMETIMES"), "rule.type", ["'SOMETIMES'", "RECURRING"]),
        ({"type": "RECURRING", "interval": "WEEK", "time": "03:30", "dayOfWeek": ["MON"]}, "rule.dayOfWeek[0]", ["'MON'"]),
        ({}, "rule.type", ["None"]),
        ("NONE", "rule", ["'NONE'"]),
        (None, "rule", ["None"]),
    ],
)  # fmt: skip
async def test_a_rule_that_is_not_allowed_is_refused(api, rule, field, words):
    await refused(api, api.triggers.create("abc", rule), field, *words)


@pytest.mark.parametrize(
    ("make", "field", "words"),
    [
        (lambda: TriggerRule.daily("3:30"), "rule.time", ["'3:30'", "HH:MM"]),
        (lambda: TriggerRule.daily(datetime(2026, 11, 1)), "rule.time", ["HH:MM"]),  # noqa: DTZ001
        (lambda: TriggerRule.weekly([], "03:30"), "rule.dayOfWeek", ["one day"]),
        (lambda: TriggerRule.weekly("", "03:30"), "rule.dayOfWeek[0]", ["''", "MON-FRI"]),
        (lambda: TriggerRule.weekly(["MONDAY", "Mun"], "03:30"), "rule.dayOfWeek[1]", ["'Mun'", "TUESDAY"]),
        (lambda: TriggerRule.weekly("MON-FRI-SUN", "03:30"), "rule.dayOfWeek[0]", ["'MON-FRI-SUN'"]),
        (lambda: TriggerRule.weekly(None, "03:30"), "rule.dayOfWeek", ["None"]),
        (lambda: TriggerRule.weekly([5], "03:30"), "rule.dayOfWeek[0]", ["5"]),
        (lambda: TriggerRule.monthly(0, "03:30"), "rule.dateOfMonth", ["0", "1 to 31"]),
        (lambda: TriggerRule.monthly(32, "03:30"), "rule.dateOfMonth", ["32", "-1"]),
        (lambda: TriggerRule.monthly(True, "03:30"), "rule.dateOfMonth", ["True"]),
        (lambda: TriggerRule.monthly("FIRST", "03:30"), "rule.dateOfMonth", ["'FIRST'"]),
        (lambda: TriggerRule.once(date(2026, 12, 24)), "rule.executionDate", ["2026"]),
    ],
)  # fmt: skip
def test_the_makers_of_rules_refuse_what_is_not_allowed_at_once(make, field, words):
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert caught.value.field == field
    assert all(word in str(caught.value) for word in (field, "must be", *words))


RECURRING = ("HOUR", "DAY", "WEEK", "MONTH")
APPLY = {
    "interval": RECURRING,
    "time": RECURRING,
    "day_of_week": ("WEEK",),
    "date_of_month": ("MONTH",),
    "execution_date": ("ONE_TIME",),
}
MEMBERS = {
    "time": "03:30",
    "day_of_week": ["MONDAY"],
    "date_of_month": 5,
    "execution_date": "2026-12-24T06:00:00",
}


@pytest.mark.parametrize("meaning", [*RECURRING, "ONE_TIME", "NONE"])
@pytest.mark.parametrize("member", APPLY)
async def test_a_member_without_a_meaning_for_the_type_of_a_rule_is_refused_by_name(api, member, meaning):
    values = MEMBERS | {"interval": meaning if meaning in RECURRING else "DAY"}
    if meaning == "HOUR":
        values["time"] = "30"
    right = {name: values[name] for name, meanings in APPLY.items() if meaning in meanings}
    kind = "RECURRING" if meaning in RECURRING else meaning
    await api.triggers.create("abc", TriggerRule(kind, **right))
    if meaning not in APPLY[member]:
        api.sent.clear()
        wrong = TriggerRule(kind, **right, **{member: values[member]})
        await refused(
            api, api.triggers.create("abc", wrong), f"rule.{camel(member)}", f"left out for {meaning}"
        )


@pytest.mark.parametrize("minute", [-1, 60, "5", True, 5.0, None])
def test_a_minute_is_from_0_to_59(minute):
    with pytest.raises(InvalidRequest, match="0 to 59"):
        TriggerRule.hourly(minute)


@pytest.mark.parametrize("kind", ["DAILY", "", 5, "scheduled"])
async def test_an_unknown_trigger_type_is_refused(api, kind):
    await refused(
        api, api.triggers.create("abc", TriggerRule.manual(), type=kind), "type", repr(kind), "SCHEDULED"
    )


@pytest.mark.parametrize("rule", [{}, {"type": "CLOUD_FUNCTIONS", "source": {"id": 5}}, {"source": None}])
async def test_an_event_passes_its_rule_on_as_given(api, rule):
    await api.triggers.create("abc", rule, type=TriggerType.EVENT)
    assert (api.body["type"], api.body["triggerRule"]) == ("EVENT", rule)


def test_rules_that_say_the_same_are_equal():
    assert TriggerRule.weekly("SUN,MON", "03:30") == TriggerRule.weekly(["MONDAY", "sunday"], time(3, 30))
    assert TriggerRule.weekly("TUE", time(5)) == TriggerRule.weekly("MON", time(20, tzinfo=UTC))
    assert TriggerRule.monthly(5, "03:30") == TriggerRule("RECURRING", "MONTH", "03:30", date_of_month="5")
    assert TriggerRule.once("2026-12-24T06:00:00") == TriggerRule.once(datetime(2026, 12, 23, 21, tzinfo=UTC))
    assert TriggerRule.daily("03:30") != TriggerRule.daily("03:31")


TIMES_OF_DAY = st.times(timezones=st.sampled_from([UTC, None])).map(
    lambda it: it.replace(second=0, microsecond=0)
)
RULES_MADE = st.one_of(
    st.integers(0, 59).map(TriggerRule.hourly),
    TIMES_OF_DAY.map(TriggerRule.daily),
    st.builds(
        TriggerRule.weekly, st.sets(st.sampled_from(["MON", "WED-FRI", "sunday"]), min_size=1), TIMES_OF_DAY
    ),
    st.builds(TriggerRule.monthly, st.sampled_from([*range(1, 28), "LAST"]), TIMES_OF_DAY),
    st.datetimes(timezones=st.sampled_from([UTC, None]), min_value=datetime(1900, 1, 1)).map(  # noqa: DTZ001
        lambda it: TriggerRule.once(it.replace(microsecond=0))
    ),
    st.just(TriggerRule.manual()),
)


@settings(max_examples=example_count(25, 1000))
@given(RULES_MADE)
def test_a_rule_is_read_back_as_it_was_sent(rule):
    _, sent = trigger_to_wire(rule, None)
    read = decode(Trigger, json.loads(json.dumps({"triggerId": "t", "triggerRule": sent})), {}).trigger_rule
    assert read.to_rule() == rule
    assert str(read.to_rule()) == str(rule)
    assert trigger_to_wire(read, None)[1] == trigger_to_wire(read.to_rule(), None)[1] == sent
