"""One attempt of a call: sign it, send it, and classify its answer."""

from __future__ import annotations

import logging

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import APIError, DecodeError, NotSent, TransportError
from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.transport.auth_recovery import AuthRecovery, KeyProvider
from dataflow_async.transport.call_state import AttemptResult, CallState
from dataflow_async.transport.clock_skew import Exchange, GatewayClock
from dataflow_async.wire import success
from dataflow_async.wire.excerpts import is_page
from dataflow_async.wire.failure import failure
from dataflow_async.wire.headers import retry_after
from dataflow_async.wire.message import Answer, Call
from dataflow_async.wire.operation import Effect
from dataflow_async.wire.signature import Keys, Signer

log = logging.getLogger("dataflow_async")
_JSON_BEGINS = (b"{", b"[", b"")
"""How nearly every body begins; the others are checked for being a page."""


class AttemptSender:
    """Signs and sends single attempts of a client's calls.

    Always true: every attempt has its own signature, made from the keys and the clock offset of that moment and after
    all waiting; an abandoned call, or a creating call whose answer could not be awaited any more, is not sent. A
    signature that is made earlier would be stale when it arrives.
    """

    def __init__(
        self,
        session: Session,
        keys: KeyProvider,
        gateway_clock: GatewayClock,
        recovery: AuthRecovery,
        *,
        clock: Clock,
        timeout: float,
        total_timeout: float,
    ) -> None:
        self._session = session
        self._keys = keys
        self._gateway_clock = gateway_clock
        self._recovery = recovery
        self._clock = clock
        self._timeout = timeout
        self._total_timeout = total_timeout
        share = min(timeout, total_timeout) / defaults.MIN_ATTEMPT_PARTS
        self._least = min(defaults.MIN_ATTEMPT_TIME, share)
        """Seconds that must remain for a creating call: with fewer, its answer and so its effect would be unknown."""
        self._signer: tuple[Keys, Signer] | None = None

    async def send(self, call: Call, state: CallState) -> AttemptResult:
        """Sign and send once; anything but a 2xx is returned as an error, not raised.

        Raises:
            NotSent: The call was abandoned; every attempt before this one provably had no effect.
        """
        state.signed_keys = keys = await self._keys.current()
        if self._signer is None or self._signer[0] is not keys:
            self._signer = (keys, Signer(keys))
        signer = self._signer[1]
        if state.signed_offset is None:  # the first attempt: no other offset was used before
            offset = state.signed_offset = self._gateway_clock.offset
        else:
            offset = await self._settled_offset(state)
        if state.control.is_abandoned():
            raise NotSent(
                f"{call.operation.name}: never sent: it was abandoned", operation=call.operation.name
            )
        remaining = state.deadline - self._clock.monotonic()
        if remaining < self._least and call.operation.effect is Effect.CREATES:
            return self._too_late(call)
        state.attempts += 1
        state.failed_candidates = self._recovery.failed_candidates
        state.exchange = None
        stamp = self._gateway_clock.milliseconds(offset)
        sent = self._gateway_clock.steady()
        answer = await self._session.send(
            call,
            signer.headers(call.operation.method, call.target, stamp),
            min(self._timeout, max(remaining, defaults.MIN_ATTEMPT_TIMEOUT)),
        )
        if isinstance(answer, TransportError):
            return answer
        received, headers = self._gateway_clock.steady(), answer.headers
        state.exchange = Exchange(stamp / 1000, sent, received, headers.get("Date"), "Age" in headers)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s -> %s", call.operation.method, call.target, answer.status)
        state.unclear = state.unclear or answer.sends > 1
        result = self._classify(call, state, answer)
        if isinstance(result, Answer) or result.is_signature_accepted:
            self._recovery.accept(state)
        return result

    async def _settled_offset(self, state: CallState) -> float:
        """Return the clock offset to sign by, after ``before_new_offset`` has returned for an offset that has changed."""
        while True:
            adopted, candidate = self._gateway_clock.offset, state.candidate_offset
            offset = adopted if candidate is None else candidate
            is_settled = state.signed_offset == offset
            state.signed_offset = offset
            if is_settled or state.control.before_new_offset is None:
                return offset
            await state.control.before_new_offset()

    def _too_late(self, call: Call) -> NotSent:
        name = call.operation.name
        return NotSent(
            f"{name}: never sent: less than {self._least:g} s of total_timeout={self._total_timeout:g} s remain",
            operation=name,
            timed_out=True,
        )

    # --- what an answer means ------------------------------------------------------------------------------

    def _classify(self, call: Call, state: CallState, answer: Answer) -> Answer | APIError | DecodeError:
        """Return the answer if it is a success, else its error; a page with status 2xx comes from a proxy or the like."""
        if not 200 <= answer.status < 300:
            return self._failure(call, state, answer)
        if answer.body[:1] not in _JSON_BEGINS and is_page(answer.body):
            return success.unreadable(call.operation, answer, "a page, where JSON is needed")
        return answer

    def _failure(self, call: Call, state: CallState, answer: Answer) -> APIError:
        clock = self._gateway_clock
        error = failure(call.operation.name, answer.status, answer.headers, answer.body)
        if (asked := answer.headers.get("Retry-After")) is not None:
            now = clock.read(answer.headers.get("Date"))
            error.retry_after = retry_after(asked, clock.now() if now is None else now)
        error.may_have_run = call.operation.effect is Effect.CREATES and error.effect_unknown
        assert state.exchange is not None  # noqa: S101  # it was answered
        if error.is_unauthenticated:
            error.clock_skew = clock.skew(state.exchange)
        elif error.source == "service" or (error.status == 401 and error.code == "210"):
            clock.observe(state.exchange)
        return error
