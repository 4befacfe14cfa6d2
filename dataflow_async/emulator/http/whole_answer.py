"""The bytes of an answer, made once: aiohttp sends them as they are, and faults send as much of them as they like."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import SERVER_SOFTWARE

_STATUS_LINES = {it.value: f"HTTP/1.1 {it.value} {it.phrase}" for it in HTTPStatus}
_WITHOUT_BODY = {204, 304}
"""Statuses whose answers have neither a body nor a length (RFC 9110, sections 8.6 and 15.4.5)."""


class WholeAnswer(web.StreamResponse):
    """An answer whose status line, headers and body are known before anything of it is sent.

    A `web.Response` has aiohttp complete its headers, which takes longer than the rest of the answer.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status=status)
        self.content = headers
        """The headers, but for those that depend on the connection; an empty text leaves one out."""
        self.data = b"" if status in _WITHOUT_BODY else body
        """The body."""
        self._keeps = False

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after it."""
        return self._keeps

    def head(self, connection: Mapping[str, str]) -> bytes:
        """Return the status line and the headers, with those of the connection, to the empty line."""
        lines = [_STATUS_LINES.get(self.status) or f"HTTP/1.1 {self.status} "]
        lines += [f"{name}: {value}" for name, value in {**self.content, **connection}.items() if value]
        if self.status not in _WITHOUT_BODY:
            lines.append(f"Content-Length: {len(self.data)}")
        lines.append(f"Server: {SERVER_SOFTWARE}\r\n\r\n")
        return "\r\n".join(lines).encode()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send all of it: aiohttp calls this to send headers."""
        self._keeps = request.keep_alive
        data = b"" if request.method == "HEAD" else self.data
        await request.writer.write_eof(self.head(_connection(request)) + data)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: aiohttp calls this to send the rest."""


def _connection(request: web.BaseRequest) -> dict[str, str]:
    """Return the header that says whether the connection stays open, where its default is the other one."""
    if not request.keep_alive:
        return {"Connection": "close"}
    return {} if request.version >= (1, 1) else {"Connection": "keep-alive"}
