"""The state in a file: what it keeps, how a server continues from it, and invalid files."""

import json
import stat
from pathlib import Path

import pytest

from dataflow_async.emulator import Emulator, ManualClock, ScriptedRun
from dataflow_async.emulator.service import snapshot
from tests.emulator.conftest import session_of, workflow_body

HOURLY = {"type": "RECURRING", "interval": "HOUR", "time": "30"}
SETTINGS = {
    "seed": 7,
    "speed": 2.0,
    "fail_rate": 0.3,
    "ready_seconds": (1.0, 5.0),
    "run_seconds": (100.0, 900.0),
    "cancel_seconds": (1.0, 20.0),
    "enforce_timeout": True,
    "fire_triggers": True,
}


async def filled(server, api):
    """Something of every kind, some of it half done; the ids of what goes on."""
    clock = server.clock
    a, b, c, d = [await api.job(f"job_{letter}", maxConcurrentRuns=2) for letter in "abcd"]
    hand, hourly = await api.trigger(), await api.trigger("hourly", type="SCHEDULED", rule=HOURLY)
    by_hand = await api.workflow(hand, {a: [hand], b: [a], c: [a], d: [b, c]})
    await api.workflow(hourly, {a: [hourly], c: [a]}, "by_itself")
    server.script(
        b,
        [
            "FAILED",
            ScriptedRun("ABORTED", phases=[("RUNNING", 5), ("밤", 600)]),
            ("COMPLETED", 5),
            ScriptedRun(run_seconds=(1, 2), ready_seconds=3),
        ],
        repeat=True,
    )
    for step in (0, 700, 1300):
        clock.advance(step)
        await api("executeWorkflow", by_hand)
        await api("executeJob", a, triggerId=hand, workflowId=by_hand, body={"parameters": {"밤": [1, None]}})
        await api("executeJob", b)
    gone = await api.job("gone")
    await api("executeJob", gone)
    await api.ok("deleteJob", gone)
    await api("executeWorkflow", by_hand)
    run = server.launch(c)
    clock.advance(3)
    await api("cancelJobExecution", c, run)
    return a, b, c, d, by_hand


async def story(server, api, ids):
    """All that a client can see from here on, for a day, while it does some more."""
    a, b, c, d, by_hand = ids
    seen = []
    for hour in range(24):
        if hour % 5 == 0:
            seen.extend([await api("executeWorkflow", by_hand), await api("executeJob", b)])
            seen.append(await api("cancelJobExecution", b, next(reversed(server.state.executions))))
        seen.extend([await api("getJobExecutions", job) for job in (a, b, c, d)])
        seen.append(await api("getWorkflowExecutions", by_hand))
        seen.extend([await api(name) for name in ("getJobs", "getWorkflows", "getTriggers")])
        server.clock.advance(3600)
    seen.append(
        await api("getExecutionResult", startDate="2026-11-01T00:00:00", endDate="2026-11-09T00:00:00")
    )
    return [(reply.status, reply.body) for reply in seen]


async def test_a_restored_server_continues_exactly_like_the_original(tmp_path):
    file = tmp_path / "state.json"
    async with Emulator(clock=ManualClock(), **SETTINGS) as server, session_of(server) as api:
        ids = await filled(server, api)
        server.save(file)
        expected = await story(server, api, ids)

    again = Emulator.load(file, at_saved_time=True)
    async with again as server, session_of(server) as api:
        assert await story(server, api, ids) == expected

    statuses = {
        row["status"]
        for _, body in expected
        if isinstance(body, dict)
        for row in body.get("list", [])
        if "status" in row
    }
    assert len(statuses & {"READY", "RUNNING", "COMPLETED", "FAILED", "CANCELED", "ABORTED", "밤"}) >= 6


