"""One call gives one exact target; what could go elsewhere is refused."""

import string
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow_async import InvalidRequest
from dataflow_async.wire import operation as op
from dataflow_async.wire.request import free_path, origin_and_prefix, query_text, segment
from tests.support.recorder import Recorder

ANY_TEXT = st.text(st.characters())
HEX = "0123456789ABCDEF"


def target(operation, *ids, query=None):
    return Recorder().describe(operation, *ids, query=query).target


@pytest.mark.parametrize(
    ("expected", "operation", "ids", "query"),
    [
        ("/api/v1/jobs", op.GET_JOBS, (), None),
        ("/api/v1/jobs", op.GET_JOBS, (), {}),
        ("/api/v1/jobs", op.GET_JOBS, (), {"name": None}),
        ("/api/v1/jobs?name=", op.GET_JOBS, (), {"name": ""}),
        ("/api/v1/jobs?name=a%20b&page=0", op.GET_JOBS, (), {"name": "a b", "page": 0}),
        ("/api/v1/jobs?page=0&name=a%20b", op.GET_JOBS, (), {"page": 0, "name": "a b"}),
        ("/api/v1/jobs?name=a%2Bb%26c%3Dd%3F%23%2F", op.GET_JOBS, (), {"name": "a+b&c=d?#/"}),
        ("/api/v1/jobs?name=%EC%A3%BC%EB%AC%B8", op.GET_JOBS, (), {"name": "주문"}),
        ("/api/v1/jobs?name=100%25~-._", op.GET_JOBS, (), {"name": "100%~-._"}),
        ("/api/v1/jobs/Jq3kT9vLmN2x", op.GET_JOB, ("Jq3kT9vLmN2x",), None),
        ("/api/v1/jobs/a%2Fb%20c", op.GET_JOB, ("a/b c",), None),
        ("/api/v1/jobs/%252e%252e", op.GET_JOB, ("%2e%2e",), None),
        ("/api/v1/jobs/...", op.GET_JOB, ("...",), None),
        ("/api/v1/jobs/a%3Fb%23c", op.GET_JOB, ("a?b#c",), None),
        ("/api/v1/jobs/%ED%95%9C/executions/~x", op.GET_JOB_EXECUTION, ("한", "~x"), None),
        ("/api/v1/jobs/j/executions/e/cancel", op.CANCEL_JOB_EXECUTION, ("j", "e"), None),
        ("/api/v1/stats/execution-times", op.GET_EXECUTION_TIMES, (), None),
    ],
)
def test_target(expected, operation, ids, query):
    assert target(operation, *ids, query=query) == expected


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "a\nb", "a\rb", "\x00", "\x7f", "\x85", None, 5, b"id", ["id"], True]
)
def test_id_that_can_not_be_a_segment_is_refused(bad):
    with pytest.raises(InvalidRequest, match="jobId") as caught:
        target(op.GET_JOB, bad)
    assert caught.value.field == "jobId"


def test_the_id_at_fault_is_named():
    with pytest.raises(InvalidRequest) as caught:
        target(op.GET_JOB_EXECUTION, "job", "")
    assert caught.value.field == "executionId"


@given(ANY_TEXT)
@example("%2F..%2F")
@example("\ud800")
@example("a/../../b?c#d")
def test_any_id_is_refused_or_comes_back_by_unquoting(text):
    try:
        quoted = segment(text, "jobId")
    except InvalidRequest:
        return
    assert unquote(quoted, errors="strict") == text
    assert set(quoted) <= set(string.ascii_letters + string.digits + "-._~%")
    assert "/" not in quoted
    assert quoted not in {"", ".", ".."}


@given(st.dictionaries(ANY_TEXT, st.one_of(ANY_TEXT, st.integers(), st.none(), st.booleans())), ANY_TEXT)
def test_target_is_ascii_without_spaces(query, name):
    try:
        text = target(op.GET_JOB, name, query=query)
    except InvalidRequest:
        return
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    assert not text.endswith("?")


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_query_is_read_back_as_it_was_given(query):
    pairs = [pair.split("=") for pair in query_text(query).removeprefix("?").split("&")]
    assert [(unquote(name), unquote(text)) for name, text in pairs] == list(query.items())


@given(st.text())
def test_escapes_are_in_capitals(text):
    escapes = query_text({"name": text}).partition("=")[2].split("%")[1:]
    assert all(set(escape[:2]) <= set(HEX) for escape in escapes)


@pytest.mark.parametrize(
    "bad", [{"a": 1}, b"bytes", object(), "\ud800", {1, 2}, pytest.param(10**5000, id="huge")]
)
def test_query_value_that_has_no_text_is_refused(bad):
    with pytest.raises(InvalidRequest) as caught:
        query_text({"name": bad})
    assert caught.value.field == "name"


