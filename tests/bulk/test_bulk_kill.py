"""``kill -9``: whatever moment a bulk run dies at, and however often, each launch starts exactly once."""

import asyncio
import subprocess
import sys
from collections import Counter
from random import Random

import pytest

from dataflow_async import Credentials, DataFlow, Journal
from dataflow_async.emulator.audit.events import AnswerLost, StateChanged, read_history
from dataflow_async.emulator.audit.verify import read_journal, verify_history
from tests.bulk import backfill
from tests.cli.process import ROOT, environment, started

WEATHER = (
    "executeJob reset after 5%; executeJob 429 code=410 5%; executeJob 503 1%; executeJob 504 1%;"
    "getJobExecutions 429 5%; getJobExecutions 503 2%; getJobExecutionById reset 5%"
)


def made_job(url, keys):
    async def make():
        async with DataFlow(Credentials(*keys), base_url=url) as flow:
            return (await flow.jobs.create("stock_import", type="SCRIPT")).job_id

    return asyncio.run(make())


def lived(command, moment):
    """Run the program until it had this many outcomes of its own, and kill it; None lets it live."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        outcomes = 0
        while (moment is None or outcomes < moment) and (mark := program.stdout.read(1)):
            outcomes += mark == b"."
        if moment is not None:
            program.kill()
        _, complaints = program.communicate(timeout=60)
    assert program.returncode == (0 if moment is None else -9), complaints.decode()


def ended(path):
    """How many launches have ended, by their status."""
    if not path.exists():
        return {}
    with Journal.open(path) as journal:
        counts = journal.counts()
    return {state: count for state, count in counts.items() if state.isupper()}


def survives(tmp_path, form, count, kills, seed):
    log, journal = tmp_path / "history.jsonl", tmp_path / "backfill.db"
    chance = Random(seed)
    with started(
        *("emulator", "--port", "0", "--speed", "50", "--fail-rate", "0.1", "--seed", str(seed)),
        *("--log", str(log), "--faults", WEATHER),
    ) as emulator:
        url = emulator.until(r"emulator at (\S+)")[1]
        keys = emulator.until(r"access key\s+(\S+)")[1], emulator.until(r"secret key\s+(\S+)\n")[1]
        job_id = made_job(url, keys)
        command = [sys.executable, backfill.__file__, url, *keys, str(journal), form, job_id, str(count)]
        moments = []
        for remaining in range(kills, 0, -1):
            left = count - sum(ended(journal).values())
            moments.append(chance.randint(0, left // (remaining + 1)))
            lived(command, moments[-1])
        print(f"{form}, seed {seed}: killed after {moments} outcomes")
        lived(command, None)
        emulator.interrupt()
        emulator.end()

    history = read_history(log)
    launched = [it for it in history if isinstance(it, StateChanged) and it.what == "launched"]
    assert len(launched) == count
    if form != "assume_exclusive":
        name = "key" if form == "correlation_parameter" else "day"
        assert set(Counter(it.parameters[name] for it in launched).values()) == {1}
    assert sum(isinstance(it, AnswerLost) and "reset" in it.faults for it in history) > count / 50
    assert verify_history(history, read_journal(journal)) == []
    assert ended(journal).keys() == {"COMPLETED", "FAILED"}
    assert sum(ended(journal).values()) == count


@pytest.mark.parametrize("form", ["correlation_parameter"])
def test_killed_twice_each_launch_starts_once(tmp_path, form):
    survives(tmp_path, form, count=100, kills=2, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize("form", backfill.ASKED)
def test_killed_twenty_times_each_launch_starts_once(tmp_path, form):
    survives(tmp_path, form, count=2_000, kills=20, seed=11)
