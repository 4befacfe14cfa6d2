"""Status and body give a typed error, whatever they are."""

import json
import pickle
from http import HTTPStatus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dataflow_async import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    BadState,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServerError,
)
from dataflow_async.wire import excerpts, jsontext
from dataflow_async.wire import failure as failure_module
from dataflow_async.wire.failure import failure
from tests.support import contract


@pytest.fixture(params=["orjson", "standard"], autouse=True)
def reader(request, monkeypatch):
    """The errors are the same with the ``speed`` extra and without."""
    if request.param == "standard":
        monkeypatch.setattr(jsontext, "reader", lambda: jsontext.standard_reader)
    else:
        pytest.importorskip("orjson")


def error_of(status, body=b"", headers=None):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    error = failure("executeJob", status, headers or {}, body)
    assert isinstance(error, APIError)
    assert (error.status, error.operation) == (status, "executeJob")
    return error


def gateway(code, message="Refused", **more):
    return {"error": {"errorCode": code, "message": message, **more}}


GATEWAY = [
    (400, "100", BadRequest),
    (401, "200", AuthenticationFailed),
    (401, "210", PermissionDenied),
    (403, "230", PermissionDenied),
    (404, "300", NotFound),
    (429, "400", QuotaExceeded),
    (429, "410", RateLimited),
    (429, "420", RateLimited),
    (413, "430", BadRequest),
    (503, "500", ServerError),
    (504, "510", ServerError),
    (500, "900", ServerError),
]


def test_the_table_has_every_gateway_code_of_the_contract():
    rows = contract.document()["x-gateway-codes"]
    assert sorted((row["http"], row["code"]) for row in rows) == sorted(row[:2] for row in GATEWAY)


@pytest.mark.parametrize(("status", "code", "kind"), GATEWAY)
@pytest.mark.parametrize("spelling", [str, int, float], ids=["text", "number", "fraction"])
def test_gateway_code_as_text_or_number(status, code, kind, spelling):
    error = error_of(status, gateway(spelling(code), "Words", details="More"))
    assert type(error) is kind
    assert (error.code, error.source, error.message, error.details) == (code, "gateway", "Words", "More")


@pytest.mark.parametrize(
    ("status", "error_type", "kind"),
    [
        (400, "bad-parameter", BadRequest),
        (400, "bad-state", BadState),
        (409, "bad-state", BadState),
        (404, "not-found", NotFound),
        (403, "forbidden", PermissionDenied),
        (401, "anything", AuthenticationFailed),
        (429, "anything", RateLimited),
        (500, "anything", ServerError),
        (502, "bad-state", ServerError),
        (418, "unknown", APIError),
    ],
)
def test_service_envelope(status, error_type, kind):
    error = error_of(status, {"detail": "Words", "errorType": error_type})
    assert type(error) is kind
    assert (error.code, error.source, error.message, error.details) == (error_type, "service", "Words", None)


@pytest.mark.parametrize(
    "body", [gateway("100", "bad-state"), gateway(None, "bad-state"), {"errorType": "bad-state"}]
)
def test_bad_state_is_looked_for_in_both_places(body):
    assert type(error_of(400, body)) is BadState


@pytest.mark.parametrize("body", [gateway("100", "bad-parameter"), {"errorType": "bad-parameter"}])
def test_bad_parameter_is_a_bad_request(body):
    assert type(error_of(400, body)) is BadRequest


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (300, APIError),
        (302, APIError),
        (304, APIError),
        (400, BadRequest),
        (401, AuthenticationFailed),
        (402, APIError),
        (403, PermissionDenied),
        (404, NotFound),
        (405, APIError),
        (408, APIError),
        (413, BadRequest),
        (422, APIError),
        (429, RateLimited),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
        (599, ServerError),
    ],
)
@pytest.mark.parametrize("body", [b"", b"  \r\n", b"null"])
def test_without_a_body_the_status_decides(status, kind, body):
    error = error_of(status, body)
    assert type(error) is kind
    assert (error.code, error.details, error.source) == (None, None, None)
    assert error.message


