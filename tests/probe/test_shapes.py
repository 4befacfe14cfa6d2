"""Shapes keep words of the service and nothing of an account."""

import json

import pytest

from dataflow_async.probe import shapes
from dataflow_async.probe.exchange import Exchange, Question


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("2026-11-01T00:00:00.000+09:00", "3 digits +09:00"),
        ("2026-11-01T00:00:00Z", "0 digits Z"),
        ("2026-11-01T00:00:00", "0 digits no zone"),
        ("2026-11-01 00:00:00", "0 digits no zone after a space"),
        (1793458800000, "number"),
        ("yesterday", "other"),
        (True, "other"),
    ],
)
def test_a_date(value, shape):
    assert shapes.date(value) == shape


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (["Jq3kT9vLmN2x", "012345678901"], ["12 letters and digits"]),
        (["012345678901"], ["12 digits"]),
        (["0123456789ab", "012345678901"], ["12 hex"]),
        (["6f1c5f3e-7d7a-4a52-9a39-0c2b5f1f8c11"], ["uuid"]),
        ([17], ["number"]),
        (["a b"], ["other"]),
    ],
)
def test_ids(values, shape):
    assert shapes.identifiers(values) == shape


@pytest.mark.parametrize(
    ("times", "shape"),
    [
        ([3, 2, 2, 1], "newest first"),
        ([1, 2, 3], "oldest first"),
        ([1, 3, 2], "no order"),
        ([2, 2], None),
        ([2, None, 1], None),
        ([], None),
    ],
)
def test_an_order(times, shape):
    assert shapes.direction(times) == shape


@pytest.mark.parametrize(
    ("status", "body", "shape"),
    [
        (200, {"list": []}, "200 object"),
        (200, True, "200 true"),
        (200, {"errorType": "x"}, "200 error"),
        (202, b"", "202 empty"),
        (404, {"detail": "d", "errorType": "not-found"}, "404 service not-found"),
        (401, {"error": {"errorCode": "200", "details": "d"}}, "401 gateway 200"),
        (401, {"error": {"errorCode": 200, "details": "d"}}, "401 gateway 200 as a number"),
        (400, {"error": {"errorCode": "NotFound", "detail": None}}, "400 standardized NotFound"),
        (400, {"error": {"errorCode": "Jq3kT9vLmN2x secret"}}, "400 gateway other"),
        (502, b"<html>", "502 page"),
        (500, b"no json", "500 text"),
        (500, {"timestamp": 1, "status": 500, "path": "/x"}, "500 spring"),
        (403, {"code": 1, "msg": "m"}, "403 code and message 1 as a number"),
        (403, b"", "403 empty"),
        (0, b"", None),
    ],
)
def test_an_answer(status, body, shape):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert shapes.answer(Exchange(Question("q", "GET", "/"), status, {}, text)) == shape


@pytest.mark.parametrize("text", ["my-job", "Job17", "runs/2026", "", "x" * 60, None, 7])
def test_what_is_no_word_is_not_kept(text):
    assert shapes.constant(text) == shapes.OTHER
    assert shapes.member(text) == shapes.OTHER
    assert shapes.content_type(text) == shapes.OTHER
