"""Sends one attempt by aiohttp and reads its answer whole.

aiohttp's own exceptions print request headers, keys and signature included. They never leave this file,
not even as ``__context__``: an attempt returns its failure as a value.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import ssl
import zlib
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, cast

import aiohttp
from aiohttp import hdrs
from multidict import istr
from yarl import URL

from dataflow_async import defaults
from dataflow_async._version import __version__
from dataflow_async.clock import Clock, SystemClock
from dataflow_async.errors import DataFlowError, InvalidRequest, TransportError
from dataflow_async.models import checks
from dataflow_async.transport.body import ENCODINGS, Body, BodyError, encodings_of, too_large
from dataflow_async.transport.connections import Connector, SendRecord, current_send
from dataflow_async.transport.no_answer import no_answer, not_sent, raised_outside, refused_by, words
from dataflow_async.transport.proxies import Proxy
from dataflow_async.transport.timeouts import Watchdog
from dataflow_async.wire.message import Answer, Call
from dataflow_async.wire.operation import Effect
from dataflow_async.wire.signature import SignedHeaders

log = logging.getLogger("dataflow_async")

TIMEOUTS = aiohttp.ClientTimeout(total=None, sock_connect=defaults.CONNECT_TIMEOUT)
"""Connecting alone is timed by aiohttp; all the rest is the watchdog's, for a tenth of the cost."""
_NO_ANSWER = (aiohttp.ClientError, OSError, TimeoutError, ValueError, EOFError, zlib.error)
"""What aiohttp raises when the network or the server fails; anything else is a bug and is raised as it is."""

_UNDONE_BY_AIOHTTP = frozenset({"gzip", "deflate", "br", "zstd"})

_NO_HEADERS: Mapping[str, str] = {}
_KEEP_ALIVE = istr("Keep-Alive")


# --- was anything sent by a borrowed session? --------------------------------------------------------------


