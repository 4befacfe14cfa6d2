"""The HTTP side of the service: it receives requests, passes them to the core, and sends the answers."""

import asyncio
import ipaddress
import secrets
from email.utils import formatdate
from functools import partial
from typing import Self

import attrs
from aiohttp import web

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.responses import Answer, by_gateway
from dataflow_async.emulator.core import Core, Request, RequestContext
from dataflow_async.emulator.faults.base import Sends
from dataflow_async.emulator.faults.injector import NO_FAULTS
from dataflow_async.emulator.http import admin_api
from dataflow_async.emulator.http.listener import Listener
from dataflow_async.emulator.http.raw_connection import RawConnection
from dataflow_async.emulator.http.whole_answer import WholeAnswer

API = "/api/"
"""The beginning of every path of the API; other paths may belong to the control path."""


@attrs.define(kw_only=True, eq=False)
class Server(Core):
    """The core behind a socket on loopback, with the control path beside the API.

    Always true: a request that was received ends once in the history, as `AnswerSent` or as `AnswerLost`, and an answer counts as sent
    only if the connection was open. A second way out of `_call` would break this; so every answer passes `_sent` or
    `_sent_by`.
    """

    host: str = "127.0.0.1"
    """Address to listen on; loopback, unless ``allow_remote``."""
    port: int = 0
    """Port to listen on; 0 takes a free one, so that tests can run side by side."""
    allow_remote: bool = False
    """Listen beyond loopback, where anyone with the keys can call."""

    _listener: Listener | None = attrs.field(default=None, init=False, repr=False)
    _request_prefix: str = attrs.field(factory=lambda: secrets.token_hex(8), init=False, repr=False)
    _date: tuple[int, str] = attrs.field(default=(-1, ""), init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.allow_remote and not _is_loopback(self.host):
            raise ValueError(f"host must be loopback unless allow_remote=True is given, got {self.host}")
        super().__attrs_post_init__()

    async def start(self) -> None:
        """Listen; `url` is known from here on.

        Raises:
            OSError: The address is in use or not available, or the log can't be written.
            ValueError: The log holds something other than a history.
        """
        if self._listener is not None:
            raise RuntimeError("the emulator is running already; stop it before it is started again")
        listener = Listener(self.host, self.port, self.clock, self._refuses_connection, self.idle_limit)
        self.history.open()
        try:
            await listener.start(self._handle)
        except BaseException:
            self.history.close()
            raise
        self._listener = listener

    async def stop(self) -> None:
        """Close every connection; does nothing if the server does not listen."""
        listener = self._listener
        if listener is None or listener.stopping.done():
            return
        try:
            await listener.stop()
        finally:
            self.history.close()
            self._listener = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens, for example ``http://127.0.0.1:43121``."""
        if self._listener is None:
            raise RuntimeError("the emulator has no address before start(); use async with, or await start()")
        host, port = self._listener.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    # --- the path of a request ----------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if "Expect" in request.headers:
            await _send_continue(request)
        if not request.raw_path.startswith(API) and (
            handler := self._handler_of(request.method, request.path)
        ):
            return await admin_api.guarded(self, handler, request, allow_remote=self.allow_remote)
        return await self._call(request)

    def _handler_of(self, method: str, path: str) -> admin_api.AdminHandler | None:
        """Return the handler of a request outside the API, or None."""
        return admin_api.handler_of(method, path)

    async def _call(self, request: web.BaseRequest) -> WholeAnswer:
        read = partial(_read_body, request)
        context = self.begin(Request(request.method, request.raw_path, request.headers, read))
        try:
            answer = await self.answer(context, self._pause)
            if context.injector is not NO_FAULTS and (sender := context.injector.sender()):
                return await self._sent_by(sender, request, context, answer)
        except asyncio.CancelledError:
            self.history.lost(context.number, "the server stopped", context.injector.names)
            raise
        return self._sent(request, context, answer)

    def _sent(self, request: web.BaseRequest, context: RequestContext, answer: Answer) -> WholeAnswer:
        transport = request.transport
        if transport is None or transport.is_closing():
            self.history.lost(context.number, "the connection was closed", context.injector.names)
        else:
            self.history.answered(context.number, answer.status, context.injector.names)
        return self._response(context, answer)

    def _response(self, context: RequestContext, answer: Answer) -> WholeAnswer:
        headers = {
            "x-ncp-apigw-request-id": f"{self._request_prefix}-{context.number}",
            "Date": self._http_date(self.now(context.injector)),
            "Content-Type": "application/json",
            **answer.headers,
        }
        return WholeAnswer(answer.status, headers, answer.encoded())

    async def _sent_by(
        self, sender: Sends, request: web.BaseRequest, context: RequestContext, answer: Answer
    ) -> WholeAnswer:
        """Let a fault send the answer, and record how it ended."""
        response = self._response(context, answer)
        listener = self._listening
        connection = RawConnection.of(request, response, listener.stopping, self._pause, listener.refuse)
        if connection is None:
            return self._sent(request, context, answer)
        await sender.send(connection)
        if sender.delivers and not connection.gone:
            self.history.answered(context.number, answer.status, context.injector.names)
        else:
            self.history.lost(context.number, sender.name, context.injector.names)
        connection.close()
        return response  # which aiohttp does not send: the connection is closing

    def _refuses_connection(self) -> bool:
        fault = self.faults.refuses_connection() if self.faults else None
        if fault is not None:
            self.history.lost(None, fault, (fault,))
        return fault is not None

    @property
    def _listening(self) -> Listener:
        assert self._listener is not None  # noqa: S101 - for mypy: a request is handled only while the server listens
        return self._listener

    async def _pause(self, seconds: float) -> None:
        await self._listening.pause(seconds)

    def _http_date(self, now: float) -> str:
        second = int(now)
        if self._date[0] != second:
            self._date = second, formatdate(second, usegmt=True)
        return self._date[1]


async def _send_continue(request: web.BaseRequest) -> None:
    """Send 100 Continue to a client that waits for it; other expectations are ignored."""
    if request.headers["Expect"].lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # counts the answer, which has not begun


async def _read_body(request: web.BaseRequest) -> bytes:
    """Return the whole body."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise by_gateway("430", f"A body may have at most {defaults.MAX_BODY} bytes.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise by_gateway("100", "The body broke off, or does not fit its encoding headers.") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
