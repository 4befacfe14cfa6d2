"""``dataflow-async triggers``: rules in words, and the wire's members they become."""

import json

import pytest

from tests.cli.shell import data, invoke


@pytest.fixture(autouse=True)
def emulator(dataflow_emulator):
    return dataflow_emulator


@pytest.mark.parametrize(
    ("words", "rule", "shown"),
    [
        (("--manual",), {"type": "NONE"}, "NONE"),
        (("--hourly", "5"), {"type": "RECURRING", "interval": "HOUR", "time": "05"}, "HOUR 05"),
        (("--daily", "03:00"), {"type": "RECURRING", "interval": "DAY", "time": "03:00"}, "DAY 03:00"),
        (
            ("--weekly", "monday,FRIDAY", "--at", "03:00"),
            {"type": "RECURRING", "interval": "WEEK", "time": "03:00", "dayOfWeek": ["MONDAY", "FRIDAY"]},
            "WEEK MONDAY, FRIDAY 03:00",
        ),
        (
            ("--monthly", "-1", "--at", "03:00"),
            {"type": "RECURRING", "interval": "MONTH", "time": "03:00", "dateOfMonth": "-1"},
            "MONTH day -1 03:00",
        ),
        (
            ("--once", "2030-12-01T03:00:00"),
            {"type": "ONE_TIME", "executionDate": "2030-12-01T03:00:00"},
            "ONE_TIME 2030-12-01 03:00:00",
        ),
    ],
)
def test_a_rule_in_words(emulator, words, rule, shown):
    made = data("triggers", "create", "nightly", *words)
    assert emulator.state.triggers[made["triggerId"]].rule == rule
    assert invoke("triggers", "list").stdout.splitlines()[1].split(maxsplit=3)[3].strip() == shown
    assert data("triggers", "show", "nightly")["triggerId"] == made["triggerId"]


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
