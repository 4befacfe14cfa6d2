"""Which proxy calls go through, and how it is named (urllib's rules for the environment)."""

import asyncio
import logging
import traceback
from contextlib import suppress

import aiohttp
import pytest

from dataflow_async import APIError, InvalidRequest, NotSent, RetryPolicy
from tests.support.certificates import contexts, needs_openssl
from tests.support.client import client, closed_port
from tests.support.internals import cached_hosts, session_of
from tests.support.scripted import answer, scripted

JOB = answer(200, {"jobId": "a1"})
FAR = {"base_url": "http://gateway.test", "allow_insecure_http": True}


def far(**settings):
    """A client of a host that only a proxy can reach."""
    merged = FAR | {"retry": RetryPolicy(max_attempts=1)} | settings
    return client(merged.pop("base_url"), **merged)


async def goes_through(proxy, flow):
    """Whether a call reaches the proxy."""
    before = len(proxy.received)
    async with flow:
        try:
            await flow.jobs.get("a1")
        except NotSent:
            assert len(proxy.received) == before
    return len(proxy.received) > before


async def test_a_proxy_that_is_given_is_used_even_for_loopback():
    async with scripted(JOB) as proxy:
        assert await goes_through(proxy, client("http://localhost:9", proxy=proxy.url))
        assert proxy.last.target == "http://localhost:9/api/v1/jobs/a1"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"http_proxy": "{}"}, True),
        ({"HTTP_PROXY": "{}"}, True),
        ({"http_proxy": "{bare}"}, True),
        ({"http_proxy": " {}/ "}, True),
        ({"all_proxy": "{}"}, True),
        ({"ALL_PROXY": "{}"}, True),
        ({"https_proxy": "{}"}, False),
        ({"ftp_proxy": "{}"}, False),
        ({"all_proxy": "http://127.0.0.1:1", "http_proxy": "{}"}, True),
        ({"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "{}"}, True),
        ({"HTTP_PROXY": "{}", "http_proxy": ""}, False),
        ({"http_proxy": "{}", "no_proxy": "gateway.test"}, False),
        ({"http_proxy": "{}", "NO_PROXY": "other.test, .test"}, False),
        ({"http_proxy": "{}", "no_proxy": "*"}, False),
        ({"http_proxy": "{}", "no_proxy": "other.test"}, True),
        ({"http_proxy": "socks5://127.0.0.1:1", "no_proxy": "gateway.test"}, False),
        ({"REQUEST_METHOD": "GET", "HTTP_PROXY": "{}"}, False),  # a Proxy: header of somebody's request
        ({"REQUEST_METHOD": "GET", "http_proxy": "{}"}, True),
    ],
)
async def test_the_environment_is_read_as_urllib_reads_it(variables, expected, monkeypatch):
    async with scripted(JOB) as proxy:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.format(proxy.url, bare=proxy.url.removeprefix("http://")))
        assert await goes_through(proxy, far()) is expected


async def test_the_environment_is_read_once_and_can_be_left_aside(monkeypatch):
    async with scripted(JOB) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        flow, without = far(), far(proxy=False)
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        assert await goes_through(proxy, flow)
        assert not await goes_through(proxy, without)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "127.9.9.9",
        "emulator.localhost",
        "169.254.169.254",
        "localhost.",
        "[::ffff:127.0.0.1]",
    ],
)
async def test_the_environments_proxy_is_never_used_for_this_machine_or_the_metadata_host(host, monkeypatch):
    monkeypatch.setenv("all_proxy", "http://proxy.test:3128")
    assert session_of(far(base_url=f"http://{host}:{closed_port()}")).proxy is None


async def test_the_environments_proxy_is_never_used_on_a_borrowed_session(monkeypatch):
    async with scripted(JOB) as proxy, aiohttp.ClientSession() as session:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert not await goes_through(proxy, far(session=session))
        assert await goes_through(proxy, far(session=session, proxy=proxy.url))


async def test_a_netrc_file_is_not_read(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine gateway.test login me password hunter2\nmachine 127.0.0.1 login me password p\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with scripted(JOB) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert await goes_through(proxy, far())
        assert not {"authorization", "proxy-authorization"} & set(proxy.last.headers)


async def test_variable_in_use_is_logged_once_without_its_password(monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="dataflow_async")
    async with scripted(JOB) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:hunter2@"))
        flow = far()
        assert await goes_through(proxy, flow)
        assert proxy.last.headers["proxy-authorization"].startswith("Basic ")
    (line,) = [record.getMessage() for record in caplog.records if "proxy" in record.getMessage()]
    assert "HTTP_PROXY" in line and proxy.url in line and "hunter2" not in line
    assert "hunter2" not in repr(session_of(flow).proxy)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("socks5://me:hunter2@127.0.0.1:1080", "SOCKS"),
        ("socks5h://127.0.0.1:1080", "SOCKS"),
        ("ftp://proxy.test", "ftp"),
        ("http://proxy.test:hunter2", "port"),
        ("http://proxy.test:0", "port 0"),
        ("http://me:hunter2@", "host"),
        ("http://proxy.test/hunter2", "path"),
        ("http://proxy .test", "characters"),
    ],
)
def test_a_variable_that_names_no_http_proxy_is_refused_by_name(name, url, told, monkeypatch):
    monkeypatch.setenv(name, url)
    with pytest.raises(InvalidRequest, match=f"^{name} must be .*{told}.*proxy=False") as caught:
        far()
    assert caught.value.field == name
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    far(proxy=False)


