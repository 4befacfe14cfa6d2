"""Cron lines as rules."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import InvalidRequest, TriggerRule
from tests.support.examples import example_count


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("30 9 * * 1-5", TriggerRule.weekly("MON-FRI", "09:30")),
        ("5 * * * *", TriggerRule.hourly(5)),
        ("5 0-23 * * *", TriggerRule.hourly(5)),
        ("5 */1 * * 0-6", TriggerRule.hourly(5)),
        ("0 0 * * *", TriggerRule.daily("00:00")),
        (" 0  0 * JAN-DEC * ", TriggerRule.daily("00:00")),
        ("00 09 * */1 *", TriggerRule.daily("09:00")),
        ("0 9 * * 0", TriggerRule.weekly("SUN", "09:00")),
        ("0 9 * * 7", TriggerRule.weekly("SUN", "09:00")),
        ("0 9 * * sat,SUN", TriggerRule.weekly("SAT,SUN", "09:00")),
        ("0 9 * * 5-7", TriggerRule.weekly("FRI-SUN", "09:00")),
        ("0 9 * * */2", TriggerRule.weekly("SUN,TUE,THU,SAT", "09:00")),
        ("0 9 * * 1-5/2", TriggerRule.weekly("MON,WED,FRI", "09:00")),
        ("0 9 15 * *", TriggerRule.monthly(15, "09:00")),
        ("0 9 L * *", TriggerRule.monthly("LAST", "09:00")),
        ("0 9 1-31 * 1", TriggerRule.daily("09:00")),
        ("0 9 1 * 0-6", TriggerRule.daily("09:00")),
        ("@hourly", TriggerRule.hourly(0)),
        ("@daily", TriggerRule.daily("00:00")),
        ("@midnight", TriggerRule.daily("00:00")),
        ("@Weekly", TriggerRule.weekly("SUN", "00:00")),
        ("@monthly", TriggerRule.monthly(1, "00:00")),
    ],
)
def test_a_cron_line_is_a_rule(line, rule):
    assert TriggerRule.from_cron(line) == rule


@pytest.mark.parametrize(
    ("line", "zone", "rule"),
    [
        ("0 20 * * 1-5", UTC, TriggerRule.weekly("TUE-SAT", "05:00")),
        ("0 20 L * *", UTC, TriggerRule.monthly(1, "05:00")),
        ("10 * * * *", UTC, TriggerRule.hourly(10)),
        ("10 * * * *", timezone(timedelta(hours=5, minutes=30)), TriggerRule.hourly(40)),
        ("0 9 * * *", ZoneInfo("Asia/Seoul"), TriggerRule.daily("09:00")),
    ],
)
def test_cron_may_run_in_another_zone(line, zone, rule):
    assert TriggerRule.from_cron(line, zone=zone) == rule


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        ("*/15 * * * *", "cron.minute", "at most once an hour"),
        ("0,30 9 * * *", "cron.minute", "make a trigger for each"),
        ("0 9,18 * * *", "cron.hour", "a rule is due once a day"),
        ("0 */2 * * *", "cron.hour", "a rule is due once a day"),
        ("0 * * * 1", "cron.hour", "'*' on all days"),
        ("0 * 1 * *", "cron.hour", "'*' on all days"),
        ("0 9 1,15 * *", "cron.day_of_month", "a rule has one day"),
        ("0 9 */2 * *", "cron.day_of_month", "a rule has one day"),
        ("0 9 1 * 1", "cron.day_of_week", "one or the other"),
        ("0 9 */2 * 1", "cron.day_of_week", "one or the other"),
        ("0 9 1 6 *", "cron.month", "no rule is limited to some months"),
        ("@yearly", "cron.month", "no rule is limited to some months"),
        ("@reboot", "cron", "five fields"),
        ("0 0 9 * * *", "cron", "five fields"),
        ("", "cron", "not empty"),
        (None, "cron", "not empty"),
        ("60 9 * * *", "cron.minute", "0 to 59"),
        ("0 24 * * *", "cron.hour", "0 to 23"),
        ("0 9 0 * *", "cron.day_of_month", "1 to 31"),
        ("0 9 L-3 * *", "cron.day_of_month", "1 to 31"),
        ("0 9 1-L * *", "cron.day_of_month", "1 to 31"),
        ("0 9 ? * MON", "cron.day_of_month", "1 to 31"),
        ("0 9 * * 8", "cron.day_of_week", "SUN"),
        ("0 9 * * MON#2", "cron.day_of_week", "SUN"),
        ("0 9 * * FRI-MON", "cron.day_of_week", "SUN"),
        ("5/15 9 * * *", "cron.minute", "/STEP"),
        ("*/0 9 * * *", "cron.minute", "/STEP"),
        ("-1 9 * * *", "cron.minute", "0 to 59"),
        ("1, 9 * * *", "cron.minute", "0 to 59"),
        ("٣ 9 * * *", "cron.minute", "0 to 59"),
    ],
)
def test_a_cron_line_that_no_rule_can_express_is_refused_with_the_reason(line, field, reason):
    with pytest.raises(InvalidRequest) as caught:
        TriggerRule.from_cron(line)
    assert caught.value.field == field
    assert reason in str(caught.value)
    assert f"{field} must be" in str(caught.value)


# --- against a cron of a few lines --------------------------------------------------------------------------


def values(text, low, high):
    """The numbers that one field of a cron line allows."""
    found = set()
    for part in text.split(","):
        base, _, step = part.partition("/")
        first, _, last = base.partition("-")
        bounds = (low, high) if base == "*" else (int(first), int(last or first))
        found |= {*range(bounds[0], bounds[1] + 1, int(step or 1))}
    return found


def cron_runs(line, first, hours):
    """The moments at which cron starts a line, minute by minute."""
    minute, hour, date, month, weekday = line.split()
    weekdays = {number % 7 for number in values(weekday, 0, 7)}
    for number in range(hours):
        at = first + timedelta(hours=number)
        by_date = at.day in values(date, 1, 31)
        by_week = at.isoweekday() % 7 in weekdays
        either = not (date.startswith("*") or weekday.startswith("*"))
        on_day = (by_date or by_week) if either else (by_date and by_week)
        if on_day and at.hour in values(hour, 0, 23) and at.month in values(month, 1, 12):
            yield from (at.replace(minute=it) for it in sorted(values(minute, 0, 59)))


def cron_fields(low, high):
    numbers = st.integers(low, high)
    ranges = st.tuples(numbers, numbers).map(lambda it: f"{min(it)}-{max(it)}")
    stepped = st.tuples(st.just("*") | ranges, st.integers(1, 40)).map(lambda it: f"{it[0]}/{it[1]}")
    part = numbers.map(str) | ranges | stepped
    return st.just("*") | numbers.map(str) | st.lists(part, min_size=1, max_size=3).map(",".join)


def mostly(usual, *, fields):
    """Fields that a rule can express, and others now and then."""
    return st.integers(0, 5).flatmap(lambda it: usual if it else fields)


LINES = st.tuples(
    mostly(st.integers(0, 59).map(str), fields=cron_fields(0, 59)),
    mostly(st.just("*") | st.integers(0, 23).map(str), fields=cron_fields(0, 23)),
    mostly(st.sampled_from(["*", "*", "1-31"]) | st.integers(1, 31).map(str), fields=cron_fields(1, 31)),
    mostly(st.sampled_from(["*", "1-12"]), fields=cron_fields(1, 12)),
    mostly(st.sampled_from(["*", "*", "0-6", "1-5", "7", "2"]), fields=cron_fields(0, 7)),
).map(" ".join)
FIRST = datetime(2027, 12, 31, tzinfo=timezone(timedelta(hours=9)))


@settings(max_examples=example_count(40, 1000))
@given(LINES)
def test_a_rule_of_a_cron_line_is_due_when_cron_is(line):
    try:
        rule = TriggerRule.from_cron(line)
    except InvalidRequest:
        return
    hours = 70 * 24
    expected = [*cron_runs(line, FIRST, hours)]
    after = FIRST - timedelta(seconds=1)
    assert rule.next_runs(len(expected), after=after) == expected
