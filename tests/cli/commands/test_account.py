"""``dataflow-async whoami`` and ``dashboard``."""

import json
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests.cli.shell import data, invoke


@pytest.fixture(autouse=True)
def emulator(dataflow_emulator):
    return dataflow_emulator


def test_keys_service_clock_and_a_call_that_reads(emulator):
    assert data("whoami") == {
        "service": emulator.url,
        "serviceSource": "NCLOUD_DATAFLOW_URL",
        "accessKey": "EMUL...",
        "keySource": "environment (NCLOUD_ACCESS_KEY_ID, NCLOUD_SECRET_ACCESS_KEY)",
        "clockSkew": pytest.approx(0, abs=2),
        "reading": "yes, there is no job yet",
    }
    assert "as the service's" in invoke("whoami", "--url", emulator.url).stdout


def test_the_file_of_profiles_is_named(tmp_path, emulator):
    (tmp_path / ".ncloud").mkdir()
    keys = f"ncloud_access_key_id = {emulator.access_key}\nncloud_secret_access_key = {emulator.secret_key}\n"
    (tmp_path / ".ncloud" / "configure").write_text(f"[batch]\n{keys}")
    found = data("whoami", "--profile", "batch", HOME=str(tmp_path))
    assert found["keySource"] == f"profile file {tmp_path}/.ncloud/configure, profile batch"


class Refusing(BaseHTTPRequestHandler):
    """A gateway that accepts the keys and refuses what they may not do."""

    def do_GET(self):
        body = json.dumps({"error": {"errorCode": "210", "message": "Permission Denied"}}).encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_refusal_names_the_policy_that_is_missing():
    with HTTPServer(("127.0.0.1", 0), Refusing) as gateway:
        Thread(target=gateway.serve_forever, daemon=True).start()
        result = invoke("whoami", "--url", f"http://127.0.0.1:{gateway.server_port}", code=4)
        gateway.shutdown()
    assert "NCP_DATA_FLOW_VIEWER" in result.stdout
    assert "NCP_DATA_FLOW_SERVICE_ROLE" in result.stdout


def test_refused_keys_are_one_line_without_the_secret():
    result = invoke("whoami", code=4, NCLOUD_SECRET_ACCESS_KEY="not-the-secret")
    assert "reading     no" in result.stdout
    assert result.stderr.count("\n") == 1
    assert "not-the-secret" not in result.output


def test_no_keys_are_one_line():
    absent = dict.fromkeys(("NCLOUD_ACCESS_KEY_ID", "NCLOUD_SECRET_ACCESS_KEY"), "")
    metadata = "http://127.0.0.1:1"
    result = invoke("whoami", code=4, HOME="/nonexistent", NCLOUD_METADATA_API_ENDPOINT=metadata, **absent)
    assert "keys from   none" in result.stdout
    assert result.stderr.startswith("CredentialsError: no credentials found; tried ")


def test_runs_of_a_period_are_counted(emulator):
    job_id = emulator.create_job("stock_import")
    emulator.script(job_id, ["COMPLETED", "FAILED"])
    for code in (0, 5):
        invoke("jobs", "run", job_id, "--wait", code=code)
    counted = data("dashboard", "--since", "24h")
    assert (counted["totalCount"], counted["completedCount"], counted["failedCount"]) == (2, 1, 1)
    lines = invoke("dashboard", "--since", "2d").stdout.splitlines()
    assert lines[2].split() == ["runs", "2"]
    assert lines[6].split()[-1] == "runs"
    assert json.loads(invoke("dashboard", "-o", "jsonl").stdout)["days"]


@pytest.mark.dataflow(faults="getJobs 401 skew=900")
def test_keys_that_a_wrong_clock_spoils_are_not_blamed(emulator):
    shown = invoke("whoami", code=4).stdout
    assert re.search(r"this clock  (899|900) s behind the service's", shown)
    assert "the right time: set the clock of this machine" in shown
