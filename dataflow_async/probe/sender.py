"""Sends the questions of a probe one after the other, each signed on its own; the only module here that does I/O."""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import DecodeError, TransportError
from dataflow_async.key_source import KeyFetcher
from dataflow_async.probe.exchange import Exchange, Question, Signing
from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.wire.failure import failure
from dataflow_async.wire.headers import http_date
from dataflow_async.wire.message import Answer, Call
from dataflow_async.wire.operation import Effect, Operation
from dataflow_async.wire.request import query_text
from dataflow_async.wire.signature import SignedHeaders, Signer


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

    Always true: a question that reads is sent at most three times, and any other one once; each is signed for its own
    moment on the gateway's clock, as far as the first answer shows it. A ``Date`` that contradicts an accepted signature is not
    believed: signing by it would make every later answer a refusal.
    """

    session: Session
    keys: KeyFetcher
    prefix: str
    clock: Clock
    skew: float | None = None
    """Seconds that the gateway's clock is ahead of ours; None before the first answer."""
    signed_at: float = field(default=0.0, init=False)
    """Time in the latest signature."""
    first: Question | None = field(default=None, init=False)
    has_written: bool = field(default=False, init=False)
    """Whether a question was sent that does not read; then what is known is reported, whatever follows."""

    async def send(self, question: Question) -> Exchange:
        """Send a question and return its answer.

        Raises:
            APIError: The first question, or its repetition, is refused.
            DecodeError: The answer to that is no JSON.
            TransportError: That gets no answer.
            CredentialsError: There are no keys.
        """
        self.has_written |= question.method != "GET"
        if self.first is None:
            self.first = question
            return await self._required(question)
        exchange, _ = await self._asked(question)
        if _is_uncertain(exchange) and not self.has_written:
            await self._required(evolve(self.first, name=f"{self.first.name} again, after {question.name}"))
        return exchange

    async def _asked(self, question: Question) -> tuple[Exchange, Answer | TransportError]:
        is_read, repeats = question.method == "GET", 0
        for attempt in range(1, defaults.PROBE_ATTEMPTS + 1 if is_read else 2):
            answer = await self._attempt(question)
            if isinstance(answer, Answer) and answer.status != 429 and answer.status < 500:
                break
            if is_read and attempt < defaults.PROBE_ATTEMPTS:
                repeats += isinstance(answer, Answer)
                await self.clock.sleep(defaults.PROBE_PAUSE)
        if self.skew is None and isinstance(answer, Answer):
            answer = await self._synchronised(question, answer)
        if isinstance(answer, TransportError):
            return Exchange(question, signed_at=self.signed_at, repeats=repeats), answer
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Exchange(question, answer.status, headers, answer.body, self.signed_at, repeats), answer

    async def _required(self, question: Question) -> Exchange:
        """Return the answer to a question if it is a success in JSON."""
        exchange, answer = await self._asked(question)
        if isinstance(answer, TransportError):
            raise answer
        if not exchange.is_success:
            raise failure(question.name, answer.status, answer.headers, answer.body)
        if not isinstance(exchange.json, dict | list):
            raise DecodeError(
                f"{question.name}: HTTP {answer.status} without JSON; is it a page of a proxy? check the address of the service",
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
        headers = await self._signed(question, target)
        try:
            return await self.session.send(
                Call(operation, target, question.body), headers, defaults.ATTEMPT_TIMEOUT
            )
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


def _is_uncertain(exchange: Exchange) -> bool:
    """Return whether something other than the question may be the reason of an answer."""
    question = exchange.question
    if question.signing is not Signing.RIGHT or question.clock_offset:
        return exchange.status in (0, 429) or exchange.status >= 500 or _is_page(exchange)
    return exchange.status in (0, 401, 403, 429) or exchange.status >= 500 or _is_page(exchange)


def _is_page(exchange: Exchange) -> bool:
    """Return whether it is a redirection, or a success with a body that is no JSON."""
    return 300 <= exchange.status < 400 or (
        exchange.is_success and exchange.body != b"" and exchange.json is None
    )
