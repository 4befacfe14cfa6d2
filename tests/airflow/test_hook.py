"""The hook: a client by a connection of Airflow, in a worker, in a triggerer, in `dag.test()`."""

import asyncio
import json
import os
import signal
from types import SimpleNamespace

import pytest
from airflow.sdk import BaseHook, Connection
from airflow.sdk import __version__ as sdk_version
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ConnectionResult, ErrorResponse

from dataflow_async import Credentials, CredentialsError
from dataflow_async.airflow import hook as hooks
from dataflow_async.airflow.hook import DataFlowHook
from dataflow_async.emulator import Emulator
from tests.support.scripted import answer, scripted
from tests.support.threaded import running


@pytest.fixture(autouse=True)
def fresh():
    hooks.connections.forget()
    hooks.clients.forget()


@pytest.fixture
def server():
    with running(Emulator()) as server:
        yield server


def values(server, **members):
    return {
        "conn_id": "etl",
        "conn_type": "ncloud_data_flow",
        **dict.fromkeys(("host", "schema", "port")),
        "login": server.access_key,
        "password": server.secret_key,
        "extra": json.dumps({"base_url": server.url}),
        **members,
    }


@pytest.fixture
def defined(server, monkeypatch):
    """A connection in the environment, where workers and triggerers find it too."""
    rest = {name: value for name, value in values(server).items() if name != "conn_id"}
    monkeypatch.setenv("AIRFLOW_CONN_ETL", json.dumps(rest))


class Supervisor:
    """The supervisor of a triggerer or a worker, which counts what it is asked."""

    def __init__(self, answer, **hidden):
        self.answer = answer
        self.asked = []

    def send(self, message):
        if type(message).__name__ != "GetConnection":
            return None
        self.asked.append("send")
        return self.answer

    async def asend(self, message):
        if type(message).__name__ != "GetConnection":
            return None
        self.asked.append("asend")
        await asyncio.sleep(0)
        return self.answer


@pytest.fixture
def supervisor(server, monkeypatch):
    supervisor = Supervisor(ConnectionResult(**values(server)))
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


async def count(flow):
    return len((await flow.jobs.page()).items)


def test_a_worker_runs_work_with_a_client(server, supervisor):
    server.create_job("stock_import")
    hook = DataFlowHook("etl")
    assert hook.run(count) == 1
    assert hook.run(count) == 1
    assert supervisor.asked == ["send"]


async def test_a_triggerer_sends_one_request_that_does_not_block(server, supervisor):
    server.create_job("stock_import")

    async def ask():
        async with DataFlowHook("etl").client() as flow:
            return flow, await count(flow)

    found = await asyncio.gather(*(ask() for _ in range(50)))
    assert len({id(flow) for flow, _ in found}) == 1
    assert [jobs for _, jobs in found] == [1] * 50
    assert supervisor.asked == ["asend"]
    assert hooks.clients.users == {}


def test_a_supervisor_without_a_process_is_asked_at_once(server, supervisor, monkeypatch):
    """`dag.test()` answers blocking requests only."""
    blocking = SimpleNamespace(send=supervisor.send)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", blocking, raising=False)
    assert asyncio.run(DataFlowHook("etl").asettings()).base_url == server.url
    assert supervisor.asked == ["send"]


async def test_a_connection_of_the_environment_is_found(server, defined):
    async with DataFlowHook("etl").client() as flow:
        assert await count(flow) == 0


def test_without_a_connection_the_environment_is_used(server, monkeypatch, supervisor):
    monkeypatch.setenv("NCLOUD_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("NCLOUD_SECRET_ACCESS_KEY", server.secret_key)
    monkeypatch.setenv("NCLOUD_DATAFLOW_URL", server.url)
    assert DataFlowHook(None).run(count) == 0
    assert supervisor.asked == []


def test_a_connection_without_keys_uses_the_environment(server, supervisor, monkeypatch):
    monkeypatch.setenv("NCLOUD_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("NCLOUD_SECRET_ACCESS_KEY", server.secret_key)
    supervisor.answer = ConnectionResult(**values(server, login=None, password=None))
    assert DataFlowHook("etl").run(count) == 0


def test_rotated_keys_are_taken_from_the_connection(server, supervisor):
    server.create_job("stock_import")

    async def rotate(flow):
        await count(flow)
        server.rotate_keys("ROTATED", "RotatedSecret")
        supervisor.answer = ConnectionResult(**values(server))
        return await count(flow)

    assert DataFlowHook("etl").run(rotate) == 1
    assert supervisor.asked == ["send", "asend"]
    assert DataFlowHook("etl").settings().keys == Credentials("ROTATED", "RotatedSecret")


def test_a_connection_that_is_not_defined_is_an_error(supervisor):
    supervisor.answer = ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND)
    with pytest.raises(CredentialsError, match="connection 'etl' can't be looked up"):
        DataFlowHook("etl").run(count)


def test_the_button_test_says_whether_the_keys_work(server, defined):
    assert DataFlowHook("etl").test_connection() == (True, "The service answered: these keys may list jobs")
    server.rotate_keys("OTHER", "OtherSecret")
    works, words = DataFlowHook("etl").test_connection()
    assert not works
    assert "401" in words
    assert not DataFlowHook("nowhere").test_connection()[0]


def test_the_button_test_reads_the_connection_that_is_being_edited(server):
    connection = Connection(**values(server))
    hook_of = lambda *_, **__: DataFlowHook("etl")  # noqa: E731  # the provider is not installed in every test
    connection.get_hook = hook_of
    assert connection.test_connection()[0]


def test_the_provider_and_the_hook_have_the_same_names():
    from dataflow_async.airflow.provider import get_provider_info

    described = get_provider_info()["connection-types"][0]
    assert described["connection-type"] == DataFlowHook.conn_type
    assert described["hook-class-name"] == f"{DataFlowHook.__module__}.{DataFlowHook.__qualname__}"
    assert issubclass(DataFlowHook, BaseHook)


def test_a_process_that_is_forked_looks_connections_up_anew(server, defined, monkeypatch):
    """Workers and triggerers fork: what their parent holds belongs to its own loops and locks."""
    hook = DataFlowHook("etl")
    assert hook.settings().base_url == server.url
    changed = json.dumps({"conn_type": "ncloud_data_flow", "extra": {"base_url": "http://127.0.0.1:9"}})
    monkeypatch.setenv("AIRFLOW_CONN_ETL", changed)
    assert hook.settings().base_url == server.url
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, str(hook.settings().base_url).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(write)
    assert os.read(read, 100) == b"http://127.0.0.1:9"
    os.close(read)


async def test_the_service_sees_that_airflow_calls_it(monkeypatch):
    async with scripted(answer(200, {"list": []})) as service:
        rest = {"conn_type": "ncloud_data_flow", "login": "an-access-key", "password": "a-secret-key"}
        monkeypatch.setenv("AIRFLOW_CONN_ETL", json.dumps(rest | {"extra": {"base_url": service.url}}))
        async with DataFlowHook("etl").client() as flow:
            await count(flow)
    assert service.last.headers["user-agent"].endswith(f" apache-airflow-task-sdk/{sdk_version}")
