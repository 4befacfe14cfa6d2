"""The two parts of a client that tests of the whole path observe: its call pipeline and its HTTP session."""

from dataflow_async import DataFlow
from dataflow_async.transport.aiohttp_session import Session
from dataflow_async.transport.pipeline import CallPipeline


def calls_of(flow: DataFlow) -> CallPipeline:
    """Return the pipeline, whose limiter, retry budget and gateway clock are not public."""
    return flow._calls


def session_of(flow: DataFlow) -> Session:
    """Return the session, which no user can reach."""
    return flow._session
