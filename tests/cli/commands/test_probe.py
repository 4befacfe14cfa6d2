"""``dataflow-async probe``."""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from rich.cells import cell_len

from dataflow_async import defaults
from dataflow_async.cli import probing
from dataflow_async.probe.rulings import RULINGS
from tests.cli.process import NOISE, ran, started
from tests.cli.shell import data, invoke


@pytest.fixture(autouse=True)
def emulator(dataflow_emulator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(defaults, "PROBE_IDLE", 0.0)
    monkeypatch.setattr(defaults, "PROBE_IDLE", 0.0)
    dataflow_emulator.create_job("stock_import")
    return dataflow_emulator


def test_it_prints_findings_and_writes_a_report(emulator, tmp_path):
    result = invoke("probe")
    assert "Which error envelopes come?" in result.stdout
    assert "nothing is started or changed" in result.stderr
    assert "0 refuted" in result.stderr
    report = json.loads((tmp_path / "probe.json").read_text())
    assert report["format"] == "dataflow_async probe"
    for private in ("stock_import", emulator.access_key, "127.0.0.1", *emulator.state.jobs):
        assert private not in (tmp_path / "probe.json").read_text()


def test_findings_are_data(tmp_path):
    found = data("probe", "--report", tmp_path / "mine.json")
    assert found == json.loads((tmp_path / "mine.json").read_text())["findings"]


def test_notes_are_a_table_of_what_was_seen():
    lines = invoke("probe", "--notes").stdout.splitlines()
    assert lines[:2] == ["| # | A probe says | Seen |", "| --- | --- | --- |"]
    assert "| [71](#ruling-71) | confirmed |" not in lines  # one job shows no count
    assert "| [70](#ruling-70) | confirmed | 00:00:01 (counts by day starts) |" in lines
    assert all(line.count("|") == 4 for line in lines)


def test_people_see_first_what_is_refuted(emulator):
    emulator.faults.parse("error-form")
    lines = invoke("probe").stdout.splitlines()[1:]
    answers = [line.split()[1] for line in lines]
    assert answers[:3] == ["refuted"] * 3 and answers[-1] == "not"
    assert [finding["ruling"] for finding in data("probe")] == sorted(int(line.split()[0]) for line in lines)


def test_a_report_may_be_replaced_and_no_other_file(tmp_path):
    invoke("probe")
    invoke("probe")
    (tmp_path / "probe.json").write_text("{}")
    assert "is no report" in invoke("probe", code=2).stderr
    assert (tmp_path / "probe.json").read_text() == "{}"


def test_a_file_that_cannot_be_written_is_one_line():
    assert "can't write" in invoke("probe", "--report", "nowhere/probe.json", code=1).stderr


def test_refused_keys_end_it(tmp_path):
    assert "check the keys" in invoke("probe", code=4, NCLOUD_SECRET_ACCESS_KEY="wrong").stderr
    assert not (tmp_path / "probe.json").exists()


# --- with a run --------------------------------------------------------------------------------------------


def test_nothing_is_started_unless_a_job_is_named(emulator):
    invoke("probe")
    assert len(emulator.state.executions) == 0


def test_one_run_of_the_named_job_is_started(emulator, tmp_path):
    result = invoke("probe", "--with-runs", "stock_import", "--run-timeout", "0")
    assert len(emulator.state.executions) == 1
    assert "was started" in result.stderr and "nothing is started" not in result.stderr
    assert json.loads((tmp_path / "probe.json").read_text())["withRuns"] is True


def test_a_launch_without_answer_is_uncertain(emulator, tmp_path):
    emulator.faults.parse("executeJob close")
    result = invoke("probe", "--with-runs", "stock_import", "--run-timeout", "0", code=6)
    assert "the launch may have started a run" in result.stderr
    assert (tmp_path / "probe.json").exists()


def test_on_a_real_account_it_is_refused_where_nobody_can_be_asked(emulator, monkeypatch):
    monkeypatch.setattr("dataflow_async.cli.context.LOOPBACK", frozenset())
    result = invoke("probe", "--with-runs", "stock_import", code=2)
    for words in (
        "start one run of job stock_import",
        "costs 2 workers for up to 360 minutes",
        "EMUL...",
        emulator.url,
    ):
        assert words in result.stderr
    assert len(emulator.state.executions) == 0

    invoke("probe", "--with-runs", "stock_import", "--yes", "--run-timeout", "0")
    assert len(emulator.state.executions) == 1


def test_a_job_that_is_not_there_ends_it(tmp_path):
    invoke("probe", "--with-runs", "no_such_job", code=7)
    assert not (tmp_path / "probe.json").exists()


# --- what goes wrong ---------------------------------------------------------------------------------------


class NumericIds(BaseHTTPRequestHandler):
    """A service whose ids are numbers."""

    def do_GET(self):
        job = {"jobId": 17, "name": "stock_import"}
        path = self.path.partition("?")[0]
        known = {"/api/v1/jobs": {"list": [job], "count": 1}, "/api/v1/jobs/17": job}
        body = json.dumps(known.get(path, {"list": [], "count": 0})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_ids_that_are_numbers_refute_a_ruling_and_start_nothing(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), NumericIds) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        result = invoke("probe", "--with-runs", "17", "--url", url, code=1)
        server.shutdown()
    assert "--with-runs is left out, no run is started: DecodeError" in result.stderr
    assert result.stderr.splitlines()[-1] == "incomplete: no run was started"
    findings = json.loads((tmp_path / "probe.json").read_text())["findings"]
    assert next(it for it in findings if it["ruling"] == 85)["answer"] == "refuted"


def test_access_that_is_lost_after_a_launch_ends_with_where_to_look(emulator, tmp_path, monkeypatch):
    follow = probing.Follower.follow

    def lose(self, exchange):
        follow(self, exchange)
        if exchange.question.name == "launch":
            emulator.rotate_keys("another", "pair")

    monkeypatch.setattr(probing.Follower, "follow", lose)
    result = invoke("probe", "--with-runs", "stock_import", code=4)
    run = next(iter(emulator.state.executions))
    assert f"run {run} was not seen to end and may go on, which costs money" in result.stderr
    assert f"dataflow-async executions show {next(iter(emulator.state.jobs))} {run}" in result.stderr
    assert "incomplete: access was lost after the question 'launched run'" in result.stderr
    assert json.loads((tmp_path / "probe.json").read_text())["incomplete"]


def test_time_that_is_up_is_a_report_and_an_exit_code(tmp_path):
    result = invoke("probe", "--timeout", "0", code=124)
    assert "incomplete: time was up; give it a longer --timeout" in result.stderr
    assert json.loads((tmp_path / "probe.json").read_text())["incomplete"] == "time was up"


def test_a_pipe_gets_a_line_while_nothing_is_answered(emulator, monkeypatch):
    monkeypatch.setattr(probing, "LINE_EVERY", 0.05)
    monkeypatch.setattr(defaults, "PROBE_QUESTION_TIMEOUT", 0.4)
    emulator.faults.parse("getTriggers stall-headers #1")
    result = invoke("probe")
    assert "questions are answered, the last was 'workflows" in result.stderr
    assert "Traceback" not in result.stderr


# --- a terminal, and a pipe --------------------------------------------------------------------------------


@pytest.fixture
def shell(emulator):
    """The environment of a process that talks to the emulator."""
    return {
        "NCLOUD_DATAFLOW_URL": emulator.url,
        "NCLOUD_ACCESS_KEY_ID": emulator.access_key,
        "NCLOUD_SECRET_ACCESS_KEY": emulator.secret_key,
    }


def words_of(tmp_path, *more):
    return ("probe", "--hold-idle", "0", "--report", str(tmp_path / "r.json"), *more)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_whole_lines(emulator, shell, tmp_path, columns):
    emulator.faults.parse("getJobs members add=tenantNo")
    with started(*words_of(tmp_path), terminal=True, **shell, COLUMNS=str(columns)) as process:
        assert process.end() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", process.text).replace("\r", "")
    table = [line for line in text.splitlines() if re.match(r" *\d+  (refuted|confirmed|not seen)", line)]
    assert len(table) == len(RULINGS) and table[0].split()[:2] == ["33", "refuted"]
    assert max(map(cell_len, table)) <= columns
    said = " ".join(text.split())
    assert (
        "ruling 33 is refuted: tenantNo (members unknown); members that the contract lacks are in `.raw`"
        in said
    )
    assert re.search(r"\d+ confirmed, 1 refuted, \d+ not seen", text) and "\x1b" not in text


def test_a_pipe_gets_whole_cells_and_the_rest_on_standard_error(shell, tmp_path):
    done = ran(*words_of(tmp_path), **shell)
    output, errors = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, errors
    assert "Which order and cap do lists have, and does page 1 follow page 0?" in output
    assert "\x1b" not in output + errors and "…" not in output
    assert errors.splitlines()[-1].endswith("bytes, without any text of the account)")


def test_an_interrupted_probe_says_what_is_true_and_writes_nothing(emulator, shell, tmp_path):
    emulator.faults.parse("getTriggers stall-headers")
    with started(*words_of(tmp_path), terminal=True, **shell) as process:
        process.until("nothing is started")
        process.interrupt()
        assert process.end() == 130
    assert "interrupted: nothing was started" in process.text and not NOISE.search(process.text)
    assert not (tmp_path / "r.json").exists()
