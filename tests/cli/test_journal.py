"""A journal as a person sees it."""

import asyncio
import json
import re
import sqlite3
import subprocess

import pytest
from typer.testing import CliRunner

from dataflow_async import InvalidRequest, Journal
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.cli.app import app
from dataflow_async.wire.server_time import ServerTime
from tests.cli.process import COMMAND, NOISE, ROOT, environment, started

URL = "https://dataflow.apigw.ntruss.com"
NOON = 1_790_078_400.5  # 2026-09-22 12:00:00 UTC


@pytest.fixture
def path(tmp_path):
    """A journal with a launch in each state, one of them started twice, and hostile text from a service."""

    async def write():
        writer = await JournalWriter.open(tmp_path / "j.db", base_url=URL, access_key="ACCESS-KEY-ID")
        for n, key in enumerate(("day 1", "day 2", "day 3", "day 4", "day 5", "날 6")):
            await writer.intend(key, "Jq3kT9vLmN2x", bytes(16), None, ServerTime(NOON + n, NOON + n + 1))
        for key, status in (("day 1", "COMPLETED"), ("day 2", "FAILED"), ("day 3", "\x1b[31mODD\nSTATE")):
            await writer.accepted(key, 1, f"run of {key}", at=NOON + 1, created=None)
            await writer.ended(key, 1, status, NOON + 90)
        await writer.rejected("day 4", 1, "BadRequest")
        await writer.unknown("day 5", 1, NOON + 30)
        with Journal.open(tmp_path / "j.db") as book:
            (known,) = [entry for entry in book.rows() if entry.key == "day 2"]
        await writer.next_attempt(known, ServerTime(NOON + 3600, NOON + 3600), bytes(16), None)
        await writer.accepted("day 2", 2, "run again", at=NOON + 3601, created=None)
        await writer.aclose()

    asyncio.run(write())
    return tmp_path / "j.db"


HEAD = """\
  journal     {path}
  service     https://dataflow.apigw.ntruss.com
  access key  ACCESS-KEY-ID
  format      2

"""
COUNTS = r"""  \x1b[31mODD\nSTATE  1
  COMPLETED           1
  accepted            1
  intent              1
  rejected            1
  unknown             1
"""
COLUMNS = "intended (KST)       try  state      job           run or error  key\n"
ROWS = r"""2026-09-22 21:00:00    1  COMPLETED  Jq3kT9vLmN2x  run of day 1  day 1
2026-09-22 21:00:01    1  FAILED     Jq3kT9vLmN2x  run of day 2  day 2
2026-09-22 22:00:00    2  accepted   Jq3kT9vLmN2x  run again     day 2
2026-09-22 21:00:02    1  \x1b[31mODD\nSTATE  Jq3kT9vLmN2x  run of day 3  day 3
2026-09-22 21:00:03    1  rejected   Jq3kT9vLmN2x  BadRequest    day 4
2026-09-22 21:00:04    1  unknown    Jq3kT9vLmN2x  -             day 5
2026-09-22 21:00:05    1  intent     Jq3kT9vLmN2x  -             날 6
"""


def shown(*arguments):
    result = CliRunner().invoke(app, ["journal", *map(str, arguments)])
    return result.exit_code, result.output


def test_it_says_whose_it_is_and_counts(path):
    assert shown(path) == (0, HEAD.format(path=path) + COUNTS)


def test_rows(path):
    assert shown(path, "--rows") == (0, HEAD.format(path=path) + COUNTS + "\n" + COLUMNS + ROWS)


@pytest.mark.parametrize(
    ("state", "lines"),
    [("FAILED", [1]), ("failed", [1]), ("accepted", [2]), ("UNKNOWN", [5]), ("NOT_FOUND", [])],
)
def test_rows_in_a_state(path, state, lines):
    rows = "".join(ROWS.splitlines(keepends=True)[line] for line in lines)
    assert shown(path, "--status", state) == (0, HEAD.format(path=path) + COUNTS + "\n" + COLUMNS + rows)


def test_a_journal_without_launches(tmp_path):
    async def write():
        await (await JournalWriter.open(tmp_path / "j", base_url=URL, access_key="ACCESS-KEY-ID")).aclose()

    asyncio.run(write())
    assert shown(tmp_path / "j") == (0, HEAD.format(path=tmp_path / "j") + "  no launches yet\n")


async def test_while_a_run_writes(tmp_path):
    writer = await JournalWriter.open(tmp_path / "j", base_url=URL, access_key="A")
    await writer.intend("day 1", "j", bytes(16), None, ServerTime(NOON, NOON))
    code, output = await asyncio.to_thread(shown, tmp_path / "j", "--status", "intent")
    await writer.aclose()
    assert code == 0
    assert output.endswith("day 1\n")


def test_what_is_no_journal_is_reported_in_one_line(tmp_path):
    assert shown(tmp_path / "none") == (
        2,
        f"InvalidRequest: journal: {tmp_path / 'none'} can't be used: there is no such file\n",
    )
    (tmp_path / "text").write_text("day,job\n" * 1000)
    assert shown(tmp_path / "text")[1].endswith("it is not a journal\n")
    assert shown(tmp_path)[1].endswith("it is a directory\n")


