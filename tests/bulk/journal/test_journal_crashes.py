"""Crashes: what was reported durable is there, whenever the process dies."""

import asyncio
import shutil
from itertools import count
from pathlib import Path
from random import Random

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dataflow_async import defaults
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.launch_records import JournalPhase
from tests.support.examples import example_count
from tests.support.journals import (
    ACCESS,
    NOW,
    OTHER_SETTINGS,
    OUTCOMES,
    URL,
    accept,
    at,
    child,
    entries,
    intend,
    intent,
    writing,
)

LABOUR = """
import asyncio, sys
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.wire.server_time import ServerTime

def durable(*words):
    print(*words, flush=True)

async def main():
    writer = await JournalWriter.open(sys.argv[1], base_url=sys.argv[2], access_key=sys.argv[3])
    numbers = iter(range(int(sys.argv[4]), 10**9))

    async def work():
        for n in numbers:
            if await writer.intend(f"k{n}", "j", b"s" * 16, None, ServerTime(float(n), float(n))) is None:
                durable(f"k{n}", "intent", None)
                await writer.accepted(f"k{n}", 1, f"e{n}", at=float(n), created=None)
                durable(f"k{n}", "accepted", f"e{n}")
                await writer.ended(f"k{n}", 1, "COMPLETED", float(n))
                durable(f"k{n}", "ended", f"e{n}")

    await asyncio.gather(*(work() for _ in range(20)))

asyncio.run(main())
"""


ORDER = ["intent", "accepted", "ended"]


async def test_a_killed_process_leaves_everything_that_it_reported(path):
    seed = 11
    print("seed", seed)
    chance = Random(seed)
    reported = {}
    for start in range(0, 3_000_000, 1_000_000):
        with child(LABOUR, path, URL, ACCESS, start) as process:
            for _ in range(chance.randint(1, 1500)):
                line = process.stdout.readline()
                assert line.endswith("\n")
                key, phase, execution_id = line.split()
                reported[key] = (phase, execution_id)
            process.kill()
            for line in process.stdout:  # what it had said before it died
                if line.endswith("\n"):
                    key, phase, execution_id = line.split()
                    reported[key] = (phase, execution_id)
        found = {entry.key: entry for entry in entries(path)}
        for key, (phase, execution_id) in reported.items():
            assert ORDER.index(found[key].phase) >= ORDER.index(phase)
            assert found[key].execution_id == execution_id or execution_id == "None"
        assert not Path(f"{path}-wal").exists()  # who looked after the crash has tidied up
    async with writing(path) as writer:
        assert await intend(writer, next(iter(reported))) == found[next(iter(reported))]
    assert len(reported) > 100


@pytest.mark.parametrize("statement", range(1, 9))
async def test_a_process_killed_while_it_makes_the_file_leaves_one_that_opens(path, statement):
    """The file is made in one transaction: cut off after any statement of it, there is nothing yet."""
    code = f"""
import os, sqlite3, sys
from pathlib import Path
from dataflow_async.bulk.journal import opening

class Cut(sqlite3.Connection):
    done = 0
    def execute(self, *arguments):
        if Cut.done == {statement}:
            os._exit(9)
        Cut.done += self.in_transaction or arguments[0].startswith("BEGIN")
        return super().execute(*arguments)

real = sqlite3.connect
sqlite3.connect = lambda *a, **k: real(*a, factory=Cut, **k)
path = Path(sys.argv[1])
opening.open_to_write(path, opening.take_lock(path), (sys.argv[2], sys.argv[3]))
"""
    with child(code, path, URL, ACCESS) as process:
        assert process.wait() in {0, 9}
    async with writing(path) as writer:
        assert await intend(writer, "a") is None


KEYS = st.sampled_from(["a", "b", "c", "d"])


