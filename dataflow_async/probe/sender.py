"""Sends the questions of a probe one after the other, each signed on its own; the only module here that does I/O."""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import (
    AuthenticationFailed,
    CredentialsError,
    DataFlowError,
    DecodeError,
    RateLimited,
    ServerError,
    TransportError,
)
from dataflow_async.key_source import KeyFetcher
from dataflow_async.probe.exchange import Exchange, Question, Signing
from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.wire.failure import failure
from dataflow_async.wire.headers import http_date, retry_after
from dataflow_async.wire.message import Answer, Call
from dataflow_async.wire.operation import Effect, Operation
from dataflow_async.wire.request import query_text
from dataflow_async.wire.signature import SignedHeaders, Signer

_PASSING = (TransportError, ServerError, RateLimited)
"""Failures that may be over in a minute."""


class Ended(Exception):
    """No further question is sent; what was answered so far is the report."""

    def __init__(self, why: str, error: DataFlowError | None = None) -> None:
        super().__init__(why)
        self.why = why
        """The reason in words that hold nothing of the account."""
        self.error = error
        """The failure behind it; None where time was up."""


@define
class _OtherKeys:
    """The access key with a secret that is not its own."""

    access_key: str
    secret_key: str = field(default="not-the-secret-of-this-key", repr=False)


