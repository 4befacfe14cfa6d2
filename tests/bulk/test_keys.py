"""Keys and digests: the same launch is recognized by the next run, and no two launches share a name."""

import re
import subprocess
import sys
from pathlib import Path
from random import Random
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflow_async
from dataflow_async import InvalidRequest, JobCondition, JobSettings, Launch
from dataflow_async.bulk import launch_keys
from dataflow_async.bulk.digests import parameters_digest, sent_parameters, settings_digest
from dataflow_async.bulk.launch_keys import LaunchKeys, made_name

ROOT = Path(dataflow_async.__file__).parents[1]


def names(launches):
    keys = LaunchKeys()
    return [keys.name(launch) for launch in launches]


# --- digests -----------------------------------------------------------------------------------------------

XY = {"y": "2", "x": "1"}
SAME = {
    "typed or wire": [
        Launch("j", condition=JobCondition(num_worker=2, script_path="a", parameters={"x": "1", "y": "2"})),
        Launch("j", condition={"scriptPath": "a", "numWorker": 2, "parameters": {"y": "2", "x": "1"}}),
        Launch("j", condition={"scriptPath": "a", "numWorker": 2}, parameters={"x": "1", "y": "2"}),
        Launch("j", condition=JobSettings(num_worker=2, script_path="a"), parameters=MappingProxyType(XY)),
    ],
    "what is None is not sent": [
        Launch("j"),
        Launch("j", condition=JobCondition()),
        Launch("j", condition={"timeout": None}),
        Launch("j", condition={}),
        Launch("j", key="a key of its own"),
    ],
}


@pytest.mark.parametrize("launches", SAME.values(), ids=SAME)
def test_the_same_settings_have_the_same_digest(launches):
    digests = {settings_digest(launch) for launch in launches}
    assert len(digests) == 1
    assert [len(digest) for digest in digests] == [16]


def test_any_other_setting_gives_another_digest():
    different = [
        Launch("j"),
        Launch("k"),
        Launch("j", trigger_id="t"),
        Launch("j", workflow_id="t"),
        Launch("j", trigger_id="t", workflow_id="t"),
        Launch("j", parameters={}),
        Launch("j", parameters={"x": "1"}),
        Launch("j", parameters={"x": "2"}),
        Launch("j", parameters={"y": "1"}),
        Launch("j", parameters={"x": "1", "y": "1"}),
        Launch("j", condition={"numWorker": 2}),
        Launch("j", condition={"numWorker": 3}),
        Launch("j", condition={"timeout": 3}),
        Launch("j", condition={"nrn": "a"}),
        Launch("j", condition={"scriptPath": "a"}),
        Launch("j", condition={"logPath": "a"}),
    ]
    assert len({settings_digest(launch) for launch in different}) == len(different)


def test_digests_stay_what_they_are_from_version_to_version():
    """A journal is read by later versions: a digest that changed would make every launch a stranger."""
    launch = Launch("Jq3kT9vLmN2x", condition=JobCondition(num_worker=2), parameters={"day": "1", "가": "é"})
    assert settings_digest(launch).hex() == "9bb85369c66be0e725d0a01843311dca"
    assert parameters_digest(launch.parameters).hex() == "19a69b4807480a11956ad2b1f702a3cc"
    assert made_name(bytes(16), 1) == "ed8b7b2c2c6bae3a650f"


def test_parameters_are_recognized_however_they_are_ordered_and_none_are_none():
    assert parameters_digest({"x": "1", "y": "2"}) == parameters_digest({"y": "2", "x": "1"})
    assert parameters_digest({"x": "1"}) != parameters_digest({"x": 1})
    assert parameters_digest({}) is None
    assert parameters_digest(None) is None


def test_parameters_are_found_wherever_they_were_given():
    assert sent_parameters(Launch("j", parameters={"x": "1"})) == {"x": "1"}
    assert sent_parameters(Launch("j", condition={"parameters": {"x": "1"}})) == {"x": "1"}
    assert sent_parameters(Launch("j", condition=JobCondition(timeout=3))) == {}
    assert sent_parameters(Launch("j")) == {}


@pytest.mark.parametrize(
    ("launch", "field"),
    [
        (Launch("j", parameters={"x": 1}), "parameters['x']"),
        (Launch("j", condition={"numWorker": 99}), "condition.numWorker"),
        (Launch("j", condition={"parameters": {}}, parameters={}), "parameters"),
        (Launch("j", condition={"new": object()}), "condition.new"),
        (Launch("j", parameters={"x": "\ud800"}), "launch.jobCondition.parameters.x"),
    ],
)
def test_what_can_not_be_sent_has_no_digest(launch, field):
    with pytest.raises(InvalidRequest) as caught:
        settings_digest(launch)
    assert caught.value.field == field


# --- names -------------------------------------------------------------------------------------------------


def test_a_key_of_its_own_is_the_name():
    assert names([Launch("j", key="day 1"), Launch("j", key="날"), Launch("j", key="x" * 200)])[:2] == [
        "day 1",
        "날",
    ]


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "a\x00", "\x7f", "\x85", "\ud800", 5, b"k", 0, False])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(InvalidRequest, match=r"^key must be text of 1 to 200 characters") as caught:
        LaunchKeys().name(Launch("j", key=key))
    assert caught.value.field == "key"


