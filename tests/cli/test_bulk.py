"""`dataflow-async bulk run`: what it shows, how it goes on after it was stopped, what it refuses."""

import asyncio
import json
import re
import signal

import pytest
from typer.testing import CliRunner

from dataflow_async import Credentials, DataFlow, Journal, JournalPhase
from dataflow_async.cli.app import app
from dataflow_async.cli.bulk import Lost, find_lost
from dataflow_async.emulator import Emulator
from tests.cli.process import NOISE, started
from tests.support.threaded import running

KEYS = {
    "NCLOUD_ACCESS_KEY_ID": "EMULATOR-ACCESS-KEY",
    "NCLOUD_SECRET_ACCESS_KEY": "emulator-secret-key",
}


@pytest.fixture
def emulator():
    """Address of a service where every fifth run fails."""
    with running(Emulator(speed=20, fail_rate=0.2)) as server:
        yield server.url


def client(url):
    return DataFlow(Credentials(*KEYS.values()), base_url=url)


async def new_job(url):
    async with client(url) as flow:
        return (await flow.jobs.create("backfill", type="SCRIPT")).job_id


async def started_days(url, job_id):
    async with client(url) as flow:
        return sorted([run.parsed_parameters["day"] async for run in flow.jobs.executions(job_id)])


def written(path, *rows):
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def days(job_id, count):
    return [{"job_id": job_id, "key": f"day-{n:03}", "parameters": {"day": f"{n:03}"}} for n in range(count)]


def bulk(url, path, journal, *more, **terminal):
    return started(
        "bulk", "run", str(path), "--journal", str(journal), "--url", url, *more, **terminal, **KEYS
    )


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
async def test_the_same_command_goes_on_where_it_was_stopped(emulator, tmp_path, how):
    job_id = await new_job(emulator)
    path, journal = written(tmp_path / "days.jsonl", *days(job_id, 60)), tmp_path / "days.db"
    with bulk(emulator, path, journal, "--max-in-flight", "8", terminal=True) as process:
        process.until("[1-9] completed")
        process.interrupt(how)
        if how == signal.SIGKILL:
            process.popen.wait()
        else:
            process.until("the same command again takes them up")
            assert process.end() == 128 + how
    assert not NOISE.search(process.text)
    with Journal.open(journal) as stopped:
        left = stopped.counts()
    assert 0 < sum(left.values()) < 60

    with bulk(emulator, path, journal, "--visibility-delay", "0") as process:
        code = process.end()
    text = process.text
    ended = {status: int(count) for status, count in re.findall(r"^([A-Z]+) +(\d+) ", text, re.MULTILINE)}
    assert sum(ended.values()) == 60
    assert code == (0 if set(ended) == {"COMPLETED"} else 5)
    never_sent = left.get(JournalPhase.INTENT, 0) + left.get(JournalPhase.NOT_SENT, 0)
    taken_up = int(re.search(r"(\d+) of them were in the journal before", text)[1])
    assert sum(left.values()) - never_sent <= taken_up <= sum(left.values())
    assert not NOISE.search(text)
    assert await started_days(emulator, job_id) == [f"{n:03}" for n in range(60)]


async def test_failed_launches_are_shown_and_run_again_when_asked(emulator, tmp_path):
    job_id = await new_job(emulator)
    path, journal = written(tmp_path / "days.jsonl", *days(job_id, 30)), tmp_path / "days.db"
    with bulk(emulator, path, journal) as process:
        assert process.end() == 5
    told = re.findall(
        r"^(day-\d+): ExecutionFailed: execution \w+ of job \w+ ended FAILED$", process.text, re.MULTILINE
    )
    with Journal.open(journal) as first:
        failed = {entry.key for entry in first.rows() if entry.status == "FAILED"}
    assert failed
    assert set(told) <= failed
    assert len(told) == min(len(failed), 10)
    with bulk(emulator, path, journal, "--rerun", "FAILED") as process:
        process.end()
    assert len(await started_days(emulator, job_id)) == 30 + len(failed)


