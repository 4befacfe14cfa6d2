"""``dataflow-async triggers``: rules in words, and the wire's members they become."""

import json
import re

import pytest

from tests.cli.shell import data, invoke

WEEKDAYS = {
    "type": "RECURRING",
    "interval": "WEEK",
    "time": "09:30",
    "dayOfWeek": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"],
}
LAST = {"type": "RECURRING", "interval": "MONTH", "time": "03:00", "dateOfMonth": "-1"}


@pytest.fixture(autouse=True)
def emulator(dataflow_emulator):
    return dataflow_emulator


@pytest.mark.parametrize(
    ("words", "rule", "shown"),
    [
        (("--manual",), {"type": "NONE"}, "only when started by hand"),
        (
            ("--hourly", "5"),
            {"type": "RECURRING", "interval": "HOUR", "time": "05"},
            "every hour at minute 05",
        ),
        (
            ("--daily", "03:00"),
            {"type": "RECURRING", "interval": "DAY", "time": "03:00"},
            "every day at 03:00",
        ),
        (
            ("--weekly", "monday,FRI", "--at", "03:00"),
            {"type": "RECURRING", "interval": "WEEK", "time": "03:00", "dayOfWeek": ["MONDAY", "FRIDAY"]},
            "every Monday and Friday at 03:00",
        ),
        (("--weekly", "mon-fri", "--at", "09:30"), WEEKDAYS, "Monday to Friday at 09:30"),
        (("--cron", "30 9 * * 1-5"), WEEKDAYS, "Monday to Friday at 09:30"),
        (("--monthly", "-1", "--at", "03:00"), LAST, "on the last day of every month at 03:00"),
        (("--monthly", "last", "--at", "03:00"), LAST, "on the last day of every month at 03:00"),
        (("--cron", "0 3 L * *"), LAST, "on the last day of every month at 03:00"),
        (
            ("--once", "2030-12-01T03:00:00"),
            {"type": "ONE_TIME", "executionDate": "2030-12-01T03:00:00"},
            "once, on 2030-12-01 at 03:00",
        ),
    ],
)
def test_a_rule_in_words(emulator, words, rule, shown):
    made = data("triggers", "create", "nightly", *words)
    assert emulator.state.triggers[made["triggerId"]].rule == rule
    assert invoke("triggers", "list").stdout.splitlines()[1].split(maxsplit=2)[2].strip() == shown
    assert data("triggers", "show", "nightly")["triggerId"] == made["triggerId"]


def test_a_new_rule_says_when_it_is_due():
    said = invoke("triggers", "create", "nightly", "--cron", "30 9 * * 1-5").stderr
    assert re.fullmatch(r"next due \(KST\): (20\d\d-\d\d-\d\d 09:30(, )?){3}\n", said)
    assert invoke("triggers", "create", "by_hand", "--manual").stderr == ""


def test_a_rule_of_the_service_that_can_not_be_read_is_shown_as_it_is(emulator):
    trigger_id = data("triggers", "create", "nightly", "--daily", "03:00")["triggerId"]
    emulator.state.triggers[trigger_id].rule["interval"] = "FORTNIGHT"
    assert "type=RECURRING, interval=FORTNIGHT, time=03:00" in invoke("triggers", "show", "nightly").stdout


def test_a_rule_from_a_file(emulator, tmp_path):
    path = tmp_path / "rule.yaml"
    path.write_text("type: RECURRING\ninterval: DAY\ntime: '03:00'\n")
    invoke("triggers", "create", "nightly", "--rule", path)
    assert [it.rule["time"] for it in emulator.state.triggers.values()] == ["03:00"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "one of --manual, --hourly"),
        (("--manual", "--daily", "03:00"), "one of --manual, --hourly"),
        (("--weekly", "MONDAY"), "--at belongs to"),
        (("--daily", "03:00", "--at", "03:00"), "--at belongs to"),
        (("--daily", "3:00"), "rule.time"),
        (("--hourly", "61"), "minute"),
        (("--monthly", "32", "--at", "03:00"), "rule.dateOfMonth must be 1 to 31"),
        (("--monthly", "x", "--at", "03:00"), "rule.dateOfMonth must be 1 to 31"),
        (("--cron", "*/15 * * * *"), "make a trigger for each"),
        (("--cron", "0 3 * * *", "--manual"), "one of --manual, --hourly"),
    ],
)
def test_a_rule_that_can_not_be_is_a_usage_error(emulator, words, says):
    assert says in invoke("triggers", "create", "nightly", *words, code=2).stderr
    assert emulator.state.triggers == {}


def test_a_dry_run_shows_the_rule(emulator):
    result = invoke("triggers", "create", "nightly", "--daily", "03:00", "--dry-run", "-o", "json")
    assert json.loads(result.stdout)["body"]["triggerRule"]["time"] == "03:00"
    assert emulator.state.triggers == {}


def test_triggers_are_deleted(emulator):
    invoke("triggers", "create", "nightly", "--manual")
    invoke("triggers", "delete", "nightly")
    assert emulator.state.triggers == {}
