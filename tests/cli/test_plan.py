"""Moments of a backfill: steps, months, and cron rules."""

from datetime import datetime

import pytest

from dataflow_async import InvalidRequest
from dataflow_async.cli.exit_codes import CommandFailed
from dataflow_async.cli.plan import due, end_of, moment, steps


def at(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("first", "last", "every", "found"),
    [
        ("2026-02-27", "2026-03-01", "1d", ["2026-02-27", "2026-02-28", "2026-03-01"]),
        ("2026-01-31", "2026-04-30", "1M", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2026-11-30", "2027-01-31", "1M", ["2026-11-30", "2026-12-30", "2027-01-30"]),
        ("2026-01-01", "2026-01-15", "1w", ["2026-01-01", "2026-01-08", "2026-01-15"]),
        ("2026-01-01", "2026-01-01", "12h", ["2026-01-01T00:00", "2026-01-01T12:00"]),
        (
            "2026-01-01T00:00",
            "2026-01-01T00:30",
            "15min",
            ["2026-01-01T00:00", "2026-01-01T00:15", "2026-01-01T00:30"],
        ),
        ("2026-01-02", "2026-01-01", "1d", []),
        ("9999-12-30", "9999-12-30", "1d", ["9999-12-30"]),
    ],
)
def test_steps_of_a_period_include_its_end(first, last, every, found):
    assert list(steps(at(first), end_of(last), every)) == [at(text) for text in found]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("0 3 * * *", ["01T03:00", "02T03:00", "03T03:00", "04T03:00"]),
        ("30 6 * * mon-fri", ["01T06:30", "02T06:30"]),
        ("0 0 * * 7", ["04T00:00"]),
        ("0 0 2 * SUN", ["02T00:00", "04T00:00"]),
        ("0 */12 1-2 JAN *", ["01T00:00", "01T12:00", "02T00:00", "02T12:00"]),
        ("5-59/30 9 3 1 *", ["03T09:05", "03T09:35"]),
        ("@daily", ["01T00:00", "02T00:00", "03T00:00", "04T00:00"]),
        ("0,15 1 1 * *", ["01T01:00", "01T01:15"]),
        ("0 0 * 2 *", []),
    ],
)
def test_times_of_a_cron_rule(rule, found):
    times = due(rule, at("2026-01-01"), end_of("2026-01-04"))
    assert list(times) == [at(f"2026-01-{text}") for text in found]


@pytest.mark.parametrize(
    "rule",
    ["", "0 3 * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "0 0 0 * *", "1- * * * *"],
)
def test_a_rule_that_is_none_is_refused(rule):
    with pytest.raises(InvalidRequest, match="cron"):
        list(due(rule, at("2026-01-01"), end_of("2026-01-04")))


@pytest.mark.parametrize(
    ("rule", "first", "last", "found"),
    [
        ("0 6 L * *", "2026-01-15", "2026-03-15", ["2026-01-31T06:00", "2026-02-28T06:00"]),
        ("0 6 L * MON", "2026-02-25", "2026-03-02", ["2026-02-28T06:00", "2026-03-02T06:00"]),
        ("0 6 * * *", "9999-12-31", "9999-12-31", ["9999-12-31T06:00"]),
    ],
)
def test_the_last_day_of_a_month_is_due(rule, first, last, found):
    assert list(due(rule, at(first), end_of(last))) == [at(text) for text in found]


@pytest.mark.parametrize("every", ["", "d", "0d", "1", "1y", "-1d", "1D"])
def test_a_step_that_is_none_is_refused(every):
    with pytest.raises(CommandFailed, match="--every must be"):
        list(steps(at("2026-01-01"), at("2026-01-02"), every))


@pytest.mark.parametrize("text", ["today", "2026-02-30", "2026-01-01T00:00+09:00"])
def test_a_moment_that_is_none_is_refused(text):
    with pytest.raises(CommandFailed, match="--from must be a date"):
        moment(text, "--from")
