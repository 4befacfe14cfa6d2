"""A program must not change with an extra that makes it fast: orjson and json read the same, or refuse the same."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow_async import InvalidRequest
from dataflow_async.wire import jsontext

orjson = pytest.importorskip("orjson")


def outcome(read, body):
    try:
        return repr(read(body))
    except ValueError:
        return "refused"


SAME = [
    b"1e999", b"-1e999", b"[1e400]", b"1.7976931348623159e308", b"1.7976931348623157e308", b"1e-400", b"5e-324",
    b"18446744073709551615", b"18446744073709551616", b"-9223372036854775808", b"-9223372036854775809",
    b"123456789012345678901234567890", b"9" * 400, b"9" * 5000, b"-" + b"9" * 5000, b"-0", b"-0.0", b"01", b"1.",
    b'"\\ud800"', b'"\\uD800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'{"\\ud800": 1}', b'"\\\\ud800"',
    b'"\xed\xa0\x80"', b"NaN", b"Infinity", b'{"a": 1, "a": 2}', b"[1,]", b'"\t"', b'"\\u0000"', b'{"a": 1}\x00',
]  # fmt: skip


@pytest.mark.parametrize("body", SAME, ids=[body[:24].decode("latin-1") for body in SAME])
def test_both_readers_give_the_same_value_or_refuse(body):
    assert outcome(jsontext.standard_reader, body) == outcome(orjson.loads, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=8,
)


@given(JSON.map(json.dumps).map(str.encode) | st.binary())
@example(b'["\\ud800\\udc00", 18446744073709551616]')
def test_both_readers_agree_on_anything(body):
    assert outcome(jsontext.standard_reader, body) == outcome(orjson.loads, body)


@given(JSON)
def test_what_is_written_is_read_back_by_both(value):
    try:
        body = jsontext.write(value)
    except InvalidRequest:
        return
    assert outcome(jsontext.standard_reader, body) == outcome(orjson.loads, body) != "refused"


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, "\ud800", {"\udfff": 1}, 10**5000, b"x"], ids=list("abcdefg")
)
def test_what_json_has_no_form_for_is_not_written(value):
    with pytest.raises(InvalidRequest):
        jsontext.write({"member": value})


PLAIN = st.recursive(
    st.booleans() | st.integers() | st.text(st.characters()) | st.none() | st.floats(),
    lambda inner: st.dictionaries(st.text(st.characters()), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters()), PLAIN), st.booleans())
@example(
    {"\x7f": "\x1f\u2028\t", "b": {"é": 2**63, "\U0001f600": -(2**63), "z": True}, "a": {"\uffff": ""}}, True
)
def test_both_writers_write_the_same_bytes_or_refuse(value, in_order):
    try:
        expected = jsontext.standard_writer(value, in_order=in_order)
    except ValueError:
        expected = None
    try:
        written = jsontext.write(value, in_order=in_order)
    except InvalidRequest:
        written = None
    assert written == expected


def test_an_object_nested_deeper_than_orjson_goes_is_written():
    value = {"a": "b"}
    for _ in range(300):
        value = {"a": value}
    assert jsontext.write(value) == jsontext.standard_writer(value)
