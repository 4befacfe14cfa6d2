"""Digests: the same launch is recognized by the next run, and by what a list shows of it."""

from types import MappingProxyType

import pytest

from dataflow_async import InvalidRequest, JobCondition, JobSettings, Launch
from dataflow_async.bulk.digests import parameters_digest, sent_parameters, settings_digest
from dataflow_async.bulk.launch_keys import made_name

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
def test_a_launch_that_can_not_be_sent_has_no_digest(launch, field):
    with pytest.raises(InvalidRequest) as caught:
        settings_digest(launch)
    assert caught.value.field == field