def test_a_row_that_no_journal_has_is_reported_in_one_line(path):
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE launches SET phase = 'odd' WHERE key = 'day 3'")
    db.close()
    result = CliRunner().invoke(app, ["journal", str(path), "--rows"])
    assert result.exit_code == 2
    assert result.stdout.endswith("run again     day 2\n")
    assert result.stderr == f"InvalidRequest: journal: {path} can't be used: it holds what no journal holds\n"


def test_times_beyond_the_calendar_are_shown_as_they_are(tmp_path):
    async def write():
        writer = await JournalWriter.open(tmp_path / "j", base_url=URL, access_key="A")
        for time in (1e300, float("-inf")):
            await writer.intend(f"at {time}", "j", bytes(16), None, ServerTime(time, NOON))
        await writer.aclose()

    asyncio.run(write())
    times = [line.split()[0] for line in shown(tmp_path / "j", "--rows")[1].splitlines()[-2:]]
    assert times == ["-inf", "1e+300"]


def test_a_reader_that_leaves_early_hears_no_complaint(path):
    command = " ".join((*COMMAND, "journal", str(path), "--rows"))
    done = subprocess.run(
        f"{command} | head -1",
        shell=True,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout == f"  journal     {path}\n"


def test_on_a_terminal(path):
    with started("journal", str(path), "--rows", terminal=True) as process:
        assert process.end() == 0
    assert "day 4" in process.text
    assert "\x1b[31m" not in process.text
    assert not NOISE.search(process.text)


# --- mending -----------------------------------------------------------------------------------------------


def test_show_is_what_a_path_alone_means(path):
    assert shown("show", path, "--rows") == shown(path, "--rows") == shown("--rows", path)


@pytest.mark.parametrize(
    ("key", "found", "said"),
    [
        ("day 5", ["--not-started"], "day 5: not_sent\n"),
        ("day 5", ["--run", "run 5"], "day 5: accepted\n"),
        ("day 5", ["--run", "run 5", "--status", "FAILED"], "day 5: FAILED\n"),
        ("day 2", ["--status", "COMPLETED"], "day 2: COMPLETED\n"),
    ],
)
def test_what_a_person_found_out_is_recorded(path, key, found, said):
    assert shown("resolve", path, key, *found) == (0, said)
    (line,) = [line for line in shown(path, "--rows")[1].splitlines() if line.endswith(key)][-1:]
    assert f"  {said.split()[-1]} " in line


def test_what_can_not_be_so_is_reported_in_one_line(path):
    for arguments, words in (
        (["day 9", "--not-started"], "InvalidRequest: key must be one of the journal"),
        (
            ["day 1", "--not-started"],
            "InvalidRequest: key must be a launch that is intent or unknown to record that it did not start, got 'day 1'",
        ),
        (["day 5"], "give --run or --status of the run that it has started, or else --not-started"),
        (["day 5", "--not-started", "--run", "x"], "give --run or --status of the run"),
    ):
        code, output = shown("resolve", path, *arguments)
        assert (code, output.count("\n")) == (2, 1)
        assert output.startswith(words)


def test_another_key_of_the_account_is_added(path):
    assert shown("rebind", path, "--access-key", "NEW") == (0, "NEW belongs to the account of this journal\n")
    assert "access key  ACCESS-KEY-ID, NEW\n" in shown(path)[1]


def test_a_journal_that_was_copied_in_use_is_used_as_it_is_when_a_person_says_so(path, tmp_path):
    async def copy():
        writer = await JournalWriter.open(path, base_url=URL, access_key="ACCESS-KEY-ID")
        (tmp_path / "copy").write_bytes(path.read_bytes())
        await writer.aclose()

    async def use():
        await (await JournalWriter.open(tmp_path / "copy", base_url=URL, access_key="ACCESS-KEY-ID")).aclose()

    asyncio.run(copy())
    with pytest.raises(InvalidRequest, match="dataflow-async journal trust PATH"):
        asyncio.run(use())
    assert shown("trust", tmp_path / "copy") == (0, "this journal is used as it is\n")
    asyncio.run(use())
    assert shown("trust", tmp_path / "none")[1].endswith("there is no such file\n")
    assert not (tmp_path / "none").exists()


def test_a_misspelt_state_is_a_usage_error(path):
    code, output = shown(path, "--status", "FAILD")
    assert code == 2
    assert re.match(r"--status must be one of .*CANCELED, COMPLETED, FAILED, .*, got FAILD\n", output)
    assert "\x1b" not in output
    assert shown(path, "--status", "failed")[0] == shown(path, "--status", "unknown")[0] == 0


def test_programs_get_a_list_of_attempts(path):
    code, output = shown(path, "-o", "json", "--status", "FAILED")
    (row,) = json.loads(output)
    assert code == 0
    assert row == {
        "key": "day 2",
        "attempt": 1,
        "state": "FAILED",
        "jobId": "Jq3kT9vLmN2x",
        "jobExecutionId": "run of day 2",
        "intendedDate": "2026-09-22T12:00:01+00:00",
    }
    code, output = shown(path, "--query", "length(@)")
    assert int(output) == len(ROWS.splitlines())
