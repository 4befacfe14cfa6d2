"""The credentials of the emulator, and its client."""

import pytest

from dataflow_async import AuthenticationFailed, Credentials, DataFlow
from dataflow_async.emulator import Emulator


async def test_credentials_are_those_of_the_server(server):
    assert isinstance(server.credentials, Credentials)
    assert (server.credentials.access_key, server.credentials.secret_key) == (
        server.access_key,
        server.secret_key,
    )


async def test_a_client_of_the_server_is_accepted(server, clock):
    async with server.client(timeout=5, clock=clock) as flow:
        assert isinstance(flow, DataFlow)
        answer = await flow.request("GET", "/api/v1/jobs", query={"name": "한 글/?&"})

    assert answer["list"] == []


async def test_a_client_on_wall_time_needs_no_clock():
    async with Emulator() as server, server.client() as flow:
        assert (await flow.request("GET", "/api/v1/triggers"))["count"] == 0


async def test_a_client_of_a_server_on_all_addresses_goes_by_loopback() -> None:
    async with Emulator(host="0.0.0.0", allow_remote=True) as server, server.client() as flow:
        assert (await flow.jobs.page()).items == []


async def test_a_clients_settings_replace_those_of_the_server() -> None:
    async with Emulator() as server:
        async with server.client(credentials=Credentials("someone", "else")) as flow:
            with pytest.raises(AuthenticationFailed):
                await flow.jobs.page()
