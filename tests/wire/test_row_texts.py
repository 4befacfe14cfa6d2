"""The texts of single rows of a page: guessed by where rows begin, or all of them by parsing the body."""

import json
from typing import NamedTuple

import pytest

from dataflow_async.wire.row_texts import RowTexts
from dataflow_async.wire.run_rows import read_fast


class Row(NamedTuple):
    job_execution_id: str | None


def texts(body, ids, *, splits=None):
    def split(body):
        splits.append(body)
        return [memoryview(b"split")] * len(ids)

    return RowTexts(body, [Row(each) for each in ids], split)


BODY = b'{"list":[{"jobExecutionId":"a","n":1},\n {"jobExecutionId":"b"},{"jobExecutionId":"c"}],"count":3}'


def test_a_text_ends_where_the_next_row_begins_and_nothing_is_parsed():
    found = texts(BODY, ["a", "b", "c"])
    assert [found.guess(0), found.guess(1)] == [b'{"jobExecutionId":"a","n":1}', b'{"jobExecutionId":"b"}']


@pytest.mark.parametrize(
    ("body", "ids", "index"),
    [
        (BODY, ["a", "b", "c"], 2),
        (BODY, ["a", None, "c"], 0),
        (BODY, ["x", "b", "c"], 0),
        (BODY.replace(b'":"', b'": "'), ["a", "b", "c"], 0),
    ],
    ids=["the last row", "no id behind it", "an unknown id", "another spacing"],
)
def test_what_is_not_found_is_no_guess_and_the_body_is_split_once(body, ids, index):
    splits = []
    found = texts(body, ids, splits=splits)
    assert found.guess(index) is None
    assert found.split(index) == found.split(0) == b"split"
    assert splits == [body]


@pytest.mark.parametrize(
    "before",
    [
        {"nested": {"jobExecutionId": "b", "status": "READY"}},
        {"nested": [{"jobExecutionId": "b", "status": "READY"}, {"jobExecutionId": "c"}]},
        {"text": '{"jobExecutionId":"b","status":"READY"}'},
        {"text": "{"},
    ],
    ids=repr,
)
def test_what_only_resembles_a_row_is_not_taken_for_it(before):
    pytest.importorskip("msgspec")
    rows = [{"jobExecutionId": name, "status": "RUNNING"} for name in "abc"]
    rows[0] |= before
    page = read_fast(json.dumps({"list": rows}, separators=(",", ":")).encode(), "job")
    assert [page.execution(index).raw for index in range(3)] == rows
