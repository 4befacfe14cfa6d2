"""What the front hands out beside the server: the keys, and a client that fits."""

from dataflow_async import Credentials, DataFlow
from dataflow_async.emulator import Emulator


async def test_credentials_are_the_server_s(server):
    assert isinstance(server.credentials, Credentials)
    assert (server.credentials.access_key, server.credentials.secret_key) == (
        server.access_key,
        server.secret_key,
    )


async def test_a_client_gets_in(server, clock):
    async with server.client(timeout=5, clock=clock) as flow:
        assert isinstance(flow, DataFlow)
        answer = await flow.request("GET", "/api/v1/jobs", query={"name": "한 글/?&"})

    assert answer["list"] == []


async def test_a_client_on_wall_time_needs_no_clock():
    async with Emulator() as server, server.client() as flow:
        assert (await flow.request("GET", "/api/v1/triggers"))["count"] == 0
