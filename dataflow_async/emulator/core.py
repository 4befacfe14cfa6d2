"""The path of a request without HTTP: route, check the signature, validate, change the state, answer."""

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import attrs

from dataflow_async.emulator import defaults
from dataflow_async.emulator.api.auth import ACCESS_KEY, WINDOW, Verifier
from dataflow_async.emulator.api.endpoints import Endpoint
from dataflow_async.emulator.api.handlers.request import ValidRequest
from dataflow_async.emulator.api.responses import Answer, Refused, by_gateway
from dataflow_async.emulator.api.routing import route
from dataflow_async.emulator.audit.event_log import History
from dataflow_async.emulator.faults.injector import NO_FAULTS, FaultInjector, Pause
from dataflow_async.emulator.faults.plan import FaultPlan
from dataflow_async.emulator.service.clock import Clock, ManualClock, SystemClock
from dataflow_async.emulator.service.controls import Controls
from dataflow_async.emulator.service.lifecycle import LifecycleSettings
from dataflow_async.emulator.service.state import State

_log = logging.getLogger(__name__)


def _range_of_seconds(
    _server: object, attribute: "attrs.Attribute[tuple[float, float]]", value: tuple[float, float]
) -> None:
    if not 0 <= value[0] <= value[1]:
        raise ValueError(
            f"{attribute.name} must be two numbers of seconds, 0 or more, the shorter first, got {value!r}"
        )


def _or_system(clock: Clock | None) -> Clock:
    return clock or SystemClock()


class Request(NamedTuple):
    """The parts of a request that the core needs, independent of HTTP."""

    method: str
    target: str
    """Path and query as received, still encoded."""
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    read: Callable[[], Awaitable[bytes]]
    """Read the whole body; raise `Refused` if it can't be read."""


class RequestContext(NamedTuple):
    """One request, its endpoint and its faults; made before the body is read."""

    number: int
    request: Request
    endpoint: Endpoint | None
    ids: Mapping[str, str]
    refusal: Refused | None
    """The refusal if no endpoint matches."""
    injector: FaultInjector


