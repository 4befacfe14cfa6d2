"""The emulator as a command."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from dataflow_async import Credentials, DataFlow
from dataflow_async.cli.app import app
from dataflow_async.cli.emulator import ConnectionInfo
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit import events
from dataflow_async.emulator.faults.kinds import KINDS
from tests.cli.process import NOISE, started
from tests.support.markdown import ROOT, blocks

KEYS = Credentials("EMULATOR-ACCESS-KEY", "emulator-secret-key")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_what_it_prints_connects_and_a_signal_ends_it_well(signum):
    with started("emulator", "--port", "0", "--speed", "100") as process:
        python = process.until(r"(?s)(from dataflow_async .*?base_url=\S+\))\n")[1]
        assert re.search(
            r"access key +EMULATOR-ACCESS-KEY\n +secret key +emulator-secret-key\n", process.text
        )
        page = re.search(r"page +(http://\S+/)\n", process.text)[1]
        with urlopen(page) as answer:
            assert b"Data Flow emulator" in answer.read()
        made = {}
        exec(python, made)
        async with made["flow"] as flow:
            job = await flow.jobs.create("orders_rollup", type="SCRIPT")
            assert (await flow.run(job.job_id)).status == "COMPLETED"
            process.interrupt(signum)
            assert process.end() == 0
    assert process.text.endswith("stopped\n")
    assert not NOISE.search(process.text)


def test_the_example_of_the_readme_works_against_it_as_printed(tmp_path):
    program = next(block.text for block in blocks(ROOT / "README.md") if "asyncio.run(" in block.text)
    with started("emulator", "--port", "0", "--speed", "1000", "--job", "stock_import") as process:
        lines = process.until(r"((?:export \w+=\S+\n){3})")[1]
        child = subprocess.run(
            ["bash", "-euc", f"{lines}exec '{sys.executable}' -c \"$PROGRAM\""],
            env=os.environ | {"PROGRAM": program},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert child.returncode == 0, child.stderr
        process.interrupt(signal.SIGINT)
        assert process.end() == 0
    assert child.stdout.count("COMPLETED") == 31


def test_a_job_that_a_state_file_has_is_not_created_again(tmp_path):
    state = str(tmp_path / "state.json")
    for _ in range(2):
        with started("emulator", "--port", "0", "--state", state, "--job", "stock_import") as process:
            process.until("Ctrl-C stops it")
            process.interrupt(signal.SIGINT)
            assert process.end() == 0
    assert [job.name for job in Emulator.load(state).state.jobs.values()] == ["stock_import"]


def test_a_port_in_use_is_reported_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["emulator", "--port", str(port)])
    assert result.exit_code == 1
    assert result.output == f"port {port} on 127.0.0.1 is in use; choose another with --port\n"


def test_an_address_of_another_machine_is_reported_in_one_line():
    result = CliRunner().invoke(app, ["emulator", "--port", "0", "--host", "192.0.2.1", "--allow-remote"])
    assert result.exit_code == 1
    assert re.fullmatch(r"can't listen on port 0 on 192\.0\.2\.1: .+\n", result.output)


def test_it_stays_on_loopback_unless_allowed():
    result = CliRunner().invoke(app, ["emulator", "--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert result.output == "refused: host must be loopback unless --allow-remote is given, got 0.0.0.0\n"


def test_off_loopback_it_warns_and_names_the_way_from_this_machine():
    with started("emulator", "--port", "0", "--host", "0.0.0.0", "--allow-remote") as process:
        process.until("Other machines can reach it")
        assert re.search(r'base_url="http://127\.0\.0\.1:\d+"\)', process.text)
        remote = process.until(r"(?s)without encryption:\n(from .*?NAME-OF-THIS-MACHINE:\d+\S* \S+\))\n")[1]
        made = {}
        exec(remote, made)
        assert repr(made["flow"]).startswith("<DataFlow http://NAME-OF-THIS-MACHINE:")
        process.interrupt()
        assert process.end() == 0


@pytest.mark.parametrize(
    ("url", "code"), [("http://192.0.2.1:80", 1), ("http://[2001:db8::1]:80", 1), ("http://[::1]:80", 0)]
)
def test_what_it_prints_makes_a_client_wherever_it_listens(url, code):
    server = Emulator(allow_remote=True)
    listening = ConnectionInfo(
        SimpleNamespace(url=url, access_key=server.access_key, secret_key=server.secret_key)
    )
    for python in (listening.python, listening.remote_python):
        exec(python, made := {})
        assert repr(made["flow"]) == f"<DataFlow {url}>"
    assert ("allow_insecure_http=True" in listening.python) is bool(code)


@pytest.mark.parametrize("signum", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
async def test_a_state_file_is_written_at_the_end_and_gone_on_with(tmp_path, signum):
    file = tmp_path / "state.json"
    command = ("emulator", "--port", "0", "--state", str(file))
    with started(*command, "--speed", "100", "--fail-rate", "1") as process:
        url = process.until(r"base_url=\"(\S+)\"\)\n")[1]
        process.until(r"State is kept in \S+: 0 jobs, 0 runs\.\n")
        async with DataFlow(KEYS, base_url=url) as flow:
            job = await flow.jobs.create("orders_rollup", type="SCRIPT")
            started_run = await flow.jobs.execute(job.job_id)
        process.interrupt(signum)
        assert process.end() == 0
    assert process.text.endswith("stopped\n")

    with started(*command, "--fire-triggers") as process:
        url = process.until(r"base_url=\"(\S+)\"\)\n")[1]
        process.until(r"1 jobs, 1 runs\.\n")
        async with DataFlow(KEYS, base_url=url) as flow:
            run = await flow.wait(started_run.ref, check=False)
            assert run.status == "FAILED"
        process.interrupt(signum)
        assert process.end() == 0
    assert not NOISE.search(process.text)
    kept = Emulator.load(file)
    assert (kept.speed, kept.fail_rate, kept.fire_triggers) == (100, 1, True)
    assert list(kept.state.executions) == [started_run.job_execution_id]


def test_a_state_file_that_is_none_or_does_not_fit_is_refused_in_one_line(tmp_path):
    file = tmp_path / "state.json"
    file.write_text("{}")
    result = CliRunner().invoke(app, ["emulator", "--port", "0", "--state", str(file)])
    assert result.exit_code == 2
    assert result.output == f"refused: {file} must be a saved state of the emulator, got other JSON\n"
    assert file.read_text() == "{}"

    Emulator(seed=3).save(file)
    result = CliRunner().invoke(app, ["emulator", "--port", "0", "--state", str(file), "--seed", "4"])
    assert result.exit_code == 2
    assert result.output == "refused: seed must stay 3, with which the state was made, got 4\n"

    result = CliRunner().invoke(app, ["emulator", "--port", "0", "--state", str(tmp_path)])
    assert result.exit_code == 2
    assert result.output.startswith("refused: ") and "directory" in result.output


def test_a_state_that_cannot_be_written_is_reported_before_it_listens_for_long(tmp_path):
    file = tmp_path / "absent" / "state.json"
    result = CliRunner().invoke(app, ["emulator", "--port", "0", "--state", str(file)])
    assert result.exit_code == 1
    assert result.output == f"can't write the state to {file}: No such file or directory\n"


def test_faults_and_log_are_printed_and_do_what_they_say(tmp_path):
    log = tmp_path / "log.jsonl"
    with started(
        "emulator", "--port", "0", "--faults", "getJobs 503 #2; clock 4m", "--log", str(log)
    ) as process:
        url = process.until(r"emulator at (http://\S+) ")[1]
        process.until(rf"fault: getJobs 503 #2\nfault: clock seconds=4m\nevents are appended to {log}\n")
        with urlopen(f"{url}/_emulator/status") as answer:
            assert json.load(answer)["faults"] == "getJobs 503 #2; clock seconds=4m"
        with pytest.raises(HTTPError, match="401"):
            urlopen(f"{url}/api/v1/jobs")
        process.popen.kill()  # nothing is lost even then
    assert [type(it).__name__ for it in events.read_history(log)] == [
        "ServerStarted",
        "RequestReceived",
        "SignatureChecked",
        "AnswerSent",
    ]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (
            ["--faults", "getJobs rain"],
            2,
            r"refused: fault 'getJobs rain': kind must be one of refuse, .*",
        ),
        (["--log", "."], 1, r"can't write .*: Is a directory"),
        (["--log", __file__], 1, r"can't append to .*: line 1 must be an event of a history, got .*"),
    ],
)
def test_bad_faults_and_bad_logs_are_refused_in_one_line(options, code, words):
    result = CliRunner().invoke(app, ["emulator", "--port", "0", *options])
    assert result.exit_code == code
    assert re.fullmatch(words + r"\n", result.output)


def test_help_tells_how_faults_are_written_and_all_kinds_of_them():
    text = CliRunner().invoke(app, ["emulator", "--help"]).output
    assert "[OPERATIONS] KIND [NAME=VALUE ...] [before|after] [N%] [xN] [#N,M]" in text
    assert all(f"\n    {kind.usage()}\n" in text for kind in KINDS.values())
    assert max(map(len, text.splitlines())) <= 80


def invoked(*options):
    return CliRunner().invoke(app, ["emulator", "--port", "0", *map(str, options)])


async def test_jobs_of_a_file_and_the_length_of_runs(tmp_path):
    jobs = [
        {"name": "stock_import", "condition": {"numWorker": 4}, "runs": ["FAILED", ["COMPLETED", 0.1]]},
        {"name": "orders", "type": "VISUAL", "maxConcurrentRuns": 1},
        {"name": "\x1b[2J\n"},
    ]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    options = ("--jobs", str(tmp_path / "jobs.json"), "--run-seconds", "0-0.1", "--speed", "100")
    with started("emulator", "--port", "0", *options) as process:
        url = process.until(r"base_url=\"(\S+)\"\)\n")[1]
        job_id = process.until(r"job (\w+) is called stock_import\n")[1]
        async with DataFlow(KEYS, base_url=url) as flow:
            runs = [await flow.run(job_id, check=False) for _ in range(3)]
            types = {job.name: job.type async for job in flow.jobs.list()}
        process.interrupt()
        assert process.end() == 0
    assert r"is called \x1b[2J\n" in process.text
    assert [run.status for run in runs] == ["FAILED", "COMPLETED", "FAILED"]
    assert runs[0].job_condition.num_worker == 4
    assert types == {"stock_import": "SCRIPT", "orders": "VISUAL", "\x1b[2J\n": "SCRIPT"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "must be a list of jobs"),
        ("[{}]", "job 1: a job must be an object with a name"),
        ('[{"name": "a"}, {"name": "b", "x": 1}]', "job 2: members must be of name, .*, got 'x'"),
        ('[{"name": "a", "runs": ["RUNNING"]}]', "job 1: an outcome must be"),
        ('[{"name": "a", "condition": 1}]', "job 1: condition must be an object"),
    ],
)
def test_a_file_that_holds_no_jobs_is_refused_in_one_line(tmp_path, content, words):
    (tmp_path / "jobs.json").write_text(content)
    result = invoked("--jobs", tmp_path / "jobs.json")
    assert result.exit_code == 2 and re.search(words, result.output) and result.output.count("\n") == 1


@pytest.mark.parametrize("text", ["x", "-1", "9-3", "nan", "1-inf"])
def test_a_length_of_runs_that_is_none_is_refused(text):
    result = invoked("--run-seconds", text)
    assert result.exit_code == 2


async def test_it_behaves_like_the_account_of_a_report(tmp_path):
    facts = {"jobs: rows": 3, "jobs: order": "oldest first", "throttled": "yes"}
    report = {"format": "dataflow_async probe", "version": 1, "facts": facts}
    (tmp_path / "probe.json").write_text(json.dumps(report))
    with started("emulator", "--port", "0", "--like", str(tmp_path / "probe.json")) as process:
        url = process.until(r"emulator at (http://\S+) ")[1]
        process.until("like the account of the report: getJobs list-order order=oldest")
        process.until("unlike that account: throttled; rate limits are injected by a test")
        async with DataFlow(KEYS, base_url=url) as flow:
            assert (await flow.jobs.page(limit=1)).items[0].name == "sample-job-1"
        process.interrupt()
        assert process.end() == 0


def test_a_report_that_is_none_or_has_a_state_beside_it_is_refused_in_one_line(tmp_path):
    (tmp_path / "probe.json").write_text("{}")
    result = invoked("--like", tmp_path / "probe.json")
    assert (result.exit_code, result.output) == (
        2,
        "refused: like must be the report of a probe, got something else\n",
    )
    Emulator().save(tmp_path / "state.json")
    result = invoked("--like", tmp_path / "probe.json", "--state", tmp_path / "state.json")
    assert result.exit_code == 2 and "does not go with the one in --state" in result.output
