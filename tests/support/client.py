"""A client for scripted servers."""

import socket
from typing import Any

from dataflow_async import Credentials, DataFlow
from tests.support.clocks import LeapClock

ACCESS, SECRET = "TESTACCESSKEY0000000", "test-secret-key-that-must-never-be-seen"
KEYS = Credentials(ACCESS, SECRET)
RUN = {"jobExecutionId": "Ex9dN4uVrB6t", "jobId": "Jq3kT9vLmN2x", "status": "READY"}
RUN_OF_A1 = {**RUN, "jobId": "a1"}


def client(url: str, **settings: Any) -> DataFlow:
    """Naps take no time unless a clock is given."""
    settings.setdefault("clock", LeapClock())
    return DataFlow(settings.pop("credentials", KEYS), base_url=url, **settings)


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