class _SendCounter:
    """Counts what a borrowed session sends, by a trace that is registered only while a request is in flight."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._configs = session.trace_configs
        self._in_flight = 0
        self._trace = aiohttp.TraceConfig()
        self._trace.on_request_headers_sent.append(self._headers_sent)
        self._trace.freeze()

    async def _headers_sent(self, *_: object) -> None:
        if (record := current_send.get()) is not None and record.owner is self:
            record.sends += 1

    def __enter__(self) -> None:
        """Register the trace for the first request in flight."""
        if not self._in_flight:
            self._configs.append(self._trace)
        self._in_flight += 1

    def __exit__(self, *_: object) -> None:
        """Remove it after the last one."""
        self._in_flight -= 1
        if not self._in_flight:
            self._configs.remove(self._trace)


# --- the session -------------------------------------------------------------------------------------------


def user_agent(suffix: str | None) -> str:
    """Return the User-Agent header.

    Raises:
        InvalidRequest: ``suffix`` is not printable ASCII.
    """
    given = cast("object", suffix)
    if given is not None and not (isinstance(given, str) and given.isascii() and given.isprintable()):
        raise InvalidRequest(
            f"user_agent_suffix must be printable ASCII, got {checks.shown(suffix)}",
            field="user_agent_suffix",
        )
    own = f"dataflow-async/{__version__} Python/{platform.python_version()} aiohttp/{aiohttp.__version__}"
    return f"{own} {suffix}" if suffix else own


def _request_options(proxy: Proxy | None, tls: ssl.SSLContext | None) -> dict[str, Any]:
    """Return what every request passes to aiohttp, whatever the defaults of the session are."""
    return {
        "allow_redirects": False,
        "raise_for_status": False,
        "timeout": TIMEOUTS,
        "proxy": proxy.url if proxy else None,
        "max_line_size": defaults.MAX_HEADER_LINE,
        "max_field_size": defaults.MAX_HEADER_LINE,
        **({"ssl": tls} if tls else {}),
    }


class Session:
    """The HTTP session of a client: its own aiohttp session, which it closes, or a borrowed one, which it never closes.

    Always true: `send` returns a `NotSent` only if no byte of the request was handed to a connection, no exception of
    aiohttp and no signature gets out, and one session serves one event loop. An attempt counted as not sent although it
    was would let a launch be repeated.
    """

    def __init__(
        self,
        origin: str,
        *,
        timeout: float,
        given: aiohttp.ClientSession | None = None,
        proxy: Proxy | None = None,
        tls: ssl.SSLContext | None = None,
        user_agent_suffix: str | None = None,
        max_idle: float = defaults.MAX_IDLE,
        max_body: int = defaults.MAX_BODY,
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(cast("object", given), aiohttp.ClientSession | None):
            raise InvalidRequest(
                f"session must be an aiohttp.ClientSession, got {checks.shown(given)}", field="session"
            )
        self.last_answer_at: float | None = None
        """Monotonic time of the last whole answer to any call; None before the first."""
        self._clock = clock or SystemClock()
        self._max_idle = max_idle
        self._max_body = max_body
        self._decompresses = given is not None and given.auto_decompress
        """Whether aiohttp decompresses; on our own session `Body` does it, within bounds."""
        self._origin = origin
        self.watchdog = Watchdog(timeout)
        self._given = given
        self.proxy = proxy
        self._options = _request_options(proxy, tls)
        self._headers: dict[str, str] = {
            hdrs.USER_AGENT: user_agent(user_agent_suffix),
            hdrs.CONTENT_TYPE: "application/json",
        }
        if not self._decompresses:
            self._headers[hdrs.ACCEPT_ENCODING] = ENCODINGS
        # Set once on our own session; a borrowed one needs them with each request.
        self._every_time = self._headers if given else {}
        self._http: aiohttp.ClientSession | None = None
        self._connector: Connector | None = None
        """The pool of our own session."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._counter: _SendCounter | nullcontext[None] = (
            nullcontext() if given is None else _SendCounter(given)
        )

    def capacity(self) -> float:
        """Return how many calls a borrowed session can carry at once; more would wait in its pool, already signed."""
        connector = self._given.connector if self._given else None
        limits = (connector.limit, connector.limit_per_host) if connector else ()
        return min((limit for limit in limits if limit), default=float("inf"))

    @property
    def opened(self) -> tuple[int, int]:
        """Connections that our own session has opened, and those that it dropped because data had come on them unasked."""
        return (self._connector.opened, self._connector.unasked) if self._connector is not None else (0, 0)

    async def send(self, call: Call, signature: SignedHeaders, timeout: float) -> Answer | TransportError:
        """Send one attempt and return its answer, or the error that says why there is none.

        Args:
            call: What to send.
            signature: Headers made for this very attempt.
            timeout: Seconds that this attempt may take.

        Raises:
            InvalidRequest: The client is closed or belongs to another event loop.
        """
        http = self._open()
        record = SendRecord(creates=call.operation.effect is Effect.CREATES, owner=self._counter)
        current_send.set(record)
        try:
            with self._counter, self.watchdog.limit(timeout):
                # Not `async with`: a body read to its end, or not, gives its connection back by itself.
                response = await http.request(
                    call.operation.method,
                    URL(self._origin + call.target, encoded=True),
                    data=call.body,
                    headers=signature.beside(self._every_time, call.headers or _NO_HEADERS),
                    **self._options,
                )
                try:
                    body = await self._body_of(response)
                except BaseException:
                    response.close()
                    raise
        except DataFlowError as problem:  # a ValueError or TimeoutError too, but no failure of this call
            _warn(call, record, problem)
            raise
        except _NO_ANSWER as problem:
            failed = self._failure(call, problem, record, timeout)
        except BaseException as problem:
            _warn(call, record, problem)
            raise
        else:
            return self._answer(call, response, body, record)
        if isinstance(failed, TransportError):
            return failed
        _warn(call, record, failed)
        raise failed

    def _failure(
        self, call: Call, problem: BaseException, record: SendRecord, timeout: float
    ) -> TransportError | BaseException:
        """Return the error of an attempt without an answer, or what code of the borrowed session's owner raised."""
        if self._given is not None and (theirs := raised_outside(problem)) is not None:
            return theirs
        if not record.sends and self._connector is not None:
            self._connector.clear_dns_cache()  # the service may have moved
        return no_answer(call.operation, problem, record.sends, timeout, self.proxy)

    def _answer(
        self, call: Call, response: aiohttp.ClientResponse, body: bytes, record: SendRecord
    ) -> Answer | TransportError:
        if self.proxy is not None and self._is_proxys_own(response):
            return not_sent(call.operation, refused_by(self.proxy, 407), "proxy")
        self.last_answer_at = self._clock.monotonic()
        if self._connector is not None:
            self._connector.used(record, response.headers.get(_KEEP_ALIVE))
        return Answer(response.status, response.headers, body, record.sends, record.drop)

    def _is_proxys_own(self, response: aiohttp.ClientResponse) -> bool:
        """Return whether our proxy refused a plain request before passing it on.

        A 407 out of a tunnel, or without its challenge, may come from anybody and proves nothing about a launch:
        contract/notes.md#ruling-92.
        """
        tunnelled = self._origin.startswith("https:")
        return response.status == 407 and not tunnelled and "Proxy-Authenticate" in response.headers

    async def _body_of(self, response: aiohttp.ClientResponse) -> bytes:
        length = 0 if response.method == "HEAD" else response.content_length
        header = response.headers.get(hdrs.CONTENT_ENCODING, "")
        encodings = encodings_of(header) if header else []
        if self._decompresses and header.lower() in _UNDONE_BY_AIOHTTP:
            encodings, length = [], None
        if length is not None and length > self._max_body:
            raise too_large(self._max_body)
        if length is not None and not encodings:
            return await response.read()
        body = Body(encodings, self._max_body)
        async for chunk in response.content.iter_any():
            for _ in body.feed(chunk):
                await asyncio.sleep(0)
        return body.whole()

    def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._http is not None and self._loop is loop and not self._closed and not self._http.closed:
            return self._http
        if self._closed or (self._given is not None and self._given.closed):
            raise InvalidRequest(
                "the client, or the session passed to it, is closed: nothing was sent; make a new one"
            )
        if self._loop is not None and self._loop is not loop:
            raise InvalidRequest(
                "the client belongs to another event loop: nothing was sent; make one client per event loop"
            )
        self._loop = loop
        self._http = self._given or self._own()
        return self._http

    def _own(self) -> aiohttp.ClientSession:
        self._connector = Connector(
            clock=self._clock,
            max_idle=self._max_idle,
            limit=0,  # calls queue in the limiter, before they are signed
            ttl_dns_cache=defaults.DNS_CACHE_TTL,
        )
        return aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=self._headers,
        )

    async def aclose(self) -> None:
        """Close our own session; a borrowed one stays open."""
        self._closed = True
        self.watchdog.close()
        http, self._http = self._http, None
        if http is not None and http is not self._given:
            await http.close()


def _warn(call: Call, record: SendRecord, problem: BaseException) -> None:
    """Log that a launch may have run although its caller gets another exception."""
    if record.sends and record.creates:
        cancelled = isinstance(problem, asyncio.CancelledError)
        what = (
            "was cancelled" if cancelled else f"ended by a {type(problem).__name__} of the borrowed session"
        )
        log.warning("%s %s: %s in flight: it may have taken effect", call.operation.name, call.target, what)


async def fetch(url: str, timeout: float) -> tuple[int, str]:
    """GET a small text without keys, proxies or redirects; for the server-role endpoint.

    Raises:
        OSError: No answer, for whatever reason.
    """
    limit = aiohttp.ClientTimeout(total=timeout)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.get(url, allow_redirects=False) as response,
        ):
            body = await _read_at_most(response, defaults.MAX_METADATA_BODY)
            return response.status, body.decode("utf-8", "replace")
    except _NO_ANSWER as problem:
        reason = f"no answer within {timeout:g} s" if isinstance(problem, TimeoutError) else words(problem)
    raise OSError(reason)


async def _read_at_most(response: aiohttp.ClientResponse, size: int) -> bytes:
    body = b""
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > size:
            raise BodyError(f"an answer of more than {size} bytes")
    return body
