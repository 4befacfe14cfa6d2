"""Converts aiohttp's exceptions into errors of this library, which keep no reference to them.

aiohttp's exceptions print request headers, keys and signature included, and urls with a proxy's password.
"""

from __future__ import annotations

import errno
import re
import ssl
import sys
from traceback import walk_tb

import aiohttp

from dataflow_async import defaults
from dataflow_async.errors import NotSent, Reason, ResponseLost, TransportError
from dataflow_async.transport.body import BodyError
from dataflow_async.transport.proxies import Proxy
from dataflow_async.wire.operation import Effect, Operation


class BrokenConnectionError(aiohttp.ClientConnectionError):
    """The connection broke after the request went out."""


_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_REFUSED = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN})
_RESET = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_TLS = (ssl.SSLError, aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch)
_CLOSED = (BrokenConnectionError, aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, EOFError)
_GATEWAY_DOWN: dict[int, Reason] = {502: "refused", 503: "refused", 504: "connect_timeout"}
"""What a proxy answers to CONNECT when it can't reach the gateway."""
_PROXY_ADVICE = {
    407: ": it requires a user and a password, to be given in its URL",
    403: ": it does not allow this host",
    502: ": it can't reach the gateway",
    503: ": it can't reach the gateway",
    504: ": it can't reach the gateway in time",
}
_ABOVE_MIDDLEWARE = frozenset({"aiohttp.client", "aiohttp.client_middlewares"})
_OURS = frozenset({"dataflow_async", "aiohttp", "yarl", "multidict", "aioresponses"})
_ERRNO = r"\[Errno (-?\d+)\]"


def no_answer(
    operation: Operation[object],
    problem: BaseException,
    sends: int,
    seconds: float,
    proxy: Proxy | None = None,
) -> TransportError:
    """Return the error for an attempt that ended in ``problem``.

    Args:
        operation: The call.
        problem: What aiohttp raised.
        sends: How often the request was handed to a connection; 0 proves that it was not sent.
        seconds: How long the attempt could take.
        proxy: What it was to go through.
    """
    timed_out = isinstance(problem, TimeoutError)
    why = _timeout_words(problem, seconds, sent=sends > 0) if timed_out else words(problem, proxy)
    reason = reason_of(problem, sent=sends > 0)
    if not sends:
        through = f" (through the proxy {proxy})" if proxy and str(proxy) not in why else ""
        return not_sent(operation, why + through, reason, timed_out=timed_out)
    return lost(operation, why, reason, timed_out=timed_out)


def _timeout_words(problem: BaseException, seconds: float, *, sent: bool) -> str:
    if sent:
        return f"no answer within {seconds:g} s"
    is_aiohttps = isinstance(problem, aiohttp.ServerTimeoutError)
    return f"no connection within {min(seconds, defaults.CONNECT_TIMEOUT) if is_aiohttps else seconds:g} s"


def not_sent(
    operation: Operation[object], why: str, reason: Reason, *, timed_out: bool = False
) -> TransportError:
    """Return the error for a request that was never sent."""
    name = operation.name
    return NotSent(f"{name}: never sent: {why}", operation=name, timed_out=timed_out, reason=reason)


def lost(
    operation: Operation[object], why: str, reason: Reason, *, timed_out: bool = False
) -> TransportError:
    """Return the error for a request that was sent and whose answer is unknown."""
    name, may_have_run = operation.name, operation.effect is Effect.CREATES
    risk = "; the call may have taken effect" if may_have_run else ""
    return ResponseLost(
        f"{name}: sent, but the answer was lost: {why}{risk}",
        operation=name,
        timed_out=timed_out,
        may_have_run=may_have_run,
        reason=reason,
    )


def reason_of(problem: BaseException, *, sent: bool) -> Reason:
    """Return the kind of the failure, which decides whether it counts as an outage."""
    if isinstance(problem, aiohttp.ClientHttpProxyError):
        return _GATEWAY_DOWN.get(problem.status, "proxy")
    if isinstance(problem, _TLS):
        return "tls"
    if isinstance(problem, aiohttp.ClientConnectorDNSError):
        return "dns"
    if isinstance(problem, TimeoutError):
        return "timeout" if sent else "connect_timeout"
    if isinstance(problem, aiohttp.ClientConnectorError):
        return _reason_of_os(problem.os_error)
    if isinstance(problem, _CLOSED):
        return "closed"
    return _reason_of_os(problem) if isinstance(problem, OSError) else "other"


def _reason_of_os(problem: OSError) -> Reason:
    numbers = _errnos(problem)
    if numbers & _NO_FILES:
        return "no_files"
    if isinstance(problem, TimeoutError) or errno.ETIMEDOUT in numbers:
        return "connect_timeout"
    if isinstance(problem, ConnectionRefusedError) or numbers & _REFUSED:
        return "refused"
    return "reset" if isinstance(problem, ConnectionError) or numbers & _RESET else "other"


def _errnos(problem: OSError) -> set[int]:
    """Return the error numbers; for a host with several addresses asyncio keeps them in the text alone."""
    if problem.errno is not None:
        return {problem.errno}
    return {int(number) for number in re.findall(_ERRNO, str(problem))}


def refused_by(proxy: Proxy | None, status: int) -> str:
    """Return words for a proxy that refused a request, with what may help."""
    advice = _PROXY_ADVICE.get(status, "")
    return f"the proxy {f'{proxy} ' if proxy else ''}answered HTTP {status}{advice}"


def raised_outside(problem: BaseException) -> BaseException | None:
    """Return what code of a borrowed session's owner raised, such as a middleware; None for a failed request.

    An exception from below a middleware passes through modules of aiohttp that no middleware is called from. aiohttp's
    own exceptions count as failed requests, whoever raises them; but it wraps every OSError in one of them.
    """
    if type(problem) is aiohttp.ClientOSError and problem.__cause__ is not None:
        problem = problem.__cause__
    if isinstance(problem, aiohttp.ClientError):
        return None
    names = [str(frame.f_globals.get("__name__", "")) for frame, _ in walk_tb(problem.__traceback__)]
    if any(name.startswith("aiohttp.") and name not in _ABOVE_MIDDLEWARE for name in names):
        return None
    packages = [
        package for name in names if (package := name.partition(".")[0]) not in sys.stdlib_module_names
    ]
    return problem if packages and packages[-1] not in _OURS else None


def words(problem: BaseException, proxy: Proxy | None = None) -> str:
    """Return what happened, in words that quote no header and no proxy's password."""
    if isinstance(problem, BodyError):
        return str(problem)
    if isinstance(problem, BrokenConnectionError):
        return "the connection broke"
    if isinstance(problem, aiohttp.ClientHttpProxyError):
        return refused_by(proxy, problem.status)
    if isinstance(problem, aiohttp.ClientProxyConnectionError):
        return f"the proxy {proxy} can't be reached: {problem.os_error}"
    if isinstance(problem, aiohttp.ClientResponseError):
        return "the answer is not HTTP, or has too many or too long headers"
    if isinstance(problem, aiohttp.ClientConnectorCertificateError):
        return f"certificate refused: {problem.certificate_error}"
    if isinstance(problem, aiohttp.ClientConnectorError):
        return str(problem.os_error) or type(problem.os_error).__name__
    if isinstance(problem, OSError) and problem.strerror:
        return f"{type(problem).__name__}: {problem.strerror}"
    return type(problem).__name__
