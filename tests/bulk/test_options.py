"""The options of bulk runs: their names, and what they need."""

import pytest

from dataflow_async import DataFlow, InvalidRequest
from dataflow_async.bulk.options import DEFAULTS, BulkOptions, checked
from tests.support.client import KEYS


def test_options_have_each_a_default():
    assert [*DEFAULTS] == [*BulkOptions.__annotations__]
    options = checked("run_all", [], {})
    assert options.journal is None
    assert options.total == 0


@pytest.mark.parametrize("method", ["run_all", "launch_all"])
def test_options_of_another_name_are_refused_as_python_does(method):
    flow = DataFlow(KEYS)
    with pytest.raises(TypeError, match=rf"{method}\(\) got an unexpected keyword argument 'stop_on'"):
        getattr(flow, method)([], stop_on=3)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("correlation_parameter", "key"),
        ("assume_exclusive", True),
        ("visibility_delay", 1.0),
        ("rerun", ["FAILED"]),
        ("on_uncertain", "relaunch"),
    ],
)
def test_options_about_lost_launches_need_a_journal(option, value):
    with pytest.raises(InvalidRequest, match=f"{option} must be left out without a journal") as caught:
        checked("run_all", [], {option: value})
    assert caught.value.field == option
    assert checked("run_all", [], {option: value, "journal": "days.db"}).journal is not None
