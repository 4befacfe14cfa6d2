"""Gets keys from a key source: one request at a time, bounded in time, bridged by the last keys while it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from inspect import isawaitable
from typing import Any, Protocol, cast

from dataflow_async import defaults
from dataflow_async.clock import Clock
from dataflow_async.credentials import Credentials, CredentialsChain, flaw, masked
from dataflow_async.errors import CredentialsError, InvalidRequest
from dataflow_async.tasks import start_detached
from dataflow_async.wire.signature import Keys

log = logging.getLogger("dataflow_async")


class KeySource(Protocol):
    """Where keys come from: any object with ``async def get()`` that returns `Credentials`.

    ``get`` is called before an attempt is signed, so it should cache its keys. Calls that need keys at the same time share
    one result, and ``get`` runs in a task of the client: a source serves one account, whoever calls. A source may also
    have ``async def renew(refused)``, which is called instead of ``get`` after the gateway has refused its keys.
    """

    async def get(self) -> Keys:
        """Return the keys to sign with now."""


def no_source(source: object) -> InvalidRequest | None:
    """Return the error for an object that is no key source; it shows the type, never the value.

    The caller raises it, from a frame that no longer holds what may be keys.
    """
    if isinstance(source, type):
        problem = f"the class {source.__name__}: pass an instance"
    elif isinstance(source, Mapping):
        problem = f"{type(source).__name__}: pass Credentials(access_key, secret_key)"
    elif not callable(getattr(source, "get", None)):
        problem = type(source).__name__
    else:
        return None
    return InvalidRequest(
        f"credentials must be Credentials or an object with `async def get()`, got {problem}",
        field="credentials",
    )


class KeyFetcher:
    """Returns the keys to sign with now, from a source that may fail, hang, or change them.

    Always true: at most one request to the source runs at a time, in a task of its own, and calls that need keys wait for
    that task without being part of it. So a source can't cancel a call (its CancelledError ends the request only), a
    cancelled call takes the result from nobody else, and a request that never ends costs its waiters a bounded time. Keys
    are copied as values: a source that changes its keys in place is noticed, and refused keys stay known.

    Once a source has returned keys, they are used while it fails, for ``defaults.KEY_GRACE`` seconds. Meanwhile requests are
    repeated in the background, with pauses, and no call waits for them.
    """

    def __init__(self, source: KeySource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._chain = source if isinstance(source, CredentialsChain) else None
        self._at_hand = _at_hand(source)
        self.last: Credentials | None = None
        """The keys that the source returned last; None before the first."""
        self._request: asyncio.Task[Credentials | str] | None = None
        self._begun = 0.0
        """Loop time at which the last request began; how long foreign I/O takes is real time."""
        self._is_slow = False
        """Whether the last request failed or was slow, so that no call waits for the next one."""
        self._problem = ""
        self._failures = 0
        """Requests in a row that returned no keys."""
        self._failing_since = 0.0
        self._again = 0.0
        """Monotonic time before which no request follows a failure."""
        self._no_others: tuple[Credentials, float] | None = None
        """Keys that were refused and returned again, and the monotonic time until which no request is repeated for that."""
        self._closed = False
        if (keys := _fixed(source)) is not None:
            log.debug("credentials: access key %s given in code", masked(keys.access_key))

    async def current(self) -> Credentials:
        """Return the keys to sign with now.

        Raises:
            CredentialsError: The source failed, and there are no earlier keys to use meanwhile.
            InvalidRequest: The client is closed.
        """
        if (keys := self._at_hand()) is not None:
            self.last = keys
            return keys
        bridge = self._bridge()
        if bridge is None:
            answer = await self._answer(_to_the_end())
        else:
            answer = await self._answer(0.0 if self._is_slow else defaults.KEY_RENEWAL_WAIT)
        if isinstance(answer, Credentials):
            return answer
        if bridge is None:
            raise CredentialsError(answer)
        return bridge

    async def other_than(self, refused: Keys, until: float) -> Keys:
        """Return keys other than ``refused``, or ``refused`` if the source has no others.

        Args:
            refused: Keys that the gateway has refused; they are not used any more.
            until: Monotonic time until which requests to a failing source are repeated, with pauses.

        Raises:
            CredentialsError: The source has failed for that long.
            InvalidRequest: The client is closed.
        """
        keys: Keys
        while (keys := self._at_hand() or self.last or refused) == refused and not self._has_no_others(
            refused
        ):
            answer = await self._answer(_to_the_end(), refused)
            if isinstance(answer, str):
                now = self._clock.monotonic()
                if now >= until:
                    raise CredentialsError(f"the gateway refused the keys, and there are no others: {answer}")
                await self._clock.sleep(min(max(self._again - now, defaults.KEY_RETRY_PAUSE), until - now))
        return keys

    async def aclose(self) -> None:
        """Cancel the request that is open; bounded, whatever the source does."""
        self._closed = True
        if self._request is not None and not self._request.done():
            self._request.cancel()
            await asyncio.wait({self._request}, timeout=defaults.KEY_RENEWAL_WAIT)
        if self._chain is not None:
            await self._chain.aclose()

    # --- keys without a request ----------------------------------------------------------------------------

    def _bridge(self) -> Credentials | None:
        long = self._failures and self._clock.monotonic() - self._failing_since > defaults.KEY_GRACE
        return None if long else self.last

    def _has_no_others(self, refused: Keys) -> bool:
        if self._no_others is None:
            return False
        keys, until = self._no_others
        return keys == refused and self._clock.monotonic() < until

    # --- one request --------------------------------------------------------------------------------------

    async def _answer(self, timeout: float, refused: Keys | None = None) -> Credentials | str:
        """Start a request unless one is open or a pause is due; wait for it; return keys, or why there are none."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise InvalidRequest("the client is closed: nothing was sent; make a new one")
        request = self._request
        if request is None or request.done():
            if self.last is not None and self._failures and self._clock.monotonic() < self._again:
                return self._problem
            self._begun = loop.time()
            request = self._request = start_detached(self._ask, refused)
        if not request.done() and timeout:
            await asyncio.wait({request}, timeout=max(self._begun + timeout - loop.time(), 0.0))
            if self._closed:
                raise InvalidRequest("the client is closed: nothing was sent; make a new one")
        if not request.done():
            return self._overdue(loop.time() - self._begun)
        if request.cancelled() or request.exception() is not None:  # interrupted together with the loop
            return self._name("was interrupted")
        return request.result()

    def _overdue(self, seconds: float) -> str:
        self._is_slow = True
        problem = self._name(f"has returned no keys for {seconds:.0f} s")
        if seconds > _to_the_end() and not self._failures:  # it resists being cancelled
            self._failed(problem)
        return problem

    async def _ask(self, refused: Keys | None) -> Credentials | str:
        answer = await self._given(refused)
        slow = asyncio.get_running_loop().time() - self._begun > defaults.KEY_RENEWAL_WAIT
        self._is_slow = slow or isinstance(answer, str)
        if isinstance(answer, str):
            self._failed(answer)
        else:
            self._succeeded(answer, refused)
        return answer

    async def _given(self, refused: Keys | None) -> Credentials | str:
        """Return the keys of the source, or why there are none: only the type of an exception, whose text may quote keys.

        A CancelledError while nobody cancelled this task is the source's own, of a shared refresh that was cancelled: an
        error like any other.
        """
        renew = getattr(self._source, "renew", None) if refused is not None else None
        limit = asyncio.timeout(defaults.KEY_TIMEOUT)
        try:
            async with limit:
                giving = self._source.get() if renew is None else renew(refused)
                if not isawaitable(giving):
                    return self._name(f"must return its keys by an `async def`, got {type(giving).__name__}")
                return self._value(await giving)
        except CredentialsError as error:
            return str(error)
        except (KeyboardInterrupt, SystemExit):
            raise
        except asyncio.CancelledError:
            if cast(
                "asyncio.Task[Any]", asyncio.current_task()
            ).cancelling():  # by `aclose`, or with the loop
                raise
            return self._name("was cancelled")
        except BaseException as error:  # noqa: BLE001  # a source is the user's own code
            if limit.expired():
                return self._name(f"returned no keys within {defaults.KEY_TIMEOUT:g} s")
            return self._name(f"raised {type(error).__name__}")

    def _value(self, given: Any) -> Credentials:
        access, secret = getattr(given, "access_key", None), getattr(given, "secret_key", None)
        if not (isinstance(access, str) and isinstance(secret, str)):
            types = f"access_key: {type(access).__name__}, secret_key: {type(secret).__name__}"
            raise CredentialsError(
                self._name(f"must return Credentials, got {type(given).__name__} ({types})")
            )
        last = self.last
        if last is not None and last.access_key == access and last.secret_key == secret:
            return last
        if problem := flaw(access, secret):
            raise CredentialsError(self._name(f"returned malformed keys: {problem}"))
        return Credentials(access, secret)

    def _name(self, problem: str) -> str:
        return f"the credentials source {type(self._source).__name__} {problem}"

    # --- what a result means -------------------------------------------------------------------------------

    def _failed(self, problem: str) -> None:
        now = self._clock.monotonic()
        if not self._failures:
            self._failing_since = now
            if self.last is not None:
                log.warning(
                    "%s; its last keys are used for %.0f s more, and it is tried again",
                    problem,
                    defaults.KEY_GRACE,
                )
        self._problem = problem
        pause = defaults.KEY_RETRY_PAUSE * 2 ** min(self._failures, 10)
        self._again = now + min(pause, defaults.KEY_RETRY_PAUSE_MAX)
        self._failures += 1

    def _succeeded(self, keys: Credentials, refused: Keys | None) -> None:
        if self._failures and self.last is not None:
            log.info("%s", self._name(f"returned keys again, after {self._failures} failures"))
        if keys is not self.last and self._chain is None:  # a chain logs itself where it found them
            log.debug(
                "credentials: access key %s from %s", masked(keys.access_key), type(self._source).__name__
            )
        self._failures = 0
        self.last = keys
        self._no_others = (
            (keys, self._clock.monotonic() + defaults.KEY_RETRY_PAUSE) if keys == refused else None
        )


def _to_the_end() -> float:
    """Return the seconds to wait for a request, which ends by itself before, unless the source resists cancelling."""
    return defaults.KEY_TIMEOUT + defaults.KEY_CANCEL_LEEWAY


def _at_hand(source: KeySource) -> Callable[[], Credentials | None]:
    """Return a function for the keys that need no request: fixed ones, and those that a chain has cached."""
    if isinstance(source, CredentialsChain):
        return source.at_hand
    fixed = _fixed(source)
    return lambda: fixed


def _fixed(source: KeySource) -> Credentials | None:
    """Return the keys of a source that can't change them; a subclass with its own ``get`` is a source like any other."""
    return source if isinstance(source, Credentials) and type(source).get is Credentials.get else None