async def test_a_restored_state_saves_to_the_same_file(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    async with Emulator(clock=ManualClock(), **SETTINGS) as server, session_of(server) as api:
        await filled(server, api)
        server.save(first)
    Emulator.load(first, at_saved_time=True).save(second)

    assert second.read_bytes() == first.read_bytes()
    document = json.loads(first.read_bytes())
    assert len(document["workflow_runs"]) > 1 and len(document["due_queue"]) > 2
    assert (document["format"], document["version"]) == (snapshot.FORMAT, snapshot.VERSION)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert b"emulator-secret-key" not in first.read_bytes()


async def test_time_since_saving_has_passed(tmp_path):
    file, clock = tmp_path / "state.json", ManualClock()
    server = Emulator(clock=clock)
    run = server.launch(server.create_job("orders_rollup"))
    server.save(file)
    clock.advance(3600)

    again = Emulator.load(file, clock=clock)

    assert (server.status(run), again.status(run)) == ("COMPLETED", "COMPLETED")
    assert again.state.executions[run].lifecycle == server.state.executions[run].lifecycle


def test_settings_may_be_replaced_except_those_that_made_the_state(tmp_path):
    file = tmp_path / "state.json"
    Emulator(clock=ManualClock(), **SETTINGS).save(file)

    kept = Emulator.load(file)
    assert {name: getattr(kept, name) for name in SETTINGS} == SETTINGS
    changed = Emulator.load(file, fail_rate=0.0, speed=2, access_key="OTHER", fire_triggers=False)
    assert (changed.fail_rate, changed.seed, changed.access_key) == (0.0, 7, "OTHER")
    for name, value in (("seed", 8), ("speed", 1)):
        with pytest.raises(ValueError, match=rf"{name} must stay {SETTINGS[name]}, .* got {value}"):
            Emulator.load(file, **{name: value})
    with pytest.raises(ValueError, match="clock must be absent beside at_saved_time"):
        Emulator.load(file, at_saved_time=True, clock=ManualClock())
    with pytest.raises(ValueError, match="run_seconds must be two numbers"):
        Emulator.load(file, run_seconds=(2, 1))


@pytest.mark.parametrize("fire", [True, False])
async def test_fire_triggers_may_change_on_load(tmp_path, fire):
    file, clock = tmp_path / "state.json", ManualClock()
    async with Emulator(clock=clock, fire_triggers=not fire) as server, session_of(server) as api:
        trigger = await api.trigger("hourly", type="SCHEDULED", rule=HOURLY)
        await api.ok("createWorkflow", body=workflow_body(trigger, {await api.job(): []}))
    server.save(file)
    clock.advance(7200)

    again = Emulator.load(file, clock=clock, fire_triggers=fire)
    clock.advance(7200)
    again.state.settle()

    assert len(again.state.executions) == (2 if fire else 0)


async def test_items_due_at_saving_are_processed(tmp_path):
    file, clock = tmp_path / "state.json", ManualClock()
    async with Emulator(clock=clock, fire_triggers=True) as server, session_of(server) as api:
        trigger = await api.trigger("hourly", type="SCHEDULED", rule=HOURLY)
        await api.ok("createWorkflow", body=workflow_body(trigger, {await api.job(): []}))
    clock.advance(7200)
    server.save(file)

    assert len(Emulator.load(file, clock=clock, fire_triggers=False).state.executions) == 2


async def test_jobs_of_one_workflow_run_stay_connected(tmp_path):
    """a -> b, a -> c, (b, c) -> d, saved while a runs: b and c are both on the agenda."""
    file, clock = tmp_path / "state.json", ManualClock()
    async with Emulator(clock=clock) as server, session_of(server) as api:
        a, b, c, d = [await api.job(f"job_{letter}") for letter in "abcd"]
        trigger = await api.trigger()
        workflow = await api.workflow(trigger, {a: [trigger], b: [a], c: [a], d: [b, c]})
        for _ in range(2):
            await api("executeWorkflow", workflow)
            clock.advance(0.1)
    server.save(file)

    again = Emulator.load(file, clock=clock)
    clock.advance(3600)
    again.state.settle()

    assert [len(again.state.jobs[job].executions) for job in (a, b, c, d)] == [2] * 4


def test_a_failed_write_leaves_the_file_unchanged(tmp_path, monkeypatch):
    file, server = tmp_path / "state.json", Emulator(clock=ManualClock())
    server.save(file)
    before = file.read_bytes()
    server.create_job("one_more")

    def full(_path, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        server.save(file)

    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def damaged(**changes):
    def change(document):
        return document | changes

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: "{", "must be a saved state of the emulator, got a file that is not JSON"),
        (lambda _: [], "must be a saved state of the emulator, got other JSON"),
        (damaged(format="something else"), "got other JSON"),
        (damaged(version=2), "must be a saved state of version 1, got version 2"),
        (damaged(version=None), "got version None"),
        (damaged(jobs=[{"job_id": "x"}]), r"is damaged: required field missing @ \$\.jobs\[0\]\.name"),
        (damaged(saved_at="yesterday"), r"is damaged: .* @ \$\.saved_at"),
        (damaged(settings=None), "is damaged: "),
        (damaged(random_sources={}), "the saved state is damaged: KeyError"),
        (damaged(random_sources={name: [3, [1], None] for name in ("ids", "runs", "cancels")}), "is damaged"),
        (damaged(due_queue=[{"due": 1, "run": 5, "job_id": "x"}]), "the saved state is damaged: IndexError"),
    ],
)  # fmt: skip
def test_an_invalid_state_file_is_refused(tmp_path, change, said):
    file = tmp_path / "state.json"
    Emulator(clock=ManualClock()).save(file)
    changed = change(json.loads(file.read_bytes()))
    file.write_text(changed if isinstance(changed, str) else json.dumps(changed))

    with pytest.raises(ValueError, match=said):
        Emulator.load(file)


def test_a_missing_file_is_an_error():
    with pytest.raises(FileNotFoundError):
        Emulator.load("/nonexistent/state.json")
