"""Arbitrary bytes and requests: no answer is a 500, and the next client is served."""

import json
import socket
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow_async.emulator import Emulator, ManualClock
from dataflow_async.emulator.api.endpoints import ENDPOINTS
from tests.emulator.conftest import signed_headers
from tests.support.examples import example_count
from tests.support.threaded import running

LIMITS = {"derandomize": True, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def junk_server():
    with running(Emulator(clock=ManualClock())) as server:
        yield server


def exchange(server, data, *, half_close=False):
    """Raw bytes in, raw bytes out until the server closes or has answered."""
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = connection.recv(65536)
            if not part:
                break
            answer += part
        return answer


def request(server, method, target, body=b"", extra=b"", *, signed=True):
    stamp = int(server.clock.time() * 1000)
    text = target.decode("utf-8", "surrogateescape")
    headers = signed_headers(server, method, text, stamp) if signed else {}
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: x", b"Connection: close"]
    lines += [f"{name}: {value}".encode() for name, value in headers.items()]
    lines += [b"Content-Length: %d" % len(body)] if extra == b"" else [extra]
    return b"\r\n".join([*lines, b"", b""]) + body


def status(answer):
    return int(answer.split(b" ", 2)[1])


def test_a_signed_request_by_hand_is_let_in(junk_server):
    assert status(exchange(junk_server, request(junk_server, "GET", b"/api/v1/jobs"))) == 200


TARGETS = [row.path for row in ENDPOINTS]
SEGMENTS = st.sampled_from(
    [b"x", b"%2F", b"%", b"%FF", b"..", b"", b"%00", b"verify", b";", b"'", b"%ED%A0%80", b"~", b"a" * 300]
)
QUERIES = st.sampled_from(
    [
        b"",
        b"?",
        b"?page=%FF",
        b"?limit=0",
        b"?page=1&page=2",
        b"?%",
        b"?=&&=",
        b"?startDate=2026-11-01T00:00:00&endDate=%00",
        b"?name=\x7f",
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["abc", "SCRIPT", "VISUAL", "JOB", "TRIGGER", "NONE", "RECURRING", 1e308, 2**70, -0.0]),
)
NAMES = st.sampled_from(
    [
        "name",
        "type",
        "nodes",
        "jobCondition",
        "parameters",
        "triggerRule",
        "id",
        "parentNodeIds",
        "timeout",
        "numWorker",
        "x",
    ]
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode())


@st.composite
def targets(draw):
    path = draw(st.sampled_from(TARGETS)).encode()
    while b"{" in path:
        path = path[: path.index(b"{")] + draw(SEGMENTS) + path[path.index(b"}") + 1 :]
    return path + draw(QUERIES)


def served(server, data):
    answer = exchange(server, data)
    assert answer == b"" or status(answer) < 500, answer
    return answer


@given(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]), targets(), BODIES)
@settings(max_examples=example_count(40, 600), **LIMITS)
def test_junk_in_signed_requests(junk_server, method, target, body):
    answer = served(junk_server, request(junk_server, method, target, body))

    assert status(answer) in {200, 201, 202, 400, 404}


@given(st.sampled_from(ENDPOINTS).filter(lambda row: row.body), VALUES)
@settings(max_examples=example_count(30, 400), **LIMITS)
def test_junk_in_bodies_never_passes_as_500(junk_server, row, value):
    target = row.path.replace("{", "").replace("}", "").encode()

    assert (
        status(served(junk_server, request(junk_server, row.method, target, json.dumps(value).encode())))
        < 500
    )


@given(st.binary(max_size=200))
@settings(max_examples=example_count(20, 100), **LIMITS)
def test_junk_instead_of_http(junk_server, data):
    answer = exchange(junk_server, data + b"\r\n\r\n", half_close=True)

    assert answer == b"" or status(answer) < 500


@pytest.mark.parametrize(
    "extra",
    [
        b"Content-Length: 10",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip",
        b"Content-Length: 4\r\nContent-Encoding: gzip",
        b"Content-Length: 4\r\nContent-Encoding: deflate",
        b"Content-Length: 4\r\nContent-Encoding: nonsense",
        b"Content-Length: 4\r\nExpect: 100-continue",
        b"Content-Length: 4\r\nExpect: miracles",
        b"Content-Length: -4",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Content-Length: 4\r\nUpgrade: websocket\r\nConnection: upgrade",
        b"Content-Length: 4\r\nX-NCP-DATAFLOW-PAYLOAD: \xff",
    ],
)
@pytest.mark.parametrize("body", [b"1234", b"4\r\n1234\r\n0\r\n\r\n", b"zz\r\n1234", b""])
def test_bodies_that_do_not_fit_their_headers(junk_server, extra, body):
    data = request(junk_server, "POST", b"/api/v1/jobs", body, extra)

    # a caller that asks for 100 Continue waits for it
    answer = exchange(junk_server, data, half_close=b"100-continue" not in extra)

    assert answer == b"" or status(answer) < 500


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ncp-apigw-timestamp": "\udcff"},
        {"x-ncp-apigw-timestamp": "9" * 6000},
        {"x-ncp-iam-access-key": "\udcff\udcfe"},
        {"x-ncp-apigw-signature-v2": "\udcff"},
        {"x-ncp-apigw-signature-v2": "한"},
        {"x-ncp-dataflow-payload": "\udcff"},
    ],
)
def test_junk_in_headers(junk_server, headers):
    target = "/api/v1/workflows/x/executions"
    given = signed_headers(junk_server, "POST", target, int(junk_server.clock.time() * 1000)) | headers
    lines = [f"POST {target} HTTP/1.1", "Host: x", "Connection: close", "Content-Length: 0"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    data = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")

    assert status(served(junk_server, data)) in {400, 401}


def test_clients_that_disconnect_within_a_request(junk_server):
    data = request(junk_server, "POST", b"/api/v1/jobs", b'{"name":"abc","type":"SCRIPT"}')
    port = int(junk_server.url.rpartition(":")[2])
    for cut in range(1, len(data), 25):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(data[:cut])
    time.sleep(0.05)

    assert status(exchange(junk_server, request(junk_server, "GET", b"/api/v1/jobs"))) == 200


def test_requests_that_the_parser_refuses_are_no_500(junk_server):
    for data in (
        b"GET\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ):
        answer = exchange(junk_server, data, half_close=True)
        assert answer == b"" or status(answer) < 500, answer[:200]
