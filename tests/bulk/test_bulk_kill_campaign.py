"""``kill -9`` under faults of time, lists, keys and proxies: no launch starts twice, none is lost, and doubt is told by its cause."""

import json
import math
import re
import subprocess
import sys
from collections import Counter
from random import Random

import attrs
import pytest

from dataflow_async import Journal
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import StateChanged
from tests.bulk import backfill
from tests.bulk.test_bulk_kill import made_job
from tests.cli.process import ROOT, environment
from tests.support.threaded import running

LOST_ANSWERS = "executeJob reset after 8%; "


@attrs.frozen(kw_only=True)
class Campaign:
    """What goes wrong while a bulk run is killed and resumed."""

    faults: str = ""
    form: str = "correlation_parameter"
    clock: dict[str, float] = attrs.field(factory=dict)
    """How the client's clock is wrong; right again in the last life."""
    window: float = 300.0
    """Seconds by which the gateway lets a signature be off."""
    rotates: bool = False
    """Whether the access key changes before every life."""
    certain: bool = True
    """Whether the evidence that every launch needs is there, so that none may stay uncertain."""


HOURS = 3 * 3600.0
CAMPAIGNS = {
    "a cache answers with an old Date": Campaign(faults="date-header seconds=-660 age=660 20%"),
    "a node is eleven minutes ahead": Campaign(faults="date-header seconds=660 20%"),
    "a node is two hours ahead": Campaign(
        faults="date-header seconds=7200 20%", form="unique", certain=False
    ),
    "a lax gateway, a clock three hours fast": Campaign(
        clock={"off": HOURS}, window=math.inf, form="unique", certain=False
    ),
    "a clock three hours fast": Campaign(clock={"off": HOURS}, form="unique"),
    "a clock that steps ahead": Campaign(clock={"step": HOURS}, form="unique", certain=False),
    "a clock that steps back": Campaign(clock={"step": -HOURS}, form="assume_exclusive", certain=False),
    "a machine that is suspended": Campaign(clock={"suspended": 900.0}, form="unique", certain=False),
    "lists that are a window": Campaign(faults="getJobExecutions list-window rows=30", certain=False),
    "lists that lag": Campaign(faults="getJobExecutions late seconds=0.2"),
    "lists that miss rows": Campaign(faults="getJobExecutions list-gap every=9", certain=False),
    "pages that are short": Campaign(faults="getJobExecutions page-cap rows=7", form="unique"),
    "lists in random order": Campaign(
        faults="getJobExecutions list-order random", form="assume_exclusive", certain=False
    ),
    "dates of another zone": Campaign(faults="dates shift=-32400", form="unique", certain=False),
    "dates in whole seconds": Campaign(faults="dates shift=0 fraction=cut", form="unique"),
    "no echo until a run is RUNNING": Campaign(faults="no-echo until=running"),
    "keys that rotate": Campaign(rotates=True),
    "a proxy that refuses after the effect": Campaign(
        faults="executeJob html status=403 after 3%; executeJob html status=404 after 3%; executeJob html status=409 after 3%"
    ),
}


def lived(command, moment):
    """Run the program until it had this many outcomes of its own, and kill it; None lets it live. Give its complaints."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        outcomes = 0
        while (moment is None or outcomes < moment) and (mark := program.stdout.read(1)):
            outcomes += mark in b".?"
        if moment is not None:
            program.kill()
        _, complaints = program.communicate(timeout=300)
    if moment is None:
        assert program.returncode == 0, complaints.decode()
    return complaints.decode()


def causes(complaints):
    """How many launches are uncertain, by the reason that is told, without the ids and numbers in it."""
    told = re.findall(r"^UNCERTAIN [^:]*: (.*)", complaints, re.MULTILINE)
    return Counter(re.sub(r"\d+", "N", text)[:160] for text in told)


def survives(tmp_path, campaign, count, kills, seed):
    journal = tmp_path / "backfill.db"
    chance = Random(seed)
    server = Emulator(
        run_seconds=(0.1, 0.5),  # and no speed: server time is what it is about
        ready_seconds=(0.0, 0.1),
        fail_rate=0.1,
        seed=seed,
        faults=LOST_ANSWERS + campaign.faults,
        signature_window=campaign.window,
        history_limit=2_000_000,
    )
    with running(server):
        keys = (server.access_key, server.secret_key)
        job_id = made_job(server.url, keys)
        for life in range(kills + 1):
            if campaign.rotates and life:
                keys = (f"{keys[0][:8]}{life:04}", f"{keys[1][:16]}{life:04}")
                server.rotate_keys(*keys)
            last = life == kills
            clock = {} if last else campaign.clock
            command = [
                sys.executable,
                backfill.__file__,
                server.url,
                *keys,
                str(journal),
                campaign.form,
                job_id,
            ]
            command += [str(count), json.dumps(clock)]
            complaints = lived(command, None if last else chance.randint(1, max(1, count // (kills + 1))))
        uncertain = causes(complaints)
        launched = [it for it in server.history if isinstance(it, StateChanged) and it.what == "launched"]

    print(f"{len(launched)} started, {sum(uncertain.values())} uncertain: {dict(uncertain)}")
    with Journal.open(journal) as rows:
        counts = Counter(rows.counts())
    ended = sum(number for state, number in counts.items() if state.isupper())
    assert ended + sum(uncertain.values()) == count, f"lost: {counts}"
    assert len(launched) <= count, "more runs than launches"
    assert len(launched) >= ended, "a launch counts as ended and has no run of its own"
    if campaign.form != "assume_exclusive":
        name = "key" if campaign.form == "correlation_parameter" else "day"
        assert max(Counter(it.parameters[name] for it in launched).values()) == 1
    if campaign.certain:
        assert not uncertain
    return uncertain


@pytest.mark.slow
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_killed_under_faults_nothing_starts_twice_and_nothing_is_lost(tmp_path, name):
    survives(tmp_path, CAMPAIGNS[name], count=60, kills=2, seed=5)
