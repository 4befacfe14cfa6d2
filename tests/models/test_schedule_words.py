"""A rule in words."""

from datetime import UTC, datetime, time

import pytest

from dataflow_async import TriggerRule


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (TriggerRule.hourly(5), "every hour at minute 05"),
        (TriggerRule.daily("03:30"), "every day at 03:30 (UTC+9)"),
        (TriggerRule.weekly("MON-SUN", "03:30"), "every day at 03:30 (UTC+9)"),
        (TriggerRule.weekly("MON-FRI", "09:30"), "Monday to Friday at 09:30 (UTC+9)"),
        (TriggerRule.weekly("SUN", "09:30"), "every Sunday at 09:30 (UTC+9)"),
        (TriggerRule.weekly("SAT,SUN", "09:30"), "every Saturday and Sunday at 09:30 (UTC+9)"),
        (TriggerRule.weekly("MON,WED,FRI", "09:30"), "every Monday, Wednesday and Friday at 09:30 (UTC+9)"),
        (TriggerRule.weekly("MON-WED,SAT", "09:30"), "Monday to Wednesday and Saturday at 09:30 (UTC+9)"),
        (TriggerRule.weekly("FRI", time(20, tzinfo=UTC)), "every Saturday at 05:00 (UTC+9)"),
        (TriggerRule.monthly(1, "08:00"), "on day 1 of every month at 08:00 (UTC+9)"),
        (TriggerRule.monthly(28, "08:00"), "on day 28 of every month at 08:00 (UTC+9)"),
        (TriggerRule.monthly(29, "08:00"), "on day 29 of every month that has it at 08:00 (UTC+9)"),
        (TriggerRule.monthly("LAST", "08:00"), "on the last day of every month at 08:00 (UTC+9)"),
        (TriggerRule.once("2026-12-24T06:00:00"), "once, on 2026-12-24 at 06:00 (UTC+9)"),
        (TriggerRule.once(datetime(2026, 12, 23, 21, 0, 5, tzinfo=UTC)), "once, on 2026-12-24 at 06:00:05 (UTC+9)"),
        (TriggerRule.once("9999-12-31T23:00:00Z"), "once, at '9999-12-31T23:00:00Z'"),
        (TriggerRule.once("whenever"), "once, at 'whenever'"),
        (TriggerRule.manual(), "only when started by hand"),
        (TriggerRule("RECURRING", "DAY"), "TriggerRule(type='RECURRING', interval='DAY')"),
    ],
)  # fmt: skip
def test_a_rule_reads_as_words(rule, words):
    assert str(rule) == words
