"""The guide to Airflow keeps its word: its DAGs run against an emulator, its commands do what they are for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.models.connection import Connection
from airflow.utils.session import create_session

from dataflow_async.airflow.hook import clients, connections
from dataflow_async.emulator import verify_history
from tests.airflow.dags import DagRuns, connection, threaded_emulator
from tests.support.markdown import ROOT, blocks

GUIDE = ROOT / "docs" / "pages" / "guides" / "airflow.md"
BLOCKS = [block for block in blocks(GUIDE) if block.note == "airflow"]
DAGS = [block for block in BLOCKS if block.language == "python"]
COMMANDS = [block for block in BLOCKS if block.language == "bash"]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def server(airflow_database, monkeypatch):
    """An emulator with the things that the guide names."""
    with threaded_emulator(ready_seconds=(0, 0), run_seconds=(0.05, 0.1)) as server:
        monkeypatch.setenv("AIRFLOW_CONN_NCLOUD_DATA_FLOW_DEFAULT", connection(server))
        server.create_job("stock_import")
        server.launch(server.create_job("imported_elsewhere"))
        connections.forget()
        clients.forget()
        yield server
        connections.forget()
        clients.forget()


def test_the_guide_has_dags_and_commands():
    assert len(DAGS) >= 3
    assert len(COMMANDS) >= 1


@pytest.mark.parametrize("block", DAGS, ids=str)
def test_a_dag_of_the_guide_succeeds(block, server):
    names = {"__name__": "guide"}
    exec(compile(block.text, str(block), "exec"), names)
    assert DagRuns(dag=names["dag"]).test(logical_date=None) == "success"  # as one by hand
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
