"""What tests of the whole path observe inside a client: its pipeline, its HTTP session and the pool of that."""

from typing import Any

from dataflow_async import DataFlow
from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.transport.pipeline import CallPipeline


def calls_of(flow: DataFlow) -> CallPipeline:
    """Return the pipeline, whose limiter, retry budget and gateway clock are not public."""
    return flow._calls


def session_of(flow: DataFlow) -> Session:
    """Return the session, which no user can reach."""
    return flow._session


def http_of(flow: DataFlow) -> Any:
    """Return the aiohttp session in use; None before the first call."""
    return flow._session._http


def connections_in_use(flow: DataFlow) -> int:
    """Return the connections that the pool has handed out; aiohttp does not publish that."""
    http = http_of(flow)
    return len(http.connector._acquired) if http is not None and http.connector is not None else 0


def cached_hosts(flow: DataFlow) -> list[object]:
    """Return what the pool remembers of name lookups; aiohttp does not publish that."""
    return list(http_of(flow).connector._cached_hosts._addrs_rr)