@pytest.mark.parametrize("code", ["430", "999", "", None, "throttle"])
def test_an_unknown_429_is_a_rate_limit(code):
    assert type(error_of(429, gateway(code))) is RateLimited


def test_a_404_tells_who_answered():
    assert error_of(404, gateway("300")).source == "gateway"
    assert error_of(404, {"detail": "No such job", "errorType": "not-found"}).source == "service"
    assert error_of(404, b"<html>nginx</html>").source is None


@pytest.mark.parametrize("body", [gateway("200"), gateway("200", details=None), gateway("200", details="")])
def test_details_may_be_null_or_absent(body):
    assert error_of(401, body).details is None


def test_a_service_envelope_may_lack_its_words():
    for body in ({"detail": None, "errorType": "x"}, {"errorType": "x"}):
        error = error_of(400, body)
        assert (error.source, error.code, error.message) == ("service", "x", "x")


NOBODYS = [
    {"detail": "x", "errorType": None},
    {"detail": "x", "errorType": ""},
    {"detail": "x", "errorType": ["x"]},
    {"detail": "x"},
    {"detail": None, "errorType": None},
    {"error": {}},
    {"error": {"message": "x"}},
    {"error": {"errorCode": None, "message": "x"}},
    {"error": {"errorCode": "", "message": "x"}},
    {"error": {"errorCode": True, "message": "x"}},
    {"error": {"code": "410", "message": "x"}},
    {"error": "x"},
]


@pytest.mark.parametrize("status", [400, 404, 409, 429, 500])
@pytest.mark.parametrize("body", NOBODYS, ids=str)
def test_an_envelope_without_a_code_is_nobodys_that_we_know(body, status):
    error = error_of(status, body)
    assert (error.source, error.code) == (None, None)
    assert error.message


# --- the standardized API (ruling 96) ----------------------------------------------------------------------


def test_a_standardized_envelope_is_read_whole():
    fields = [{"field": "name", "message": "<b>too</b> long"}, {"field": "nodes[0].id", "message": "needed"}]
    error = error_of(400, gateway("InvalidParameter", "Bad", detail="Two members", fieldErrors=fields))
    assert type(error) is BadRequest
    assert (error.source, error.code, error.details) == ("service", "InvalidParameter", "Two members")
    assert error.field_errors == (("name", "too long"), ("nodes[0].id", "needed"))
    assert error.field_errors[0].field == "name"
    assert "name: too long; nodes[0].id: needed" in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert copy.field_errors == error.field_errors


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "NotFound", NotFound),
        (404, "NotFound", NotFound),
        (410, "NotFound", NotFound),
        (409, "AlreadyExists", BadState),
        (503, "InsufficientCapacity", ServerError),
        (400, "InvalidParameter", BadRequest),
        (403, "AccessDenied", PermissionDenied),
        (429, "TooManyRequests", RateLimited),
        (500, "InternalError", ServerError),
    ],
)
def test_codes_in_words(status, code, kind):
    error = error_of(status, gateway(code))
    assert type(error) is kind
    assert (error.code, error.source) == (code, "service")
    assert code in str(error)


@pytest.mark.parametrize(
    "rows",
    [None, [], {}, "x", [None], ["x"], [[]], 5, {"field": "a"}],
    ids=str,
)
def test_field_errors_of_another_shape_are_left_out(rows):
    assert error_of(400, gateway("InvalidParameter", fieldErrors=rows)).field_errors == ()


def test_field_errors_are_bounded_and_half_ones_kept():
    rows = [{"field": "a"}, {"message": "b"}, {"field": 5, "message": None}, *[{"field": "x" * 99_999}] * 500]
    errors = error_of(400, gateway("InvalidParameter", fieldErrors=rows)).field_errors
    assert errors[:3] == (("a", ""), ("", "b"), ("5", ""))
    assert len(errors) == 20
    assert max(len(error.field) for error in errors) == 2000


