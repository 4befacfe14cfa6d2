"""Every ruling of the contract notes has a line in the probe, or a reason why it has none."""

import re
from pathlib import Path

import pytest

import dataflow_async
from dataflow_async.probe.facts import observe
from dataflow_async.probe.rulings import NOT_ASKED, RULINGS

NOTES = (Path(dataflow_async.__file__).parent / "contract" / "notes.md").read_text("utf-8")
NUMBERS = sorted(map(int, re.findall(r'<a id="ruling-(\d+)">', NOTES)))


def test_each_ruling_is_observed_or_has_a_reason():
    assert sorted([*RULINGS, *NOT_ASKED]) == NUMBERS


def test_each_reason_is_a_sentence_part():
    assert [number for number, reason in NOT_ASKED.items() if len(reason.split()) < 5] == []


def test_each_line_rests_on_facts_that_exist():
    known = {*observe({}), *(name for line in RULINGS.values() for name in line.facts if "launch: " in name)}
    assert {name for line in RULINGS.values() for name in line.facts} - known == set()


@pytest.mark.parametrize(
    ("number", "value", "is_allowed"),
    [
        (71, "rows in all", True),
        (71, "absent", False),
        (66, ["3 digits +09:00", "0 digits no zone"], True),
        (66, ["3 digits +09:00", "number"], False),
        (68, [], True),
        (68, ["description"], False),
        (72, 100, True),
        (72, "repeats page 0", False),
        (64, "no answer", True),
        (64, "500 page", False),
        (97, "404 service not-found", True),
        (97, "200 false", False),
        (20, "400 standardized NotFound", False),
        (97, "200 error", False),
    ],
)
def test_a_line_allows_what_its_ruling_foresees(number, value, is_allowed):
    assert RULINGS[number].allows(value) is is_allowed
