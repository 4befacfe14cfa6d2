"""While a run goes on, a launch in doubt waits for the next launch of its job, which shows how far lists reach (ruling 89)."""

from types import SimpleNamespace

import pytest

from dataflow_async import Launch, PollPolicy, defaults
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase
from dataflow_async.bulk.options import JournalOptions
from dataflow_async.bulk.reconcile.in_flight import InFlightLaunches
from dataflow_async.bulk.reconcile.reconciler import Reconciler
from dataflow_async.bulk.reconcile.result import Absent, Uncertain
from dataflow_async.models.execution import JobExecution
from dataflow_async.models.job import Job
from dataflow_async.models.page import Page
from dataflow_async.wire.decoding import decode
from dataflow_async.wire.listed_rows import ModelPage
from dataflow_async.wire.server_time import ServerTime
from tests.bulk.reconcile.test_dating import text
from tests.support.clocks import LeapClock

JOB = "Jq3kT9vLmN2x"


class Scene:
    """A launch that never reached the service, in a list whose oldest runs come first."""

    def __init__(self, journal, clock):
        self.journal = journal
        self.clock = clock
        self.rows = [self.row("old", -5_000), self.row("older", -1_000)]
        self.reconciler = Reconciler(
            SimpleNamespace(listed_page=self.listed_page, get=self.get),
            journal,
            InFlightLaunches(),
            JournalOptions("j.db", None, False, 120.0, frozenset(), False),
            PollPolicy(),
            clock,
            self.now,
        )

    def now(self):
        return ServerTime(self.clock.now, self.clock.now)

    def row(self, name, at):
        return {"jobExecutionId": name, "jobId": JOB, "createdDate": text(self.clock.now + at)}

    async def listed_page(self, _job_id, number, _limit):
        rows = [] if number else [decode(JobExecution, row, {}) for row in self.rows]
        return ModelPage(Page(rows, len(rows)))

    async def get(self, _job_id):
        return decode(Job, {"jobId": JOB, "lastExecutionDate": self.rows[-1]["createdDate"]}, {})

    async def launch(self, key):
        """A launch of the same job that the service accepts."""
        await self.journal.intend(key, JOB, key.encode(), None, self.now())
        row = self.row(key, 0)
        await self.journal.accepted(key, 1, key, at=self.now().later, created=row["createdDate"])
        self.rows.append(row)

    async def lost(self, more_may_come):
        now = self.now()
        await self.journal.intend("lost", JOB, b"s" * 16, None, now)
        await self.journal.unknown("lost", 1, now.later)
        entry = JournalEntry("lost", 1, JOB, b"s" * 16, None, JournalPhase.UNKNOWN, *now, sent_by=now.later)
        return await self.reconciler.resolve(
            entry,
            self.reconciler.settled_at(entry, just_now=True),
            Launch(JOB),
            {},
            correlated=False,
            more_may_come=more_may_come,
        )


class Busy(LeapClock):
    """At its n-th nap something happens."""

    at = 0
    happens = None

    async def sleep(self, seconds, /):
        await super().sleep(seconds)
        if len(self.naps) == self.at:
            await self.happens()


@pytest.fixture
async def scene(tmp_path):
    journal = await JournalWriter.open(tmp_path / "j.db", base_url="http://127.0.0.1:1", access_key="k")
    made = Scene(journal, Busy())
    yield made
    await made.reconciler.aclose()
    await journal.aclose()


async def test_the_next_launch_of_the_job_is_the_witness(scene):
    scene.clock.at = 6
    scene.clock.happens = lambda: scene.launch("next")
    assert await scene.lost(lambda: True) == Absent()
    assert 240 < scene.clock.ticks < defaults.WITNESS_TIMEOUT


async def test_a_launch_without_a_witness_is_uncertain_after_ten_minutes(scene):
    result = await scene.lost(lambda: True)
    assert isinstance(result, Uncertain)
    assert "no run listed is known to be younger" in result.why
    assert 0 <= scene.clock.ticks - 120 - defaults.WITNESS_TIMEOUT < 60


async def test_at_once_where_no_launch_can_come(scene):
    assert isinstance(await scene.lost(lambda: False), Uncertain)
    assert scene.clock.ticks < 180
    assert scene.reconciler.undecided == 0
