"""What follows a 401 with code 200: the call is repeated with the gateway's time, with new keys, or after a pause."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeGuard, cast

from dataflow_async import defaults
from dataflow_async.errors import APIError
from dataflow_async.transport.call_state import AttemptResult, CallState
from dataflow_async.transport.clock_skew import GatewayClock
from dataflow_async.wire.signature import Keys

Attempt = Callable[[], Awaitable[AttemptResult]]
"""Sign and send the call once more."""


class KeyProvider(Protocol):
    """Returns the keys to sign an attempt with; see ``key_source.KeyFetcher``."""

    async def current(self) -> Keys:
        """Return the keys to sign with now, or raise CredentialsError."""

    async def other_than(self, refused: Keys, until: float) -> Keys:
        """Return keys other than ``refused``, or ``refused`` if there are no others by the monotonic time ``until``."""

    async def aclose(self) -> None:
        """Stop asking for keys."""


class AuthRecovery:
    """Recovers the calls of one client from 401 answers that blame the signature.

    Each call gets at most one repeat by a corrected clock, one with other keys, and one after a pause; a 401 that is
    left after those is final.

    Always true: only an accepted attempt changes the offset that the client signs by, and one candidate offset is in
    flight at a time. Calls that were refused meanwhile wait: they use the offset if it was accepted, and do not try it
    again if it failed. Candidates tried side by side would multiply every refusal by the calls in flight, and an offset
    adopted without proof would lock a client out because of one wrong ``Date``.
    """

    def __init__(self, keys: KeyProvider, gateway_clock: GatewayClock) -> None:
        self._keys = keys
        self._clock = gateway_clock
        self._candidate_lock = asyncio.Lock()
        self.failed_candidates = 0
        """Candidate offsets that were refused."""
        self._failed: deque[tuple[int, float]] = deque(maxlen=defaults.FAILED_OFFSETS_KEPT)
        """The last of these, numbered."""
        self.was_accepted = False
        """Whether a signature of this client has ever been accepted."""

    def accept(self, state: CallState) -> None:
        """Note that the signature of a call was accepted; its candidate offset is adopted."""
        self.was_accepted = True
        if state.candidate_offset is not None:
            self._clock.offset = state.candidate_offset
            state.candidate_offset = None

    async def recover(self, state: CallState, error: APIError, attempt: Attempt) -> AttemptResult:
        """Repeat a refused call, once by the gateway's time and once with other keys; return the last result.

        Args:
            state: The call's state.
            error: The 401 of its last attempt.
            attempt: Sends the call again.
        """
        result: AttemptResult = error
        if not state.clock_tried and (error.clock_skew is not None or self._is_corrected_since(state)):
            state.clock_tried = True
            result = await self._with_corrected_clock(state, error, attempt)
            if not _is_refused(result):
                return result
        if not state.keys_tried:
            state.keys_tried = True
            if await self._has_other_keys(state):
                result = await attempt()
        if _is_refused(result):
            state.candidate_offset = None
            result.clock_skew = error.clock_skew
        return result

    def pause(self, state: CallState, now: float) -> float | None:
        """Return the seconds before one more attempt, or None if the 401 is final.

        A client that was accepted before gets one pause: a gateway may refuse valid keys for a moment, and rotated keys
        may take a moment to reach their source.
        """
        pause = defaults.AUTH_RECOVERY_PAUSE
        if not self.was_accepted or state.pause_tried or now + pause >= state.deadline:
            return None
        state.pause_tried = True
        return pause

    async def renew_keys(self, state: CallState) -> None:
        """Ask for other keys than the refused ones; the next attempt is signed with what the source has then."""
        await self._has_other_keys(state)

    async def _has_other_keys(self, state: CallState) -> bool:
        refused = state.signed_keys
        return refused is not None and await self._keys.other_than(refused, state.deadline) != refused

    def _is_corrected_since(self, state: CallState) -> bool:
        """Return whether the last attempt was signed by an offset that was corrected meanwhile."""
        return abs(self._clock.offset - cast("float", state.signed_offset)) > defaults.CLOCK_TOLERANCE

    async def _with_corrected_clock(
        self, state: CallState, error: APIError, attempt: Attempt
    ) -> AttemptResult:
        """Repeat by the offset that the refusal's ``Date`` suggests, unless it has just failed for another call.

        The offset is computed after the wait for other candidates: one of them may have been adopted.
        """
        exchange, failed_before = state.exchange, state.failed_candidates
        assert exchange is not None  # noqa: S101  # it was answered
        async with self._candidate_lock:
            needed = self._clock.needed_offset(exchange)
            if abs(needed - self._clock.offset) > defaults.CLOCK_TOLERANCE:
                if self._has_failed(needed, since=failed_before):
                    return error
                state.candidate_offset = self._clock.suspected = needed
                result = await attempt()
                if _is_refused(result):
                    self.failed_candidates += 1
                    self._failed.append((self.failed_candidates, needed))
                return result
        state.candidate_offset = None
        return await attempt()

    def _has_failed(self, offset: float, *, since: int) -> bool:
        """Return whether about this offset is among the candidates that failed after the first ``since``."""
        return any(
            number > since and abs(offset - failed) < defaults.CLOCK_TOLERANCE
            for number, failed in self._failed
        )


def _is_refused(result: AttemptResult) -> TypeGuard[APIError]:
    return isinstance(result, APIError) and result.is_unauthenticated
