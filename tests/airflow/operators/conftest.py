"""What the tests of the operators share: one emulator, and Airflow's own warnings let pass."""

import pytest


@pytest.fixture(scope="session")
def emulator():
    """One emulator for all tests: Airflow's connection to it is looked up once."""
    from tests.airflow.dags import connection, threaded_emulator

    with (
        threaded_emulator(ready_seconds=(0, 0), run_seconds=(0.05, 0.1)) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AIRFLOW_CONN_NCLOUD_DATA_FLOW_DEFAULT", connection(server))
        yield server


@pytest.fixture
def server(airflow_database, emulator):
    """The emulator, without the faults of the test before."""
    emulator.faults.clear()
    return emulator


@pytest.fixture
def job_id(server):
    """A new job."""
    return server.create_job("stock_import")