async def test_an_empty_file_is_nothing_to_do(tmp_path):
    with bulk(
        "http://127.0.0.1:1", written(tmp_path / "none.jsonl", "", " "), tmp_path / "none.db"
    ) as process:
        assert process.end() == 0
    assert process.text.endswith("lists no launches\n")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["{"], "line 1: it must be a JSON object with job_id, and any of job, parameters"),
        ([{"day": "1"}], "line 1: it must be a JSON object with job_id"),
        ([{"job_id": "a"}, {"job_id": "a", "jobCondition": {}}], "line 2: .*there is no 'jobCondition'"),
        ([{"job_id": 5}], "line 1: job_id must be text"),
        ([{"job_id": "a", "parameters": {"n": 1}}], r"line 1: parameters\['n'\] must be text .* got 1"),
        (
            [{"job_id": "a", "condition": {"numWorker": 99}}],
            "line 1: condition.numWorker must be .* 2 to 10, got 99",
        ),
        (
            [{"job_id": "a", "key": "k"}, {"job_id": "b", "key": "k"}],
            "line 2: key must name one launch of this run, got 'k'",
        ),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_sent_or_written(tmp_path, rows, says):
    path, journal = written(tmp_path / "l.jsonl", *rows), tmp_path / "l.db"
    arguments = ["bulk", "run", str(path), "--journal", str(journal), "--url", "http://127.0.0.1:1"]
    result = CliRunner().invoke(app, arguments, env={**KEYS, "COLUMNS": "300"})
    assert result.exit_code == 2
    assert re.fullmatch(f"InvalidRequest: .*{says}.*\n", result.output)
    assert not journal.exists()


def test_a_file_that_is_not_there_is_named(tmp_path):
    result = CliRunner().invoke(
        app, ["bulk", "run", str(tmp_path / "x.jsonl"), "--journal", str(tmp_path / "x.db")]
    )
    assert result.exit_code == 2
    assert result.output.endswith("x.jsonl: No such file or directory\n")


def test_a_journal_must_be_named(tmp_path):
    result = CliRunner().invoke(app, ["bulk", "run", str(tmp_path / "x.jsonl")])
    assert result.exit_code == 2
    assert "--journal" in result.output


@pytest.mark.parametrize(
    ("options", "environ", "code"),
    [
        (("--profile", "batch"), {}, 0),
        (("--profile", "absent"), {}, 4),
        (("--profile", ""), {}, 2),
        ((), {"NCLOUD_PROFILE": "batch"}, 4),
    ],
)
def test_a_profile_given_as_an_option_beats_the_environment(tmp_path, options, environ, code):
    (tmp_path / ".ncloud").mkdir()
    access, secret = KEYS.values()
    (tmp_path / ".ncloud" / "configure").write_text(
        f'[batch]\nncloud_access_key_id: "{access}" # mine\nncloud_secret_access_key: {secret}\n'
    )
    with running(Emulator(speed=1000)) as server:
        path = written(tmp_path / "days.jsonl", *days(asyncio.run(new_job(server.url)), 1))
        wrong = dict.fromkeys(KEYS, "of-another-account") | environ | {"HOME": str(tmp_path)}
        command = ("bulk", "run", str(path), "--journal", str(tmp_path / "days.db"), "--url", server.url)
        result = CliRunner().invoke(app, [*command, *options], env=wrong)
    assert result.exit_code == code, result.output
    assert secret not in result.output


def test_the_search_for_lost_launches_counts_down(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    lost = Lost({"a", "b"}, 1120.0)
    assert lost.line() == "searching for 2 lost launches: those not listed in 120 s have not started"
    assert len(lost.line()) <= 80
    now[0] = 1125.0
    lost.keys.discard("a")
    assert lost.line() == "searching for 1 lost launches: reading the lists"
    now[0] = 1200.0
    assert lost.line() == ""


async def test_lost_launches_are_searched_for_with_a_countdown(tmp_path):
    faults = "executeJob stall-headers before x3"
    with started("emulator", "--port", "0", "--faults", faults) as emulator:
        url = emulator.until(r"http://127\.0\.0\.1:\d+")[0]
        path, journal = written(tmp_path / "days.jsonl", *days(await new_job(url), 3)), tmp_path / "days.db"
        with bulk(url, path, journal, terminal=True) as process:
            await until(lambda: journal.exists() and len(find_lost(journal, 120.0).keys) == 3)
            process.interrupt(signal.SIGKILL)
            process.popen.wait()
        with bulk(url, path, journal, terminal=True) as process:
            process.until("searching for 3 lost launches: those not listed in 1[12][0-9] s have not started")
            process.interrupt()
            assert process.end() == 130
        assert "of 3 it is not known whether they have started" in re.sub(r"\s+", " ", process.text)
    assert find_lost(tmp_path / "none", 120.0).keys == set()


async def until(condition):
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("too slow")
