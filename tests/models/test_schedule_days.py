"""Days and times as people write them."""

from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from dataflow_async import InvalidRequest, TriggerRule
from dataflow_async.models.moment import KST
from dataflow_async.models.schedule import WEEKDAYS
from dataflow_async.models.schedule_days import in_service_time, weekdays

MON, TUE, WED, THU, FRI, SAT, SUN = WEEKDAYS
DATES = [*range(1, 32), -1]


@pytest.mark.parametrize(
    ("days", "names"),
    [
        ("MON-FRI", (MON, TUE, WED, THU, FRI)),
        ("FRI-MON", (MON, FRI, SAT, SUN)),
        ("Friday", (FRI,)),
        ("sat, sun", (SAT, SUN)),
        ("MONDAY - wed", (MON, TUE, WED)),
        ("SUN-SUN", (SUN,)),
        (["SUN", "MONDAY", "mon"], (MON, SUN)),
        (["TUE-WED", "SAT"], (TUE, WED, SAT)),
        (iter(["TUE"]), (TUE,)),
        ("MON-SUN", WEEKDAYS),
    ],
)
def test_days_are_read_as_people_write_them(days, names):
    assert weekdays(days) == names
    assert weekdays(names, later=0) == names


@pytest.mark.parametrize("later", range(-3, 4))
@pytest.mark.parametrize("number", range(7))
def test_days_move_around_the_week(number, later):
    assert weekdays([WEEKDAYS[number]], later) == (WEEKDAYS[(number + later) % 7],)


@pytest.mark.parametrize(
    ("clock", "text", "later"),
    [
        (time(3, 30), "03:30", 0),
        (time(3, 30, tzinfo=KST), "03:30", 0),
        (time(3, 30, tzinfo=UTC), "12:30", 0),
        (time(14, 59, tzinfo=UTC), "23:59", 0),
        (time(15, tzinfo=UTC), "00:00", 1),
        (time(20, 5, tzinfo=UTC), "05:05", 1),
        (time(1, tzinfo=timezone(timedelta(hours=14))), "20:00", -1),
        (time(23, 59, tzinfo=timezone(-timedelta(hours=23, minutes=59))), "08:58", 2),
        (time(9, tzinfo=ZoneInfo("Asia/Seoul")), "09:00", 0),
        (time(9, tzinfo=ZoneInfo("Asia/Kolkata")), "12:30", 0),
        (time(9, tzinfo=ZoneInfo("UTC")), "18:00", 0),
        (time(9, 0, 30, tzinfo=timezone(timedelta(seconds=30))), "18:00", 0),
    ],
)
def test_times_are_turned_into_those_of_the_service(clock, text, later):
    assert in_service_time(clock) == (text, later)


@pytest.mark.parametrize(
    ("clock", "word"),
    [
        (time(9, 0, 1), "whole minute"),
        (time(9, 0, 0, 1), "whole minute"),
        (time(9, tzinfo=timezone(timedelta(seconds=30))), "whole minute"),
        (time(9, tzinfo=ZoneInfo("America/New_York")), "one offset all the year"),
        (time(9, tzinfo=ZoneInfo("Africa/Casablanca")), "one offset all the year"),
    ],
)
def test_a_time_that_no_rule_can_hold_is_refused_with_the_reason(clock, word):
    with pytest.raises(InvalidRequest, match=word) as caught:
        TriggerRule.daily(clock)
    assert caught.value.field == "rule.time"


def runs(day, later):
    """The days of eight years, as numbers, that come ``later`` days after this day of each month."""
    first, found = datetime(2023, 12, 1).toordinal(), set()  # noqa: DTZ001
    for number in range(first - 5, first + 8 * 366):
        date = datetime.fromordinal(number)
        last_of_month = datetime.fromordinal(number + 1).day == 1
        if last_of_month if day == -1 else date.day == day:
            found.add(number + later)
    return frozenset(number for number in found if first <= number < first + 8 * 365)


RULES = {runs(day, 0): day for day in DATES}


@pytest.mark.parametrize(
    ("clock", "hours_ahead", "later"), [(time(1), 14, -1), (time(20), 0, 1), (time(23, 59), -23, 2)]
)
def test_a_day_of_the_month_moves_where_a_rule_is_due_on_the_same_days_and_is_refused_elsewhere(
    clock, hours_ahead, later
):
    clock = clock.replace(tzinfo=timezone(timedelta(hours=hours_ahead)))
    for day in DATES:
        expected = RULES.get(runs(day, later))
        if expected is None:
            with pytest.raises(InvalidRequest, match=r"rule\.dateOfMonth must be .* in all months"):
                TriggerRule.monthly(day, clock)
        else:
            assert TriggerRule.monthly(day, clock).date_of_month == expected


def test_last_is_the_last_day():
    assert TriggerRule.monthly("LAST", "03:30") == TriggerRule.monthly(-1, "03:30")
    assert TriggerRule.monthly("LAST", time(20, tzinfo=UTC)) == TriggerRule.monthly(1, "05:00")
