"""Sends one call until it has a typed result: acquire a slot, sign, send, decode, repeat or raise."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import (
    APIError,
    DataFlowError,
    DecodeError,
    NotSent,
    TransportError,
)
from dataflow_async.transport.aiohttp_session import Answer, Call, Session
from dataflow_async.transport.call_control import UNCONTROLLED, CallControl
from dataflow_async.transport.clock_skew import Exchange, GatewayClock
from dataflow_async.transport.limiter import ConcurrencyLimiter
from dataflow_async.wire import jsontext, success
from dataflow_async.wire.failure import failure, is_page
from dataflow_async.wire.operation import Effect, Operation
from dataflow_async.wire.request import path_of, query_text
from dataflow_async.wire.retry import (
    RetryBudget,
    RetryPolicy,
    may_repeat,
    proves_done,
    retry_after,
)
from dataflow_async.wire.signature import Keys, Signer

T = TypeVar("T")
log = logging.getLogger("dataflow_async")
_NO_FILL: Mapping[str, str] = {}
_JSON_BEGINS = (b"{", b"[", b"")
"""How nearly every body begins; the others are looked at."""


_Error = APIError | TransportError | DecodeError
_Result = Answer | _Error


class KeyProvider(Protocol):
    """What returns the keys to sign an attempt with; see ``key_source.KeyAsker``."""

    async def current(self) -> Keys:
        """Return the keys to sign with now, or raise CredentialsError."""

    async def other_than(self, refused: Keys, until: float) -> Keys:
        """Return keys other than ``refused``, or ``refused`` if there are no others by the monotonic time ``until``."""

    async def aclose(self) -> None:
        """Stop asking for keys."""


class _Course:
    """Where one call stands between its attempts."""

    __slots__ = (
        "attempts",
        "clock_tried",
        "control",
        "deadline",
        "exchange",
        "keys",
        "keys_tried",
        "offset",
        "paid",
        "pause_tried",
        "refuted",
        "repeats",
        "trial",
        "unclear",
    )

    def __init__(self, control: CallControl) -> None:
        self.control = control
        self.deadline = 0.0
        """By the monotonic clock; set at the first slot."""
        self.attempts = 0
        self.repeats = 0
        """Attempts after the first that the retry policy granted; cures of a 401 do not count."""
        self.paid = 0
        """Tokens the last repeat took."""
        self.unclear = False
        """Whether an attempt may have taken effect although its answer did not say so."""
        self.trial: float | None = None
        """Clock offset on trial; None means the adopted one."""
        self.offset: float | None = None
        """Clock offset the last attempt was signed with."""
        self.keys: Keys | None = None
        """Keys the last attempt was signed with."""
        self.exchange: Exchange | None = None
        """What the last attempt that was answered tells of the time."""
        self.refuted = 0
        """Clock trials that had failed when the last attempt was signed."""
        self.clock_tried = False
        self.keys_tried = False
        self.pause_tried = False

    def slot_taken(self, queued: float, now: float, patience: float) -> None:
        """The deadline runs from the first slot; time spent in line for a further one does not count."""
        self.deadline = self.deadline + now - queued if self.attempts else now + patience


class CallPipeline:
    """Sends calls: bounded, signed anew for every attempt, repeated only where that is safe."""

    def __init__(
        self,
        session: Session,
        keys: KeyProvider,
        *,
        prefix: str,
        max_concurrency: int,
        timeout: float,
        retry: RetryPolicy,
        clock: Clock,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._session = session
        self._keys = keys
        self._prefix = prefix
        self._timeout = timeout
        self._retry = retry
        self._least = min(defaults.LEAST_ATTEMPT, min(timeout, retry.total_timeout) / 10)
        """Seconds a creating call needs to be sent at all: cut off sooner, its effect would be unknown."""
        self._clock = clock
        self._draw = draw
        self._budget = RetryBudget(retry.budget)
        self._signer: tuple[Keys, Signer] | None = None
        self._correcting = asyncio.Lock()
        self._trials_failed = 0
        self._refuted: deque[tuple[int, float]] = deque(maxlen=defaults.REFUTED_KEPT)
        """The last offsets whose trials have failed, numbered."""
        self._was_accepted = False
        """Whether a signature of this client has ever got past the gateway."""
        self.gateway_clock = GatewayClock(clock)
        self.limiter = ConcurrencyLimiter(int(min(max_concurrency, session.capacity())))

    # --- what resources use --------------------------------------------------------------------------------

    async def call(
        self,
        operation: Operation[T],
        *ids: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        fill: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        control: CallControl = UNCONTROLLED,
    ) -> T:
        """Send a call and structure its answer.

        Args:
            operation: Row of the table.
            ids: One for each ``{...}`` of its path.
            query: Members of the query; None values are left out.
            body: JSON object to send.
            fill: Ids to take from the request where the answer, or a row of it, leaves them out.
            headers: Further headers.
            control: How the maker takes part in its attempts.

        Raises:
            DataFlowError: Any of the tree.
        """
        call = self.describe(operation, *ids, query=query, body=body, headers=headers)
        course = _Course(control)
        try:
            answer = await self._answered(call, course)
        except APIError as error:
            if error.may_have_run and fill:
                error.execution_ref = success.run_shown(operation, error.body.encode(), fill)
            raise
        if answer is None:
            return cast("T", None)
        try:
            if operation.answers is None:
                if not success.acknowledged(operation, answer):
                    raise success.refused(operation, answer)
                return cast("T", None)
            content = success.result(operation, answer, fill or _NO_FILL)
            control.check(content)
        except DecodeError:
            answer.drop()
            raise
        self._hear(course, answer)
        return content

    async def verdict(self, operation: Operation[bool], *, body: Mapping[str, Any]) -> bool:
        """Send a call that asks whether something holds.

        Raises:
            DataFlowError: Any of the tree.
        """
        answer = await self.answer(self.describe(operation, body=body))
        return answer is None or success.acknowledged(operation, answer)

    async def rows(
        self,
        operation: Operation[Any],
        *ids: str,
        query: Mapping[str, Any] | None = None,
        control: CallControl = UNCONTROLLED,
    ) -> list[Any]:
        """Send a call for a page and give its rows as JSON values: whoever looks at a few needs no more.

        Raises:
            DataFlowError: Any of the tree.
        """
        course = _Course(control)
        answer = await self._answered(self.describe(operation, *ids, query=query), course)
        if answer is None:
            return []
        try:
            rows = success.rows(operation, answer, dict(zip(operation.id_names, ids, strict=True)))
        except DecodeError:
            answer.drop()
            raise
        self._hear(course, answer)
        return rows

    async def access_key(self) -> str:
        """Give the id of the access key that calls are signed with at present.

        Raises:
            CredentialsError: There are no keys.
        """
        return (await self._keys.current()).access_key

    async def aclose(self) -> None:
        """Stop asking for keys."""
        await self._keys.aclose()

    def describe(
        self,
        operation: Operation[Any],
        *ids: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Call:
        """Build what goes out: target and body, checked and encoded once for all attempts."""
        target = self._prefix + path_of(operation, ids) + (query_text(query) if query else "")
        return Call(operation, target, None if body is None else jsontext.write(body), headers)

    async def answer(self, call: Call, control: CallControl = UNCONTROLLED) -> Answer | None:
        """Send a call until it succeeds or may not be repeated.

        Returns:
            A 2xx, or None where an error said that an earlier, unclear attempt had worked (ruling 29).

        Raises:
            TransportError: No answer.
            APIError: Any answer but a 2xx.
        """
        return await self._answered(call, _Course(control))

    async def _answered(self, call: Call, course: _Course) -> Answer | None:
        while True:
            queued = self._clock.monotonic()
            decreases = await self.limiter.acquire(first=course.attempts > 0)
            try:
                course.slot_taken(queued, self._clock.monotonic(), self._retry.total_timeout)
                result = await self._attempt(call, course)
                if isinstance(result, APIError) and result.is_unauthenticated:
                    result = await self._cure(call, course, result)
            finally:
                self.limiter.release()
            if isinstance(result, Answer):
                self.limiter.record_success()
                if course.control.repeats:
                    self._budget.refund(course.paid)
                return result
            if course.unclear and proves_done(call.operation, result):
                return None
            if result.is_throttled:
                self.limiter.decrease(decreases)
            await self._pause_or_raise(call, course, result)

    # --- one attempt ---------------------------------------------------------------------------------------

    async def _attempt(self, call: Call, course: _Course) -> _Result:
        """Sign and send once; anything but a 2xx comes back as an error, not raised.

        Raises:
            NotSent: Nobody wants it any more; every attempt before this one provably had no effect.
        """
        signer = await self._current_signer(course)
        offset = await self._settled_offset(course)
        if course.control.is_abandoned():
            raise NotSent(
                f"{call.operation.name}: never sent: given up before", operation=call.operation.name
            )
        left = course.deadline - self._clock.monotonic()
        if left < self._least and call.operation.effect is Effect.CREATES:
            return NotSent(
                f"{call.operation.name}: never sent: its {self._retry.total_timeout:g} s are over",
                operation=call.operation.name,
                timed_out=True,
            )
        course.attempts += 1
        course.refuted = self._trials_failed
        course.exchange = None
        stamp = self.gateway_clock.milliseconds(offset)
        sent = self.gateway_clock.steady()
        result = await self._session.send(
            call,
            signer.headers(call.operation.method, call.target, stamp),
            min(self._timeout, max(left, 0.001)),
        )
        if isinstance(result, TransportError):
            return result
        course.exchange = Exchange(
            stamp / 1000,
            sent,
            self.gateway_clock.steady(),
            result.headers.get("Date"),
            "Age" in result.headers,
        )
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s -> %s", call.operation.method, call.target, result.status)
        course.unclear = course.unclear or result.sends > 1
        outcome = self._outcome(call, course, result)
        if isinstance(outcome, Answer) or outcome.is_signature_accepted:
            self._was_accepted = True
            if course.trial is not None:
                self.gateway_clock.offset = course.trial
                course.trial = None
        return outcome

    def _outcome(self, call: Call, course: _Course, answer: Answer) -> Answer | APIError | DecodeError:
        """Tell a success from an error; a page under 200 comes from somebody in between (ruling 93)."""
        if not 200 <= answer.status < 300:
            return self._failure(call, course, answer)
        if answer.body[:1] not in _JSON_BEGINS and is_page(answer.body):
            return success.unreadable(call.operation, answer, "a page, where JSON is needed")
        return answer

    async def _settled_offset(self, course: _Course) -> float:
        """Return the clock offset to sign by, once the maker of the call knows of one that has changed."""
        while True:
            offset = self.gateway_clock.offset if course.trial is None else course.trial
            known = course.offset is None or course.offset == offset
            course.offset = offset
            if known or course.control.before_resend is None:
                return offset
            await course.control.before_resend()

    def _hear(self, course: _Course, answer: Answer | None) -> None:
        """Let an answer of the contract's shape tell the time; one without a body could be anybody's."""
        if course.exchange is not None and answer is not None and answer.body:
            self.gateway_clock.hear(course.exchange)

    def _failure(self, call: Call, course: _Course, answer: Answer) -> APIError:
        error = failure(call.operation.name, answer.status, answer.headers, answer.body)
        if (asked := answer.headers.get("Retry-After")) is not None:
            now = self.gateway_clock.read(answer.headers.get("Date"))
            error.retry_after = retry_after(asked, self.gateway_clock.now() if now is None else now)
        error.may_have_run = call.operation.effect is Effect.CREATES and error.effect_unknown
        assert course.exchange is not None  # noqa: S101  # it was answered
        if error.is_unauthenticated:
            error.clock_skew = self.gateway_clock.skew(course.exchange)
        elif error.source == "service" or (error.status == 401 and error.code == "210"):
            self.gateway_clock.hear(course.exchange)
        return error

    async def _current_signer(self, course: _Course) -> Signer:
        keys = await self._keys.current()
        if self._signer is None or self._signer[0] is not keys:
            self._signer = (keys, Signer(keys))
        course.keys = keys
        return self._signer[1]

    # --- after an attempt ----------------------------------------------------------------------------------

    async def _pause_or_raise(self, call: Call, course: _Course, error: _Error) -> None:
        """Sleep until the next attempt, or raise if there is to be none."""
        course.unclear = course.unclear or error.effect_unknown
        pause = self._granted_pause(call, course, error)
        if pause is None:
            error.attempts = course.attempts
            raise error
        log.debug("%s: pausing %.2f s after: %s", call.operation.name, pause, error)
        await self._clock.sleep(pause)
        if error.is_unauthenticated and course.keys is not None:
            # Rotated keys may have reached their source during the pause.
            await self._keys.other_than(course.keys, course.deadline)

    def _granted_pause(self, call: Call, course: _Course, error: DataFlowError) -> float | None:
        """Give the seconds to wait before the next attempt, or None if there is to be none."""
        if course.control.is_abandoned():
            return None
        if error.is_unauthenticated:
            return self._pause_after_401(course)
        if not course.control.repeats or not may_repeat(call.operation.effect, error):
            return None
        if course.repeats + 1 >= self._retry.max_attempts:
            return None
        pause = self._retry.pause(course.repeats, error.retry_after, self._draw)
        if self._clock.monotonic() + pause >= course.deadline:
            return None
        price = self._budget.spend(error)
        if price is None:
            return None
        course.repeats += 1
        course.paid = price
        return pause

    def _pause_after_401(self, course: _Course) -> float | None:
        """Grant one pause to a client that was accepted before: a gateway may refuse for a moment (ruling 24)."""
        pause = defaults.STRAY_401_PAUSE
        if not self._was_accepted or course.pause_tried or self._clock.monotonic() + pause >= course.deadline:
            return None
        course.pause_tried = True
        return pause

    async def _cure(self, call: Call, course: _Course, error: APIError) -> _Result:
        """Repeat a call refused with 401 (code 200) once with the right time, once with fresh keys."""
        result: _Result = error
        if not course.clock_tried and (error.clock_skew is not None or self._is_corrected_since(course)):
            course.clock_tried = True
            result = await self._with_corrected_clock(call, course, error)
            if not _is_unauthenticated(result):
                return result
        if not course.keys_tried:
            course.keys_tried = True
            if (
                course.keys is not None
                and await self._keys.other_than(course.keys, course.deadline) != course.keys
            ):
                result = await self._attempt(call, course)
        if _is_unauthenticated(result):
            course.trial = None
            cast("APIError", result).clock_skew = error.clock_skew
        return result

    def _is_corrected_since(self, course: _Course) -> bool:
        """Return whether the last attempt was signed by an offset that is known to be wrong by now."""
        assert course.offset is not None  # noqa: S101  # it was signed
        return abs(self.gateway_clock.offset - course.offset) > defaults.CLOCK_TOLERANCE

    async def _with_corrected_clock(self, call: Call, course: _Course, error: APIError) -> _Result:
        """Repeat with the right time. One trial at a time: those who wait use what it found or believe that it failed.

        What is right is judged anew after the wait, by the ``Date`` of this very refusal.
        """
        assert course.exchange is not None  # noqa: S101  # it was answered
        exchange, refuted = course.exchange, course.refuted
        async with self._correcting:
            needed = self.gateway_clock.needed_offset(exchange)
            if abs(needed - self.gateway_clock.offset) > defaults.CLOCK_TOLERANCE:
                if self._is_refuted(needed, since=refuted):
                    return error
                course.trial = self.gateway_clock.suspected = needed
                result = await self._attempt(call, course)
                if _is_unauthenticated(result):
                    self._trials_failed += 1
                    self._refuted.append((self._trials_failed, needed))
                return result
        course.trial = None
        return await self._attempt(call, course)

    def _is_refuted(self, offset: float, *, since: int) -> bool:
        """Return whether a trial of about this offset is among those that failed after the first ``since``."""
        return any(
            number > since and abs(offset - failed) < defaults.CLOCK_TOLERANCE
            for number, failed in self._refuted
        )


def _is_unauthenticated(result: Answer | DataFlowError) -> bool:
    return isinstance(result, DataFlowError) and result.is_unauthenticated
