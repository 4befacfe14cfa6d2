"""Names of launches: the next run makes the same ones, and no two launches of a run share one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflow_async
from dataflow_async import InvalidRequest, Launch
from dataflow_async.bulk.digests import settings_digest
from dataflow_async.bulk.launch_keys import LaunchKeys, made_name

ROOT = Path(dataflow_async.__file__).parents[1]


def names(launches):
    keys = LaunchKeys()
    return [keys.name(launch) for launch in launches]


# --- names -------------------------------------------------------------------------------------------------


def test_a_key_of_its_own_is_the_name():
    assert names([Launch("j", key="day 1"), Launch("j", key="날"), Launch("j", key="x" * 200)])[:2] == [
        "day 1",
        "날",
    ]


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "a\x00", "\x7f", "\x85", "\ud800", 5, b"k", 0, False])
def test_a_malformed_key_is_refused(key):
    with pytest.raises(InvalidRequest, match=r"^key must be text of 1 to 200 characters") as caught:
        LaunchKeys().name(Launch("j", key=key))
    assert caught.value.field == "key"


def test_the_same_key_twice_is_refused_by_name():
    keys = LaunchKeys()
    keys.name(Launch("j", key="day 1"))
    keys.name(Launch("j", key="Day 1"))
    for job in "jk":
        with pytest.raises(InvalidRequest, match="got 'day 1' for a second one") as caught:
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
    with pytest.raises(InvalidRequest, match="must name one launch"):
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


def test_a_million_names_are_remembered_and_no_more_than_two():
    keys = LaunchKeys(remembered=1_000)
    for n in range(2_500):
        keys.name(Launch("j", key=f"{n}"))
    for n in range(1_000, 2_500):
        with pytest.raises(InvalidRequest, match="must name one launch"):
            keys.name(Launch("j", key=f"{n}"))
    assert keys.name(Launch("j", key="999")) == "999"
    assert len(keys) == 1_501


def test_names_of_settings_that_are_forgotten_are_found_again():
    keys = LaunchKeys(repeated=2)
    for ordinal in range(1, 6):
        for n in range(4):
            assert keys.name(Launch("j"), bytes([n]) * 16) == made_name(bytes([n]) * 16, ordinal)