@attrs.define(kw_only=True, eq=False)
class Core(Controls):
    """The service behind the gateway: its state, its faults, its history, and the path of a request through them.

    Always true: the effect of a call is one moment. From the settling of the state to the event in the history there is no
    ``await``, so no other request comes between, and the order of the history is the order of the effects. An ``await`` there
    would break this: two launches could both see the last free place of a job. Also, each request gets its number before it is
    read, and the events of its reception and its signature check whatever the outcome.
    """

    access_key: str = "EMULATOR-ACCESS-KEY"
    """The only accepted access key; its text says that it is not a real one."""
    secret_key: str = attrs.field(default="emulator-secret-key", repr=False)
    """Its secret."""
    signature_window: float = attrs.field(default=WINDOW, validator=attrs.validators.gt(0))
    """Seconds; a timestamp that is this far from the clock, or further, is refused (contract/notes.md#ruling-15). ``math.inf`` accepts
    any timestamp."""
    speed: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    """Emulated seconds per wall second; the durations of runs are divided by it, dates and signatures are not."""
    seed: int = 0
    """Start of the random sources: equal seeds and equal calls give equal ids, equal runs and equal faults."""
    fail_rate: float = attrs.field(default=0.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)])
    """Share of runs that end FAILED, 0 to 1. None by default, so that a test fails for its own reasons."""
    ready_seconds: tuple[float, float] = attrs.field(
        default=defaults.READY_SECONDS, validator=_range_of_seconds
    )
    """Shortest and longest wait before a run starts, emulated seconds; long enough for READY to be seen."""
    run_seconds: tuple[float, float] = attrs.field(default=defaults.RUN_SECONDS, validator=_range_of_seconds)
    """Shortest and longest work of a run, emulated seconds; short enough for a test to wait for."""
    cancel_seconds: tuple[float, float] = attrs.field(default=(0.0, 0.0), validator=_range_of_seconds)
    """Shortest and longest time from an accepted cancel to the end of the run, emulated seconds; 0 by default. A run that
    ends by itself meanwhile keeps that end."""
    enforce_timeout: bool = False
    """Let a run fail when its work outlasts its time-out (minutes, 360 unless set)."""
    fire_triggers: bool = False
    """Let scheduled triggers start their workflows when they are due on the clock, in UTC+9."""
    clock: Clock = attrs.field(default=None, converter=_or_system)
    """Wall time for dates, runs and the signature window; a `ManualClock` makes all of them stand still."""
    _faults_text: str = attrs.field(default="", alias="faults", repr=False)
    """Initial faults, in the form that the module ``faults.text`` describes; add more later with the attribute `faults`."""
    history_limit: int = defaults.HISTORY_LIMIT
    """Events of the history that are kept; older ones are dropped."""
    log: str | Path | None = None
    """A file to which the history is appended as it happens, in JSON Lines."""

    state: State = attrs.field(init=False, repr=False)
    """The state of the service; it is kept after `stop`."""
    faults: FaultPlan = attrs.field(init=False, repr=False)
    """The injected faults: ``server.faults.add("reset", operation="executeJob", when="after")``."""
    likeness: FaultPlan = attrs.field(init=False, repr=False)
    """Faults that are injected before those of `faults`, and stay when those are cleared: how the service differs from the contract."""
    aliases: dict[str, str] = attrs.field(factory=dict, init=False)
    """Further paths of calls, and the path of the contract that each stands for."""
    idle_limit: float = attrs.field(default=defaults.IDLE_LIMIT, init=False)
    """Seconds after which an idle connection is closed."""
    history: History = attrs.field(init=False, repr=False)
    """The events, in the order in which they took effect."""
    _verifier: Verifier = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        lifecycle_settings = LifecycleSettings(
            self.seed,
            self.speed,
            self.fail_rate,
            self.ready_seconds,
            self.run_seconds,
            self.cancel_seconds,
            self.enforce_timeout,
        )
        self.state = State(self.clock, lifecycle_settings, self.seed, self.fire_triggers)
        self.faults = FaultPlan(self.seed, self._faults_text)
        self.likeness = FaultPlan(self.seed)
        self.history = History(self.clock.time, self.history_limit, Path(self.log) if self.log else None)
        self.state.on_launch = self.history.launched
        self.state.on_end = self.history.ended
        self.rotate_keys(self.access_key, self.secret_key)

    def rotate_keys(self, access_key: str, secret_key: str) -> None:
        """Accept this pair of keys from now on, and no others (contract/notes.md#ruling-95)."""
        self.access_key, self.secret_key = access_key, secret_key
        self._verifier = Verifier(access_key, secret_key, self.signature_window)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, at_saved_time: bool = False, **settings: Any) -> Self:
        """Return a server that continues from a saved one: same lifecycles, same next ids, scripts and steps of workflows.

        Args:
            path: The file that `save` has written.
            at_saved_time: Continue at the time of saving, on a `ManualClock` that a test advances. Otherwise time has
                passed since, and everything that was due meanwhile happens at the first request.
            **settings: Replace saved settings (lifecycles, cancels, triggers) or add to them (port, keys, clock).

        Raises:
            OSError: The file can't be read.
            ValueError: The file holds no state that this version reads, or a setting does not fit the state.
        """
        from dataflow_async.emulator.service import snapshot  # with cattrs, which the rest does without

        if settings.get("like") is not None:
            raise ValueError(
                f"like must be absent beside a saved state, which has an account of its own, got {settings['like']!r}"
            )
        stored = snapshot.read(path)
        if at_saved_time:
            if "clock" in settings:
                raise ValueError(
                    f"clock must be absent beside at_saved_time, which sets its own, got {settings['clock']!r}"
                )
            settings["clock"] = ManualClock(stored.saved_at)
        server = cls(**stored.settings.changed(settings))
        stored.restore(server.state)
        for execution in server.state.executions.values():
            server.history.restored(execution)
        return server

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state of the service to a file for `load`; keys are not in it.

        Raises:
            OSError: The file can't be written; an existing file is unchanged.
        """
        from dataflow_async.emulator.service import snapshot

        snapshot.write(path, self.state)

    # --- the path of a request ----------------------------------------------------------------------------------------

    def begin(self, request: Request) -> RequestContext:
        """Number a request, and find its endpoint and its faults."""
        endpoint, ids, refusal = _routed(request, self.aliases)
        name = endpoint.name if endpoint else None
        injected = self.likeness.inject(name) + self.faults.inject(name)
        injector = FaultInjector(injected) if injected else NO_FAULTS
        return RequestContext(self.history.new_request(), request, endpoint, ids, refusal, injector)

    async def answer(self, context: RequestContext, pause: Pause) -> Answer:
        """Carry out a request and return its answer, after its faults.

        Args:
            context: The request.
            pause: Waits a number of seconds on the clock.
        """
        try:
            answer = await self._effect(context, pause)
        except Refused as refused:
            answer = refused.answer
        except Exception:  # noqa: BLE001 - a defect of the emulator must become a 500, not a broken connection
            _log.exception(
                "request %d: %s %s failed in the emulator",
                context.number,
                context.request.method,
                context.request.target,
            )
            answer = by_gateway("900", "The emulator failed; its log says why.").answer
        if context.injector is not NO_FAULTS:
            answer = await context.injector.after(answer, self.now(context.injector), pause)
        return answer

    async def _effect(self, context: RequestContext, pause: Pause) -> Answer:
        _, request, endpoint, ids, refusal, injector = context
        body = await self._authenticate(context)
        if injector is not NO_FAULTS:
            await injector.before(self.now(injector), pause)
        if endpoint is None:
            assert refusal is not None  # noqa: S101 - for mypy: routing returns one or the other
            raise refusal
        endpoint.check_headers(request.headers)
        query = endpoint.read_query(request.target.partition("?")[2])
        endpoint.check_body(body)
        # no await from here on: the effect of a call is one moment
        now = self.state.settle()
        self.history.acting = context.number
        try:
            answer = injector.effect(endpoint, self.state, ValidRequest(ids, query, body, now))
        finally:
            self.history.acting = None
        self.history.done(context.number, endpoint.name, ids, answer)
        return answer

    async def _authenticate(self, context: RequestContext) -> Any:
        """Check the signature and read the body, if the call has one; both are recorded whatever the result."""
        number, request, endpoint, _, _, injector = context
        target, headers = request.target, request.headers
        objection = self._verifier.objection(request.method, target, headers, self.now(injector))
        data, body = b"", None
        try:
            if endpoint is not None and endpoint.body is not None and objection is None:
                data = await request.read()
                body = endpoint.read_body(data)
        finally:
            self.history.received(
                number,
                request.method,
                target,
                endpoint.name if endpoint else None,
                objection,
                access_key=ACCESS_KEY in headers,
                body=body,
                size=len(data),
            )
        if objection:
            raise by_gateway("200", objection)
        return body

    def now(self, injector: FaultInjector) -> float:
        """Return the gateway's time for a request, its clock fault included."""
        return self.clock.time() + injector.clock_off


def _routed(
    request: Request, aliases: Mapping[str, str]
) -> tuple[Endpoint | None, Mapping[str, str], Refused | None]:
    """Return the endpoint of a request and its path parameters, or the refusal."""
    path = request.target.partition("?")[0]
    try:
        endpoint, ids = route(request.method, aliases.get(path, path))
    except Refused as refused:
        return None, {}, refused
    return endpoint, ids, None
