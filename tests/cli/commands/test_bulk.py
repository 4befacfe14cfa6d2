"""``dataflow-async bulk run``: what it accepts, prints and ends with."""

import json
import subprocess
import sys

import pytest

from dataflow_async import JournalError
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.cli.bulk import exit_code_of
from tests.cli.process import ROOT, environment
from tests.cli.shell import invoke
from tests.support.examples import first_quick


@pytest.fixture(autouse=True)
def emulator(dataflow_emulator):
    return dataflow_emulator


@pytest.fixture
def job_id(emulator):
    return emulator.create_job("stock_import")


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "days.db"


def days(count):
    return "".join(
        f'{{"job": "stock_import", "key": "{n}", "parameters": {{"day": "{n}"}}}}\n' for n in range(count)
    )


@pytest.mark.parametrize("source", first_quick("<(cat <&3)", "-", "/dev/stdin"))
def test_launches_come_from_a_pipe(emulator, job_id, journal, source):
    command = f'exec 3<&0; "{sys.executable}" -m dataflow_async bulk run {source} --journal {journal}'
    done = subprocess.run(
        ["bash", "-c", command],
        input=days(3),
        cwd=ROOT,
        env=environment(
            NCLOUD_DATAFLOW_URL=emulator.url,
            NCLOUD_ACCESS_KEY_ID=emulator.access_key,
            NCLOUD_SECRET_ACCESS_KEY=emulator.secret_key,
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(it.parameters["day"] for it in emulator.state.executions.values()) == ["0", "1", "2"]


def test_the_heading_names_service_and_masked_key(emulator, job_id, journal):
    result = invoke("bulk", "run", "-", "--journal", journal, stdin=days(2))
    first, *_, minutes = result.stderr.splitlines()
    assert first == f"2 launches to {emulator.url} with access key EMUL..., journal {journal}"
    assert minutes.endswith("worker-minutes spent")
    assert result.stdout.split()[:7] == [
        "outcome",
        "runs",
        "shortest",
        "median",
        "longest",
        "(min:sec)",
        "COMPLETED",
    ]


def test_csv_with_a_job_beside_it(emulator, job_id, journal, tmp_path):
    path = tmp_path / "days.csv"
    path.write_text("key,day\n1,2026-01-01\n2,2026-01-02\n")
    invoke("bulk", "run", path, "--job", "stock_import", "--journal", journal)
    assert sorted(it.parameters["day"] for it in emulator.state.executions.values()) == [
        "2026-01-01",
        "2026-01-02",
    ]
    assert {it.job_id for it in emulator.state.executions.values()} == {job_id}


def test_outcomes_are_printed_as_they_come(emulator, job_id, journal):
    emulator.script(job_id, ["FAILED", "COMPLETED"])
    result = invoke("bulk", "run", "-", "--journal", journal, "-o", "jsonl", stdin=days(2), code=5)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted((row["key"], row["status"]) for row in rows) == [("0", "FAILED"), ("1", "COMPLETED")]
    assert result.stderr.splitlines()[-1] == (
        "not all ended COMPLETED: 1 COMPLETED, 1 FAILED; the same command launches them again with --rerun FAILED"
    )


def test_a_resumed_run_has_the_times_of_the_earlier_one(job_id, journal):
    earlier = json.loads(invoke("bulk", "run", "-", "--journal", journal, "-o", "json", stdin=days(2)).stdout)
    again = json.loads(invoke("bulk", "run", "-", "--journal", journal, "-o", "json", stdin=days(2)).stdout)
    assert again["resumed"] == 2
    assert again["outcomes"] == earlier["outcomes"]
    assert again["workerMinutes"] == earlier["workerMinutes"] > 0


@pytest.mark.parametrize("word", ["FAILD", "unknown"])
def test_a_misspelt_status_is_a_usage_error(emulator, job_id, journal, word):
    result = invoke("bulk", "run", "-", "--journal", journal, "--rerun", word, stdin=days(1), code=2)
    assert (
        f"--rerun must be one of COMPLETED, FAILED, CANCELED, UNCERTAIN, NOT_FOUND, got {word.upper()}"
        in result.stderr
    )
    assert not journal.exists()


def test_a_status_may_be_in_small_letters(emulator, job_id, journal):
    emulator.script(job_id, ["FAILED", "COMPLETED"])
    invoke("bulk", "run", "-", "--journal", journal, stdin=days(1), code=5)
    invoke("bulk", "run", "-", "--journal", journal, "--rerun", "failed", stdin=days(1))


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (("FAILED",), 5),
        (("CANCELED", "NOT_LAUNCHED"), 5),
        (("NOT_LAUNCHED",), 1),
        (("UNCERTAIN", "FAILED"), 6),
        (("ABORTED",), 5),
    ],
)
def test_what_went_wrong_is_the_exit_code(statuses, code):
    assert exit_code_of({"COMPLETED": 1, **dict.fromkeys(statuses, 1)}) == code


