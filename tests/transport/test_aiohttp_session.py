"""Single attempts against aioresponses: what the session passes to aiohttp."""

from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses
from yarl import URL

from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.wire.message import Answer, Call
from dataflow_async.wire.operation import EXECUTE_JOB
from dataflow_async.wire.signature import SignedHeaders

CALL = Call(EXECUTE_JOB, "/api/v1/jobs/a%2Fb/executions?triggerId=%EA%B0%80", b"{}")


@pytest.fixture(autouse=True)
def aioresponses_on_a_newer_aiohttp(monkeypatch):
    """aioresponses 0.7 does not pass ``stream_writer``, which aiohttp requires since 3.14."""
    original = aiohttp.ClientResponse.__init__

    def init(self, *arguments, **named):
        named.setdefault("stream_writer", Mock(output_size=0))
        original(self, *arguments, **named)

    monkeypatch.setattr(aiohttp.ClientResponse, "__init__", init)


async def test_session_sends_the_signed_target_without_redirects_cookies_or_status_errors():
    session = Session("https://gateway.test", timeout=30)
    url = URL("https://gateway.test" + CALL.target, encoded=True)
    with aioresponses() as mocked:
        mocked.post(url, status=404, body=b"nothing here", headers={"Location": "https://elsewhere.test"})
        answer = await session.send(CALL, SignedHeaders({"x-ncp-apigw-timestamp": "1"}), 30)
    await session.aclose()
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (404, b"nothing here")
    ((_, sent),) = mocked.requests.items()
    given = sent[0].kwargs
    assert given["allow_redirects"] is False
    assert given["raise_for_status"] is False
    assert given["data"] == b"{}"
    assert given["headers"]["x-ncp-apigw-timestamp"] == "1"


@pytest.mark.parametrize(
    "problem", [aiohttp.ClientPayloadError("headers: secret"), TimeoutError(), OSError(5, "I/O")]
)
async def test_session_returns_errors_of_aiohttp_as_values_without_their_text(problem):
    session = Session("https://gateway.test", timeout=30)
    with aioresponses() as mocked:
        mocked.post(URL("https://gateway.test" + CALL.target, encoded=True), exception=problem)
        lost = await session.send(CALL, SignedHeaders({}), 30)
    await session.aclose()
    assert lost.operation == "executeJob"
    assert "secret" not in str(lost)
    assert lost.__context__ is None and lost.__cause__ is None
