"""The HTTP side: a socket on loopback, and the one way every request takes.

receive -> authenticate -> route -> validate -> effect -> answer
"""

import asyncio
import ipaddress
import logging
import os
import secrets
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any, NamedTuple, Self

import attrs
from aiohttp import web

from dataflow_async.emulator import ui
from dataflow_async.emulator.api.auth import ACCESS_KEY, WINDOW, Verifier
from dataflow_async.emulator.api.endpoints import Operation
from dataflow_async.emulator.api.handlers import Call
from dataflow_async.emulator.api.responses import Answer, Refused, by_gateway
from dataflow_async.emulator.api.routing import route
from dataflow_async.emulator.audit.event_log import LIMIT, History
from dataflow_async.emulator.faults.injector import CALM, Line, Storm
from dataflow_async.emulator.faults.plan import Weather
from dataflow_async.emulator.http import admin_api
from dataflow_async.emulator.http.listener import Listener
from dataflow_async.emulator.service import snapshot
from dataflow_async.emulator.service.clock import Clock, ManualClock, SystemClock
from dataflow_async.emulator.service.lifecycle import Fate
from dataflow_async.emulator.service.state import State
from dataflow_async.emulator.service.test_controls import Handles

_log = logging.getLogger(__name__)

MAX_BODY = 1024**2
"""Bytes; a larger body is refused with 413. No limit is printed, this one is the usual of gateways, and aiohttp's own."""
API = "/api/"
"""How the paths of calls begin; what begins otherwise may be one of the control path."""


def _range_of_seconds(
    _server: object, attribute: "attrs.Attribute[tuple[float, float]]", value: tuple[float, float]
) -> None:
    if not 0 <= value[0] <= value[1]:
        raise ValueError(f"{attribute.name} must be two numbers of seconds, the shorter first, not {value!r}")


def _or_system(clock: Clock | None) -> Clock:
    return clock or SystemClock()


class _Turn(NamedTuple):
    """One request and what is known of it before it is read."""

    number: int
    request: web.BaseRequest
    operation: Operation | None
    ids: Mapping[str, str]
    refusal: Refused | None
    """Why it is no call of the API."""
    storm: Storm