# --- somebody else's pages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [
        ("text/html; charset=EUC-KR", "euc_kr"),
        ("text/html;charset=ks_c_5601-1987", "cp949"),
        ('text/html; charset="cp949"', "cp949"),
        ("text/html; charset=utf-16", "utf-16"),
        ("text/html", "utf-8"),
        ("text/html; charset=no-such", "utf-8"),
        ("text/html; charset=hex", "utf-8"),
        ("text/html; charset=unicode_escape", "utf-8"),
        ("text/html; charset=", "utf-8"),
    ],
)
def test_a_page_is_read_by_its_charset(content_type, codec):
    error = error_of(403, "<h1>접근이 차단되었습니다</h1>".encode(codec), {"Content-Type": content_type})
    assert error.message == "접근이 차단되었습니다"
    assert "접근이" in error.body


def test_a_page_may_name_its_charset_itself():
    page = '<html><meta charset="euc-kr"><title>차단</title></html>'.encode("euc_kr")
    assert error_of(403, page).message == "차단"


def test_an_envelope_in_another_charset_is_an_envelope():
    body = json.dumps(gateway("410", "잠시 후"), ensure_ascii=False).encode("euc_kr")
    error = error_of(429, body, {"Content-Type": "application/json; charset=euc-kr"})
    assert (error.code, error.source, error.message) == ("410", "gateway", "잠시 후")


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://other.example/x?token=1", "other.example"),
        ("http://user:pass@other.example:8080/", "other.example:8080"),
        ("//other.example/x", "other.example"),
        ("/elsewhere", None),
        ("https://[broken", None),
        ("https://x:99999999/", None),
        ("", None),
    ],
)
def test_a_redirect_names_its_host_only(location, host):
    error = error_of(302, b"", {"Location": location})
    assert error.redirect_host == host
    assert "token" not in str(error)
    assert "pass" not in str(error)


def test_long_texts_are_cut_before_they_are_worked_on(monkeypatch):
    worked_on = []
    redacted = excerpts.redacted
    for module in (excerpts, failure_module):
        monkeypatch.setattr(module, "redacted", lambda text: (worked_on.append(len(text)), redacted(text))[1])
    long = "<b>" * 400_000
    for body in (
        long,
        gateway("100", long, details=long),
        gateway("100", [long] * 3, details={"a": long}),
        gateway("100", [[1, "x"]] * 100_000),
        gateway(long),
        {"detail": long, "errorType": long},
    ):
        error = error_of(400, body if isinstance(body, dict) else body.encode())
        assert len(str(error)) < 6000
    assert max(worked_on) <= 20_000


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("<b>Bad</b> request", "Bad request"),
        ("Try<br/>again", "Try again"),
        ("<a href='x'>Try again</a> later", "Try again later"),
        ("a < b and c > d", "a < b and c > d"),
        ("1&nbsp;&lt;&nbsp;2", "1 < 2"),
        ("two\n lines", "two lines"),
        ("<!-- hidden -->seen", "seen"),
        ("주문이 없습니다", "주문이 없습니다"),
    ],
)
def test_html_is_stripped_for_display(message, shown):
    assert error_of(400, gateway("100", message)).message == shown
    assert error_of(400, {"detail": message}).message == shown
    assert error_of(400, gateway("100", details=message)).details == shown


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>", "502 Bad Gateway"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "AccessDenied"),
        (b'"quota reached"', "quota reached"),
        (b"plain words", "plain words"),
        (b'{"timestamp":1,"status":404,"error":"Not Found","path":"/api"}', '"path"'),
        (b'{"responseError":{"returnCode":"800","returnMessage":"no"}}', "returnMessage"),
        (b'{"code":"410","msg":"slow"}', "slow"),
        (b'[{"error":{"errorCode":"210"}}]', "errorCode"),
        (b'{"error":{"errorCode":"210"', "errorCode"),
        (b"true", "true"),
        (b"42", "42"),
    ],
)
def test_other_shapes_give_their_text_and_no_code(body, words):
    error = error_of(401, body)
    assert type(error) is AuthenticationFailed
    assert (error.source, error.code, error.details) == (None, None, None)
    assert words in error.message
    assert error.body == body.decode()


def test_an_answer_under_the_wrong_content_type_is_read_all_the_same():
    error = error_of(401, gateway("210"), {"Content-Type": "text/plain;charset=UTF-8"})
    assert type(error) is PermissionDenied


