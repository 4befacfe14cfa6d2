"""The hook: a client whose keys and address come from a connection of Airflow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk import __version__ as sdk_version
from airflow.sdk.execution_time import task_runner

from dataflow_async import defaults
from dataflow_async.airflow.clients import Clients
from dataflow_async.airflow.connections import AirflowConnection, Connections, ConnectionSettings, key_source
from dataflow_async.client import URL_NAME, DataFlow
from dataflow_async.errors import DataFlowError

T = TypeVar("T")
DEFAULT_CONN_ID = "ncloud_data_flow_default"


async def _afetch(conn_id: str) -> AirflowConnection:
    """Return a connection without blocking the event loop; in `dag.test()`, whose supervisor is no process, at once."""
    supervisor = getattr(task_runner, "SUPERVISOR_COMMS", None)
    if supervisor is not None and not hasattr(supervisor, "asend"):
        return BaseHook.get_connection(conn_id)
    return await BaseHook.aget_connection(conn_id)


def _made(settings: ConnectionSettings) -> DataFlow:
    return DataFlow(
        key_source(connections, settings),
        base_url=settings.base_url,
        allow_insecure_http=settings.allow_insecure_http,
        user_agent_suffix=f"apache-airflow-task-sdk/{sdk_version}",
    )


async def _opened(conn_id: str | None) -> DataFlow:
    return _made(await connections.aget(conn_id))


connections = Connections(BaseHook.get_connection, _afetch)
"""The connections of this process."""
clients = Clients(_opened, connections.aget)
"""The clients of this process."""


if hasattr(os, "register_at_fork"):  # workers and triggerers fork
    os.register_at_fork(after_in_child=connections.forget)
    os.register_at_fork(after_in_child=clients.forget)


class DataFlowHook(BaseHook):
    """A client of NAVER Cloud Data Flow with the keys of a connection.

    The connection's login is the access key and its password the secret key; its extra field may hold ``base_url``,
    ``profile`` and ``allow_insecure_http``. A connection without keys uses the environment, the profile file or the server role
    of the worker or triggerer, in this order, as `DataFlow` does.

    Args:
        conn_id: The connection; None for none: address and keys come from the environment, a profile file or a server role.
    """

    conn_name_attr = "conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "ncloud_data_flow"
    hook_name = "NAVER Cloud Data Flow"

    def __init__(self, conn_id: str | None = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id

    def settings(self) -> ConnectionSettings:
        """Return what the connection says; blocks while it is looked up, so it is for workers.

        Raises:
            CredentialsError: It is not defined, or malformed.
        """
        return connections.get(self.conn_id)

    async def asettings(self) -> ConnectionSettings:
        """Return what the connection says, without blocking the event loop.

        Raises:
            CredentialsError: It is not defined, or malformed.
        """
        return await connections.aget(self.conn_id)

    def service(self) -> str:
        """Return the address of the service; for workers, as `settings`.

        Raises:
            CredentialsError: The connection is not defined, or malformed.
        """
        return (self.settings().base_url or os.environ.get(URL_NAME) or defaults.BASE_URL).rstrip("/")

    def client(self) -> AbstractAsyncContextManager[DataFlow]:
        """Lend the client of this connection for an ``async with`` block; all who use it in an event loop share it.

        Raises:
            CredentialsError: On entering: the connection can't be looked up, or is malformed.
        """
        return clients.use(self.conn_id)

    def run(self, work: Callable[[DataFlow], Awaitable[T]]) -> T:
        """Return the result of ``work(client)``, run in an event loop of its own: for workers, whose tasks have none.

        Args:
            work: Called once with a client, which is closed afterwards.

        Raises:
            CredentialsError: The connection can't be looked up, or is malformed.
            DataFlowError: What ``work`` raises.
        """
        self.settings()  # looked up here, because requests of a worker to its supervisor block

        async def whole() -> T:
            async with self.client() as flow:
                return await work(flow)

        return asyncio.run(whole())

    def get_conn(self) -> ConnectionSettings:
        """Return what the connection says, as `settings` does: a client needs an event loop, see `client` and `run`."""
        return self.settings()

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the keys of the connection may list jobs, and what came of it in words."""
        try:
            settings = Connections(BaseHook.get_connection, _afetch).get(self.conn_id)  # as it is now

            async def ask() -> int:
                async with _made(settings) as flow:
                    return len((await flow.jobs.page(0, 1)).items)

            asyncio.run(ask())
        except DataFlowError as error:
            return False, str(error)
        return True, "The service answered: these keys may list jobs"
