"""No secret key and no signature: not in an error, a log line, a repr or a pickle, however things fail."""

import asyncio
import contextlib
import logging
import pickle
import re
import ssl
import traceback
from collections.abc import Mapping
from types import SimpleNamespace
from urllib.parse import quote

import aiohttp
import pytest
from rich.pretty import pretty_repr

import dataflow_async
from dataflow_async import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    BadState,
    Credentials,
    CredentialsError,
    DataFlow,
    DataFlowError,
    DecodeError,
    ExecutionCanceled,
    ExecutionFailed,
    ExecutionRef,
    InvalidRequest,
    JobExecution,
    JournalError,
    Launch,
    LaunchUncertain,
    NotFound,
    NotSent,
    PermissionDenied,
    PollPolicy,
    QuotaExceeded,
    RateLimited,
    ResponseLost,
    RetryPolicy,
    ServerError,
    WaitTimeout,
)
from dataflow_async.transport import aiohttp_session
from dataflow_async.wire.signature import Signer
from tests.support.internals import calls_of, session_of
from tests.support.scripted import answer, gateway_error, scripted

ACCESS = "ACCESS-KEY-1234567890"
SECRET = "s3cret-key-0987654321"
SIGNATURE = "x-ncp-apigw-signature-v2"
ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(autouse=True)
def everything_is_logged(caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("dataflow_async", "aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)


@pytest.fixture(autouse=True)
def connecting_takes_any_time(monkeypatch):
    """A machine under load may stall for longer than a connect time-out, which would look like `NotSent`."""
    monkeypatch.setattr(aiohttp_session, "TIMEOUTS", aiohttp.ClientTimeout(total=None))


@pytest.fixture
def signatures(monkeypatch):
    """Every signature made during the test."""
    made = []
    original = Signer.headers

    def spy(self, *args):
        headers = original(self, *args)
        made.append(headers[SIGNATURE])
        return headers

    monkeypatch.setattr(Signer, "headers", spy)
    return made


def chain_of(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def texts_of(error, *, frames=True):
    for link in chain_of(error):
        yield from (repr(link), str(link), repr(vars(link)))
    yield from traceback.format_exception(error)
    yield "".join(traceback.TracebackException.from_exception(error).format(chain=True))
    if frames:
        yield from locals_of(error)
    with contextlib.suppress(TypeError):
        yield pickle.dumps(error).decode("latin-1")


def locals_of(error):
    """What tools print that show the variables of frames: of our own frames, and of aiohttp's by their reprs."""
    for link in chain_of(error):
        for frame, _ in traceback.walk_tb(link.__traceback__):
            package = frame.f_globals["__name__"].partition(".")[0]
            if package in {"dataflow_async", "aiohttp"}:
                yield repr(frame.f_locals).replace(SIGNATURE, "(its name)")
            if package == "dataflow_async":
                for value in frame.f_locals.values():
                    yield pretty_repr(value)
                    yield from texts_within(value)


def texts_within(value):
    """As Sentry reads a variable: containers are opened, everything else is shown by its repr."""
    if isinstance(value, str):
        yield str(value)
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for part in pair for text in texts_within(part))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (text for part in value for text in texts_within(part))
    else:
        yield repr(value)


def assert_clean(texts, signatures):
    for text in texts:
        assert SECRET not in text
        assert SIGNATURE not in text
        for signature in signatures:
            assert signature not in text


async def fails(call, kind, signatures, caplog, *, sent=True):
    with pytest.raises(DataFlowError) as caught:
        await call
    assert type(caught.value) is kind
    assert bool(signatures) is sent
    foreign = [link for link in chain_of(caught.value) if isinstance(link, aiohttp.ClientError)]
    assert foreign == []
    assert_clean([*texts_of(caught.value), caplog.text], signatures)
    return caught.value


def client(url, **settings):
    return DataFlow(Credentials(ACCESS, SECRET), base_url=url, **({"retry": ONCE} | settings))


ERRORS = {
    "400": (gateway_error(400, "100"), BadRequest),
    "400 bad-state": (answer(400, {"detail": "x", "errorType": "bad-state"}), BadState),
    "401": (gateway_error(401, "200"), AuthenticationFailed),
    "401 off the clock": (
        gateway_error(401, "200", Date="Sun, 01 Nov 2020 00:00:00 GMT"),
        AuthenticationFailed,
    ),
    "401/210": (gateway_error(401, "210"), PermissionDenied),
    "403": (gateway_error(403, "230"), PermissionDenied),
    "404": (gateway_error(404, "300"), NotFound),
    "429/400": (gateway_error(429, "400"), QuotaExceeded),
    "429/410": (gateway_error(429, "410"), RateLimited),
    "500": (gateway_error(500, "900"), ServerError),
    "504": (gateway_error(504, "510"), ServerError),
    "redirect": (answer(302, b"", Location="http://127.0.0.1:1/elsewhere"), APIError),
    "permanent redirect": (answer(308, b"", Location="/api/v2/jobs"), APIError),
    "not JSON": (answer(200, b"<html>"), DecodeError),
    "no body": (answer(200), DecodeError),
    "wrong shape": (answer(200, {"jobId": 5}), DecodeError),
    "no such encoding": (answer(200, b"{}", Content_Encoding="gzip"), ResponseLost),
    "garbage": (b"\x00\x01garbage\r\n\r\n", ResponseLost),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n", ResponseLost),
    "bad length": (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", ResponseLost),
    "bad chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", ResponseLost),
    "bad header": (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", ResponseLost),
    "huge header": (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000 + b"\r\n\r\n", ResponseLost),
    "bad status": (b"HTTP/1.1 2x0 OK\r\n\r\n", ResponseLost),
    "half a body": (b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"jobId', ResponseLost),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", ResponseLost),
}


@pytest.mark.parametrize(("given", "kind"), ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_answer_that_is_no_success(signatures, caplog, given, kind, method):
    async with scripted(given, close=kind is ResponseLost) as server, client(server.url) as flow:
        call = flow.jobs.get("j") if method == "GET" else flow.jobs.create("abc")
        await fails(call, kind, signatures, caplog)
        assert server.received
        assert_clean([repr(flow), repr(vars(flow)), repr(vars(calls_of(flow)))], signatures)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connection_closed_without_an_answer(signatures, caplog, method):
    async with scripted() as server, client(server.url) as flow:
        call = flow.jobs.get("j") if method == "GET" else flow.jobs.create("abc")
        await fails(call, ResponseLost, signatures, caplog)


async def test_a_connection_that_is_reset(signatures, caplog):
    async def reset(_reader, writer):
        writer.transport.abort()

    listener = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with listener, client(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}") as flow:
        with pytest.raises(DataFlowError) as caught:
            await flow.jobs.get("j")
    assert isinstance(caught.value, NotSent | ResponseLost)
    assert_clean([*texts_of(caught.value), caplog.text], signatures)


@pytest.mark.parametrize(
    "given",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"],
    ids=["before the head", "before the body"],
)
async def test_an_answer_that_does_not_come_in_time(signatures, caplog, given):
    async with scripted(given) as server, client(server.url, timeout=0.05) as flow:
        error = await fails(flow.jobs.get("j"), ResponseLost, signatures, caplog)
        assert error.timed_out


async def test_a_server_that_is_not_there(signatures, caplog):
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    async with client(f"http://127.0.0.1:{port}") as flow:
        await fails(flow.jobs.create("abc"), NotSent, signatures, caplog)


async def test_a_server_that_speaks_no_tls(signatures, caplog):
    async def answer_in_plain_text(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer_in_plain_text, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, client(f"https://127.0.0.1:{port}") as flow:
        await fails(flow.jobs.get("j"), NotSent, signatures, caplog)


async def test_a_session_that_raises_for_status_and_an_ssl_context_change_nothing(signatures, caplog):
    async with (
        scripted(gateway_error(500, "900")) as server,
        aiohttp.ClientSession(
            raise_for_status=True, connector=aiohttp.TCPConnector(ssl=ssl.create_default_context())
        ) as session,
        client(server.url, session=session) as flow,
    ):
        await fails(flow.jobs.get("j"), ServerError, signatures, caplog)


async def test_a_proxy_that_is_not_there_keeps_its_password(signatures, caplog):
    async with client("http://127.0.0.1:9", proxy="http://user:pr0xy-word@127.0.0.1:1") as flow:
        error = await fails(flow.jobs.get("j"), NotSent, signatures, caplog)
        assert not any("pr0xy-word" in text for text in texts_of(error))
        assert "pr0xy-word" not in repr(flow)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
async def test_a_server_that_echoes_the_request(signatures, caplog, status):
    def echo(request):
        lines = "\n".join(f"{name}: {text}" for name, text in request.headers.items())
        return answer(status, f"{request.method} {request.target}\n{lines}")

    async with scripted(echo) as server, client(server.url) as flow:
        with pytest.raises(DataFlowError) as caught:
            await flow.jobs.get("j")
    found = [
        text
        for text in [*texts_of(caught.value, frames=False), caplog.text]
        if any(made in text for made in signatures)
    ]
    assert found == []


ESCAPES = {
    "plain": str,
    "JSON of a careful writer": lambda text: (
        text.replace("=", "\\u003d").replace("+", "\\u002b").replace("/", "\\/")
    ),
    "HTML": lambda text: text.replace("=", "&#61;").replace("+", "&#43;").replace("/", "&#x2F;"),
    "percent": lambda text: quote(text, safe=""),
    "without padding": lambda text: text.rstrip("="),
}


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
@pytest.mark.parametrize("status", [200, 401])
async def test_a_server_that_echoes_the_signature_in_other_letters(signatures, caplog, status, escape):
    def echo(request):
        return answer(
            status, f'{{"error": {{"errorCode": "200", "details": "{escape(request.headers[SIGNATURE])}"}}}}'
        )

    async with scripted(echo) as server, client(server.url) as flow:
        with pytest.raises(DataFlowError) as caught:
            await flow.jobs.create("abc")
    shown = "".join([*texts_of(caught.value, frames=False), caplog.text])
    for form in (escape(signatures[0]), signatures[0], signatures[0].rstrip("=")):
        assert form not in shown


async def test_repeats_and_their_log(signatures, caplog):
    policy = RetryPolicy(max_attempts=3, backoff_base=0.001)
    async with scripted(gateway_error(503, "500")) as server, client(server.url, retry=policy) as flow:
        error = await fails(flow.jobs.get("j"), ServerError, signatures, caplog)
        assert error.attempts == len(server.received) == 3
    assert len(signatures) == 3


async def test_a_cancelled_launch_and_its_warning(signatures, caplog):
    async with scripted(b"") as server, client(server.url) as flow:
        task = asyncio.create_task(flow.jobs.execute("j"))
        while not server.received:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert_clean([*texts_of(caught.value), caplog.text], signatures)
    assert "may have taken effect" in caplog.text


async def test_what_a_middleware_raises_passes_by_no_open_secret(signatures, caplog):
    async def after(request, handler):
        await handler(request)
        raise LookupError("mine")

    async with scripted(answer(200, b"{}")) as server, aiohttp.ClientSession(middlewares=[after]) as session:
        async with client(server.url, session=session) as flow:
            with pytest.raises(LookupError, match="mine") as caught:
                await flow.jobs.execute("j")
    assert signatures
    assert_clean([*texts_of(caught.value), caplog.text], signatures)
    assert "it may have taken effect" in caplog.text


async def test_a_proxys_password_stands_in_no_frame(signatures, caplog):
    async with client("http://127.0.0.1:1", proxy=f"http://me:{SECRET}@127.0.0.1:1") as flow:
        await fails(flow.jobs.execute("j"), NotSent, signatures, caplog)
    assert_clean([repr(session_of(flow).proxy), pretty_repr(session_of(flow).proxy)], [])


async def test_debug_mode_of_the_loop(signatures, caplog):
    asyncio.get_running_loop().set_debug(True)
    async with scripted(gateway_error(404, "300")) as server, client(server.url) as flow:
        await fails(flow.jobs.get("j"), NotFound, signatures, caplog)


async def test_a_source_of_keys_that_fails(signatures, caplog):
    class Vault:
        async def get(self):
            raise RuntimeError(f"wrong: {SECRET}")

    async with DataFlow(Vault(), base_url="http://127.0.0.1:1") as flow:
        await fails(flow.jobs.get("j"), CredentialsError, signatures, caplog, sent=False)


async def test_a_source_of_keys_that_gives_something_else(signatures, caplog):
    class Vault:
        def __init__(self, keys):
            self.keys = keys

        async def get(self):
            return self.keys

    half = SimpleNamespace(secret_key=SECRET)
    for keys in (None, SECRET, (ACCESS, SECRET), {"secret_key": SECRET}, half):
        async with DataFlow(Vault(keys), base_url="http://127.0.0.1:1") as flow:
            with pytest.raises(DataFlowError) as caught:
                await flow.jobs.get("j")
        assert_clean([*texts_of(caught.value), caplog.text], signatures)


async def test_a_success(signatures, caplog):
    body = {"jobExecutionId": "e", "jobId": "j"}
    async with scripted(answer(200, body)) as server, client(server.url) as flow:
        run = await flow.jobs.execute("j", parameters={"day": "1"})
        assert server.last.headers[SIGNATURE] == signatures[-1]
    assert_clean([repr(run), pickle.dumps(run).decode("latin-1"), caplog.text], signatures)


def test_the_client_itself():
    flow = client("http://127.0.0.1:1")
    for value in (
        flow,
        flow.jobs,
        calls_of(flow),
        Credentials(ACCESS, SECRET),
        Signer(Credentials(ACCESS, SECRET)),
    ):
        assert_clean([repr(value), str(value), f"{value}", repr(getattr(value, "__dict__", {}))], [])
        assert_clean([pretty_repr(value)], [])
    for value in (flow, Credentials(ACCESS, SECRET), Signer(Credentials(ACCESS, SECRET))):
        with pytest.raises(TypeError):
            pickle.dumps(value)


# --- every class of the tree -------------------------------------------------------------------------------

RUN = JobExecution("e", "j", status="FAILED")
REF = ExecutionRef("j", "e")
SAMPLES = [
    *(
        kind("m", status=499, code="c", details="d", request_id="r", body="b")
        for kind in APIError.__subclasses__()
    ),
    APIError("m", status=302),
    CredentialsError("m"),
    InvalidRequest("m", field="f"),
    JournalError("m"),
    NotSent("m", operation="o", timed_out=True),
    ResponseLost("m", operation="o", may_have_run=True),
    DecodeError("m", operation="o", body="b", request_id="r", may_have_run=True),
    ExecutionFailed(RUN),
    ExecutionCanceled(RUN),
    WaitTimeout("m", execution=RUN, ref=REF),
    LaunchUncertain("m", launch=Launch("j"), candidates=(RUN,)),
]


def test_every_public_error_has_a_sample():
    public = {getattr(dataflow_async, name) for name in dataflow_async.__all__}
    errors = {kind for kind in public if isinstance(kind, type) and issubclass(kind, DataFlowError)}
    leaves = {kind for kind in errors if not any(issubclass(other, kind) for other in errors - {kind})}
    assert leaves <= {type(sample) for sample in SAMPLES}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_an_error_comes_back_whole_from_a_pickle(sample):
    sample.__notes__ = ["told"]
    twin = pickle.loads(pickle.dumps(sample))
    assert type(twin) is type(sample)
    assert (str(twin), twin.args, vars(twin)) == (str(sample), sample.args, vars(sample))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_an_error_says_something_in_words(sample):
    assert re.search(r"\w", str(sample))
    assert isinstance(sample.may_have_run, bool)
    assert hasattr(sample, "execution_ref")


def test_what_is_half_made_can_be_shown_by_whoever_prints_the_frames_of_an_error():
    for make in (lambda: Credentials("", "SECRET"), lambda: PollPolicy(terminal_statuses=5)):
        with pytest.raises(DataFlowError) as caught:
            make()
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        assert "SECRET" not in "".join(shown.format()).replace('Credentials("", "SECRET")', "")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"credentials": {"access_key": "A", "secret_key": "hunter2"}}, "credentials"),
        ({"credentials": ("A", "hunter2"), "timeout": -1}, "credentials"),
        ({"proxy": "http://me:hunter2@proxy.test:3128", "timeout": -1}, "timeout"),
        ({"proxy": "me:hunter2@proxy.test:3128"}, "proxy"),
        ({"https_proxy": "ftp://me:hunter2@proxy.test:3128"}, "https_proxy"),
    ],
)
def test_no_frame_of_the_constructor_shows_what_it_refuses(monkeypatch, given, field):
    if "https_proxy" in given:
        monkeypatch.setenv("https_proxy", given["https_proxy"])
        given = {}
    with pytest.raises(DataFlowError, match=f"^{field} must be ") as caught:
        DataFlow(**{"credentials": Credentials("A", "B"), **given})
    ours = caught.value.__traceback__.tb_next
    shown = traceback.TracebackException(type(caught.value), caught.value, ours, capture_locals=True)
    assert "hunter2" not in "".join(shown.format())
