"""The HTTP side: a socket on loopback, and the one way every request takes.

receive -> authenticate -> route -> validate -> effect -> answer
"""

import ipaddress
import logging
import os
import secrets
from email.utils import formatdate
from itertools import count
from typing import Any, Self

import attrs
from aiohttp import web

from dataflow_async.emulator import saved
from dataflow_async.emulator.answers import Answer, Refused, by_gateway
from dataflow_async.emulator.clock import Clock, ManualClock, SystemClock
from dataflow_async.emulator.handles import Handles
from dataflow_async.emulator.life import Fate
from dataflow_async.emulator.operations import Call
from dataflow_async.emulator.routing import route
from dataflow_async.emulator.signature import Verifier
from dataflow_async.emulator.state import State
from dataflow_async.emulator.table import Operation

_log = logging.getLogger(__name__)

MAX_BODY = 1024**2
"""Bytes; a larger body is refused with 413. No limit is printed, this one is the usual of gateways."""
SHUTDOWN = 0.5
"""Seconds that a request which is still arriving gets when the server stops; a whole one is answered long before."""


def _range_of_seconds(
    _server: object, attribute: "attrs.Attribute[tuple[float, float]]", value: tuple[float, float]
) -> None:
    if not 0 <= value[0] <= value[1]:
        raise ValueError(f"{attribute.name} must be two numbers of seconds, the shorter first, not {value!r}")


def _or_system(clock: Clock | None) -> Clock:
    return clock or SystemClock()


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
    speed: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    """Emulated seconds per wall second; the lives of runs are divided by it, dates and signatures are not."""
    seed: int = 0
    """Start of the random sources: equal seeds and equal calls give equal ids and equal runs."""
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

    state: State = attrs.field(init=False, repr=False)
    """Everything the service remembers; it outlives `stop`."""
    _verifier: Verifier = attrs.field(init=False, repr=False)
    _runner: web.AppRunner | None = attrs.field(default=None, init=False, repr=False)
    _request_ids: "count[int]" = attrs.field(factory=lambda: count(1), init=False, repr=False)
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
        self._verifier = Verifier(self.access_key, self.secret_key)

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
        stored = saved.read(path)
        if at_saved_time:
            if "clock" in settings:
                raise ValueError("at_saved_time brings its own clock; leave clock out")
            settings["clock"] = ManualClock(stored.saved_at)
        server = cls(**stored.settings.changed(settings))
        stored.restore(server.state)
        return server

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything the service remembers to a file, for `load`; keys are not in it.

        Raises:
            OSError: The file can't be written; one that was there is as it was.
        """
        saved.write(path, self.state)

    async def start(self) -> None:
        """Listen; `url` is known from here on."""
        if self._runner is not None:
            raise RuntimeError("the emulator is running already")
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{anything:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Close every connection; does nothing when it does not listen."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens, for example ``http://127.0.0.1:43121``."""
        if self._runner is None:
            raise RuntimeError("the emulator has no address before start()")
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    # --- the way of a request -----------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            return self._sent(await self._answer(request))
        except Refused as refused:
            answer = refused.answer
        except Exception:  # noqa: BLE001 - the safety net; the tests show that nothing falls into it
            _log.exception("%s %s was not foreseen", request.method, request.raw_path)
            answer = by_gateway("900", "The emulator failed; its log says why.").answer
        return self._sent(answer)

    async def _answer(self, request: web.Request) -> Answer:
        self._authenticate(request)
        path, _, query = request.raw_path.partition("?")
        operation, ids = route(request.method, path)
        operation.check_headers(request.headers)
        asked = operation.read_query(query)
        body = operation.read_body(await _received(request, operation))
        # no await from here on: the effect of a call is one moment, and nothing can come between
        return operation.effect(self.state, Call(ids, asked, body, self.state.settle()))

    def _authenticate(self, request: web.Request) -> None:
        objection = self._verifier.objection(
            request.method, request.raw_path, request.headers, self.clock.time()
        )
        if objection:
            raise by_gateway("200", objection)

    def _sent(self, answer: Answer) -> web.Response:
        headers = {
            "x-ncp-apigw-request-id": f"{self._request_prefix}-{next(self._request_ids)}",
            "Date": self._http_date(),
        }
        return web.Response(
            body=answer.encoded(), status=answer.status, headers=headers, content_type="application/json"
        )

    def _http_date(self) -> str:
        second = int(self.clock.time())
        if self._date[0] != second:
            self._date = second, formatdate(second, usegmt=True)
        return self._date[1]


async def _received(request: web.Request, operation: Operation) -> bytes:
    """The body, if the call takes one."""
    if operation.body is None:
        return b""
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
