"""The demo: what it shows, what it refuses, and how it takes being interrupted."""

import re
import signal
import socket

import pytest
from typer.testing import CliRunner

from dataflow_async import Credentials, DataFlow
from dataflow_async.cli.app import app
from dataflow_async.emulator import Emulator
from tests.cli.process import NOISE, REAL, environment, started
from tests.support.threaded import running

QUICK = ("demo", "--count", "20", "--speed", "200")
KEYS = {"NCLOUD_ACCESS_KEY_ID": "EMULATOR-ACCESS-KEY", "NCLOUD_SECRET_ACCESS_KEY": "emulator-secret-key"}


def invoke(*arguments, **env):
    absent = dict.fromkeys(("NCLOUD_ACCESS_KEY", "NCLOUD_SECRET_KEY", "NCLOUD_PROFILE", "FORCE_COLOR"))
    return CliRunner().invoke(app, arguments, env={**absent, "HOME": environment()["HOME"], **env})


def ended(text):
    """Rows of the table: runs by status."""
    return {
        status: int(runs) for status, runs in re.findall(r"^([A-Z]+) +(\d+) .*\d:\d\d", text, re.MULTILINE)
    }


@pytest.fixture
def service():
    """Address of an emulator whose runs take no time."""
    with running(Emulator(speed=1000)) as server:
        yield server.url


def client(url):
    return DataFlow(Credentials(*KEYS.values()), base_url=url)


# --- what it shows ---------------------------------------------------------------------------------------------


def test_it_shows_outcomes_a_failure_and_the_dashboard():
    with started(*QUICK) as process:
        assert process.end() == 0
    text = process.text
    runs = ended(text)
    assert set(runs) == {"COMPLETED", "FAILED"}
    assert sum(runs.values()) == 20
    assert f"The dashboard: 20 runs, {runs['COMPLETED']} completed, {runs['FAILED']} failed." in text
    assert re.search(
        r"error +ExecutionFailed\n +message +execution \w{12} of job \w{12} ended FAILED; its log: demo/logs/\n",
        text,
    )
    assert re.search(r"ref +dataflow-execution:1:\w{12}:\w{12}\n", text)
    assert int(re.search(r"Requests for waiting: (\d+)\.", text)[1]) >= 1
    assert 'await flow.run("YOUR_JOB_ID")' in text
    assert not NOISE.search(text)


def test_a_pipe_gets_plain_lines_however_narrow():
    with started(*QUICK, COLUMNS="20") as process:
        assert process.end() == 0
    assert "\x1b" not in process.text
    assert "\r" not in process.text
    assert "20/20  20 launched   0 running" in process.text
    assert "outcome     runs   shortest   median   longest" in process.text


def test_without_failures_none_is_shown():
    result = invoke(*QUICK, "--fail-rate", "0")
    assert result.exit_code == 0
    assert ended(result.output) == {"COMPLETED": 20}
    assert "did not complete" not in result.output


def test_a_terminal_gets_a_bar_and_its_cursor_back():
    with started(*QUICK, terminal=True) as process:
        assert process.end() == 0
    assert "20/20" in process.text
    assert process.text.rindex("\x1b[?25h") > process.text.rindex("\x1b[?25l")
    visible = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", process.text)
    lines = [line for line in re.split(r"[\r\n]+", visible) if not line.startswith("  message")]
    assert max(map(len, lines)) <= 80


# --- what it refuses -------------------------------------------------------------------------------------------


def test_a_real_account_needs_a_yes_and_nothing_is_sent_without():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = invoke("demo", "--count", "7", "--url", url, **KEYS)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert result.exit_code == 2
    assert re.fullmatch(
        r"refused: .*7 runs that cost money.*--yes-launch-on-a-real-account.*\n", result.output
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "http://127.0.0.1:1", "--yes-launch-on-a-real-account"),
        ("--profile", "mine"),
        ("--yes-launch-on-a-real-account",),
    ],
)
def test_half_an_account_is_refused(arguments):
    result = invoke("demo", *arguments)
    assert result.exit_code == 2
    assert re.fullmatch("refused: .*--(url|nrn).*\n", result.output)


