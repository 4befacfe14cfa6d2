"""What goes where: data on standard output, the rest on standard error, whatever reads them."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from dataflow_async import Progress
from dataflow_async.cli import screen
from tests.cli.process import ROOT, cold, environment, ran, started
from tests.support.examples import first_quick


@pytest.fixture
def shell(dataflow_emulator):
    """The environment that leads to the emulator, where a job has a name of Korea."""
    job_id = dataflow_emulator.create_job("stock_import")
    dataflow_emulator.state.jobs[job_id].name = "재고_🚀"
    return environment(
        NCLOUD_DATAFLOW_URL=dataflow_emulator.url,
        NCLOUD_ACCESS_KEY_ID=dataflow_emulator.access_key,
        NCLOUD_SECRET_ACCESS_KEY=dataflow_emulator.secret_key,
    )


@pytest.mark.parametrize("form", first_quick("table", "json", "jsonl", "yaml", "csv"))
def test_a_reader_without_utf_8_gets_escapes(shell, form):
    process = cold(
        ("jobs", "list", "-o", form),
        env={**shell, "PYTHONIOENCODING": "cp949"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "재고_".encode("cp949") in output
    assert errors == b""


@pytest.mark.parametrize("more", first_quick({"FORCE_COLOR": "1"}, {"NO_COLOR": "1"}, {}))
def test_colours_go_where_they_are_wanted(shell, more):
    with started("jobs", "list", terminal=True, **{**shell, **more}) as process:
        assert process.end() == 0
    assert ("\x1b[" in process.text) == (not more.get("NO_COLOR") or "\x1b[2m" in process.text)
    assert (b"\x1b[" in ran("jobs", "list", **{**shell, **more}).stdout) == ("FORCE_COLOR" in more)


def test_forced_colours_bring_no_frames_into_a_pipe(dataflow_emulator, shell, tmp_path):
    (job_id,) = dataflow_emulator.state.jobs
    path = tmp_path / "days.jsonl"
    path.write_text("".join(f'{{"job_id": "{job_id}", "key": "{n}"}}\n' for n in range(20)))
    done = ran("bulk", "run", str(path), "--journal", str(tmp_path / "j.db"), FORCE_COLOR="1", **shell)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.decode().splitlines()
    assert 3 <= len(lines) <= 14
    assert b"\x1b[?25l" not in done.stderr
    assert b"\r" not in done.stderr


def test_a_reader_that_leaves_is_no_error(shell):
    read, write = os.pipe()
    os.close(read)
    done = ran("jobs", "list", stdout=write, **shell)
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""


def test_a_pipe_gets_a_line_at_least_every_30_seconds(monkeypatch):
    now, lines = [0.0], []
    monkeypatch.setattr(screen, "monotonic", lambda: now[0])
    shown = screen.Lines(lines.append, 100, lambda: "searching")
    progress = Progress(
        total=100, submitted=5, launched=5, running=5, completed=0, failed=0, uncertain=0, rate=0, eta=None
    )
    shown.show(progress)
    for _ in range(52):
        now[0] += 1.2  # a busy machine is late
        shown.tick()
        assert len(lines) >= now[0] // 30
    assert lines == ["  0/100    5 launched    5 running    0 completed    0 failed    0.0/s  searching"] * 2


@pytest.mark.parametrize(("answer", "left"), first_quick((b"\n", 1), (b"n\n", 1), (b"y\n", 0)))
def test_a_question_is_answered_on_a_terminal(shell, dataflow_emulator, answer, left):
    url = dataflow_emulator.url.replace("127.0.0.1", "localhost")
    code = "import dataflow_async.cli.context as c; c.LOOPBACK = frozenset(); from dataflow_async.cli import main; main()"
    (job_id,) = dataflow_emulator.state.jobs
    reader, writer = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code, "jobs", "delete", job_id, "--url", url],
        cwd=ROOT, env=shell, stdin=writer, stdout=writer, stderr=writer,
    )  # fmt: skip
    os.close(writer)
    text = b""
    while b"[y/N]" not in text:
        text += os.read(reader, 4096)
    os.write(reader, answer)
    assert child.wait(20) == (0 if left == 0 else 1)
    os.close(reader)
    assert f"delete job 재고_🚀 ({job_id}) on {url} with access key EMUL...?" in text.decode()
    assert len(dataflow_emulator.state.jobs) == left


def test_a_moving_bar_shows_what_is_waited_for():
    board = screen.Board(3, lambda: "searching for 3 launches without an answer: 84 s")
    console = Console(file=io.StringIO(), width=80)
    console.print(board)
    assert "searching for 3 launches without an answer: 84 s" in console.file.getvalue()


@pytest.mark.parametrize("command", first_quick("jobs run", "", "jobs", "bulk run"))
def test_h_is_help(command, shell):
    words = command.split()
    assert ran(*words, "-h", **shell).stdout == ran(*words, "--help", **shell).stdout


@pytest.mark.parametrize("closed", first_quick("<&- >&- 2>&-", "<&-", ">&-", "2>&-"))
def test_a_closed_stream_is_no_obstacle(shell, closed):
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m dataflow_async jobs list {closed}'],
        cwd=ROOT,
        env=shell,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""


def test_a_full_disk_is_one_line(shell):
    with Path("/dev/full").open("wb") as full:
        done = ran("jobs", "list", stdout=full.fileno(), **shell)
    assert done.returncode == 1
    assert done.stderr == b"can't read or write the output: No space left on device\n"


def test_a_full_disk_behind_help_is_one_line(shell):
    with Path("/dev/full").open("wb") as full:
        done = ran("jobs", "-h", stdout=full.fileno(), **shell)
    assert (done.returncode, done.stderr) == (1, b"can't write the output: No space left on device\n")
