"""The coming runs of a rule, against a calendar of its own that goes day by day."""

from datetime import MAXYEAR, UTC, datetime, time, timedelta, timezone
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_async import InvalidRequest, TriggerRule
from dataflow_async.emulator.service.schedule import next_after
from dataflow_async.models.moment import KST
from dataflow_async.models.schedule import WEEKDAYS
from dataflow_async.models.schedule_runs import runs_after
from dataflow_async.models.trigger import rule_to_wire
from tests.support.examples import example_count


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=KST)


@pytest.mark.parametrize(
    ("rule", "after", "runs"),
    [
        (TriggerRule.hourly(15), "2026-11-01T00:15", ["2026-11-01T01:15", "2026-11-01T02:15"]),
        (TriggerRule.hourly(0), "2026-12-31T23:59:59", ["2027-01-01T00:00", "2027-01-01T01:00"]),
        (TriggerRule.daily("03:30"), "2026-11-01T03:29:59", ["2026-11-01T03:30", "2026-11-02T03:30"]),
        (TriggerRule.daily("03:30"), "2026-11-01T03:30", ["2026-11-02T03:30", "2026-11-03T03:30"]),
        # the first of November 2026 is a Sunday
        (TriggerRule.weekly("MON-TUE", "09:00"), "2026-11-01T00:00", ["2026-11-02T09:00", "2026-11-03T09:00"]),
        (TriggerRule.weekly("MON", "09:00"), "2026-11-02T09:00", ["2026-11-09T09:00", "2026-11-16T09:00"]),
        (TriggerRule.monthly(31, "08:00"), "2026-10-31T08:00", ["2026-12-31T08:00", "2027-01-31T08:00"]),
        (TriggerRule.monthly(30, "08:00"), "2027-01-30T08:00", ["2027-03-30T08:00", "2027-04-30T08:00"]),
        (TriggerRule.monthly(29, "08:00"), "2027-01-29T08:00", ["2027-03-29T08:00", "2027-04-29T08:00"]),
        (TriggerRule.monthly(29, "08:00"), "2028-01-29T08:00", ["2028-02-29T08:00", "2028-03-29T08:00"]),
        (TriggerRule.monthly("LAST", "23:45"), "2027-01-31T23:45", ["2027-02-28T23:45", "2027-03-31T23:45"]),
        (TriggerRule.monthly("LAST", "23:45"), "2100-01-31T23:45", ["2100-02-28T23:45", "2100-03-31T23:45"]),
        (TriggerRule.monthly("LAST", "23:45"), "2400-01-31T23:45", ["2400-02-29T23:45", "2400-03-31T23:45"]),
        (TriggerRule.once("2026-12-24T06:00:00"), "2026-11-01T00:00", ["2026-12-24T06:00"]),
        (TriggerRule.once("2026-12-24T06:00:00Z"), "2026-11-01T00:00", ["2026-12-24T15:00"]),
        (TriggerRule.once("2026-12-24T06:00:00"), "2026-12-24T06:00", []),
        (TriggerRule.manual(), "2026-11-01T00:00", []),
        (TriggerRule.daily("03:30"), "9999-12-30T12:00", ["9999-12-31T03:30"]),
        (TriggerRule.monthly(31, "03:30"), "9999-12-30T12:00", ["9999-12-31T03:30"]),
        (TriggerRule.hourly(0), "9999-12-31T22:30", ["9999-12-31T23:00"]),
    ],
)  # fmt: skip
def test_next_runs_of_a_rule(rule, after, runs):
    found = rule.next_runs(2, after=at(after))
    assert found == [at(run) for run in runs]
    assert all(run.utcoffset() == timedelta(hours=9) for run in found)


def test_the_moment_may_be_of_any_zone_and_is_utc_9_without_one():
    rule = TriggerRule.daily("03:30")
    utc = datetime(2026, 10, 31, 18, 0, tzinfo=UTC)
    assert rule.next_runs(1, after=utc) == rule.next_runs(1, after=datetime(2026, 11, 1, 3)) == [  # noqa: DTZ001
        at("2026-11-01T03:30")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: TriggerRule.daily("03:30").next_runs(0, after=at("2026-11-01")), "n"),
        (lambda: TriggerRule.daily("03:30").next_runs(True, after=at("2026-11-01")), "n"),
        (lambda: TriggerRule.daily("03:30").next_runs(10**6, after=at("2026-11-01")), "n"),
        (lambda: TriggerRule.daily("03:30").next_runs(1, after="2026-11-01"), "after"),
        (lambda: TriggerRule.daily("03:30").next_runs(1, after=datetime.max.replace(tzinfo=UTC)), "after"),
        (lambda: TriggerRule.once("whenever").next_runs(1, after=at("2026-11-01")), "rule.executionDate"),
        (lambda: TriggerRule("RECURRING", "DAY").next_runs(1, after=at("2026-11-01")), "rule.time"),
    ],
)
def test_runs_that_can_not_be_computed_are_refused(call, field):
    with pytest.raises(InvalidRequest) as caught:
        call()
    assert caught.value.field == field


