"""What else goes on in the night: bulk launches, workflows and sensors, whose tasks die as well."""

import asyncio
import time
from typing import Self

from attrs import frozen

from tests.airflow.deployment.dags.kill_points import (
    AFTER_INTENT,
    BULK,
    POINTS,
    SENSOR,
    SENSOR_POINTS,
    WORKFLOW,
)
from tests.airflow.deployment.deployment import Deployment
from tests.airflow.deployment.service import Service
from tests.workflows.test_runner_emulator import made

RUN_ID = "night"
SHAPE = {"load": "", "report": ["load"]}
UNSEEN = POINTS.index(AFTER_INTENT)
"""Map index of the workflow whose start is recorded and never sent: no Airflow can find out that it was not."""
RUN_SECONDS = 3


@frozen
class Beside:
    """One run of each of the other DAGs."""

    deployment: Deployment
    service: Service
    bulk_job: str
    workflows: dict[str, list[str]]
    """Ids of the jobs of each workflow, by its id; the last job of each runs until `finish`."""
    awaited: list[str]
    """The job of each sensor; it has a run of yesterday."""

    @classmethod
    def create(cls, deployment: Deployment, service: Service) -> Self:
        """Create what the tasks of these DAGs name."""
        workflows = asyncio.run(_workflows(service))
        bulk, awaited = service.do(lambda: service.server.create_job(BULK)), []
        for job_id in (bulk, *(jobs[0] for jobs in workflows.values())):
            service.script(job_id, RUN_SECONDS)
        for _, report in workflows.values():
            service.script(report)
        for _ in SENSOR_POINTS:
            awaited.append(service.create_endless_job(SENSOR))
            service.finish([service.launch(awaited[-1])])
        return cls(deployment, service, bulk, workflows, awaited)

    @property
    def jobs(self) -> list[str]:
        """Return the ids of all jobs."""
        return [
            self.bulk_job,
            *self.awaited,
            *(job_id for jobs in self.workflows.values() for job_id in jobs),
        ]

    def start(self) -> None:
        """Start the DAGs."""
        names = {"workflows": list(self.workflows), "jobs": self.awaited, "since": _iso(time.time() + 1)}
        for dag_id in (BULK, WORKFLOW, SENSOR):
            self.deployment.wait_for_dag(dag_id)
            self.deployment.api.start(dag_id, RUN_ID, names)

    def are_waiting(self) -> bool:
        """Return whether all workflows and sensors are awaited, but the one start that is uncertain."""
        return self.states(WORKFLOW) == {"deferred": len(POINTS) - 1, "failed": 1} and self.states(
            SENSOR
        ) == {"deferred": len(SENSOR_POINTS)}

    def launch_awaited(self) -> list[str]:
        """Launch what the sensors wait for, as another system does."""
        return [self.service.launch(job_id) for job_id in self.awaited]

    def finish(self) -> None:
        """Let all runs complete."""
        ends = [*self.awaited, *(jobs[-1] for jobs in self.workflows.values())]
        self.service.finish([run for job_id in ends for run in self.service.runs(job_id)])

    def states(self, dag_id: str) -> dict[str, int]:
        """Return how many tasks of a DAG are in each state."""
        return self.deployment.api.states(dag_id, RUN_ID)

    def starts(self) -> list[list[int]]:
        """Return how many runs each job of each workflow has, by the map index of the task."""
        return [[len(self.service.runs(job_id)) for job_id in jobs] for jobs in self.workflows.values()]


async def _workflows(service: Service) -> dict[str, list[str]]:
    async with service.server.client() as flow:
        found = [await made(flow, SHAPE) for _ in POINTS]
    return {workflow_id: list(jobs.values()) for workflow_id, jobs in found}


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(seconds))
