"""The bytes of answers that aiohttp does not complete: bodies that must not be sent, and connections that stay open or do not."""

import asyncio

import pytest

from tests.emulator.conftest import signed_headers

TIMEOUT = 60


async def answer(server, method, version, *headers):
    """Send one request, and return the head, the body and whether the server closes the connection by itself."""
    target = "/api/v1/jobs"
    signature = signed_headers(server, method, target, int(server.clock.time() * 1000))
    lines = [f"{method} {target} {version}", "Host: x", *headers]
    lines += [f"{name}: {value}" for name, value in signature.items()]
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    try:
        async with asyncio.timeout(TIMEOUT):
            request = "\r\n".join([*lines, "", ""]).encode()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = head.partition("Content-Length: ")[2].partition("\r")[0]
            body = await reader.readexactly(int(length)) if length and method != "HEAD" else b""
            writer.write(request)
            again = await reader.read(65_536)
            return head, body, again
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("version", "headers", "said", "stays"),
    [
        ("HTTP/1.1", [], [], True),
        ("HTTP/1.1", ["Connection: close"], ["Connection: close"], False),
        ("HTTP/1.0", [], ["Connection: close"], False),
        ("HTTP/1.0", ["Connection: keep-alive"], ["Connection: keep-alive"], True),
    ],
)
async def test_a_connection_stays_open_as_the_client_wishes(server, version, headers, said, stays):
    head, body, again = await answer(server, "GET", version, *headers)

    assert [line for line in head.split("\r\n") if line.startswith("Connection:")] == said
    assert body == b'{"list":[],"count":0,"page":0,"limit":1000}'
    assert again.startswith(b"HTTP/1.1 200 OK\r\n") == stays


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_has_no_length_either(server, status):
    server.faults.add("html", status=status)

    head, _, again = await answer(server, "GET", "HTTP/1.1")

    assert head.startswith(f"HTTP/1.1 {status} ")
    assert "Content-Length" not in head
    assert again.startswith(f"HTTP/1.1 {status} ".encode())


async def test_the_answer_to_head_has_the_length_of_the_body_that_it_lacks(server):
    head, _, again = await answer(server, "HEAD", "HTTP/1.1")

    assert "Content-Length: " in head
    assert again.startswith(b"HTTP/1.1 404 Not Found\r\n")


async def test_a_status_without_a_phrase_is_sent(server):
    server.faults.add("html", status=599)

    head, body, _ = await answer(server, "GET", "HTTP/1.1")

    assert head.startswith("HTTP/1.1 599 \r\n")
    assert body.startswith(b"<html>")
