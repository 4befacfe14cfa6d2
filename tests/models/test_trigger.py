"""The rule of a trigger in a request."""

import itertools
from datetime import UTC, date, datetime

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import (
    InvalidRequest,
    TriggerRule,
    TriggerType,
)
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


@settings(max_examples=example_count(60, 300))
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
        (TriggerRule("RECURRING", "DAY", "15"), "rule.time", ["'15'", "HH:MM"]),
        (TriggerRule("RECURRING", "WEEK", "03:30"), "rule.dayOfWeek", ["None"]),
        (TriggerRule.weekly([], "03:30"), "rule.dayOfWeek", ["[]"]),
        (TriggerRule.weekly(["MONDAY", "Tue"], "03:30"), "rule.dayOfWeek[1]", ["'Tue'", "TUESDAY"]),
        (TriggerRule.weekly("MONDAY", "03:30"), "rule.dayOfWeek", ["'MONDAY'"]),
        (TriggerRule("RECURRING", "MONTH", "03:30"), "rule.dateOfMonth", ["None"]),
        (TriggerRule.monthly(0, "03:30"), "rule.dateOfMonth", ["0", "1 to 31"]),
        (TriggerRule.monthly(32, "03:30"), "rule.dateOfMonth", ["32", "-1"]),
        (TriggerRule.monthly(True, "03:30"), "rule.dateOfMonth", ["True"]),
        (TriggerRule("ONE_TIME"), "rule.executionDate", ["None"]),
        (TriggerRule.once(date(2026, 12, 24)), "rule.executionDate", ["2026"]),
        (TriggerRule("SOMETIMES"), "rule.type", ["'SOMETIMES'", "RECURRING"]),
        ({}, "rule.type", ["None"]),
        ("NONE", "rule", ["'NONE'"]),
        (None, "rule", ["None"]),
    ],
)
async def test_a_rule_that_is_not_allowed_is_refused(api, rule, field, words):
    await refused(api, api.triggers.create("abc", rule), field, *words)


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
