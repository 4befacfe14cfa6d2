"""Answers as JSON: orjson and the standard library write the same values, and what one can't write the other does."""

import json
import sys

import pytest

from dataflow_async.emulator.api import responses
from dataflow_async.emulator.api.responses import Answer

VALUES = [
    {"status": "READY", "waitingTime": 0.000001, "runningTime": 1e22, "executorNum": 2},
    {"name": "한글", "half": "\ud800", "quote": '"\\\u2028\x7f\x00'},
    {"node": 2**63 - 1, "beyond": 2**70, "below": -(2**70)},
    [True, None, [], {}, -0.0],
    True,
]


@pytest.fixture(params=["orjson", "standard"], autouse=True)
def _writer(request, monkeypatch):
    if request.param == "orjson":
        pytest.importorskip("orjson")
    else:
        monkeypatch.setitem(sys.modules, "orjson", None)
    responses.fast_writer.cache_clear()
    yield
    responses.fast_writer.cache_clear()


@pytest.mark.parametrize("value", VALUES)
def test_an_answer_is_its_value_as_json(value):
    assert json.loads(Answer(200, value).encoded()) == value


def test_bytes_go_out_as_they_are():
    assert Answer(200, b"\xff").encoded() == b"\xff"