@pytest.mark.parametrize(
    "arguments", [("--count", "0"), ("--speed", "0"), ("--speed", "nan"), ("--fail-rate", "2")]
)
def test_numbers_out_of_range_are_usage_errors(arguments):
    result = invoke("demo", *arguments)
    assert result.exit_code == 2
    assert arguments[0].removeprefix("--") in result.output


# --- a real account --------------------------------------------------------------------------------------------


async def test_on_an_account_it_says_what_it_makes_and_deletes_it(service):
    with started("demo", "--count", "3", "--url", service, *REAL, **KEYS) as process:
        assert process.end() == 0
    made = re.findall(r"^made (\w+) +(demo-\w{8}-\w+) +\w{12}$", process.text, re.MULTILINE)
    deleted = re.findall(r"^deleted (\w+) +(demo-\w{8}-\w+)$", process.text, re.MULTILINE)
    assert len({name for _, name in made}) == 3
    assert deleted == made[::-1]
    assert ended(process.text) == {"COMPLETED": 3}
    async with client(service) as flow:
        pages = [await resource.page() for resource in (flow.jobs, flow.workflows, flow.triggers)]
        counted = await flow.dashboard.execution_result("2020-01-01T00:00:00", "2100-01-01T00:00:00")
    assert [page.items for page in pages] == [[], [], []]
    assert counted.total_count == 3


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({}, r"CredentialsError: no credentials found; .*"),
        (
            {**KEYS, "NCLOUD_SECRET_ACCESS_KEY": "not-the-secret"},
            r"AuthenticationFailed: createTrigger: HTTP 401 .*",
        ),
    ],
)
def test_an_error_is_one_line_without_secrets(service, keys, says):
    metadata = "http://127.0.0.1:1"  # nobody there: this machine has no server role
    with started("demo", "--url", service, *REAL, NCLOUD_METADATA_API_ENDPOINT=metadata, **keys) as process:
        assert process.end() == 4
    assert re.fullmatch(says, process.text.splitlines()[-1])
    assert len(process.text.splitlines()) == 2
    assert "not-the-secret" not in process.text


async def test_interrupted_on_an_account_it_counts_what_goes_on_and_says_what_is_left():
    with running(Emulator(speed=0.01)) as server:
        url = server.url
        with started("demo", "--url", url, *REAL, **KEYS) as process:
            process.until("made workflow")
            process.interrupt()
            assert process.end() == 130
        async with client(url) as flow:
            (job,) = [job async for job in flow.jobs.list()]
            launched = [run async for run in flow.jobs.executions(job.job_id)]
            left = [
                row.name
                for row in [*(await flow.workflows.page()).items, *(await flow.triggers.page()).items, job]
            ]
    last = process.text.splitlines()[-1]
    going = re.fullmatch(
        r"interrupted: (?:no run goes|up to (\d+) launched runs go) on; not deleted: .*", last
    )
    assert int(going[1] or 0) >= len(launched)
    assert set(last.rpartition(": ")[2].split(", ")) == set(left)
    assert not NOISE.search(process.text)


# --- Ctrl-C ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "times"),
    [
        ("runs of one job", 1),
        pytest.param(r"\x1b\[\?25l", 1, marks=pytest.mark.slow),
        ("[1-9] running", 1),
        pytest.param("[1-9] completed", 1, marks=pytest.mark.slow),
        ("[1-9] completed", 3),
    ],
)
def test_ctrl_c_leaves_a_clean_terminal(moment, times):
    with started("demo", "--count", "1000", "--speed", "100", terminal=True) as process:
        process.until(moment)
        for _ in range(times):
            process.interrupt()
        process.until("interrupted: ")
        process.interrupt()  # the impatient press on while it says goodbye
        assert process.end() == 130
    text = process.text
    assert not NOISE.search(text)
    assert text.rfind("\x1b[?25h") >= text.rfind("\x1b[?25l")
    last = text.rpartition("\n")[0].rpartition("\n")[2]
    assert re.fullmatch(
        r"(\x1b\[\?25h)?interrupted: (no run goes|up to \d+ launched runs go) on \(.*\)\r", last
    )
    assert text.count("interrupted") == 1


def test_sigterm_is_taken_the_same_way():
    with started("demo") as process:
        process.until("made workflow")
        process.interrupt(signal.SIGTERM)
        assert process.end() == 128 + signal.SIGTERM
    assert process.text.splitlines()[-1].startswith("interrupted: ")
    assert not NOISE.search(process.text)
