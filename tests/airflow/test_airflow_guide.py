"""The guide to Airflow keeps its word: its DAGs run against an emulator, its commands do what they are for."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.configuration import conf
from airflow.models.connection import Connection
from airflow.utils.session import create_session

from dataflow_async import defaults
from dataflow_async.airflow import (
    DataFlowBulkOperator,
    DataFlowJobSensor,
    DataFlowRunJobOperator,
    DataFlowRunWorkflowOperator,
)
from dataflow_async.airflow.hook import clients, connections
from dataflow_async.airflow.links import ConsoleLink, LogLink
from dataflow_async.airflow.provider import get_provider_info
from dataflow_async.airflow.task_state import FINDING, NOT_STARTED
from dataflow_async.emulator import verify_history
from tests.airflow.dags import DagRuns, connection, threaded_emulator
from tests.support.markdown import ROOT, blocks
from tests.workflows.test_runner_emulator import made

GUIDE = ROOT / "docs" / "pages" / "guides" / "airflow.md"
BLOCKS = [block for block in blocks(GUIDE) if block.note == "airflow"]
DAGS = [block for block in BLOCKS if block.language == "python"]
SHOWN = {"text"}
COMMANDS = [block for block in BLOCKS if block.language == "bash"]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def server(airflow_database, monkeypatch):
    """An emulator with the things that the guide names."""
    with threaded_emulator(ready_seconds=(0, 0), run_seconds=(0.05, 0.1)) as server:
        monkeypatch.setenv("AIRFLOW_CONN_NCLOUD_DATA_FLOW_DEFAULT", connection(server))
        server.create_job("stock_import")
        server.launch(server.create_job("imported_elsewhere"))
        monkeypatch.setenv("AIRFLOW_VAR_NIGHTLY_WORKFLOW_ID", asyncio.run(workflow_of(server)))
        connections.forget()
        clients.forget()
        yield server
        connections.forget()
        clients.forget()


async def workflow_of(server):
    """A workflow of two jobs."""
    async with server.client() as flow:
        workflow_id, _ = await made(flow, {"load": "", "report": ["load"]})
        return workflow_id


def test_all_code_of_the_guide_runs_here():
    """The other tests of documentation leave such blocks out."""
    code = [block for block in blocks(GUIDE) if block.language not in SHOWN]
    assert len(code) == len(DAGS) + len(COMMANDS)
    assert min(len(DAGS), len(COMMANDS)) >= 1


@pytest.mark.parametrize("when", [{}, {"logical_date": None}], ids=["scheduled", "by hand"])
@pytest.mark.parametrize("block", DAGS, ids=str)
def test_a_dag_of_the_guide_succeeds(block, server, when):
    names = {"__name__": "guide"}
    exec(compile(block.text, str(block), "exec"), names)
    assert DagRuns(dag=names["dag"]).test(**when) == "success"
    assert len(server.state.executions) > 1
    assert verify_history(server.history) == []


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_a_command_of_the_guide_adds_a_connection_that_leads_to_the_emulator(block, airflow_database):
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    subprocess.run(["bash", "-euc", block.text], check=True, capture_output=True, env=environ)
    with create_session() as session:
        [found] = session.query(Connection).filter_by(conn_id="ncloud_data_flow_default")
        assert (found.conn_type, found.login) == ("ncloud_data_flow", "EMULATOR-ACCESS-KEY")
        assert found.extra_dejson == {"base_url": "http://127.0.0.1:8787"}
        session.delete(found)


# --- what the guide says of this package and of Airflow ------------------------------------------------------

TEXT = " ".join(GUIDE.read_text("utf-8").split())
OPERATORS = (DataFlowBulkOperator, DataFlowJobSensor, DataFlowRunJobOperator, DataFlowRunWorkflowOperator)


def test_the_table_of_the_connection_has_every_field_of_the_form():
    [form] = get_provider_info()["connection-types"]
    for name, field in form["conn-fields"].items():
        assert f"`{name}`" in TEXT
        assert field["label"] in TEXT


def test_the_finding_is_written_where_the_guide_says():
    from airflow.api_fastapi.core_api.routes.public.task_state_store import task_state_store_router

    (path,) = re.findall(r"`/api/v2(/\S+)/dataflow_async\.finding`", TEXT)
    assert path == task_state_store_router.prefix
    assert f"`{FINDING}`" in TEXT
    assert f"`{NOT_STARTED}`" in TEXT


def test_names_of_links_are_those_that_airflow_shows():
    assert f"*{ConsoleLink().name}*" in TEXT
    assert f"*{LogLink().name}*" in TEXT


def test_numbers_are_those_of_airflow_and_of_this_package():
    assert f"{conf.getint('core', 'max_map_length'):,} unless set" in TEXT
    assert f"{conf.getint('triggerer', 'capacity'):,} triggers unless" in TEXT
    assert f"`visibility_delay` on, {defaults.VISIBILITY_DELAY:g} s" in TEXT
    assert f"up to {defaults.TASK_TIMEOUT_MARGIN:g} s before it" in TEXT
    assert (defaults.CONNECTION_TTL, "kept for five minutes" in TEXT) == (300, True)
    assert (defaults.BULK_REFILL_DELAY, "Half a minute after a run has ended" in TEXT) == (30, True)
    assert (defaults.TASK_OUTAGE, "up to a minute while the service can't be reached" in TEXT) == (60, True)
    assert (defaults.TASK_LAUNCH_TIMEOUT, "up to four minutes for a launch" in TEXT) == (240, True)
    assert conf.getboolean("state_store", "clear_on_success") is False


def test_every_operator_is_explained_and_waits_in_a_triggerer_by_default():
    for kind in OPERATORS:
        assert kind.__name__ in TEXT
    task = DataFlowRunJobOperator(task_id="run", job_id="job")
    assert (task.deferrable, task.durable, task.cancel_on_kill, task.cancel_on_timeout) == (True,) * 4
    assert DataFlowJobSensor(task_id="sense", job_id="job").deferrable is True


def test_airflow_counts_deferred_tasks_as_the_guide_says():
    from airflow.jobs.scheduler_job_runner import ConcurrencyMap
    from airflow.ti_deps.dependencies_states import ACTIVE_STATES
    from airflow.utils.state import TaskInstanceState

    assert TaskInstanceState.DEFERRED in ACTIVE_STATES
    counted = ConcurrencyMap()
    rows = [("dag", "task", "run", TaskInstanceState.DEFERRED, 2)]
    counted.load(type("Session", (), {"execute": lambda *_: rows})())
    assert counted.task_concurrency_map["dag", "task"] == 2
    assert counted.dag_run_active_tasks_map["dag", "run"] == 0


def test_triggers_have_no_request_for_the_state_of_a_task():
    from typing import get_args

    from airflow.jobs.triggerer_job_runner import ToTriggerSupervisor
    from airflow.sdk.execution_time.comms import GetConnection, GetTaskStateStore

    answered = get_args(get_args(ToTriggerSupervisor)[0])
    assert GetConnection in answered
    assert GetTaskStateStore not in answered


def test_airflow_expires_state_and_kills_after_heartbeats_as_the_guide_says():
    from inspect import signature

    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    assert (conf.getint("state_store", "default_retention_days"), "expire after 30 days" in TEXT) == (
        30,
        True,
    )
    assert (conf.getint("workers", "max_failed_heartbeats"), "three heartbeats in a row" in TEXT) == (3, True)
    delay = signature(WatchedSubprocess.kill).parameters["escalation_delay"].default
    assert (delay, "five seconds later" in TEXT) == (5.0, True)
    assert delay >= defaults.TASK_KILL_TIMEOUT
    assert conf.getint("triggerer", "on_kill_timeout", fallback=30) == 30
    assert (defaults.KILL_TIMEOUT < 30, "no more than 30 s" in TEXT) == (True, True)