def test_on_a_real_account_it_must_be_meant(emulator, job_id, journal, monkeypatch):
    monkeypatch.setattr("dataflow_async.cli.context.LOOPBACK", frozenset())
    result = invoke("bulk", "run", "-", "--journal", journal, stdin=days(3), code=2)
    assert f"launch 3 runs, which cost money, on {emulator.url} with access key EMUL..." in result.stderr
    assert emulator.state.executions == {}
    invoke("bulk", "run", "-", "--journal", journal, "--yes", stdin=days(3))


def test_a_plan_is_run_as_it_is_printed(emulator, job_id, journal):
    period = ("--job", "stock_import", "--from", "2026-02-27", "--to", "2026-03-01")
    planned = invoke("bulk", "plan", *period)
    assert [json.loads(line) for line in planned.stdout.splitlines()] == [
        {"job": "stock_import", "key": day, "parameters": {"day": day}}
        for day in ("2026-02-27", "2026-02-28", "2026-03-01")
    ]
    assert planned.stderr == "3 launches\n"
    invoke("bulk", "run", "-", "--journal", journal, stdin=planned.stdout)
    table = invoke("bulk", "plan", *period, "-o", "csv").stdout
    assert table.splitlines()[1] == "stock_import,2026-02-27,2026-02-27"
    assert (
        json.loads(invoke("bulk", "run", "-", "--journal", journal, "-o", "json", stdin=table).stdout)[
            "resumed"
        ]
        == 3
    )


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (("--cron", "30 6 * * *"), "2026-01-01T06:30"),
        (("--every", "6h"), "2026-01-01T00:00"),
        (("--format", "%Y%m%d", "--param", "ymd"), "20260101"),
    ],
)
def test_dates_are_written_as_they_are_asked_for(words, first):
    plan = invoke(
        "bulk", "plan", "--job", "x", "--from", "2026-01-01", "--to", "2026-01-02", *words, "-o", "json"
    )
    row = json.loads(plan.stdout)[0]
    assert row["key"] == first
    assert list(row["parameters"].values()) == [first]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--every", "1d", "--cron", "0 0 * * *"), "--every or --cron"),
        (("--every", "6h", "--format", "%Y-%m-%d"), "--format must tell the times apart"),
        (("--every", "1y"), "--every must be"),
        (("--to", "2025-12-31"), "--to must not be before --from 2026-01-01, got 2025-12-31"),
    ],
)
def test_a_plan_that_can_not_be_is_a_usage_error(words, says):
    period = ("--job", "x", "--from", "2026-01-01", "--to", "2026-01-02")
    assert says in invoke("bulk", "plan", *period, *words, code=2).stderr


def test_an_empty_journal_is_begun_anew(emulator, job_id, journal):
    journal.touch()
    invoke("bulk", "run", "-", "--journal", journal, "--rerun", "FAILED", stdin=days(1))
    assert len(emulator.state.executions) == 1


def test_a_dry_run_shows_the_first_request(emulator, job_id, journal):
    words = (
        "bulk",
        "run",
        "-",
        "--journal",
        journal,
        "--correlation-parameter",
        "id",
        "--dry-run",
        "-o",
        "json",
    )
    result = invoke(*words, stdin=days(3))
    assert json.loads(result.stdout)["url"] == f"{emulator.url}/api/v1/jobs/{job_id}/executions"
    assert json.loads(result.stdout)["body"] == {"jobCondition": {"parameters": {"day": "0", "id": "0"}}}
    assert result.stderr == "the first of 3 launches:\ndry run: nothing was sent\n"
    assert emulator.state.executions == {}
    assert not journal.exists()


@pytest.mark.parametrize("ending", ["ended", "accepted", "intend"])
def test_a_full_disk_is_one_clear_line_and_loses_nothing(emulator, job_id, journal, monkeypatch, ending):
    kept, calls = getattr(JournalWriter, ending), []

    async def write(self, *arguments, **settings):
        calls.append(arguments)
        if len(calls) > 1:
            raise JournalError("journal days.db can't be written: database or disk is full")
        return await kept(self, *arguments, **settings)

    monkeypatch.setattr(JournalWriter, ending, write)
    words = ("bulk", "run", "-", "--journal", journal, "--max-in-flight", "2", "--assume-exclusive")
    *lines, last = invoke(*words, stdin=days(4), code=6).stderr.splitlines()
    assert last.startswith(
        "JournalError: journal days.db can't be written: database or disk is full; free some space, "
    )
    assert last.endswith("then the same command goes on")
    monkeypatch.setattr(JournalWriter, ending, kept)
    repairs = [
        line.partition("dataflow-async ")[2] for line in lines if line.startswith("started, and not recorded")
    ]
    assert bool(repairs) == (ending == "accepted")
    for repair in repairs:
        invoke(*repair.split())
    again = invoke(*words, "--visibility-delay", "0", "-o", "json", stdin=days(4))
    assert json.loads(again.stdout)["outcomes"][0]["runs"] == 4
    assert sorted(it.parameters["day"] for it in emulator.state.executions.values()) == ["0", "1", "2", "3"]