@pytest.mark.parametrize(
    "proxy", ["", "proxy.test:3128", "socks5://p:1", "http://p:99999", "http://", True, 5, b"http://p", ["p"]]
)
def test_a_bad_argument_is_refused(proxy):
    with pytest.raises(InvalidRequest, match=r"^proxy must be the http://"):
        far(proxy=proxy)


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        (407, "proxy", "user and a password"),
        (403, "proxy", "does not allow"),
        (502, "refused", "can't reach the gateway"),
        (503, "refused", "can't reach the gateway"),
        (504, "connect_timeout", "in time"),
        (400, "proxy", "HTTP 400"),
    ],
)
async def test_a_proxy_that_refuses_to_connect_is_named(status, reason, told):
    async with scripted(answer(status, b"<html>no</html>", Connection="close")) as proxy:
        url = proxy.url.replace("//", "//me:hunter2@")
        async with far(base_url="https://gateway.test", proxy=url) as flow:
            with pytest.raises(NotSent, match=told) as caught:
                await flow.jobs.execute("a1")
    assert proxy.last.method == "CONNECT"
    assert (caught.value.reason, caught.value.may_have_run) == (reason, False)
    assert proxy.url in str(caught.value) and "hunter2" not in str(caught.value)


async def test_proxy_that_requires_a_password_is_named_without_tls_as_well():
    challenge = answer(407, b"<html>no</html>", **{"Proxy-Authenticate": "Basic"})
    async with scripted(challenge) as proxy, far(proxy=proxy.url) as flow:
        with pytest.raises(NotSent, match="user and a password") as caught:
            await flow.jobs.execute("a1")
    assert caught.value.reason == "proxy"
    assert len(proxy.received) == 1


async def test_a_407_that_is_no_challenge_of_the_proxy_proves_nothing():
    async with scripted(answer(407, b"<html>no</html>")) as proxy, far(proxy=proxy.url, retry=None) as flow:
        with pytest.raises(APIError) as caught:
            await flow.jobs.execute("a1")
    assert (caught.value.status, caught.value.may_have_run) == (407, True)
    assert len(proxy.received) == 1


@needs_openssl
async def test_a_407_out_of_a_tunnel_proves_nothing(tmp_path):
    """Something behind the tunnel may give it after the launch; sent again, the job would run twice."""
    server_side, client_side = contexts(tmp_path)
    launches = []

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        launches.append(await reader.readexactly(2))
        writer.write(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        writer.close()

    async def copy(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def tunnel(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            await asyncio.gather(copy(reader, back), copy(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    port, proxy_port = (each.sockets[0].getsockname()[1] for each in (server, proxy))
    async with server, proxy:
        given = {"proxy": f"http://127.0.0.1:{proxy_port}", "ssl": client_side}
        async with client(f"https://127.0.0.1:{port}", **given) as flow:
            with pytest.raises(APIError) as caught:
                await flow.jobs.execute("a1")
    assert (caught.value.status, caught.value.may_have_run) == (407, True)
    assert len(launches) == 1


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_a_proxy_that_answers_strangely_is_named(reply):
    async with (
        scripted(reply, close=True) as proxy,
        far(base_url="https://gateway.test", proxy=proxy.url) as flow,
    ):
        with pytest.raises(
            NotSent, match=r"never sent: (?!ClientResponse)\S.*the proxy http://127"
        ) as caught:
            await flow.jobs.execute("a1")
    assert not caught.value.may_have_run


async def test_a_proxy_that_is_down_is_named():
    proxy = f"http://127.0.0.1:{closed_port()}"
    async with far(proxy=proxy) as flow:
        with pytest.raises(NotSent, match=f"the proxy {proxy} from proxy can't be reached") as caught:
            await flow.jobs.execute("a1")
    assert caught.value.reason == "refused"


async def test_name_is_resolved_again_after_a_failure_to_connect():
    async with client(f"http://localhost:{closed_port()}", retry=RetryPolicy(max_attempts=1)) as flow:
        with pytest.raises(NotSent):
            await flow.jobs.execute("a1")
        assert not cached_hosts(flow)
    async with scripted(JOB) as server:
        async with client(server.url.replace("127.0.0.1", "localhost")) as flow:
            await flow.jobs.get("a1")
            assert cached_hosts(flow)