def test_the_same_key_twice_is_refused_by_name():
    keys = LaunchKeys()
    keys.name(Launch("j", key="day 1"))
    keys.name(Launch("j", key="Day 1"))
    for job in "jk":
        with pytest.raises(InvalidRequest, match="'day 1' names two launches") as caught:
            keys.name(Launch(job, key="day 1"))
        assert caught.value.field == "key"
    assert names([Launch("j", key="day 1")]) == ["day 1"]  # in the next run it is new


def test_identical_launches_have_names_of_their_own_in_every_run_the_same():
    alike = [Launch("j"), Launch("j"), Launch("j", parameters={"x": "1"}), Launch("j", condition={})]
    first = names(alike)
    assert len(set(first)) == 4
    assert all(re.fullmatch("[0-9a-f]{20}", name) for name in first)
    assert names(alike) == first


launches = st.builds(
    Launch,
    st.sampled_from(["j", "k"]),
    parameters=st.sampled_from([None, {"x": "1"}, {"x": "2"}]),
    trigger_id=st.sampled_from([None, "t"]),
)


@given(line=st.lists(launches, min_size=1, max_size=12), data=st.data())
def test_dropping_one_changes_the_names_of_identical_ones_only(line, data):
    dropped = data.draw(st.integers(0, len(line) - 1))
    before = names(line)
    assert len(set(before)) == len(line)
    after = names(line[:dropped] + line[dropped + 1 :])
    digest = settings_digest(line[dropped])
    kept = [
        (name, launch)
        for place, (name, launch) in enumerate(zip(before, line, strict=True))
        if place != dropped
    ]
    for (name, launch), now in zip(kept, after, strict=True):
        assert name == now or settings_digest(launch) == digest
    alike = [name for name, launch in zip(before, line, strict=True) if settings_digest(launch) == digest]
    assert {
        now for (_, launch), now in zip(kept, after, strict=True) if settings_digest(launch) == digest
    } == set(alike[:-1])


def test_a_made_name_that_a_caller_has_taken_is_passed_over():
    made, following = names([Launch("j"), Launch("j")])
    assert names([Launch("j", key=made), Launch("j")]) == [made, following]
    keys = LaunchKeys()
    keys.name(Launch("j"))
    with pytest.raises(InvalidRequest, match="names two launches"):
        keys.name(Launch("j", key=made))


def test_a_digest_at_hand_is_used():
    keys = LaunchKeys()
    assert keys.name(Launch("j"), bytes(16)) == made_name(bytes(16), 1)
    assert keys.name(Launch("j"), bytes(16)) == made_name(bytes(16), 2)


GROWTH = """
import sys
from dataflow_async import Launch
from dataflow_async.bulk.launch_keys import LaunchKeys

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

keys = LaunchKeys()
def take(first, last):
    for n in range(first, last):
        keys.name(Launch("j", key=f"{n:060}") if n % 2 else Launch("j"), n.to_bytes(16, "big"))
take(0, 20_000)
before = resident()
take(20_000, 120_000)
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_name_takes_little_more_than_its_digest():
    done = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert int(done.stdout) < 8_000_000  # 16 bytes each, in a table that is at most three quarters full


def test_a_million_names_are_remembered_and_no_more_than_two(monkeypatch):
    monkeypatch.setattr(launch_keys, "_REMEMBERED", 1_000)
    keys = LaunchKeys()
    for n in range(2_500):
        keys.name(Launch("j", key=f"{n}"))
    for n in range(1_000, 2_500):
        with pytest.raises(InvalidRequest, match="names two launches"):
            keys.name(Launch("j", key=f"{n}"))
    assert keys.name(Launch("j", key="999")) == "999"
    assert len(keys._recent._now) + len(keys._recent._before) == 1_501


def test_names_of_settings_that_are_forgotten_are_found_again(monkeypatch):
    monkeypatch.setattr(launch_keys, "_REPEATED", 2)
    keys = LaunchKeys()
    for ordinal in range(1, 6):
        for n in range(4):
            assert keys.name(Launch("j"), bytes([n]) * 16) == made_name(bytes([n]) * 16, ordinal)


ALIKE = st.builds(lambda middle: bytes(8) + middle + b"p", st.binary(min_size=7, max_size=7))
"""Digests that all have the same place in the same table."""


@given(st.lists(ALIKE | st.binary(min_size=16, max_size=16).filter(any), max_size=60))
def test_digests_are_a_set_however_they_collide(added):
    digests, model = launch_keys._Digests(), set()
    for digest in added:
        assert (digest in digests) == (digest in model)
        assert digests.add(digest) == (digest not in model)
        model.add(digest)
        assert len(digests) == len(model)
    assert all(digest in digests for digest in model)


def test_digests_stay_a_set_as_they_grow():
    digests, chance = launch_keys._Digests(), Random(3)
    added = [chance.randbytes(16) for _ in range(5_000)]
    assert all(digests.add(digest) for digest in added)
    assert not any(digests.add(digest) for digest in added)
    assert len(digests) == 5_000
    assert sum(len(table._slots) for table in digests._parts) <= 3 * 5_000 * 16


def test_no_table_takes_long_to_grow(monkeypatch):
    moved, grow = [], launch_keys._Table._grow
    monkeypatch.setattr(
        launch_keys._Table, "_grow", lambda table: (moved.append(len(table._slots) // 16), grow(table))
    )
    digests, chance = launch_keys._Digests(), Random(3)
    for _ in range(100_000):
        digests.add(chance.randbytes(16))
    assert max(moved) <= 1_024  # a million names: 8,192, some 10 ms