@define(kw_only=True)
class Sender:
    """Sends questions; the first one must succeed, so that refused keys are an error and no finding.

    It is repeated, and must succeed again, after each answer that may mean that access is lost: keys that expire, a limit that is
    reached or a proxy that cuts in say nothing about the question that meets them.

    Always true: a question that reads is sent at most three times, and any other one once; none is sent after the deadline, nor
    before the time that a ``Retry-After`` names; each is signed for its own moment on the gateway's clock, as far as the first
    answer shows it. A ``Date`` that contradicts an accepted signature is not believed: signing by it would make every later answer
    a refusal.
    """

    session: Session
    keys: KeyFetcher
    prefix: str
    clock: Clock
    deadline: float
    """Monotonic time after which nothing is sent or awaited."""
    skew: float | None = None
    """Seconds that the gateway's clock is ahead of ours; None before the first answer."""
    signed_at: float = field(default=0.0, init=False)
    """Time in the latest signature."""
    first: Question | None = field(default=None, init=False)
    not_before: float = field(default=0.0, init=False)
    """Monotonic time before which nothing is sent, by a ``Retry-After``."""

    async def send(self, question: Question) -> Exchange:
        """Send a question and return its answer.

        Raises:
            APIError: The first question is refused.
            DecodeError: The answer to it is no JSON.
            TransportError: It gets no answer.
            CredentialsError: There are no keys.
            Ended: Time is up, or a later answer shows that access is lost.
        """
        if self.first is None:
            self.first = question
            return await self._begun(question)
        exchange, _ = await self._asked(question)
        if question.method == "GET" and _is_uncertain(exchange):
            await self._check_access(question)
        return exchange

    async def _begun(self, question: Question) -> Exchange:
        """Ask the first question; a refusal says whether the clock may be its reason."""
        try:
            return await self._required(question)
        except AuthenticationFailed as error:
            if self.skew is not None and abs(self.skew) > defaults.CLOCK_TOLERANCE:
                error.clock_skew = self.skew
            raise

    async def _check_access(self, after: Question) -> None:
        """Ask the first question until it succeeds again; end the probe if it is refused, or fails for long."""
        assert self.first is not None  # noqa: S101  # there is an answer before this one
        again = evolve(self.first, name=f"{self.first.name} again, after {after.name}")
        until = self.clock.monotonic() + defaults.PROBE_OUTAGE
        while True:
            try:
                await self._required(again)
            except DataFlowError as error:
                if not isinstance(error, _PASSING) or self.clock.monotonic() >= until:
                    raise Ended(f"access was lost after the question '{after.name}'", error) from None
                await self._pause(defaults.PROBE_OUTAGE_PAUSE)
            else:
                return

    async def _asked(self, question: Question) -> tuple[Exchange, Answer | TransportError]:
        is_read, repeats, asked_to_wait = question.method == "GET", 0, None
        for attempt in range(1, defaults.PROBE_ATTEMPTS + 1 if is_read else 2):
            answer = await self._attempt(question)
            if isinstance(answer, Answer):
                asked_to_wait = self._heed(answer) or asked_to_wait
                if answer.status != 429 and answer.status < 500:
                    break
            if is_read and attempt < defaults.PROBE_ATTEMPTS:
                repeats += isinstance(answer, Answer)
                await self._pause(defaults.PROBE_PAUSE, _error_of(question, answer))
        if self.skew is None and isinstance(answer, Answer):
            answer = await self._synchronised(question, answer)
        exchange = Exchange(question, signed_at=self.signed_at, repeats=repeats, retry_after=asked_to_wait)
        if isinstance(answer, TransportError):
            exchange.reason = answer.reason
        else:
            exchange.status, exchange.body = answer.status, answer.body
            exchange.headers = {name.lower(): value for name, value in answer.headers.items()}
        return exchange, answer

    async def _required(self, question: Question) -> Exchange:
        """Return the answer to a question if it is a success in JSON."""
        exchange, answer = await self._asked(question)
        if (error := _error_of(question, answer)) is not None:
            raise error
        if not exchange.is_json:
            raise DecodeError(
                f"{question.name}: HTTP {exchange.status} without JSON; is it a page of a proxy? check the address of the service",
                operation=question.name,
            )
        return exchange

    async def _synchronised(self, question: Question, answer: Answer) -> Answer | TransportError:
        """Take the gateway's time from the first answer; one more attempt if only our clock was wrong."""
        date = http_date(answer.headers.get("Date"))
        difference = 0.0 if date is None else date - self.clock.time()
        is_believed = answer.status == 401 or abs(difference) < defaults.PROBE_WINDOW
        self.skew = difference if is_believed and abs(difference) > defaults.PROBE_CLOCK_ACCURACY else 0.0
        return await self._attempt(question) if answer.status == 401 and self.skew else answer

    async def _attempt(self, question: Question) -> Answer | TransportError:
        effect = Effect.READ if question.method == "GET" else Effect.CREATES
        operation: Operation[Any] = Operation(question.name, question.method, "", effect, None)
        target = self.prefix + question.path + query_text(question.query)
        await self._pause(self.not_before - self.clock.monotonic())
        seconds = defaults.PROBE_QUESTION_TIMEOUT if effect is Effect.READ else defaults.ATTEMPT_TIMEOUT
        seconds = min(seconds, self.deadline - self.clock.monotonic())
        try:
            headers = await self._signed(question, target)
            return await self.session.send(Call(operation, target, question.body), headers, seconds)
        except CredentialsError as error:
            if self.skew is None:
                raise
            raise Ended("no keys were to be had any more", error) from None
        except TransportError as error:
            return error

    async def _signed(self, question: Question, target: str) -> SignedHeaders:
        if question.signing is Signing.NONE:
            return SignedHeaders({})
        keys: Any = await self.keys.current()
        if question.signing is Signing.WRONG:
            keys = _OtherKeys(keys.access_key)
        self.signed_at = self.clock.time() + (self.skew or 0.0) + question.clock_offset
        return Signer(keys).headers(question.method, target, int(self.signed_at * 1000))

    # --- time ----------------------------------------------------------------------------------------------

    def _heed(self, answer: Answer) -> str | None:
        """Return the ``Retry-After`` of an answer; nothing is asked before the time that it names."""
        text = answer.headers.get("Retry-After")
        seconds = retry_after(text, self.clock.time() + (self.skew or 0.0))
        if seconds is not None and (answer.status == 429 or answer.status >= 500):
            self.not_before = max(self.not_before, self.clock.monotonic() + seconds)
        return text

    async def _pause(self, seconds: float, error: DataFlowError | None = None) -> None:
        """Wait, as long as a ``Retry-After`` names if that is longer and no more than a minute.

        Raises:
            Ended: Time is up, or would be after the pause.
        """
        seconds = max(seconds, self.not_before - self.clock.monotonic())
        if seconds > defaults.RETRY_AFTER_MAX:
            raise Ended(f"a Retry-After of {seconds:.0f} s was answered", error)
        if self.clock.monotonic() + max(seconds, 0.0) >= self.deadline:
            raise Ended("time was up", error if self.skew is None else None)
        if seconds > 0:
            await self.clock.sleep(seconds)


def _error_of(question: Question, answer: Answer | TransportError) -> DataFlowError | None:
    """Return the error that an answer is; None for a success."""
    if isinstance(answer, TransportError):
        return answer
    if 200 <= answer.status < 300:
        return None
    return failure(question.name, answer.status, answer.headers, answer.body)


def _is_uncertain(exchange: Exchange) -> bool:
    """Return whether something other than the question may be the reason of an answer."""
    question = exchange.question
    if question.signing is not Signing.RIGHT or question.clock_offset:
        return exchange.status in (0, 429) or exchange.status >= 500 or _is_page(exchange)
    return exchange.status in (0, 401, 403, 429) or exchange.status >= 500 or _is_page(exchange)


def _is_page(exchange: Exchange) -> bool:
    """Return whether it is a redirection, or a success with a body that is no JSON."""
    return 300 <= exchange.status < 400 or (
        exchange.is_success and exchange.body != b"" and not exchange.is_json
    )