class Crashes(RuleBasedStateMachine):
    """The writer against a dict; a crash is a copy of its files, taken between commits, that is opened anew."""

    def __init__(self):
        super().__init__()
        import tempfile

        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.window, defaults.JOURNAL_WINDOW = defaults.JOURNAL_WINDOW, 0.0
        self.lives = count()
        self.path = self.folder / "0.db"
        self.writer = self.open()
        self.model = {}
        self.queued = []
        self.drawn = set()

    def open(self):
        return self.loop.run_until_complete(JournalWriter.open(self.path, base_url=URL, access_key=ACCESS))

    def write(self, call, entry):
        """Queue a write; the model has it when it is reported."""
        self.queued.append((self.loop.create_task(call), entry))

    def latest(self, key):
        """As it will be when all that is queued is written."""
        future = self.model | {(e.key, e.attempt): e for _, e in self.queued}
        attempts = [entry for (name, _), entry in future.items() if name == key]
        return max(attempts, key=lambda entry: entry.attempt, default=None)

    @rule(key=KEYS, since=st.integers(0, 99))
    def intend(self, key, since):
        if key in self.drawn:
            return
        self.drawn.add(key)
        expected = self.latest(key)
        entry = expected or intent(key, intended_from=float(since))

        async def call():
            assert await intend(self.writer, key, since=float(since)) == expected

        self.write(call(), entry)

    @rule(key=KEYS, outcome=st.sampled_from(sorted(OUTCOMES)), n=st.integers(0, 99))
    def record(self, key, outcome, n):
        entry = self.latest(key)
        phase = {"not sent": "not_sent", "unknown since": "unknown"}.get(outcome, outcome)
        open_phases = {"accepted", "ended"} if phase == "ended" else {"intent", "unknown"}
        if entry is None or entry.phase not in open_phases:
            return
        blank = {"sent_by": None, "status": None, "ended_at": None}
        run = {"execution_id": f"e{n}", "accepted_at": NOW + 2, "created": "2026-09-21T13:46:42"}
        calls = {
            "accepted": (lambda w, k, a: accept(w, k, a, f"e{n}"), run),
            "rejected": (lambda w, k, a: w.rejected(k, a, "BadRequest"), {"status": "BadRequest"}),
            "not_sent": (lambda w, k, a: w.not_sent(k, a, "NotSent"), {"status": "NotSent"}),
            "unknown": (lambda w, k, a: w.unknown(k, a, float(n)), {"sent_by": float(n)}),
            "ended": (
                lambda w, k, a: w.ended(k, a, "FAILED", float(n)),
                {"status": "FAILED", "ended_at": float(n)},
            ),
        }
        call, changed = calls[phase]
        entry_then = attrs.evolve(entry, **blank | changed | {"phase": JournalPhase(phase)})
        self.write(call(self.writer, key, entry.attempt), entry_then)

    @rule(key=KEYS, since=st.integers(0, 99), further=st.booleans())
    def go_out_again(self, key, since, further):
        entry = self.latest(key)
        if entry is None:
            return
        if further:
            self.drawn.add(key)
            call = self.writer.next_attempt(entry, at(float(since)), OTHER_SETTINGS, None)
            then = intent(
                key,
                attempt=entry.attempt + 1,
                settings=OTHER_SETTINGS,
                parameters=None,
                intended_from=float(since),
            )
        else:
            fresh = entry.phase in {"rejected", "not_sent"}
            call = self.writer.intend_again(entry, at(float(since)), may_have_run=not fresh)
            time = float(since) if fresh else min(float(since), entry.intended_from)
            until = float(since) + 1.5
            then = intent(
                key,
                attempt=entry.attempt,
                settings=entry.settings,
                parameters=entry.parameters,
                intended_from=time,
                intended_until=until,
            )
        self.write(call, then)

    @rule()
    def all_is_reported(self):
        for task, entry in self.queued:
            self.loop.run_until_complete(task)
            self.model[entry.key, entry.attempt] = entry
        self.queued = []

    @rule(turns=st.integers(0, 6))
    def some_is_reported(self, turns):
        for _ in range(turns):
            self.loop.run_until_complete(asyncio.sleep(0))
        self.take_reported()

    def take_reported(self):
        while self.queued and self.queued[0][0].done():
            task, entry = self.queued.pop(0)
            task.result()
            self.model[entry.key, entry.attempt] = entry

    @rule(turns=st.integers(0, 4))
    def crash(self, turns):
        for _ in range(turns):
            self.loop.run_until_complete(asyncio.sleep(0))
        while self.writer.commits.is_committing:  # a copy takes time, a kill does not
            self.loop.run_until_complete(asyncio.sleep(0))
        self.take_reported()
        dead, self.path = self.path, self.folder / f"{next(self.lives)}-after.db"
        for end in ("", "-wal", "-lock"):
            if Path(f"{dead}{end}").exists():
                shutil.copy(f"{dead}{end}", f"{self.path}{end}")
        self.end()
        self.writer = self.open()
        self.drawn = set()
        found = {(entry.key, entry.attempt): entry for entry in entries(self.path)}
        for _, entry in self.queued:  # written, perhaps, and not reported yet; never out of order
            if found == self.model:
                break
            self.model[entry.key, entry.attempt] = entry
        assert found == self.model
        self.queued = []

    def end(self):
        async def ending():
            await self.writer.aclose()
            await asyncio.gather(*(task for task, _ in self.queued), return_exceptions=True)

        self.loop.run_until_complete(ending())

    @precondition(lambda self: not self.queued)
    @invariant()
    def the_file_is_the_model(self):
        assert {(e.key, e.attempt): e for e in entries(self.path)} == self.model

    def teardown(self):
        defaults.JOURNAL_WINDOW = self.window
        self.end()
        self.loop.close()
        shutil.rmtree(self.folder)


TestCrashes = Crashes.TestCase


TestCrashes.settings = settings(max_examples=example_count(15, 40), stateful_step_count=30)
