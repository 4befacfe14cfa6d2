"""Events as lines of JSON."""

import pytest

from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    RequestReceived,
    ServerStarted,
    SignatureChecked,
    StateChanged,
    StatusReported,
    parse,
    to_line,
)

EVENTS = [
    ServerStarted(1, 0.5),
    RequestReceived(
        2, 1.0, 1, "POST", "/api/v1/jobs?q=%ED%95%9C", "createJob", True, {"name": "한", "n": [1.5, None]}
    ),
    SignatureChecked(3, 1.0, 1, None),
    StateChanged(4, 1.0, 1, "launched", "execution", "run", "job", {"day": "1"}),
    StatusReported(5, 1.0, 1, (("run", "READY"), ("other", "RUNNING"))),
    AnswerSent(6, 1.0, 1, 202, ("latency",)),
    AnswerLost(7, 1.0, None, "refuse", ("refuse",)),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda it: type(it).__name__)
def test_every_event_is_read_back_as_it_was_written(event):
    line = to_line(event)
    assert line.endswith("\n") and line.isascii() and line.count("\n") == 1
    assert list(parse([line])) == [event]


def test_an_incomplete_last_line_is_left_out():
    lines = [to_line(EVENTS[0]), to_line(EVENTS[1])[:-1]]
    assert list(parse(lines)) == EVENTS[:1]


def test_a_line_that_is_not_an_event_is_refused_with_its_number():
    with pytest.raises(ValueError, match=r"line 2 must be an event of a history, got 'x\\n'"):
        list(parse([to_line(EVENTS[0]), "x\n"]))
