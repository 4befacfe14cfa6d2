"""A whole Airflow on this machine: database, api-server, scheduler with its workers, DAG processor, triggerers."""

import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from tests.airflow.deployment.airflow_api import AirflowApi
from tests.airflow.deployment.dags import kill_points
from tests.airflow.deployment.postgres import Postgres
from tests.airflow.deployment.processes import Process, run, until
from tests.airflow.deployment.settings import Settings, free_port

SPARED = "its task goes on: no run is cancelled"
LONG = 0.2
"""Seconds for which an event loop may be blocked."""
_BLOCKED = re.compile(r"the event loop was blocked for ([0-9.]+) seconds, at (.*?)(?: \[|$)")


@frozen
class Block:
    """A time in which an event loop of a triggerer did nothing else; see ``airflow_local_settings``."""

    seconds: float
    where: str
    """Frames, the innermost first."""

    @property
    def is_ours(self) -> bool:
        """Whether code of this package was seen there, and not only Airflow's own: its runner logs each start in the loop."""
        return "dataflow_async/" in self.where

    @property
    def is_freeze(self) -> bool:
        """Whether it is as long as only a test makes it, which freezes a triggerer."""
        return self.seconds > 10


AIRFLOW = str(Path(sys.executable).with_name("airflow"))


@define(eq=False)
class Deployment:
    """All parts by their names: ``api-server``, ``scheduler``, ``dag-processor``, ``triggerer-1``, ``triggerer-2``.

    Whatever starts is in `parts` before it starts, so `stop` ends it, also after Ctrl-C and after a failed start.
    """

    dags: Path
    connection: Mapping[str, str]
    """The connection of the tasks, as a person enters it."""
    tasks: int = 100
    """Mapped tasks of the large DAG."""
    triggers: int = 1000
    """Tasks that are deferred without workers, see `defer`."""
    seed: int = 1
    home: Path = field(
        factory=lambda: Path(tempfile.mkdtemp(prefix="dataflow_async_deployment_")), init=False
    )
    postgres: Postgres = field(factory=Postgres, init=False)
    parts: dict[str, Process] = field(factory=dict, init=False)
    settings: Settings = field(init=False)
    api: AirflowApi = field(init=False)
    environ: dict[str, str] = field(init=False)
    took: dict[str, float] = field(factory=dict, init=False)
    """Seconds of each step of the start."""

    def __attrs_post_init__(self) -> None:
        self.settings = Settings(
            self.home, self.dags, self.postgres.url, free_port(), self.tasks + self.triggers
        )
        deaths = {
            kill_points.FOLDER: self.home / "killed",
            kill_points.SEED: self.seed,
            kill_points.TASKS: self.tasks,
            kill_points.REPEATS: self.repeats,
            kill_points.TRIGGERS: self.triggers,
        }
        self.environ = self.settings.environ() | {name: str(value) for name, value in deaths.items()}
        self.api = AirflowApi(self.settings.url)

    @property
    def repeats(self) -> int:
        """How many tasks of the large DAG die at each point and in each way."""
        return max(1, self.tasks // 50)

    def start(self) -> None:
        """Start everything but the second triggerer, and wait until all of it is healthy."""
        (self.home / "killed").mkdir()
        (self.home / "config").mkdir()
        shutil.copy(Path(__file__).with_name("airflow_local_settings.py"), self.home / "config")
        self._timed("database", self.postgres.start)
        self._timed("migration", lambda: run([AIRFLOW, "db", "migrate"], self.environ))
        self._timed("parts", self._start_parts)

    def _timed(self, name: str, step: Callable[[], None]) -> None:
        began = time.monotonic()
        step()
        self.took[name] = round(time.monotonic() - began, 1)

    def _start_parts(self) -> None:
        for name in ("api-server", "scheduler", "dag-processor"):
            self.start_part(name, [name])
        self.start_triggerer(1)
        until(self._is_healthy, "all parts are healthy", 120)
        self.api.log_in()
        self.api.add_connection(**self.connection)

    def start_part(self, name: str, arguments: list[str], **environ: str) -> None:
        """Start a part, or start it again."""
        if name not in self.parts:
            command = [AIRFLOW, *arguments]
            self.parts[name] = Process(name, command, self.environ | environ, self.home / f"{name}.log")
        self.parts[name].start()

    def start_triggerer(self, number: int) -> None:
        """Start a triggerer; several share the work."""
        port = str(free_port())
        self.start_part(f"triggerer-{number}", ["triggerer"], AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT=port)

    def _is_healthy(self) -> bool:
        for name, part in self.parts.items():
            if not part.alive:
                raise RuntimeError(f"{name} ended: {part.log.read_text('utf-8', 'replace')[-3000:]}")
        parts = self.api.healthy()
        return parts is not None and all(parts.get(it) == "healthy" for it in _PARTS)

    def defer(self, dag_id: str, run_id: str, trigger: type, arguments: list[dict[str, Any]]) -> None:
        """Defer all mapped tasks of a run of a DAG: each waits in a trigger of these arguments, and no worker has run it."""
        program = str(Path(__file__).with_name("defer_tasks.py"))
        classpath = f"{trigger.__module__}.{trigger.__qualname__}"
        run([sys.executable, program, dag_id, run_id, classpath], self.environ, given=json.dumps(arguments))

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until the DAG processor has read a DAG."""
        until(lambda: self.api.has_dag(dag_id), f"the DAG {dag_id} is read", 60)

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float) -> str:
        """Wait until a run of a DAG has ended, and return how."""

        def ended() -> str | None:
            state = self.api.state_of(dag_id, run_id)
            return state if state in {"success", "failed"} else None

        try:
            return str(until(ended, f"{dag_id} {run_id} ends", seconds))
        except TimeoutError as error:
            raise TimeoutError(f"{error}; its tasks: {self.api.states(dag_id, run_id)}") from None

    def logged(self, text: str) -> list[str]:
        """Return the lines in the logs of all parts that contain a text."""
        logs = [part.log.read_text("utf-8", "replace") for part in self.parts.values() if part.log.exists()]
        return [line for log in logs for line in log.splitlines() if text in line]

    @property
    def blocks(self) -> list["Block"]:
        """For how long the event loops of triggerers did nothing else, and where."""
        found = (re.search(_BLOCKED, line) for line in self.logged("the event loop was blocked for"))
        return [Block(float(it[1]), it[2]) for it in found if it is not None]

    def trigger_logs(self, dag_id: str) -> list[Path]:
        """Return the logs that triggers of a DAG have written so far."""
        return list((self.home / "logs" / f"dag_id={dag_id}").rglob("*.trigger.*.log"))

    def has_spared(self, dag_id: str) -> bool:
        """Return whether a triggerer has logged that it cancels no run of a DAG, because its task goes on.

        Where hundreds are handed over, Airflow has closed most logs of their tasks by then, and it is in the triggerer's.
        """
        own = any(SPARED in it.read_text("utf-8") for it in self.trigger_logs(dag_id))
        return own or any(f"dag_id={dag_id} " in line for line in self.logged(SPARED))

    def deaths(self, dag_id: str) -> dict[int, str]:
        """Return where and how tasks of a DAG have died, by their map index."""
        marks = (self.home / "killed").glob(f"{dag_id}.*")
        return {int(it.name.rpartition(".")[2]): it.read_text("utf-8") for it in marks}

    @property
    def memory(self) -> dict[str, int]:
        """Megabytes that each part holds."""
        return {name: part.memory >> 20 for name, part in self.parts.items() if part.alive}

    def stop(self, *, keep: bool = False) -> None:
        """Kill everything, and remove all files unless they are to be kept."""
        for part in reversed(self.parts.values()):
            part.kill_all()
        self.postgres.stop()
        self.api.close()
        if keep:
            print(f"logs are kept in {self.home}")
        else:
            shutil.rmtree(self.home, ignore_errors=True)


_PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
