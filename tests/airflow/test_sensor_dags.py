"""The sensor in Dags that run in this process, as `dag.test()` runs them: behind an operator, and by a stored connection."""

import json

import pytest
from airflow.models.connection import Connection
from airflow.utils.session import create_session

from dataflow_async.airflow import DataFlowJobSensor, DataFlowRunJobOperator
from tests.airflow.dags import DagRuns, connection, threaded_emulator

pytestmark = pytest.mark.filterwarnings("ignore")
WAYS = pytest.mark.parametrize("deferrable", [True, False])


@pytest.fixture
def server(airflow_database, monkeypatch):
    with threaded_emulator(ready_seconds=(0, 0), run_seconds=(0.05, 0.1)) as server:
        monkeypatch.setenv("AIRFLOW_CONN_SENSED", connection(server))
        yield server


@pytest.fixture(autouse=True)
def fresh(airflow_database):
    from dataflow_async.airflow import hook

    hook.connections.forget()
    yield
    hook.connections.forget()


@WAYS
def test_a_sensor_waits_for_the_run_that_a_task_before_it_has_started(server, deferrable):
    job_id = server.create_job("stock_import")

    def tasks():
        start = DataFlowRunJobOperator(
            task_id="start", conn_id="sensed", job_id=job_id, wait_for_completion=False
        )
        sense = DataFlowJobSensor(
            task_id="sense",
            conn_id="sensed",
            job_id=job_id,
            execution_id="{{ ti.xcom_pull('start')['execution_id'] }}",
            deferrable=deferrable,
            poke_interval=0.1,
        )
        start >> sense

    dag = DagRuns(tasks)
    assert dag.test() == "success"
    (started,), (sensed,) = dag.xcoms("start"), dag.xcoms("sense")
    assert sensed["execution_id"] == started["execution_id"]
    assert sensed["status"] == "COMPLETED"


@WAYS
def test_a_failed_run_fails_the_sensor(server, deferrable):
    job_id = server.create_job("stock_import")
    server.script(job_id, ["FAILED"])
    run = server.launch(job_id)
    dag = DagRuns(
        lambda: DataFlowJobSensor(
            task_id="sense",
            conn_id="sensed",
            job_id=job_id,
            execution_id=run,
            deferrable=deferrable,
            poke_interval=0.1,
        )
    )
    assert dag.test() == "failed"


def test_a_trigger_of_a_dag_test_finds_a_stored_connection(server):
    values = json.loads(connection(server))
    with create_session() as session:
        session.add(Connection(conn_id="stored", **{**values, "extra": json.dumps(values["extra"])}))
        session.commit()
    job_id = server.create_job("stock_import")
    run = server.launch(job_id)
    dag = DagRuns(
        lambda: DataFlowJobSensor(task_id="sense", conn_id="stored", job_id=job_id, execution_id=run)
    )
    assert dag.test() == "success"
