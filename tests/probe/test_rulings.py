"""Every ruling of the contract notes has a line in the probe that can be confirmed and refuted, or a reason why it has none."""

import copy
import re
from pathlib import Path

import pytest

import dataflow_async
from dataflow_async.probe.rulings import NOT_ASKED, RULINGS
from tests.support.differences import CONFIRMING, REFUTING
from tests.support.replay import Replay, recorded

NOTES = (Path(dataflow_async.__file__).parent / "contract" / "notes.md").read_text("utf-8")
ROWS = dict(re.findall(r'^\| <a id="ruling-\d+"></a>(\d+) \| (.*)$', NOTES, re.MULTILINE))
NUMBERS = sorted(map(int, re.findall(r'<a id="ruling-(\d+)">', NOTES)))


def test_each_ruling_is_observed_or_has_a_reason():
    assert sorted([*RULINGS, *NOT_ASKED]) == NUMBERS
    assert RULINGS.keys() & NOT_ASKED.keys() == set()


@pytest.mark.parametrize("number", NUMBERS)
def test_each_row_that_is_unknown_has_a_line_or_a_reason(number):
    text = ROWS[str(number)]
    if re.search(r"unknown|undocumented|no rule|unpublished|may |might|Ambiguous", text):
        assert number in RULINGS or len(NOT_ASKED[number].split()) >= 5, text


def test_each_reason_is_a_sentence_part():
    assert [number for number, reason in NOT_ASKED.items() if len(reason.split()) < 5] == []


def test_each_line_rests_on_facts_that_a_report_has(account):
    known = Replay(account).report().facts.keys()
    assert {name for line in RULINGS.values() for name in line.facts} - known == set()


# --- services that differ in one thing ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def account():
    """What an account answers that is as the notes have it, and shows everything."""
    return recorded()


def finding(account, number, change):
    replay = Replay(copy.deepcopy(account))
    if change is not None:
        change(replay)
    return next(it for it in replay.report().findings if it.ruling == number)


def test_the_table_has_every_line():
    assert REFUTING.keys() == RULINGS.keys()


@pytest.mark.parametrize("number", RULINGS)
def test_a_service_refutes_it(account, number):
    found = finding(account, number, REFUTING[number])
    assert str(found.answer) == "refuted" and found.seen, found


@pytest.mark.parametrize("number", RULINGS)
def test_a_service_confirms_it(account, number):
    found = finding(account, number, CONFIRMING.get(number))
    assert str(found.answer) == "confirmed" and found.seen, found


def test_a_line_of_which_nothing_is_seen_says_why(account):
    answers = {"jobs": (200, {"list": [], "count": 0, "page": 0, "limit": 1000})}
    found = Replay(answers, launch={}).report().findings
    assert [it.ruling for it in found if (it.answer == "not seen") != bool(it.why)] == []
    whys = {it.ruling: it.why for it in found}
    assert whys[62] == "the account has nothing to ask 'job' about"
    assert whys[90] == "not asked: it needs --with-runs"
