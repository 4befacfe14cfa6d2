"""`TransportError.reason` for attempts without an answer, and `Session.last_answer_at` for those with one."""

import errno
import socket
import ssl

import aiohttp
import pytest

from dataflow_async import NotSent, ResponseLost, TransportError
from dataflow_async.transport.no_answer import no_answer, reason_of
from dataflow_async.wire.operation import EXECUTE_JOB, GET_JOB
from tests.support.client import client, closed_port
from tests.support.clocks import LeapClock
from tests.support.internals import session_of
from tests.support.scripted import RESET, STALL, answer, gateway_error, scripted

KEY = aiohttp.client_reqrep.ConnectionKey("gateway.test", 443, True, True, None, None, None)


def connector(number, text="x"):
    return aiohttp.ClientConnectorError(KEY, OSError(number, text))


UNSENT = [
    (connector(errno.ECONNREFUSED), "refused"),
    (connector(errno.ENETUNREACH), "refused"),
    (connector(errno.EHOSTUNREACH), "refused"),
    (connector(errno.ECONNRESET), "reset"),
    (connector(errno.ETIMEDOUT), "connect_timeout"),
    (connector(errno.EMFILE), "no_files"),
    (connector(errno.ENFILE), "no_files"),
    (connector(errno.EADDRNOTAVAIL), "no_files"),
    (connector(errno.EACCES), "other"),
    (OSError(errno.EMFILE, "Too many open files"), "no_files"),
    (
        aiohttp.ClientConnectorError(
            KEY,
            OSError(
                "Multiple exceptions: [Errno 101] Network is unreachable, [Errno 111] Connect call failed"
            ),
        ),
        "refused",
    ),
    (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name or service not known")), "dns"),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "alert")), "tls"),
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("self signed")), "tls"),
    (aiohttp.ServerFingerprintMismatch(b"a", b"b", "gateway.test", 443), "tls"),
    (aiohttp.ConnectionTimeoutError("slow"), "connect_timeout"),
    (TimeoutError(), "connect_timeout"),
    (aiohttp.ClientHttpProxyError(None, (), status=407), "proxy"),
    (aiohttp.ClientHttpProxyError(None, (), status=403), "proxy"),
    (aiohttp.ClientHttpProxyError(None, (), status=502), "refused"),
    (aiohttp.ClientHttpProxyError(None, (), status=504), "connect_timeout"),
    (aiohttp.ClientProxyConnectionError(KEY, OSError(errno.ECONNREFUSED, "x")), "refused"),
    (ValueError("x"), "other"),
]
SENT = [
    (TimeoutError(), "timeout"),
    (aiohttp.SocketTimeoutError("slow"), "timeout"),
    (aiohttp.ServerDisconnectedError(), "closed"),
    (aiohttp.ClientPayloadError("half"), "closed"),
    (aiohttp.ClientOSError(errno.ECONNRESET, "x"), "reset"),
    (aiohttp.ClientConnectionResetError("Cannot write to closing transport"), "reset"),
    (aiohttp.ClientResponseError(None, (), message="garbage"), "other"),
]


@pytest.mark.parametrize(
    ("problem", "reason"),
    UNSENT,
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_the_reason_of_what_was_never_sent(problem, reason):
    assert reason_of(problem, sent=False) == reason
    error = no_answer(EXECUTE_JOB, problem, 0, 30)
    assert (type(error), error.reason, error.may_have_run) == (NotSent, reason, False)


@pytest.mark.parametrize(
    ("problem", "reason"),
    SENT,
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_the_reason_of_a_lost_answer(problem, reason):
    error = no_answer(GET_JOB, problem, 1, 30)
    assert (type(error), error.reason, error.may_have_run) == (ResponseLost, reason, False)
    assert no_answer(EXECUTE_JOB, problem, 1, 30).may_have_run


@pytest.mark.parametrize(("script", "reason"), [((), "closed"), ((b"no http\r\n\r\n",), "other")])
async def test_the_reason_on_a_real_connection(script, reason):
    async with scripted(*script) as server, client(server.url) as flow:
        with pytest.raises(TransportError) as caught:
            await flow.jobs.execute("a1")
    assert caught.value.reason == reason


async def test_the_reason_where_nobody_listens_and_where_nobody_answers():
    async with client(f"http://127.0.0.1:{closed_port()}") as flow:
        with pytest.raises(NotSent) as caught:
            await flow.jobs.execute("a1")
    assert caught.value.reason == "refused"
    async with scripted(STALL) as server, client(server.url, timeout=0.02) as flow:
        with pytest.raises(ResponseLost) as caught:
            await flow.jobs.execute("a1")
    assert caught.value.reason == "timeout"


async def test_session_records_the_time_of_the_last_answer():
    clock = LeapClock()
    async with scripted(answer(200, {"jobId": "a1"}), gateway_error(404, "300"), RESET) as server:
        async with client(server.url, clock=clock) as flow:
            assert session_of(flow).last_answer_at is None
            await flow.jobs.get("a1")
            assert session_of(flow).last_answer_at == clock.monotonic()
            await clock.sleep(5)
            with pytest.raises(Exception, match="HTTP 404"):
                await flow.jobs.get("a1")
            heard = session_of(flow).last_answer_at
            assert heard == clock.monotonic()
            await clock.sleep(5)
            with pytest.raises(ResponseLost):
                await flow.jobs.execute("a1")
            assert session_of(flow).last_answer_at == heard


@pytest.mark.parametrize(
    ("problem", "sends", "words"),
    [
        (aiohttp.ConnectionTimeoutError("slow"), 0, "never sent: no connection within 5 s"),
        (TimeoutError(), 0, "never sent: no connection within 30 s"),
        (TimeoutError(), 1, "the answer was lost: no answer within 30 s"),
    ],
)
def test_time_out_is_named_with_its_seconds(problem, sends, words):
    assert words in str(no_answer(EXECUTE_JOB, problem, sends, 30))
