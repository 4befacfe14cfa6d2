"""One run of the large DAG, step by step, while parts of the deployment die at seeded moments."""

import random
import time
from collections.abc import Callable
from typing import Any

from attrs import define, field

from tests.airflow.deployment.beside import RUN_ID, Beside
from tests.airflow.deployment.dags import kill_points
from tests.airflow.deployment.deployment import Deployment
from tests.airflow.deployment.processes import until
from tests.airflow.deployment.service import Service

DAG_ID = kill_points.LARGE
LOST_ANSWERS = "executeJob reset after 5%; executeWorkflow reset after #2,5"
"""Launches that take effect, and whose answer never comes: 5 % of so few workflows would be none."""
SECONDS_EACH = 6.0
"""Most seconds that one task may take to start and to resume, on a machine that does other work."""
HANDOVER = 90
"""Most seconds from the end of a triggerer until another one begins to take its triggers."""
TAKEN = 10
"""Triggers that it takes in a second, at least; Airflow reads 50 at a time."""


@define(eq=False)
class Night:
    """The DAG's run, the job that its tasks launch, and what goes on beside it."""

    deployment: Deployment
    service: Service
    job_id: str
    beside: Beside
    chance: random.Random
    killed: list[str] = field(factory=list)
    """The parts that were killed, each with the number of launches or of ended tasks before."""

    @property
    def tasks(self) -> int:
        """How many mapped tasks the DAG has."""
        return self.deployment.tasks

    @property
    def step_timeout(self) -> float:
        """Most seconds of a step."""
        return 120 + self.tasks * SECONDS_EACH

    def launch(self) -> None:
        """Start the DAG, kill a triggerer and the scheduler while it launches, and wait until all tasks are deferred."""
        faults = self.service.do(lambda: self.service.server.faults.parse(LOST_ANSWERS))
        self.beside.start()
        self.deployment.api.start(DAG_ID, RUN_ID)
        self._kill_at(self._launched, {"triggerer-1": 0.2, "scheduler": 0.4})
        until(lambda: self._count("deferred") == self.tasks, "all tasks are deferred", self.step_timeout)
        until(self.beside.are_waiting, "workflows and sensors wait", self.step_timeout)
        self.beside.launch_awaited()
        self.service.do(lambda: [self.service.server.faults.remove(it) for it in faults])

    def resume(self) -> None:
        """Let all runs end, kill the triggerers and the scheduler meanwhile, and wait for the DAG's end."""
        waiting = list(self.service.days(self.job_id))
        self.chance.shuffle(waiting)
        half = len(waiting) // 2
        self.service.finish(waiting[:half])
        self.beside.finish()
        self._kill_at(self._ended, {"triggerer-1": 0.1, "scheduler": 0.25})
        self.service.finish(waiting[half:])
        self._kill_at(self._ended, {"triggerer-2": 0.6})
        for dag_id in kill_points.DYING:
            self.deployment.wait_for_run(dag_id, RUN_ID, self.step_timeout)

    def _kill_at(self, reached: Callable[[], int], shares: dict[str, float]) -> None:
        """Kill parts, and start them again, when a number has reached about these shares of the tasks."""
        for part, share in shares.items():
            moment = int(self.tasks * (share + self.chance.uniform(-0.05, 0.05)))
            until(
                lambda moment=moment: reached() >= moment,
                f"{moment} tasks before {part} dies",
                self.step_timeout,
            )
            self.killed.append(f"{part} after {reached()}")
            self.deployment.parts[part].kill_all()
            time.sleep(self.chance.uniform(0, 3))
            self.deployment.parts[part].start()

    def _launched(self) -> int:
        return self.service.count(self.job_id)

    def _ended(self) -> int:
        return self._count("success")

    def _count(self, state: str) -> int:
        return self.deployment.api.count(DAG_ID, RUN_ID, state)

    def states(self) -> dict[str, int]:
        """Return how many tasks are in each state."""
        return self.deployment.api.states(DAG_ID, RUN_ID)

    def planned_deaths(self, *, until_deferred: bool) -> set[tuple[str, int, str]]:
        """Return the DAGs and map indexes of tasks that are to die, and where and how: all, or before they are deferred."""
        seed, tasks, repeats = self.deployment.seed, self.tasks, self.deployment.repeats
        later = (kill_points.AT_RESUME, kill_points.AFTER_RESUME) if until_deferred else ()
        return {
            (dag_id, index, f"{point}, {who}")
            for dag_id in kill_points.DYING
            for index, (point, who) in kill_points.deaths(dag_id, seed, tasks, repeats).items()
            if point not in later
        }

    def deaths(self) -> set[tuple[str, int, str]]:
        """Return the DAGs and map indexes of tasks that have died, and where and how."""
        found = {dag_id: self.deployment.deaths(dag_id) for dag_id in kill_points.DYING}
        return {(dag_id, index, how) for dag_id, dead in found.items() for index, how in dead.items()}

    def outcomes(self) -> list[dict[str, Any]]:
        """Return what the tasks have pushed as their outcomes."""
        return self.deployment.api.outcomes(DAG_ID, RUN_ID, "run", self.tasks)

    def triggerers(self) -> set[int]:
        """Return the ids of the triggerers that the tasks wait in, as Airflow numbers them."""
        found = [it["triggerer_job"] for it in self.deployment.api.tasks(DAG_ID, RUN_ID)]
        return {job["id"] for job in found if job is not None}

    def wait_for_handover(self, before: set[int]) -> set[int]:
        """Wait until no task waits in one of these triggerers any more, and return those they wait in now."""

        def elsewhere() -> set[int]:
            now = self.triggerers()
            return set() if now & before else now

        return until(elsewhere, "the triggers are handed over", HANDOVER + self.tasks / TAKEN)