# --- the slow calendar -------------------------------------------------------------------------------------

FIRST = datetime(1970, 1, 1, tzinfo=KST)
CENTURIES = 400 * 365 + 97
"""Days after which the calendar repeats itself."""


def calendar(days):
    """Year, month, day of the month, length of that month and number of the weekday, for each day from 1970 on."""
    year, month, day = 1970, 1, 1
    for number in range(days):
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        length = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
        yield year, month, day, length, (number + 3) % 7  # the first day of 1970 was a Thursday
        day += 1
        if day > length:
            month, day = month + 1, 1
        if month > 12:
            year, month = year + 1, 1


def oracle(days, falls_on, clock):
    """Runs at ``clock`` on the days for which ``falls_on`` holds, in UTC+9; the days are those of the clock's zone."""
    for year, month, day, length, weekday in calendar(days):
        if falls_on(day, length, weekday):
            yield datetime.combine(datetime(year, month, day), clock).astimezone(KST)  # noqa: DTZ001


OFFSETS = st.integers(-15 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
CLOCKS = st.builds(
    time, st.integers(0, 23), st.integers(0, 59), tzinfo=st.one_of(st.just(KST), st.just(UTC), OFFSETS)
)
WEEKS = st.sets(st.integers(0, 6), min_size=1)
"""Days of the week by their numbers."""


@st.composite
def schedules(draw):
    """A rule, the days that it is meant for, and its time of day in its own zone."""
    clock = draw(CLOCKS)
    match draw(st.sampled_from(["DAY", "WEEK", "MONTH"])):
        case "DAY":
            return TriggerRule.daily(clock), lambda *_: True, clock
        case "WEEK":
            days = draw(WEEKS)
            rule = TriggerRule.weekly([WEEKDAYS[number][:3] for number in sorted(days)], clock)
            return rule, lambda _day, _length, weekday: weekday in days, clock
    day = draw(st.sampled_from([*range(1, 32), "LAST"]))
    try:
        rule = TriggerRule.monthly(day, clock)
    except InvalidRequest:  # months differ
        clock = clock.replace(tzinfo=KST)
        rule = TriggerRule.monthly(day, clock)
    return rule, lambda date, length, _: date == (length if day == "LAST" else day), clock


def agree(schedule, days):
    """Compare all runs but those of the first and the last days, which the zone of the clock may move over the edge."""
    rule, falls_on, clock = schedule
    first, end = FIRST + timedelta(days=3), FIRST + timedelta(days=days - 3)
    expected = [run for run in oracle(days, falls_on, clock) if first < run < end]
    assert [*takewhile(lambda run: run < end, runs_after(rule_to_wire(rule), first))] == expected


@settings(max_examples=example_count(15, 60))
@given(schedules())
def test_runs_agree_with_a_slow_calendar_over_years(schedule):
    agree(schedule, 5 * 366)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(schedules())
def test_runs_agree_with_a_slow_calendar_over_400_years(schedule):
    agree(schedule, CENTURIES)


@pytest.mark.slow
def test_hourly_runs_agree_with_a_slow_calendar_over_400_years():
    runs = runs_after(rule_to_wire(TriggerRule.hourly(15)), FIRST)
    for year, month, day, *_ in calendar(CENTURIES):
        for hour in range(24):
            assert next(runs) == datetime(year, month, day, hour, 15, tzinfo=KST)


def test_the_slow_calendar_repeats_itself_after_400_years():
    *_, last = calendar(CENTURIES + 1)
    assert last == (2370, 1, 1, 31, 3)
    assert sum(1 for day in calendar(CENTURIES) if day[1:3] == (2, 29)) == 97


MOMENTS = st.datetimes(
    datetime(1971, 1, 1), datetime(MAXYEAR - 2, 1, 1), timezones=st.sampled_from([UTC, KST])  # noqa: DTZ001
)  # fmt: skip
RULES = (
    schedules().map(lambda it: it[0])
    | st.integers(0, 59).map(TriggerRule.hourly)
    | MOMENTS.map(lambda moment: TriggerRule.once(moment.replace(microsecond=0)))
    | st.just(TriggerRule.manual())
)


@settings(max_examples=example_count(40, 400))
@given(RULES, MOMENTS)
def test_runs_are_when_the_emulator_fires(rule, moment):
    expected, seconds = [], moment.timestamp()
    while len(expected) < 3 and (due := next_after(rule_to_wire(rule), seconds)) is not None:
        seconds = due
        expected.append(due)
    assert [run.timestamp() for run in rule.next_runs(3, after=moment)] == expected
