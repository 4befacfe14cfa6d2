"""The emulator that a deployment talks to, in a thread of the tests, and what its history proves."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import RequestReceived, StateChanged
from tests.support.threaded import running

DAY = "day"
"""The parameter by which a test tells launches apart."""


@frozen
class Service:
    """One emulator."""

    server: Emulator

    def connection(self) -> dict[str, str]:
        """Return the connection that leads to it, as a person enters it."""
        return {
            "connection_id": "ncloud_data_flow_default",
            "conn_type": "ncloud_data_flow",
            "login": self.server.access_key,
            "password": self.server.secret_key,
            "extra": f'{{"base_url": "{self.server.url}"}}',
        }

    def changes(self, what: str, job_id: str) -> list[StateChanged]:
        """Return the changes of one kind to runs of a job, such as ``launched`` and ``canceled``."""
        return [
            it
            for it in self.server.history
            if isinstance(it, StateChanged) and (it.what, it.job_id) == (what, job_id)
        ]

    def launches(self, job_id: str) -> Counter[str]:
        """Return how often each day was launched."""
        return Counter((it.parameters or {}).get(DAY, "?") for it in self.changes("launched", job_id))

    def days_of(self, execution_ids: set[str], job_id: str) -> set[str]:
        """Return the days of some runs."""
        launched = self.changes("launched", job_id)
        return {(it.parameters or {}).get(DAY, "?") for it in launched if it.resource_id in execution_ids}

    def requests(self, *operations: str, since: float = 0) -> int:
        """Return how many requests of some operations were received; of all, where none is named."""
        return sum(
            isinstance(it, RequestReceived)
            and it.time >= since
            and (not operations or it.operation in operations)
            for it in self.server.history
        )


@contextmanager
def serving(**settings: object) -> Iterator[Service]:
    """Run an emulator until the block ends."""
    with running(Emulator(**settings)) as server:
        yield Service(server)
