"""The emulator that a deployment talks to, in a thread of the tests, and what its history proves."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from attrs import frozen

from dataflow_async import defaults
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import RequestReceived, StateChanged
from dataflow_async.emulator.threaded import OnLoop, loop_in_a_thread

T = TypeVar("T")
DAY = "day"
"""The parameter by which a test tells launches apart."""
POLLS = ("getJobExecutions", "getJobExecutionById")
"""Calls that read statuses of runs."""
ENDLESS = 86_400.0
"""Seconds of work of a run that ends when a test lets it end."""


@frozen
class Service:
    """One emulator."""

    server: Emulator
    _on_loop: OnLoop

    def connection(self) -> dict[str, str]:
        """Return the connection that leads to it, as a person enters it."""
        return {
            "connection_id": "ncloud_data_flow_default",
            "conn_type": "ncloud_data_flow",
            "login": self.server.access_key,
            "password": self.server.secret_key,
            "extra": f'{{"base_url": "{self.server.url}"}}',
        }

    def do(self, change: Callable[[], T]) -> T:
        """Change the server in its own thread, and return what the change returns."""

        async def changed() -> T:
            return change()

        return self._on_loop(changed())

    def create_endless_job(self, name: str) -> str:
        """Create a job whose runs work until `finish`, and return its id."""
        job_id = self.do(lambda: self.server.create_job(name))
        self.script(job_id)
        return job_id

    def script(self, job_id: str, seconds: float = ENDLESS) -> None:
        """Let the runs of a job work for so long, and complete then."""
        self.do(lambda: self.server.script(job_id, [("COMPLETED", seconds)], repeat=True))

    def launch(self, job_id: str) -> str:
        """Launch a run, as another system does, and return its id."""
        return self.do(lambda: self.server.launch(job_id))

    def finish(self, execution_ids: Iterable[str]) -> None:
        """Let some runs complete."""
        self.do(lambda: [self.server.finish(it) for it in execution_ids])

    # --- what its history proves ----------------------------------------------------------------------------

    def changes(self, what: str, job_id: str) -> list[StateChanged]:
        """Return the changes of one kind to runs of a job, such as ``launched`` and ``canceled``."""
        changed = [it for it in self.server.history if isinstance(it, StateChanged)]
        runs = {it.resource_id for it in changed if it.what == "launched" and it.job_id == job_id}
        return [it for it in changed if it.what == what and it.resource_id in runs]

    def runs(self, job_id: str) -> list[str]:
        """Return the ids of all runs of a job."""
        return [it.resource_id for it in self.changes("launched", job_id)]

    def count(self, job_id: str) -> int:
        """Return how many runs a job has; this costs less than `runs`."""
        return self.do(lambda: len(self.server.state.jobs[job_id].executions))

    def launches(self, job_id: str) -> Counter[str]:
        """Return how often each day was launched."""
        return Counter(self.days(job_id).values())

    def days(self, job_id: str) -> dict[str, str]:
        """Return the day of each run that was launched, by its id."""
        return {it.resource_id: (it.parameters or {})[DAY] for it in self.changes("launched", job_id)}

    def polls(self, job_id: str, since: float, until: float) -> int:
        """Return how many requests of a time read statuses of a job's runs."""
        received = [it for it in self.server.history if isinstance(it, RequestReceived)]
        polls = [it for it in received if it.operation in POLLS and f"/jobs/{job_id}/" in it.target]
        return sum(since <= it.time < until for it in polls)

    def polls_one_by_one(self, job_id: str, since: float, until: float) -> list[float]:
        """Return how often the library polls each run of a job: as many requests, if each were polled by itself."""
        return [_polls(since - it.time, until - it.time) for it in self.changes("launched", job_id)]


def _polls(begin: float, end: float) -> float:
    """How often a run is polled between two ages: each interval is its age divided by a constant, within bounds."""
    divisor = defaults.POLL_AGE_DIVISOR
    young, old = divisor * defaults.POLL_MIN_INTERVAL, divisor * defaults.POLL_MAX_INTERVAL

    def between(lower: float, upper: float) -> tuple[float, float]:
        return min(max(begin, lower), upper), max(min(end, upper), lower)

    first, middle, last = between(0, young), between(young, old), between(old, math.inf)
    return (
        (first[1] - first[0]) / defaults.POLL_MIN_INTERVAL
        + divisor * math.log(middle[1] / middle[0])
        + (last[1] - last[0]) / defaults.POLL_MAX_INTERVAL
    )


@contextmanager
def serving(**settings: object) -> Iterator[Service]:
    """Run an emulator until the block ends."""
    with loop_in_a_thread() as on_loop:
        server = Emulator(**settings)
        on_loop(server.start())
        try:
            yield Service(server, on_loop)
        finally:
            on_loop(server.stop())