@attrs.define(kw_only=True, eq=False)
class Server(Handles):
    """A Data Flow of one's own on loopback."""

    host: str = "127.0.0.1"
    """Address to listen on; loopback, unless ``allow_remote``."""
    port: int = 0
    """Port to listen on; 0 takes a free one, so that tests can run side by side."""
    access_key: str = "EMULATOR-ACCESS-KEY"
    """The one access key that is let in; its text says that it opens nothing real."""
    secret_key: str = attrs.field(default="emulator-secret-key", repr=False)
    """Its secret."""
    signature_window: float = attrs.field(default=WINDOW, validator=attrs.validators.gt(0))
    """Seconds from which the timestamp of a signature is too far from the clock (ruling 15); ``math.inf`` for a gateway
    that takes any."""
    speed: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    """Emulated seconds per wall second; the lives of runs are divided by it, dates and signatures are not."""
    seed: int = 0
    """Start of the random sources: equal seeds and equal calls give equal ids, equal runs and equal weather."""
    fail_rate: float = attrs.field(default=0.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    """Share of runs that end FAILED, 0 to 1; none unless asked, so that a test fails for its own reasons."""
    ready_seconds: tuple[float, float] = attrs.field(default=(0.2, 0.6), validator=_range_of_seconds)
    """Shortest and longest wait before a run starts, emulated seconds; long enough for READY to be seen."""
    run_seconds: tuple[float, float] = attrs.field(default=(1.0, 3.0), validator=_range_of_seconds)
    """Shortest and longest work of a run, emulated seconds; short enough for a test to wait for."""
    cancel_seconds: tuple[float, float] = attrs.field(default=(0.0, 0.0), validator=_range_of_seconds)
    """Shortest and longest time from an accepted cancel to the end of the run, emulated seconds; none unless asked. A run
    that ends by itself meanwhile keeps that end."""
    enforce_timeout: bool = False
    """Let work that outlasts the timeout of its run (minutes, 360 unless set) fail then."""
    fire_triggers: bool = False
    """Let scheduled triggers start their workflows when they are due on the clock, in UTC+9."""
    clock: Clock = attrs.field(default=None, converter=_or_system)
    """Wall time for dates, runs and the signature window; a `ManualClock` makes all of them stand still."""
    allow_remote: bool = False
    """Listen beyond loopback, where anyone who knows the keys can call."""
    _weather_text: str = attrs.field(default="", alias="weather", repr=False)
    """Faults to begin with, in the form that the module ``spec`` describes; `weather` takes more later."""
    history_limit: int = LIMIT
    """Records of the history that are kept; older ones are dropped."""
    log: str | Path | None = None
    """A file to which the history is appended as it happens, in JSON Lines."""

    state: State = attrs.field(init=False, repr=False)
    """Everything the service remembers; it outlives `stop`."""
    weather: Weather = attrs.field(init=False, repr=False)
    """What goes wrong on purpose: ``server.weather.add("reset", operation="executeJob", when="after")``."""
    history: History = attrs.field(init=False, repr=False)
    """What happened, in the order in which it took effect."""
    _verifier: Verifier = attrs.field(init=False, repr=False)
    _listener: Listener | None = attrs.field(default=None, init=False, repr=False)
    _request_prefix: str = attrs.field(factory=lambda: secrets.token_hex(8), init=False, repr=False)
    _date: tuple[int, str] = attrs.field(default=(-1, ""), init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.allow_remote and not _is_loopback(self.host):
            raise ValueError(f"{self.host} is not loopback; say allow_remote=True if that is meant")
        fate = Fate(
            self.seed,
            self.speed,
            self.fail_rate,
            self.ready_seconds,
            self.run_seconds,
            self.cancel_seconds,
            self.enforce_timeout,
        )
        self.state = State(self.clock, fate, self.seed, self.fire_triggers)
        self.weather = Weather(self.seed, self._weather_text)
        self.history = History(self.clock.time, self.history_limit, Path(self.log) if self.log else None)
        self.state.on_launch = self.history.launched
        self.state.on_end = self.history.ended
        self.rotate_keys(self.access_key, self.secret_key)

    def rotate_keys(self, access_key: str, secret_key: str) -> None:
        """Let in this pair of keys from now on, and no other (ruling 95)."""
        self.access_key, self.secret_key = access_key, secret_key
        self._verifier = Verifier(access_key, secret_key, self.signature_window)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, at_saved_time: bool = False, **settings: Any) -> Self:
        """A server that goes on where a saved one stood: same lives, same coming ids, scripts and steps of workflows.

        Args:
            path: What `save` has written.
            at_saved_time: Go on at the time of saving, on a `ManualClock` that a test pushes. Otherwise time has passed
                since: what was due meanwhile happens at the first request.
            **settings: Replace those saved (lives, cancels, triggers) or are beside them (port, keys, clock).

        Raises:
            OSError: The file can't be read.
            ValueError: It is no state that this version reads, or a setting does not fit.
        """
        stored = snapshot.read(path)
        if at_saved_time:
            if "clock" in settings:
                raise ValueError("at_saved_time brings its own clock; leave clock out")
            settings["clock"] = ManualClock(stored.saved_at)
        server = cls(**stored.settings.changed(settings))
        stored.restore(server.state)
        for execution in server.state.executions.values():
            server.history.restored(execution)
        return server

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything the service remembers to a file, for `load`; keys are not in it.

        Raises:
            OSError: The file can't be written; one that was there is as it was.
        """
        snapshot.write(path, self.state)

    async def start(self) -> None:
        """Listen; `url` is known from here on.

        Raises:
            OSError: The address can't be had, or the log can't be written.
            ValueError: The log holds something else than a history.
        """
        if self._listener is not None:
            raise RuntimeError("the emulator is running already")
        listener = Listener(self.host, self.port, self.clock, self._refuses_connection)
        self.history.open()
        try:
            await listener.start(self._handle)
        except BaseException:
            self.history.close()
            raise
        self._listener = listener

    async def stop(self) -> None:
        """Close every connection; does nothing when it does not listen."""
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
            raise RuntimeError("the emulator has no address before start()")
        host, port = self._listener.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    # --- the way of a request -----------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if "Expect" in request.headers:
            await _go_on(request)
        if not request.raw_path.startswith(API) and (
            handler := ui.handler_of(request.method, request.path)
            or admin_api.handler_of(request.method, request.path)
        ):
            return await admin_api.guarded(self, handler, request)
        return await self._call(request)

    async def _call(self, request: web.BaseRequest) -> web.Response:
        operation, ids, refusal = _called(request)
        storm = Storm(self.weather.meet(operation.name if operation else None)) if self.weather else CALM
        turn = _Turn(self.history.new_request(), request, operation, ids, refusal, storm)
        try:
            answer = await self._answer(turn)
            if storm is not CALM:
                return await self._through(turn, answer)
        except asyncio.CancelledError:
            self.history.lost(turn.number, "the server stopped", storm.names)
            raise
        return self._sent(turn, answer)

    async def _answer(self, turn: _Turn) -> Answer:
        try:
            return await self._effect(turn)
        except Refused as refused:
            return refused.answer
        except Exception:  # noqa: BLE001 - the safety net; the tests show that nothing falls into it
            _log.exception("%s %s was not foreseen", turn.request.method, turn.request.raw_path)
            return by_gateway("900", "The emulator failed; its log says why.").answer

    async def _effect(self, turn: _Turn) -> Answer:
        _, request, operation, ids, refusal, storm = turn
        body = await self._let_in(turn)
        if storm is not CALM:
            await storm.before(self._now(storm), self._pause)
        if operation is None:
            assert refusal is not None  # noqa: S101 - one of the two is there
            raise refusal
        operation.check_headers(request.headers)
        asked = operation.read_query(request.raw_path.partition("?")[2])
        operation.check_body(body)
        # no await from here on: the effect of a call is one moment, and nothing can come between
        now = self.state.settle()
        self.history.acting = turn.number
        try:
            answer = storm.effect(operation, self.state, Call(ids, asked, body, now))
        finally:
            self.history.acting = None
        self.history.done(turn.number, operation.name, ids, answer)
        return answer

    async def _let_in(self, turn: _Turn) -> Any:
        """Judge the signature and read the body, if the call takes one; both are noted whatever comes of it."""
        number, request, operation, _, _, storm = turn
        target, headers = request.raw_path, request.headers
        objection = self._verifier.objection(request.method, target, headers, self._now(storm))
        data, body = b"", None
        try:
            if operation is not None and operation.body is not None and objection is None:
                data = await _received(request)
                body = operation.read_body(data)
        finally:
            self.history.let_in(
                number,
                request.method,
                target,
                operation.name if operation else None,
                objection,
                access_key=ACCESS_KEY in headers,
                body=body,
                size=len(data),
            )
        if objection:
            raise by_gateway("200", objection)
        return body

    def _sent(self, turn: _Turn, answer: Answer) -> web.Response:
        transport = turn.request.transport
        if transport is None or transport.is_closing():
            self.history.lost(turn.number, "the connection was closed", turn.storm.names)
        else:
            self.history.answered(turn.number, answer.status, turn.storm.names)
        return self._response(turn, answer)

    def _response(self, turn: _Turn, answer: Answer) -> web.Response:
        headers = {
            "x-ncp-apigw-request-id": f"{self._request_prefix}-{turn.number}",
            "Date": self._http_date(self._now(turn.storm)),
            "Content-Type": "application/json",
            **answer.headers,
        }
        return web.Response(body=answer.encoded(), status=answer.status, headers=headers)

    # --- its way through the weather ----------------------------------------------------------------------------------

    async def _through(self, turn: _Turn, answer: Answer) -> web.Response:
        storm = turn.storm
        answer = await storm.after(answer, self._now(storm), self._pause)
        sender = storm.sender()
        if sender is None:
            return self._sent(turn, answer)
        response = self._response(turn, answer)
        listener = self._listening
        line = Line.of(turn.request, response, listener.stopping, self._pause, listener.refuse)
        if line is None:
            return self._sent(turn, answer)
        await sender.send(line)
        if sender.delivers and not line.gone:
            self.history.answered(turn.number, answer.status, storm.names)
        else:
            self.history.lost(turn.number, sender.name, storm.names)
        line.close()
        return response  # which aiohttp does not send: the connection is closing

    def _refuses_connection(self) -> bool:
        fault = self.weather.refuses_connection() if self.weather else None
        if fault is not None:
            self.history.lost(None, fault, (fault,))
        return fault is not None

    @property
    def _listening(self) -> Listener:
        assert self._listener is not None  # noqa: S101 - whoever handles a request has been let in by it
        return self._listener

    async def _pause(self, seconds: float) -> None:
        await self._listening.pause(seconds)

    def _now(self, storm: Storm) -> float:
        return self.clock.time() + storm.clock_off

    def _http_date(self, now: float) -> str:
        second = int(now)
        if self._date[0] != second:
            self._date = second, formatdate(second, usegmt=True)
        return self._date[1]


def _called(request: web.BaseRequest) -> tuple[Operation | None, Mapping[str, str], Refused | None]:
    """The call that a request means, or why it means none."""
    try:
        operation, ids = route(request.method, request.raw_path.partition("?")[0])
    except Refused as refused:
        return None, {}, refused
    return operation, ids, None


async def _go_on(request: web.BaseRequest) -> None:
    """Ask for the body of a caller who waits to be asked; other expectations are ignored."""
    if request.headers["Expect"].lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # of the answer, which has not begun


async def _received(request: web.BaseRequest) -> bytes:
    """The body, whole."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise by_gateway("430", f"A body may have at most {MAX_BODY} bytes.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise by_gateway("100", "The body broke off, or does not fit its encoding headers.") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