# --- base URL ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "origin", "prefix"),
    [
        ("https://dataflow.apigw.ntruss.com", "https://dataflow.apigw.ntruss.com", ""),
        ("https://dataflow.apigw.ntruss.com/", "https://dataflow.apigw.ntruss.com", ""),
        ("https://dataflow.apigw.ntruss.com/api/v1", "https://dataflow.apigw.ntruss.com", ""),
        ("https://dataflow.apigw.ntruss.com/api/v1/", "https://dataflow.apigw.ntruss.com", ""),
        (" https://dataflow.apigw.ntruss.com/api/v1/ ", "https://dataflow.apigw.ntruss.com", ""),
        ("https://proxy.example:8443/flow/api/v1", "https://proxy.example:8443", "/flow"),
        ("https://proxy.example/flow/", "https://proxy.example", "/flow"),
        ("https://proxy.example/api/v10", "https://proxy.example", "/api/v10"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80", ""),
        ("http://127.8.9.10:1/api/v1", "http://127.8.9.10:1", ""),
        ("http://[::1]:1", "http://[::1]:1", ""),
        ("http://localhost", "http://localhost", ""),
        ("http://LOCALHOST:8080", "http://LOCALHOST:8080", ""),
    ],
)
def test_base_url_gives_origin_and_prefix_without_the_api_path(base_url, origin, prefix):
    assert origin_and_prefix(base_url) == (origin, prefix)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://10.0.0.1",
        "http://dataflow.apigw.ntruss.com",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://evil.com/127.0.0.1",
        "http://0.0.0.0",
        "http://[::]",
        "http://[2001:db8::1]",
        "http://169.254.169.254",
        "http://127.0.0.1\\.evil.com",
        "http://①②⑦.0.0.1",
        "http://ⓛocalhost",
    ],
)
def test_http_is_refused_off_loopback(base_url):
    with pytest.raises(InvalidRequest, match="base_url") as caught:
        origin_and_prefix(base_url)
    assert caught.value.field == "base_url"


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1@evil.com",
        "http://127.0.0.1:80@evil.com",
        "http://user:word@127.0.0.1",
        "http://evil.com\\@127.0.0.1",
        "http://@127.0.0.1",
        "https://user@dataflow.apigw.ntruss.com",
        "http://evil.com#@127.0.0.1",
        "http://evil.com?@127.0.0.1",
    ],
)
def test_a_user_before_the_host_is_refused(base_url):
    with pytest.raises(InvalidRequest, match="base_url"):
        origin_and_prefix(base_url)


@pytest.mark.parametrize(
    "base_url",
    [
        None,
        5,
        b"https://h",
        "",
        "dataflow.apigw.ntruss.com",
        "//dataflow.apigw.ntruss.com",
        "ftp://h",
        "file:///etc/passwd",
        "https://",
        "https:///api/v1",
        "https://:443",
        "https://h:port",
        "https://h:99999",
        "https://[::1",
        "https://h/?a=b",
        "https://h/#x",
        "https://h o/",
        "https://h\n.evil.com",
        "https://h\t/",
        "https://h\x00/",
        "https://호스트",
        "https://evil.com\\.good.com",
    ],
)
def test_what_is_no_base_url_is_refused(base_url):
    with pytest.raises(InvalidRequest, match="base_url"):
        origin_and_prefix(base_url)


@given(st.one_of(ANY_TEXT, ANY_TEXT.map("http://".__add__), ANY_TEXT.map("https://127.0.0.1".__add__)))
def test_any_base_url_is_refused_or_gives_an_ascii_origin(text):
    try:
        origin, prefix = origin_and_prefix(text)
    except InvalidRequest:
        return
    assert origin.startswith(("http://", "https://"))
    assert (origin + prefix).isascii()
    assert " " not in origin + prefix
    assert not prefix.endswith("/")
    assert "@" not in origin


# --- a caller's own path -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/api/v1/jobs", "/api/v1/jobs"),
        ("/api/v1/jobs/", "/api/v1/jobs/"),
        ("/", "/"),
        ("/api/v1/jobs/a%2Fb", "/api/v1/jobs/a%2Fb"),
        ("/api/v1/jobs/a b", "/api/v1/jobs/a%20b"),
        ("/api/v1/jobs/주문", "/api/v1/jobs/%EC%A3%BC%EB%AC%B8"),
        ("/api/v1/jobs/~a;b=c", "/api/v1/jobs/~a;b=c"),
        ("/api/v1/jobs/...", "/api/v1/jobs/..."),
    ],
)
def test_a_plain_path_goes_out(path, sent):
    assert free_path(path) == sent


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.com/api/v1/jobs",
        "http://127.0.0.1/api/v1/jobs",
        "//evil.com/api/v1/jobs",
        "/\\evil.com",
        "\\\\evil.com",
        "///evil.com",
        "/api/v1//jobs",
        "api/v1/jobs",
        "",
        "/api/v1/../v2",
        "/..",
        "/api/./v1",
        "/.",
        "/api/v1/jobs?name=x",
        "/api/v1/jobs?",
        "/api/v1/jobs#x",
        "/api/v1/jobs\n",
        "/api/v1/jobs HTTP/1.1\r\nX: y",
        "/api\x00",
        "/api\x7f",
        "/api/\ud800",
        "/api/50%off",
        "/api/%",
        "/api/%2",
        "/api/%zz",
        None,
        5,
        b"/api/v1/jobs",
        "@evil.com/",
        ":80/",
    ],
)
def test_what_is_no_plain_path_is_refused(path):
    with pytest.raises(InvalidRequest, match="path") as caught:
        free_path(path)
    assert caught.value.field == "path"


@pytest.mark.parametrize("path", ["/api/v1/%2e%2e/v2", "/api/%2E/v1", "/api/v1/.%2e"])
def test_escaped_dot_segments_are_refused_like_plain_ones(path):
    with pytest.raises(InvalidRequest):
        free_path(path)


@given(ANY_TEXT.map("/".__add__))
@example("/%2f")
def test_any_path_is_refused_or_goes_out_as_ascii_with_the_same_meaning(text):
    try:
        sent = free_path(text)
    except InvalidRequest:
        return
    assert sent.isascii()
    assert sent.isprintable()
    assert " " not in sent
    assert not sent.startswith("//")
    assert not set("?#\\") & set(sent)
    assert unquote(sent) == unquote(text)


@pytest.mark.parametrize("query", [[("a", "b")], "a=b", 5, {1: "b"}])
def test_a_query_is_a_mapping_with_text_names(query):
    with pytest.raises(InvalidRequest, match="query must be a mapping with text keys"):
        query_text(query)
