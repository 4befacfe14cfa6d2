"""The errors this library raises, by meaning; those that carry a run or a launch stand in ``run_errors``.

Errors carry facts as attributes, so that a program decides by them and a person reads the message. What an error means
stands on its class: this package retries, waits and stops by these facts, and nowhere by the class itself.
No error holds a secret key, a signature, or another library's exception: those print request headers.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple, Protocol

Source = Literal["gateway", "service"]
Reason = Literal[
    "dns", "refused", "reset", "connect_timeout", "no_files", "tls", "proxy", "timeout", "closed", "other"
]
"""Why no answer came. The first five pass with an outage; a program has to be changed for "tls" and "proxy"."""

_OUTAGE: frozenset[Reason] = frozenset({"dns", "refused", "reset", "connect_timeout", "no_files"})
"""What passes by itself; a refused certificate or a proxy that refuses does not pass until a person changes something."""
_THROTTLED = frozenset({"410", "420"})
"""Codes with which the gateway refuses before the service could act on a call."""
_IN_BETWEEN = frozenset({408, 421, 425, 499})
"""Refusals that only something between us and the service answers with: time-outs, wrong hosts, early data."""
_REDIRECTS = frozenset({301, 302, 307, 308})


class RunRef(Protocol):
    """What it takes to find a run again, such as an ``ExecutionRef``."""

    @property
    def job_id(self) -> str:
        """Job id."""

    @property
    def execution_id(self) -> str:
        """Run id."""


def _rebuild(cls: type[DataFlowError], args: tuple[Any, ...], facts: dict[str, Any]) -> DataFlowError:
    error = cls.__new__(cls)
    error.args = args  # not by the constructor: an OSError makes its message there
    error.__dict__.update(facts)
    return error


class DataFlowError(Exception):
    """Base of every error this library raises.

    Attributes:
        may_have_run: True when a creating call may have taken effect although it failed.
        execution_ref: The run this error is about, an ``ExecutionRef``, once one is known; ``wait`` takes it.
        execution: The run itself as last read, a ``JobExecution``, where the error is about one; else None.
        executions: From ``run_workflow``, once it has started: the runs known by then, each a ``JobExecution``, in
            node order.
        timed_out: Whether a time-out of this client ended the call.
        reason: Why no answer came; ``"other"`` where one did.
        source: Who answered: ``"gateway"`` or ``"service"``; None where neither of them did.
        retry_after: Seconds to wait before the next call, from ``Retry-After``; None without one.
        never_sent: Of a class: the call was not sent, so it can't have had an effect.
        no_answer: Of a class: no complete answer arrived.
        not_found: Of a class: what the call names is not there, or not yet.
        fatal_for_client: Of a class: every further call of this client is likely to end with it as well.
        ends_wait: Of a class: a wait for a run ends with it, because another poll would get the same answer.
        ends_bulk_run: Of a class: a bulk run ends with it, whatever became of the launch.
    """

    never_sent: ClassVar[bool] = False
    no_answer: ClassVar[bool] = False
    not_found: ClassVar[bool] = False
    fatal_for_client: ClassVar[bool] = False
    ends_wait: ClassVar[bool] = False
    ends_bulk_run: ClassVar[bool] = False

    execution: Any = None
    timed_out: bool = False
    reason: Reason = "other"
    source: Source | None = None
    retry_after: float | None = None

    def __init__(
        self, message: str, *, may_have_run: bool = False, execution_ref: RunRef | None = None
    ) -> None:
        super().__init__(message)
        self.may_have_run = may_have_run
        self.execution_ref = execution_ref
        self.executions: tuple[Any, ...] = ()

    @property
    def effect_unknown(self) -> bool:
        """Return whether the attempt may have taken effect all the same, because nothing proves that it did not."""
        return False

    @property
    def is_transient(self) -> bool:
        """Return whether the same call may succeed later; a creating one is retried only if `effect_unknown` is False too."""
        return False

    @property
    def is_throttled(self) -> bool:
        """Return whether the gateway refused the call for now, before the service could act on it."""
        return False

    @property
    def is_slow(self) -> bool:
        """Return whether the answer took too long, for the client or for the gateway."""
        return self.timed_out

    @property
    def is_unreachable(self) -> bool:
        """Return whether the service could not be reached for a reason that passes by itself, such as a refused connection."""
        return False

    @property
    def is_authentic(self) -> bool:
        """Return whether the gateway or the service itself answered, and nothing in between."""
        return False

    @property
    def is_foreign(self) -> bool:
        """Return whether something in between, such as a proxy, refused the call; it can't have looked at what it names."""
        return False

    @property
    def is_redirect(self) -> bool:
        """Return whether the answer is a redirect; none is followed, so that every further call gets it as well."""
        return False

    @property
    def is_unauthenticated(self) -> bool:
        """Return whether the gateway did not accept the signature, because the keys are wrong or rotated, or the clock is."""
        return False

    @property
    def is_signature_accepted(self) -> bool:
        """Return whether the gateway has certainly accepted the signature of the call."""
        return False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by attributes: subclasses take keyword arguments that ``args`` does not hold."""
        return _rebuild, (type(self), self.args, self.__dict__)


class CredentialsError(DataFlowError):
    """No usable keys: none found, or a source is malformed. Names sources, never values."""

    never_sent = True
    ends_wait = True
    fatal_for_client = True


class InvalidRequest(DataFlowError, ValueError):
    """Refused here, before anything was sent. Also a `ValueError`.

    Attributes:
        field: The argument or member at fault, such as ``"name"`` or ``"nodes[1].parentNodeIds"``.
    """

    never_sent = True
    ends_wait = True

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class JournalError(DataFlowError):
    """The journal of a bulk run could not be written, or is closed. What it had confirmed before is kept."""

    ends_bulk_run = True


class TransportError(DataFlowError):
    """No complete answer arrived.

    Attributes:
        operation: Name of the call in the API guide, such as ``"executeJob"``.
        attempts: How many times the call was tried.
        timed_out: Whether a time-out ended it, not the network.
        reason: ``"dns"`` (the name has no address), ``"refused"`` (or no route), ``"reset"``, ``"connect_timeout"``,
            ``"no_files"`` (this process has no file or port left), ``"tls"``, ``"proxy"`` (it refuses),
            ``"timeout"`` (connected, no answer in time), ``"closed"`` (before the answer was whole) or ``"other"``.
    """

    no_answer = True

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        timed_out: bool = False,
        may_have_run: bool = False,
        reason: Reason = "other",
    ) -> None:
        super().__init__(message, may_have_run=may_have_run)
        self.operation = operation
        self.attempts = 1
        self.timed_out = timed_out
        self.reason = reason

    @property
    def is_unreachable(self) -> bool:
        """Return True for the reasons dns, refused, reset, connect_timeout and no_files."""
        return self.reason in _OUTAGE


class NotSent(TransportError):
    """Provably never reached the gateway: name lookup, refusal, TLS, or time-out while connecting."""

    never_sent = True

    @property
    def is_transient(self) -> bool:
        """Return True, because another connection may work."""
        return True


class ResponseLost(TransportError):
    """The request went out and its answer did not come back whole; it may have been executed."""

    @property
    def effect_unknown(self) -> bool:
        """Return True, because the request had gone out."""
        return True

    @property
    def is_transient(self) -> bool:
        """Return True, because another connection may work."""
        return True


class FieldError(NamedTuple):
    """One member of a request that the service refused."""

    field: str
    """Name of the member, as the service names it; may be empty."""
    message: str
    """What is wrong with it. For people."""


class APIError(DataFlowError):
    """The gateway or the service answered with something other than success.

    Attributes:
        status: HTTP status.
        code: The gateway's ``errorCode`` as text, or the service's ``errorType``; None without either.
        message: What the answer says, without HTML tags. For people: programs decide by ``code``.
        details: Further words of the answer (``details`` or ``detail``), or None.
        field_errors: The members of the request that the service refused, each with its reason.
        source: Who answered, by the shape of the body (contract/notes.md#ruling-20): "gateway" for its numbered codes,
            "service" for an ``errorType`` or a code in words. None for anything else, such as a proxy's page: it
            does not say whether the call has taken effect.
        operation: Name of the call in the API guide.
        request_id: Trace id for a support case, if one came.
        attempts: How many times the call was tried.
        retry_after: Seconds to wait before the next call, from ``Retry-After``; None without one.
        redirect_host: Host that a redirect points to, or None; redirects are never followed.
        body: The first 300 characters of the body.
        clock_skew: Server clock minus the local one in seconds, measured when a 401 pointed to a wrong clock.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        details: str | None = None,
        field_errors: tuple[FieldError, ...] = (),
        source: Source | None = None,
        operation: str = "",
        request_id: str | None = None,
        body: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.field_errors = field_errors
        self.source = source
        self.operation = operation
        self.request_id = request_id
        self.attempts = 1
        self.redirect_host: str | None = None
        self.body = body
        self.clock_skew: float | None = None

    @property
    def effect_unknown(self) -> bool:
        """Return False only for a 4xx of the gateway or the service itself; a proxy's page proves nothing."""
        refused = 400 <= self.status < 500 and self.status not in _IN_BETWEEN
        return self.source is None or not refused

    @property
    def is_transient(self) -> bool:
        """Return True for status 300 and up where the effect is unknown; a lower one that failed would fail again."""
        return self.status >= 300 and self.effect_unknown

    @property
    def is_slow(self) -> bool:
        """Return True for 504, the gateway's own time-out."""
        return self.status == 504

    @property
    def is_authentic(self) -> bool:
        """Return True if the body has the shape of the gateway's or the service's."""
        return self.source is not None

    @property
    def is_foreign(self) -> bool:
        """Return True if the body has neither shape."""
        return self.source is None

    @property
    def is_redirect(self) -> bool:
        """Return True for status 301, 302, 307 and 308."""
        return self.status in _REDIRECTS

    @property
    def is_signature_accepted(self) -> bool:
        """Return `is_authentic`."""
        return self.is_authentic

    def __str__(self) -> str:
        """One line a log can keep: call, status, code, message, details, what it means for a launch."""
        answered = f"HTTP {self.status}" + (f" code {self.code}" if self.code else "")
        parts = [
            f"{self.operation or 'call'}: {answered} from {self.source or 'neither gateway nor service'}"
        ]
        parts += [text for text in (self.message, self.details) if text]
        parts += [": ".join(filter(None, error)) for error in self.field_errors]
        if self.redirect_host:
            parts.append(f"it redirects to {self.redirect_host}: check base_url")
        if self.clock_skew is not None:
            parts.append(f"our clock differs from the server's by {self.clock_skew:+.0f} s")
        if self.execution_ref is not None:
            parts.append(f"execution {self.execution_ref.execution_id} of job {self.execution_ref.job_id}")
        elif self.may_have_run:
            parts.append("the call may have taken effect")
        if self.attempts > 1:
            parts.append(f"{self.attempts} attempts")
        if self.request_id:
            parts.append(f"request id {self.request_id}")
        return "; ".join(parts)


class BadRequest(APIError):
    """400 or 413: the call is malformed (gateway 100, 430; service ``bad-parameter``)."""

    ends_wait = True


class AuthenticationFailed(APIError):
    """401: keys or signature are absent, wrong or stale (gateway 200)."""

    ends_wait = True
    fatal_for_client = True

    @property
    def is_unauthenticated(self) -> bool:
        """Return True for code 200; another time or other keys may help."""
        return self.code == "200"

    @property
    def is_signature_accepted(self) -> bool:
        """Return False for code 200."""
        return self.is_authentic and not self.is_unauthenticated


class PermissionDenied(APIError):
    """401 with code 210, or 403: the keys are right and may not do this."""

    ends_wait = True
    fatal_for_client = True


class NotFound(APIError):
    """404, or code ``NotFound``: no such id (``source`` "service") or no such URL ("gateway", code 300)."""

    not_found = True


class BadState(APIError):
    """409 or ``bad-state``: the thing exists and can't do this now, or its name is taken (``AlreadyExists``)."""

    ends_wait = True


class RateLimited(APIError):
    """429 with 410, 420 or an unknown code: too many calls for now."""

    @property
    def effect_unknown(self) -> bool:
        """Return True unless it is throttled; a limit behind the gateway may count calls that were let through."""
        return not self.is_throttled

    @property
    def is_transient(self) -> bool:
        """Return True."""
        return True

    @property
    def is_throttled(self) -> bool:
        """Return True for the gateway's codes 410 and 420."""
        return self.code in _THROTTLED and self.source == "gateway"

    @property
    def is_signature_accepted(self) -> bool:
        """Return False, because the gateway may answer so before it checks signatures."""
        return False


class QuotaExceeded(APIError):
    """429 with 400: a long-term quota is used up; repeating does not help."""

    ends_wait = True
    fatal_for_client = True

    @property
    def effect_unknown(self) -> bool:
        """Return False, because the gateway counts calls before it lets them through."""
        return False


class ServerError(APIError):
    """5xx: the gateway or the service failed (gateway 500, 510, 900), or is full (``InsufficientCapacity``)."""

    @property
    def is_foreign(self) -> bool:
        """Return False, because an overloaded gateway answers without its envelope."""
        return False

    @property
    def is_signature_accepted(self) -> bool:
        """Return False, because the gateway may answer so before it checks signatures."""
        return False


class DecodeError(DataFlowError):
    """A 2xx whose body is not what the contract says.

    Attributes:
        operation: Name of the call in the API guide.
        body: The first 300 characters of the body.
        request_id: Trace id, if one came.
        attempts: How many times the call was tried.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        body: str = "",
        request_id: str | None = None,
        may_have_run: bool = False,
    ) -> None:
        super().__init__(message, may_have_run=may_have_run)
        self.operation = operation
        self.attempts = 1
        self.body = body
        self.request_id = request_id

    @property
    def effect_unknown(self) -> bool:
        """Return True; a success that can't be read is a success nevertheless."""
        return True

    @property
    def is_transient(self) -> bool:
        """Return True, because the body may have been a proxy's, or cut."""
        return True
