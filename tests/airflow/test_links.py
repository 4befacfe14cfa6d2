"""The links that Airflow shows on a task lead to its run, in whichever state it is."""

import json

import pytest
from airflow.models.xcom import XComModel
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session

from dataflow_async import defaults
from dataflow_async.airflow import DataFlowBulkOperator, DataFlowJobSensor, DataFlowRunJobOperator
from dataflow_async.airflow.events import RunReport
from dataflow_async.airflow.hook import connections
from dataflow_async.airflow.links import ConsoleLink, LogLink, shown_run
from dataflow_async.airflow.provider import get_provider_info
from tests.airflow.dags import AT_ONCE, DagRuns, connection, threaded_emulator

pytestmark = pytest.mark.filterwarnings("ignore")
WAYS = pytest.mark.parametrize("deferrable", [True, False])
DONE = RunReport("job", "run", "COMPLETED", log_path="lake/logs/a b/run")


def links(conn_id, run=DONE):
    """What both links of a task say."""
    task = DataFlowRunJobOperator(task_id="run", job_id="job", conn_id=conn_id)
    task.shown_run = run
    return [link.get_link(task, ti_key=None) for link in (ConsoleLink(), LogLink())]


@pytest.fixture
def links_to(monkeypatch):
    """A connection with this extra; what both links of a task that uses it say."""

    def define(extra, run=DONE):
        monkeypatch.setenv(
            "AIRFLOW_CONN_LINKED", json.dumps({"conn_type": "ncloud_data_flow", "extra": extra})
        )
        connections.forget()
        return links("linked", run)

    yield define
    connections.forget()


def test_they_lead_to_the_console_and_to_the_address_of_the_log(links_to):
    assert links_to({}) == [
        "https://console.ncloud.com/",
        "https://kr.object.ncloudstorage.com/lake/logs/a%20b/run",
    ]
    assert links_to({"base_url": f"{defaults.BASE_URL}/"}) == links_to({})


def test_without_a_run_they_lead_nowhere_and_without_a_log_only_one_does(links_to):
    assert links_to({}, None) == ["", ""]
    assert links_to({}, RunReport("job", "run")) == ["https://console.ncloud.com/", ""]


def test_at_an_emulator_the_page_of_the_emulator_is_shown(links_to):
    assert links_to({"base_url": "http://127.0.0.1:8787"}) == ["http://127.0.0.1:8787/", ""]


def test_a_connection_names_other_addresses_in_which_the_run_is_filled_in(links_to):
    extra = {
        "console_url": "https://console.example/jobs/{job_id}?run={execution_id}&{other}",
        "log_url": "https://logs.example/{log_path}",
    }
    assert links_to(extra) == [
        "https://console.example/jobs/job?run=run&{other}",
        "https://logs.example/lake/logs/a%20b/run",
    ]


def test_of_many_runs_the_first_that_did_not_complete_is_shown():
    first, second = (RunReport("job", name, "COMPLETED") for name in "ab")
    bad = RunReport("job", "c", "FAILED")
    assert shown_run() is None
    assert shown_run(first, second) == first
    assert shown_run(first, bad, second) == bad


def test_both_classes_are_listed_and_their_names_differ():
    named = {path.rpartition(".")[2] for path in get_provider_info()["extra-links"]}
    assert named == {"ConsoleLink", "LogLink"}
    assert len({link().name for link in (ConsoleLink, LogLink)}) == 2


# --- in Dags -----------------------------------------------------------------------------------------------


@pytest.fixture
def server(airflow_database, monkeypatch):
    with threaded_emulator(ready_seconds=(0, 0), run_seconds=(0.05, 0.1)) as server:
        settings = json.loads(connection(server))
        settings["extra"]["console_url"] = "https://console.example/{execution_id}"
        monkeypatch.setenv("AIRFLOW_CONN_NCLOUD_DATA_FLOW_DEFAULT", json.dumps(settings))
        connections.forget()
        yield server
        connections.forget()


def stored(dag):
    """What the link to the console leads to, as Airflow has stored it with each task."""
    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag.dag_id, key=ConsoleLink().xcom_key)
        return {row.task_id: XComModel.deserialize_value(row).rpartition("/")[2] for row in rows}


@WAYS
@pytest.mark.parametrize("end", ["COMPLETED", "FAILED"])
def test_a_task_that_has_ended_links_to_its_run(server, deferrable, end):
    job_id = server.create_job("stock_import")
    server.script(job_id, [end])
    dag = DagRuns(lambda: DataFlowRunJobOperator(task_id="run", job_id=job_id, deferrable=deferrable))
    dag.test()
    assert stored(dag) == {"run": next(iter(server.state.executions))}


def test_a_retry_links_to_the_run_that_it_has_launched(server):
    job_id = server.create_job("stock_import")
    server.script(job_id, ["FAILED", "COMPLETED"])
    dag = DagRuns(lambda: DataFlowRunJobOperator(task_id="run", job_id=job_id, retries=1, **AT_ONCE))
    assert dag.test() == "success"
    assert stored(dag) == {"run": list(server.state.executions)[1]}


@WAYS
def test_a_sensor_and_a_task_of_many_runs_link_as_well(server, deferrable):
    job_id, other = server.create_job("stock_import"), server.create_job("other")
    sensed = server.launch(other)
    server.script(job_id, ["COMPLETED", "FAILED", "COMPLETED"])

    def tasks():
        DataFlowJobSensor(
            task_id="sense", job_id=other, execution_id=sensed, deferrable=deferrable, poke_interval=0.1
        )
        DataFlowBulkOperator(task_id="many", launches=[{"job_id": job_id}] * 3, deferrable=deferrable)

    dag = DagRuns(tasks)
    dag.test()
    (failed,) = [
        run.execution_id
        for run in server.state.executions.values()
        if str(server.status(run.execution_id)) == "FAILED"
    ]
    assert stored(dag) == {"sense": sensed, "many": failed}


def test_the_server_shows_the_links_of_a_dag_whose_code_it_does_not_import(monkeypatch):
    from airflow.sdk import DAG

    monkeypatch.setattr(
        DagSerialization, "_load_operator_extra_links", True
    )  # a scheduler reads Dags without
    with DAG("linked", schedule=None) as dag:
        DataFlowRunJobOperator(task_id="one", job_id="job")
        DataFlowRunJobOperator.partial(task_id="mapped", job_id="job").expand(parameters=[{"a": "b"}])
    shown = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    names = [ConsoleLink().name, LogLink().name]
    assert [sorted(task.extra_links) for task in shown.tasks] == [names, names]
