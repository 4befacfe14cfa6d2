"""Tests of the Airflow provider: most need Airflow, which lives in an environment of its own (see .ci/run)."""

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

WITHOUT_AIRFLOW = {
    "test_airflow.py",
    "test_arguments.py",
    "test_clients.py",
    "test_connections.py",
    "test_events.py",
    "test_in_flight.py",
    "test_launching.py",
    "test_next_step.py",
    "test_provider.py",
    "test_task_state.py",
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

collect_ignore = (
    []
    if HAS_AIRFLOW
    else [it.name for it in Path(__file__).parent.glob("test_*.py") if it.name not in WITHOUT_AIRFLOW]
)

if HAS_AIRFLOW and "airflow" not in sys.modules:  # it reads these once, on import
    home = tempfile.mkdtemp(prefix="dataflow_async_airflow_")
    os.environ.update(
        {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        }
    )


def pytest_configure(config):
    if HAS_AIRFLOW:
        for line in NOISE:
            config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def airflow_database():
    """An empty database of Airflow's, as a new installation has it; once a process."""
    from airflow.utils.db import initdb

    initdb()
