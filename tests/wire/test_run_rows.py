"""What polling reads of a page is the same by msgspec, by JSON values and by the full codec, however odd the page is."""

import json
from operator import attrgetter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow_async import JobExecution
from dataflow_async.models.page import Page
from dataflow_async.wire import decoding, jsontext
from dataflow_async.wire.run_rows import UNREADABLE, RunRow, execution_of, page_of, read_fast

pytest.importorskip("msgspec")

JOB = "Jq3kT9vLmN2x"
IDS, STATUSES = st.sampled_from(["e1", "e2", "e3"]), st.sampled_from(["READY", "RUNNING", "COMPLETED", "NEW"])
DATES = st.sampled_from(["2026-11-01T00:00:00", "2026-11-01T00:00:00+09:00", "yesterday", ""])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
MEMBERS = {
    "jobId": st.just(JOB) | ANY,
    "status": STATUSES | ANY,
    "createdDate": DATES | ANY,
    "endDate": DATES | ANY,
    "jobName": ANY,
    "jobCondition": ANY,
    "parsedParameters": ANY,
    "waitingTime": ANY,
    "새로운": ANY,
}
ROWS = st.fixed_dictionaries({"jobExecutionId": IDS}, optional=MEMBERS)
PAGES = st.fixed_dictionaries(
    {"list": st.lists(ROWS | ROWS | ROWS | ANY, max_size=4)},
    optional={"count": ANY, "error": ANY, "errorType": ANY, "more": ANY},
)


def seen(page):
    of_row = attrgetter(*RunRow._fields)
    return [of_row(row if row.job_execution_id is not None else UNREADABLE) for row in page.rows]


@given(
    st.one_of(
        PAGES.map(json.dumps).map(str.encode),
        PAGES.map(lambda page: json.dumps(page, ensure_ascii=False).encode("utf-8", "surrogatepass")),
        ANY.map(json.dumps).map(str.encode),
        st.binary(),
    )
)
@example(
    b'{"list": [{"jobExecutionId": "e1", "status": "A", "status": "B"}], "list": [{"st\\u0061tus": "C"}]}'
)
@example(b'{"list": [{"jobName": "\xff"}]}')
@example(b'\xef\xbb\xbf{"list": []}')
@example(b'{"list": [{"jobName": "\\ud800"}]}')
@example(b'{"list": [{"jobName": ' + b"[" * 5000 + b"]" * 5000 + b"}]}")
def test_both_decoders_and_the_full_codec_agree_on_any_page(body):
    page = read_fast(body, JOB)
    try:
        content = jsontext.read(body)
        values = decoding.rows_of(content)
    except (ValueError, AttributeError):
        assert page is None
        return
    plain = page_of(values, JOB)
    if page is None:
        page = plain
    assert seen(page) == seen(plain)
    for index, row in enumerate(page.rows):
        assert (
            (row == UNREADABLE) or row.job_execution_id is not None or "jobExecutionId" not in values[index]
        )
        if not row.job_execution_id:
            continue
        run = decoding.decode(JobExecution, values[index], {"jobId": JOB})
        assert execution_of(page.source(index), JOB) == execution_of(plain.source(index), JOB) == run
        assert page.execution(index) == plain.execution(index) == run
        assert execution_of(page.source(index), JOB).raw == page.execution(index).raw == values[index]
        assert (run.job_execution_id, run.job_id) == (row.job_execution_id, JOB)
        assert (run.status, run.end_date is None) == (row.status, row.end_date is None)
    whole = decoding.decode(Page[JobExecution], content, {"jobId": JOB})
    assert {row.job_execution_id for row in page.rows} <= {
        None,
        "",
        *map(attrgetter("job_execution_id"), whole.items),
    }


@pytest.mark.parametrize(
    ("odd", "fast"),
    [
        ({"jobName": 5, "waitingTime": "NaN", "jobCondition": []}, True),
        ({"jobId": None, "createdDate": None}, True),
        ({"createdDate": 1_793_458_800}, False),
        ({"status": 5}, False),
        ({"jobId": "another"}, False),
    ],
    ids=repr,
)
def test_an_odd_member_that_polling_does_not_read_leaves_a_page_to_msgspec(odd, fast):
    rows = [{"jobExecutionId": f"e{number}", "jobId": JOB, "status": "READY"} for number in range(3)]
    rows[1] |= odd
    page = read_fast(json.dumps({"list": rows, "count": 3}).encode(), JOB)
    assert (page is not None) is fast
    shown = [row.job_execution_id for row in page_of(rows, JOB).rows]
    assert shown == (["e0", "e1", "e2"] if fast or "createdDate" in odd else ["e0", None, "e2"])


@pytest.mark.parametrize(
    "more", [{"error": {}}, {"errorType": "unknown"}, {"list": None}, {"list": [7]}], ids=repr
)
def test_what_may_be_an_error_is_left_to_the_full_codec(more):
    assert read_fast(json.dumps({"list": [], **more}).encode(), JOB) is None


def test_a_number_that_is_none_spoils_its_own_row_alone():
    body = b'{"list": [{"jobExecutionId": "e1", "waitingTime": 1e999}, {"jobExecutionId": "e2"}]}'
    page = read_fast(body, JOB)
    for read in (page.execution, page.source):
        with pytest.raises(ValueError, match="infinity"):
            read(0)
    assert page.execution(1).job_execution_id == "e2"
