"""Bodies: bounded after decompression, whoever decompresses, and cheap to refuse."""

import gzip
import json
import tracemalloc
import zlib

import aiohttp
import pytest

from dataflow_async import InvalidRequest, ResponseLost, RetryPolicy, defaults
from dataflow_async.transport.body import Body, BodyError, encodings_of
from tests.support.client import client
from tests.support.internals import connections_in_use
from tests.support.scripted import answer, scripted

TEXT = json.dumps({"jobId": "a1", "name": "일" * 5000}).encode()
RAW = zlib.compressobj(wbits=-15)
PACKED = {
    "identity": TEXT,
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    "GZip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "deflate ": RAW.compress(TEXT) + RAW.flush(),
    "gzip, gzip": gzip.compress(gzip.compress(TEXT)),
    "deflate, gzip": gzip.compress(zlib.compress(TEXT)),
    "identity, gzip": gzip.compress(TEXT),
    "x-gzip ": gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]) + b"\0\0\0",
}
ONCE = RetryPolicy(max_attempts=1)


def chunked(data, encoding, size=1000):
    """An answer without a length."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("session", [None, {}, {"auto_decompress": False}], ids=["ours", "theirs", "raw"])
@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("whole", [True, False], ids=["length", "chunked"])
async def test_every_encoding_is_read_on_every_session(encoding, session, whole):
    packed = PACKED[encoding]
    sent = answer(200, packed, Content_Encoding=encoding) if whole else chunked(packed, encoding)
    async with scripted(sent) as server:
        given = {} if session is None else {"session": aiohttp.ClientSession(**session)}
        try:
            async with client(server.url, **given) as flow:
                assert (await flow.jobs.get("a1")).name == "일" * 5000
        finally:
            if given:
                await given["session"].close()


async def test_request_accepts_only_encodings_that_python_can_decompress():
    async with scripted(answer(200, {"jobId": "a1"})) as server:
        async with client(server.url) as flow, aiohttp.ClientSession(auto_decompress=False) as session:
            await flow.jobs.get("a1")
            assert server.last.headers["accept-encoding"] == "gzip, deflate"
            async with client(server.url, session=session) as other:
                await other.jobs.get("a1")
            assert server.last.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("encoding", "packed", "told"),
    [
        ("br", TEXT, "'br', which was not asked for"),
        ("gzip", TEXT, "malformed"),
        ("gzip", PACKED["gzip"][:-9], "too early"),
        ("gzip", PACKED["gzip"] + b"rest", "malformed"),
        ("deflate", PACKED["deflate"] + PACKED["deflate"], "more parts"),
        ("gzip", gzip.compress(b"") * 1001, "more parts"),
    ],
)
async def test_body_that_can_not_be_decompressed_is_a_lost_answer(encoding, packed, told):
    async with scripted(answer(200, packed, Content_Encoding=encoding)) as server:
        async with client(server.url, retry=ONCE) as flow:
            with pytest.raises(ResponseLost, match=told):
                await flow.jobs.execute("a1")
            assert connections_in_use(flow) == 0


@pytest.mark.parametrize("sent", ["length", "chunked", "gzip", "raw gzip"])
@pytest.mark.parametrize("session", [None, {}, {"auto_decompress": False}], ids=["ours", "theirs", "raw"])
async def test_a_body_above_the_limit_is_lost(sent, session):
    big = b'{"jobId": "a1", "x": "' + b"y" * 5000 + b'"}'
    sent = {
        "length": answer(202, big),
        "chunked": chunked(big, ""),
        "gzip": answer(202, gzip.compress(big), Content_Encoding="gzip"),
        "raw gzip": answer(202, gzip.compress(big), Content_Encoding="x-gzip"),
    }[sent]
    async with scripted(sent) as server, aiohttp.ClientSession(**(session or {})) as theirs:
        given = {} if session is None else {"session": theirs}
        async with client(server.url, max_body=5000, retry=ONCE, **given) as flow:
            with pytest.raises(ResponseLost, match=r"more than 5000 bytes \(max_body\)") as caught:
                await flow.jobs.execute("a1")
            assert caught.value.may_have_run
            assert connections_in_use(flow) == 0


@pytest.mark.parametrize("max_body", [0, -1, 1.5, True, None, "1"])
def test_a_bad_limit_is_refused(max_body):
    with pytest.raises(InvalidRequest, match="max_body"):
        client("http://127.0.0.1:1", max_body=max_body)


def test_a_bomb_is_refused_long_before_the_limit():
    zeros = zlib.compressobj(9, wbits=31)
    bomb = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(240)) + zeros.flush()
    body = Body(["gzip"], 256 << 20)
    tracemalloc.start()
    with pytest.raises(BodyError, match="no JSON does"):
        for start in range(0, len(bomb), 65536):
            for _ in body.feed(bomb[start : start + 65536]):
                pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80 << 20


def test_decompression_pauses_after_every_slice(monkeypatch):
    monkeypatch.setattr(defaults, "INFLATE_SLICE", 1000)
    body = Body(["gzip"], 1 << 20)
    assert sum(1 for _ in body.feed(gzip.compress(bytes(10_500)))) == 10
    assert body.whole() == bytes(10_500)


def test_an_empty_body_needs_no_encoding():
    assert Body(["gzip"], 10).whole() == b""
    assert encodings_of("Identity,, GZIP ") == ["gzip"]
    assert encodings_of(None) == []


@pytest.mark.parametrize("size", [8_000, 60_000])
async def test_long_header_lines_are_read(size):
    async with scripted(answer(200, {"jobId": "a1"}, X_Long="a" * size)) as server:
        async with client(server.url) as flow, aiohttp.ClientSession() as session:
            await flow.jobs.get("a1")
            async with client(server.url, session=session) as other:
                await other.jobs.get("a1")