def test_a_byte_order_mark_does_not_hide_the_envelope():
    assert error_of(429, b"\xef\xbb\xbf" + json.dumps(gateway("400")).encode()).code == "400"


@pytest.mark.parametrize("character", ["x", "한", "\U0001f642"])
def test_300_characters_of_a_foreign_body_are_kept(character):
    error = error_of(500, (character * 5000).encode())
    assert error.body == character * 300
    assert error.message == character * 300


@pytest.mark.parametrize("name", ["x-ncp-apigw-request-id", "x-ncp-trace-id", "x-ncp-request-id"])
def test_whichever_trace_id_arrives_is_kept(name):
    error = error_of(500, headers={name: "trace-1"})
    assert error.request_id == "trace-1"
    assert "trace-1" in str(error)


@pytest.mark.parametrize(
    "code", [True, [], {}, ["200"], {"a": 1}, None], ids=["bool", "list", "dict", "listed", "object", "null"]
)
def test_a_code_that_is_neither_text_nor_number_is_none(code):
    assert error_of(401, gateway(code)).code is None


def test_an_error_survives_pickling_and_says_it_all_in_one_line():
    error = error_of(429, gateway("410", "Slow\ndown", details="Later"), {"x-ncp-trace-id": "trace-1"})
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is RateLimited
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)
    assert "\n" not in str(error)
    for word in ("executeJob", "429", "410", "gateway", "Slow down", "Later", "trace-1"):
        assert word in str(error)


NESTED = b"[" * 1000 + b"]" * 1000


@pytest.mark.parametrize(
    "value",
    [
        b'{"a": "\\ud800"}',
        b'"\\ud800"',
        b"[1e999]",
        b"1e999",
        b"NaN",
        b"9" * 5000,
        b"[" + b"9" * 5000 + b"]",
        NESTED,
        NESTED * 200,
        b"[" * 500 + b"]" * 500,
        b"\xff\xfe",
    ],
    ids=[
        "surrogate",
        "lone",
        "infinity",
        "inf",
        "nan",
        "huge",
        "huge in list",
        "deep",
        "junk",
        "500 deep",
        "bytes",
    ],
)
@pytest.mark.parametrize("member", ["errorCode", "message", "details"])
def test_hostile_member_of_an_envelope_is_an_error_like_any_other(member, value):
    for body in (
        b'{"error": {"%s": %s}}' % (member.encode(), value),
        b'{"errorType": "x", "detail": %s}' % value,
        b'{"detail": "x", "errorType": %s}' % value,
    ):
        error = error_of(500, body)
        assert type(error) is ServerError
        str(error).encode("utf-8", "replace")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters())),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)
ENVELOPES = st.one_of(
    st.fixed_dictionaries({"error": JSON}),
    st.fixed_dictionaries(
        {"error": st.fixed_dictionaries({}, optional={"errorCode": JSON, "message": JSON, "details": JSON})}
    ),
    st.fixed_dictionaries({}, optional={"detail": JSON, "errorType": JSON}),
)


SAME_READER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@SAME_READER
@given(status=st.integers(300, 599), body=st.binary())
@example(status=500, body=b'{"error":{"errorCode":')
def test_any_bytes_give_an_error(status, body):
    error = error_of(status, body)
    assert type(error) is ServerError or status < 500
    assert len(error.body) <= 300
    assert str(error)


@SAME_READER
@given(status=st.sampled_from([status for status in HTTPStatus if status >= 300]), value=ENVELOPES | JSON)
def test_any_json_gives_an_error(status, value):
    error = error_of(int(status), json.dumps(value).encode())
    assert isinstance(error.message, str)
    assert isinstance(error.code, str | None)
    assert isinstance(error.details, str | None)
    assert str(error)


def test_a_field_error_without_words_is_left_out_and_one_without_a_field_has_no_colon():
    rows = [{}, {"field": None, "message": 5}, {"message": "odd"}, {"field": "name"}]
    error = error_of(400, gateway("InvalidParameter", fieldErrors=rows))
    assert error.field_errors == (("", "5"), ("", "odd"), ("name", ""))
    assert str(error).endswith("; 5; odd; name")
