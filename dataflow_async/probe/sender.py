"""Sends the questions of a probe one after the other, each signed on its own; the only module here that does I/O."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.errors import TransportError
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

    async def send(self, question: Question) -> Exchange:
        """Send a question and return its answer.

        Raises:
            APIError: The first question is refused.
            TransportError: The first question gets no answer.
            CredentialsError: There are no keys.
        """
        is_read = question.method == "GET"
        for attempt in range(1, defaults.PROBE_ATTEMPTS + 1 if is_read else 2):
            answer = await self._attempt(question)
            if isinstance(answer, Answer) and answer.status != 429 and answer.status < 500:
                break
            if is_read and attempt < defaults.PROBE_ATTEMPTS:
                await self.clock.sleep(defaults.PROBE_PAUSE)
        if self.skew is None:
            answer = await self._first(question, answer)
        if isinstance(answer, TransportError):
            return Exchange(question, signed_at=self.signed_at, repeats=attempt - 1)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Exchange(question, answer.status, headers, answer.body, self.signed_at, attempt - 1)

    async def _first(self, question: Question, answer: Answer | TransportError) -> Answer:
        """Return the answer to the first question if it is a success; one more attempt if only our clock was wrong."""
        if isinstance(answer, Answer):
            date = http_date(answer.headers.get("Date"))
            difference = 0.0 if date is None else date - self.clock.time()
            is_believed = answer.status == 401 or abs(difference) < defaults.PROBE_WINDOW
            self.skew = difference if is_believed and abs(difference) > defaults.PROBE_CLOCK_ACCURACY else 0.0
            if answer.status == 401 and self.skew:
                answer = await self._attempt(question)
        if isinstance(answer, TransportError):
            raise answer
        if not 200 <= answer.status < 300:
            raise failure(question.name, answer.status, answer.headers, answer.body)
        return answer

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
