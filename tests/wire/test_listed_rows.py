"""What reconciliation reads of a page is the same by msgspec and by the full decoder, however odd the page is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async import JobExecution, defaults
from dataflow_async.models.page import Page
from dataflow_async.wire import decoding, jsontext
from dataflow_async.wire.listed_rows import ModelPage, is_loaded, load, parameters_of, read_fast
from dataflow_async.wire.run_rows import execution_of

pytest.importorskip("msgspec")

JOB = "Jq3kT9vLmN2x"
TEXTS = st.sampled_from(["COMPLETED", "READY", "2026-11-01T00:00:00", "yesterday", "JOB", ""])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(st.characters(), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
NAMES = ("status", "createdDate", "startDate", "endDate", "triggerId", "type")
MEMBERS = {
    "jobId": st.just(JOB) | ANY,
    **dict.fromkeys(NAMES, TEXTS | TEXTS | ANY),
    "parsedParameters": st.dictionaries(st.text(max_size=3), ANY, max_size=3) | ANY,
    "jobCondition": ANY,
    "waitingTime": ANY,
}
ROWS = st.fixed_dictionaries({"jobExecutionId": st.sampled_from(["e1", "e2", "é3"])}, optional=MEMBERS)
PAGES = st.fixed_dictionaries(
    {"list": st.lists(ROWS | ROWS | ROWS | ANY, max_size=4)}, optional={"count": ANY, "error": ANY}
)


def seen(page):
    members = ("job_execution_id", "status", "created_date", "start_date", "end_date", "trigger_id", "type")
    rows = [[getattr(row, name) for name in members] for row in page.rows]
    return rows, page.unreadable, page.count, [page.parameters(index) for index in range(len(rows))]


def run_of(source):
    return source if isinstance(source, JobExecution) else execution_of(source, JOB)


@given(PAGES.map(json.dumps).map(str.encode) | PAGES.map(jsontext.standard_writer))
def test_both_readers_agree_on_any_page(body):
    page = read_fast(body, JOB)
    if page is None:
        return
    whole = ModelPage(decoding.decode(Page[JobExecution], jsontext.read(body), {"jobId": JOB}))
    assert seen(page) == seen(whole)
    for index in range(len(page.rows)):
        assert run_of(page.source(index)).raw == run_of(whole.source(index)).raw
        if (shown := page.parameters(index)) is not None:
            assert parameters_of(page.parameters_source(index)) == shown
            assert parameters_of(whole.parameters_source(index)) == shown


@pytest.mark.parametrize(
    ("odd", "fast"),
    [
        ({"jobName": 5, "waitingTime": "NaN", "jobCondition": []}, True),
        ({"jobId": None, "createdDate": None, "parsedParameters": None}, True),
        ({"createdDate": 1_793_458_800}, False),
        ({"parsedParameters": "text"}, False),
        ({"parsedParameters": []}, False),
        ({"triggerId": 5}, False),
        ({"jobExecutionId": ""}, False),
        ({"jobExecutionId": None}, False),
        ({"jobId": "another"}, False),
        ({"jobId": ""}, False),
    ],
    ids=repr,
)
def test_whatever_is_odd_in_what_is_read_is_left_to_the_full_decoder(odd, fast):
    rows = [{"jobExecutionId": f"e{number}", "jobId": JOB, "status": "READY"} for number in range(3)]
    rows[1] |= odd
    assert (read_fast(json.dumps({"list": rows}).encode(), JOB) is not None) is fast


def test_texts_of_rows_are_the_same_however_many_of_a_page_are_needed():
    count = 2 * defaults.ROWS_WORTH_SPLITTING
    rows = [{"jobExecutionId": f"e{n}", "jobId": JOB, "note": {"jobExecutionId": "e5"}} for n in range(count)]
    page = read_fast(json.dumps({"list": rows}).encode(), JOB)
    assert [json.loads(page.source(index)) for index in range(count)] == rows


def test_a_number_that_is_none_spoils_its_own_row_alone():
    body = b'{"list": [{"jobExecutionId": "e1", "parsedParameters": {"n": 1e999}}, {"jobExecutionId": "e2"}]}'
    page = read_fast(body, JOB)
    assert page.parameters(0) is None
    with pytest.raises(ValueError, match="infinity"):
        execution_of(page.source(0), JOB)
    assert execution_of(page.source(1), JOB).job_execution_id == "e2"


def test_what_bodies_are_read_with_is_loaded_once():
    load()
    assert is_loaded()
