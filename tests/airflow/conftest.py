"""Tests of the Airflow provider: most need Airflow, which lives in an environment of its own (see .ci/run)."""

import os
import shutil
import sys
import tempfile
from base64 import b64encode
from importlib.util import find_spec
from pathlib import Path

import pytest

WITHOUT_AIRFLOW = {
    "test_airflow.py",
    "test_arguments.py",
    "test_bulk_launching.py",
    "test_clients.py",
    "test_connections.py",
    "test_events.py",
    "test_in_flight.py",
    "test_launching.py",
    "test_lineage.py",
    "test_next_step.py",
    "test_provider.py",
    "test_run_search.py",
    "test_run_wait.py",
    "test_shared_reads.py",
    "test_task_state.py",
    "test_unrecorded.py",
    "test_wait_warnings.py",
    "test_worker_thread.py",
    "test_workflow_launching.py",
    "test_workflow_wait.py",
}
"""Files that run in the quick suite too: what they test imports nothing of Airflow."""
HAS_AIRFLOW = find_spec("airflow") is not None
NOISE = (
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
"""What Airflow and its own dependencies warn of while they are imported and run, which nothing here can mend."""

HERE = Path(__file__).parent
FILES = [it.relative_to(HERE).as_posix() for it in HERE.rglob("test_*.py")]
collect_ignore = [] if HAS_AIRFLOW else [it for it in FILES if it not in WITHOUT_AIRFLOW]

HOME = None
if HAS_AIRFLOW and "airflow" not in sys.modules:  # it reads these once, on import
    HOME = tempfile.mkdtemp(prefix="dataflow_async_airflow_")
    os.environ.update(
        {
            "AIRFLOW_HOME": HOME,
            "AIRFLOW__CORE__FERNET_KEY": b64encode(bytes(32)).decode(),  # the same in all processes
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
        }
    )


def pytest_configure(config):
    if HAS_AIRFLOW:
        for line in NOISE:
            config.addinivalue_line("filterwarnings", line)


def pytest_unconfigure():
    if HOME:
        shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_database():
    """An empty database of Airflow's, as a new installation has it; once a process."""
    from airflow.utils.db import initdb

    initdb()


def pytest_addoption(parser):
    group = parser.getgroup("Airflow")
    group.addoption("--deployment-tasks", type=int, default=100, help="mapped tasks of the real deployment")
    group.addoption(
        "--deployment-triggers", type=int, default=1000, help="tasks of it that are deferred at once"
    )
    group.addoption(
        "--require-deployment", action="store_true", help="fail where the real deployment can't be started"
    )


@pytest.fixture(scope="session")
def service():
    """The emulator that the deployment's connection leads to."""
    from tests.airflow.deployment.service import serving

    with serving(seed=12, run_seconds=(20, 60), history_limit=2_000_000) as found:
        yield found


@pytest.fixture(scope="session")
def deployment(request, service):
    """A whole Airflow; it is started once, and killed at the end, also on Ctrl-C."""
    from tests.airflow.deployment import postgres
    from tests.airflow.deployment.deployment import Deployment

    if reason := postgres.missing():
        (pytest.fail if request.config.getoption("--require-deployment") else pytest.skip)(reason)
    numbers = [request.config.getoption(f"--deployment-{it}") for it in ("tasks", "triggers")]
    started = Deployment(HERE / "deployment" / "dags", service.connection(), *numbers)
    try:
        started.start()
        yield started
    finally:
        started.stop(keep=bool(request.session.testsfailed))
