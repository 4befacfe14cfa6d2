"""Sends one call until it has a typed result: acquire a slot, sign, send, repeat or raise, decode."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from dataflow_async.clock import Clock
from dataflow_async.errors import APIError, DecodeError
from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.transport.attempt import AttemptSender
from dataflow_async.transport.auth_recovery import AuthRecovery, KeyProvider
from dataflow_async.transport.call_control import UNCONTROLLED, CallControl
from dataflow_async.transport.call_state import CallError, CallState
from dataflow_async.transport.clock_skew import GatewayClock
from dataflow_async.transport.limiter import ConcurrencyLimiter
from dataflow_async.wire import jsontext, success
from dataflow_async.wire.message import Answer, Call
from dataflow_async.wire.operation import Operation
from dataflow_async.wire.request import path_of, query_text
from dataflow_async.wire.retry import (
    RetryBudget,
    RetryPolicy,
    may_repeat,
    proves_done,
)

T = TypeVar("T")
log = logging.getLogger("dataflow_async")
_NO_FILL: Mapping[str, str] = {}


class CallPipeline:
    """Sends the calls of one client: bounded in number and time, repeated only where that is safe.

    Always true: an attempt is in flight only while its call holds a slot of the limiter, a pause holds none, and a
    creating call is sent again only after an answer that proves that nothing was created. A repeat without such a proof
    would start a run twice.
    """

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
        self._keys = keys
        self._prefix = prefix
        self._retry = retry
        self._clock = clock
        self.draw = draw
        self.budget = RetryBudget(retry.budget)
        self.gateway_clock = GatewayClock(clock)
        self.limiter = ConcurrencyLimiter(int(min(max_concurrency, session.capacity())))
        self._recovery = AuthRecovery(keys, self.gateway_clock)
        self._sender = AttemptSender(
            session,
            keys,
            self.gateway_clock,
            self._recovery,
            clock=clock,
            timeout=timeout,
            total_timeout=retry.total_timeout,
        )

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
        """Send a call and return its typed result.

        Args:
            operation: Row of the table.
            ids: One for each ``{...}`` of its path.
            query: Members of the query; None values are left out.
            body: JSON object to send.
            fill: Ids to take from the request where the answer, or a row of it, leaves them out.
            headers: Further headers.
            control: How the caller takes part in its attempts.

        Raises:
            DataFlowError: Any of the tree.
        """
        call = self.describe(operation, *ids, query=query, body=body, headers=headers)
        state = CallState(control)
        try:
            answer = await self._send_until_done(call, state)
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
        self._observe_time(state, answer)
        return content

    async def verify(self, operation: Operation[bool], *, body: Mapping[str, Any]) -> bool:
        """Send a call that validates its body; return whether the service accepts it.

        Raises:
            DataFlowError: Any of the tree.
        """
        answer = await self.answer(self.describe(operation, body=body))
        return answer is None or success.acknowledged(operation, answer)

    async def page_by(
        self,
        read: Callable[[Operation[Any], Answer, str], T],
        operation: Operation[Any],
        job_id: str,
        *,
        query: Mapping[str, Any] | None = None,
        control: CallControl = UNCONTROLLED,
    ) -> T:
        """Send a call for a page of a job's runs and return its rows, for those who need only a few of them whole.

        Args:
            read: Reads them.
            operation: Row of the table; it must create nothing.
            job_id: The job.
            query: Members of the query.
            control: How the caller takes part in its attempts.

        Raises:
            DataFlowError: Any of the tree.
        """
        state = CallState(control)
        answer = await self._send_until_done(self.describe(operation, job_id, query=query), state)
        assert answer is not None  # noqa: S101  # only what creates may be proven by an error
        try:
            page = read(operation, answer, job_id)
        except DecodeError:
            answer.drop()
            raise
        self._observe_time(state, answer)
        return page

    async def answer(self, call: Call, control: CallControl = UNCONTROLLED) -> Answer | None:
        """Send a call until it succeeds or may not be repeated.

        Returns:
            A 2xx, or None where an error proved that an earlier attempt, whose answer was lost, had worked.

        Raises:
            TransportError: No answer.
            APIError: Any answer but a 2xx.
        """
        return await self._send_until_done(call, CallState(control))

    def describe(
        self,
        operation: Operation[Any],
        *ids: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Call:
        """Build what is sent: target and body, checked and encoded once for all attempts."""
        target = self._prefix + path_of(operation, ids) + (query_text(query) if query else "")
        return Call(operation, target, None if body is None else jsontext.write(body), headers)

    async def access_key(self) -> str:
        """Return the id of the access key that calls are signed with at present.

        Raises:
            CredentialsError: There are no keys.
        """
        return (await self._keys.current()).access_key

    async def aclose(self) -> None:
        """Stop asking for keys."""
        await self._keys.aclose()

    def _observe_time(self, state: CallState, answer: Answer) -> None:
        """Narrow the server time by an answer of the contract's shape; one without a body proves no sender."""
        if state.exchange is not None and answer.body:
            self.gateway_clock.observe(state.exchange)

    # --- one call ------------------------------------------------------------------------------------------

    async def _send_until_done(self, call: Call, state: CallState) -> Answer | None:
        while True:
            queued = self._clock.monotonic()
            decreases = await self.limiter.acquire(at_head=state.attempts > 0)
            try:
                state.acquired(queued, self._clock.monotonic(), self._retry.total_timeout)
                result = await self._sender.send(call, state)
                if isinstance(result, APIError) and result.is_unauthenticated:
                    attempt = partial(self._sender.send, call, state)
                    result = await self._recovery.recover(state, result, attempt)
            finally:
                self.limiter.release()
            if isinstance(result, Answer):
                self.limiter.record_success()
                if state.control.repeats:
                    self.budget.refund(state.tokens_spent)
                return result
            if state.unclear and proves_done(call.operation, result):
                return None
            if result.is_throttled:
                self.limiter.decrease(decreases)
            await self._pause_or_raise(call, state, result)

    async def _pause_or_raise(self, call: Call, state: CallState, error: CallError) -> None:
        """Sleep until the next attempt, or raise if there is to be none."""
        state.unclear = state.unclear or error.effect_unknown
        pause = self._granted_pause(call, state, error)
        if pause is None:
            error.attempts = state.attempts
            raise error
        log.debug("%s: pausing %.2f s after: %s", call.operation.name, pause, error)
        await self._clock.sleep(pause)
        if error.is_unauthenticated:
            await self._recovery.renew_keys(state)

    def _granted_pause(self, call: Call, state: CallState, error: CallError) -> float | None:
        """Return the seconds before the next attempt, or None if there is to be none."""
        if state.control.is_abandoned():
            return None
        if error.is_unauthenticated:
            return self._recovery.pause(state, self._clock.monotonic())
        if not state.control.repeats or not may_repeat(call.operation.effect, error):
            return None
        if state.retries + 1 >= self._retry.max_attempts:
            return None
        pause = self._retry.pause(state.retries, error.retry_after, self.draw)
        if self._clock.monotonic() + pause >= state.deadline:
            return None
        price = self.budget.spend(error)
        if price is None:
            return None
        state.retries += 1
        state.tokens_spent = price
        return pause
