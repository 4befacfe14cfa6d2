"""Any bytes as an answer give a result or a `DataFlowError`, nothing else."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async import DataFlowError, RetryPolicy
from dataflow_async.wire.message import Answer
from tests.support import contract
from tests.support.client import client
from tests.support.internals import session_of
from tests.support.scripted import answer, scripted
from tests.transport.test_pipeline_cancelling import CALLS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=20,
)


def members(name):
    """Objects with the members a call's answer really has, holding anything."""
    response = contract.operations()[name].node["responses"]
    texts = {word for word in str(response).replace("'", " ").split() if word.isidentifier()}
    known = st.sampled_from(sorted(texts | {"list", "jobId", "status", "error", "detail", "errorCode"}))
    return st.dictionaries(known, JSON, max_size=8)


async def outcome(name, status, headers, body):
    async with client("http://127.0.0.1:1", retry=RetryPolicy(max_attempts=1)) as flow:

        async def send(*_):
            return Answer(status, headers, body, 1)

        session_of(flow).send = send
        try:
            return await CALLS[name](flow)
        except DataFlowError as error:
            str(error), repr(error)
            return error


BODIES = st.binary(max_size=200) | JSON.map(lambda value: repr(value).encode("utf-8", "replace"))


@given(
    name=st.sampled_from(sorted(CALLS)),
    status=st.integers(200, 599),
    body=BODIES,
    retry_after=st.none() | st.text(max_size=40),
    date=st.none() | st.text(max_size=40),
)
def test_any_bytes(name, status, body, retry_after, date):
    headers = {k: v for k, v in {"Retry-After": retry_after, "Date": date}.items() if v is not None}
    asyncio.run(outcome(name, status, headers, body))


@given(
    data=st.data(),
    name=st.sampled_from(sorted(CALLS)),
    status=st.sampled_from([200, 201, 202, 400, 404, 500]),
)
def test_any_json_under_the_names_that_answers_have(data, name, status):
    import json

    body = json.dumps(data.draw(members(name))).encode()
    asyncio.run(outcome(name, status, {}, body))


NASTY = {
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "a huge number": b"1" * 10_000,
    "surrogates": b'{"jobId": "\\ud800"}',
    "NaN": b'{"jobId": NaN}',
    "a BOM": b'\xef\xbb\xbf{"jobId": "a1"}',
    "UTF-16": '{"jobId": "a1"}'.encode("utf-16"),
    "white space": b" \r\n\t ",
}


@pytest.mark.parametrize("library", ["orjson", "json"])
@pytest.mark.parametrize("body", NASTY.values(), ids=NASTY)
def test_nasty_bodies(body, library, monkeypatch):
    from dataflow_async.wire import jsontext

    if library == "json":
        monkeypatch.setattr(jsontext, "reader", lambda: jsontext.standard_reader)
    for status in (200, 404, 500):
        asyncio.run(outcome("getJobById", status, {}, body))


@pytest.mark.parametrize("library", ["orjson", "json"])
def test_both_json_libraries_read_the_same(library, monkeypatch):
    from dataflow_async.wire import jsontext

    if library == "json":
        monkeypatch.setattr(jsontext, "reader", lambda: jsontext.standard_reader)
    assert jsontext.read(b'\xef\xbb\xbf{"a": [1, 2.5, "\xea\xb0\x80", null]}') == {"a": [1, 2.5, "가", None]}
    for bad in (b"NaN", b"{'a': 1}", b"\xff", b"[1,]", b"[" * 100_000):
        with pytest.raises(ValueError):
            jsontext.read(bad)


async def test_a_wrong_content_encoding_is_an_answer_lost():
    async with (
        scripted(answer(200, b"not gzip", Content_Encoding="gzip")) as server,
        client(server.url) as flow,
    ):
        with pytest.raises(DataFlowError) as caught:
            await flow.jobs.execute("a1")
    assert caught.value.may_have_run
