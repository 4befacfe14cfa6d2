"""The events that a server records."""

import gc
import json
from collections import Counter

import pytest

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.event_log import History
from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    RequestReceived,
    ServerStarted,
    SignatureChecked,
    StateChanged,
    StatusReported,
    read_history,
)
from dataflow_async.emulator.audit.verify import verify_history
from tests.emulator.conftest import session_of


def kinds(server, since=0):
    return [type(it).__name__ for it in server.history.since(since)]


async def test_a_launch_from_reception_to_answer(api, server, clock):
    job = await api.job()
    before = server.history.last
    run = await api.ok("executeJob", job, body={"parameters": {"day": "1"}})

    received, judged, effect, said, answered = server.history.since(before)
    target = f"/api/v1/jobs/{job}/executions"
    run_id = run["jobExecutionId"]
    now = clock.time()
    assert received == RequestReceived(
        before + 1, now, 2, "POST", target, "executeJob", True, {"parameters": {"day": "1"}}
    )
    assert judged == SignatureChecked(before + 2, now, 2, None)
    assert effect == StateChanged(before + 3, now, 2, "launched", "execution", run_id, job, {"day": "1"})
    assert said == StatusReported(before + 4, now, 2, ((run_id, "READY"),))
    assert answered == AnswerSent(before + 5, now, 2, 202)


async def test_only_new_statuses_are_reported(api, server, clock):
    job = await api.job()
    run = (await api.ok("executeJob", job))["jobExecutionId"]
    before = server.history.last
    await api.status(job, run)
    assert kinds(server, before) == ["RequestReceived", "SignatureChecked", "AnswerSent"]

    await clock.push(60)
    await api.ok("getJobExecutions", job)
    assert server.history.since(before)[5].statuses == ((run, "COMPLETED"),)


async def test_every_writing_call_leaves_one_effect(api, server, clock):
    trigger, job = await api.trigger(), await api.job()
    workflow = await api.workflow(trigger, {job: []})
    await api.ok("updateJob", job, body={"type": "SCRIPT"})
    await api.ok("updateJobExecuteConfig", job, body={"jobCondition": {}})
    run = (await api.ok("executeJob", job))["jobExecutionId"]
    await api.ok("cancelJobExecution", job, run)
    await api.ok("executeWorkflow", workflow)
    await api.ok("deleteTrigger", trigger)
    await api.ok("deleteWorkflow", workflow)
    await api.ok("deleteJob", job)

    effects = [
        (it.what, it.resource, it.resource_id) for it in server.history if isinstance(it, StateChanged)
    ]
    begun = list(server.state.executions)[1]
    assert effects == [
        ("created", "trigger", trigger),
        ("created", "job", job),
        ("created", "workflow", workflow),
        ("updated", "job", job),
        ("updated", "job", job),
        ("launched", "execution", run),
        ("canceled", "execution", run),
        ("launched", "execution", begun),
        ("started", "workflow", workflow),
        ("deleted", "trigger", trigger),
        ("deleted", "workflow", workflow),
        ("deleted", "job", job),
    ]
    assert verify_history(server.history) == []


async def test_a_run_that_a_workflow_begins_later_belongs_to_no_request(api, server, clock):
    first, second = await api.job("first_step"), await api.job("second_step")
    workflow = await api.workflow(await api.trigger(), {first: [], second: [first]})
    await api.ok("executeWorkflow", workflow)
    await clock.push(60)
    await api.ok("getJobs")

    launches = [it for it in server.history if isinstance(it, StateChanged) and it.what == "launched"]
    assert [(it.job_id, it.request is None) for it in launches] == [(first, False), (second, True)]
    assert verify_history(server.history) == []


async def test_refusals_are_recorded_without_secrets(api, server):
    await api.send("GET", "/api/v1/jobs", headers={"x-ncp-apigw-signature-v2": "bm9uc2Vuc2U="})
    await api.send("GET", "/api/v1/nothing")
    await api.send("POST", "/api/v1/jobs", b"{broken")
    async with api.session.get(server.url + "/api/v1/jobs") as response:
        assert response.status == 401

    text = server.history.to_jsonl()
    assert server.secret_key not in text and "bm9uc2Vuc2U" not in text and server.access_key not in text
    received = [it for it in server.history if isinstance(it, RequestReceived)]
    assert [(it.operation, it.access_key, it.body) for it in received] == [
        ("getJobs", True, None), (None, True, None), ("createJob", True, None), ("getJobs", False, None),
    ]  # fmt: skip
    objections = [it.objection for it in server.history if isinstance(it, SignatureChecked)]
    assert [bool(it) for it in objections] == [True, False, False, True]
    assert [it.status for it in server.history if isinstance(it, AnswerSent)] == [401, 404, 400, 401]
    assert verify_history(server.history) == []


async def test_history_keeps_invalid_bodies_but_no_huge_ones(api, server):
    await api("createJob", body={"name": "!"})
    await api("createJob", body={"name": "x" * 70_000})

    bodies = [it.body for it in server.history if isinstance(it, RequestReceived)]
    assert bodies == [{"name": "!"}, "(70012 bytes)"]


async def test_faults_are_recorded_with_what_they_did(api, server):
    server.faults.parse("unknown-status; 500 #2; close #3")
    for _ in range(2):
        await api.send("GET", "/api/v1/jobs")
    with pytest.raises(Exception, match="disconnected"):
        await api.session.post(server.url + "/api/v1/jobs")

    ends = [it for it in server.history if isinstance(it, AnswerSent | AnswerLost)]
    assert [it.faults for it in ends] == [
        ("unknown-status",), ("unknown-status", "500"), ("unknown-status", "close"),
    ]  # fmt: skip
    assert ends[2].reason == "close"


async def test_memory_is_bounded_and_what_is_dropped_is_counted(clock):
    async with Emulator(clock=clock, history_limit=7) as server, session_of(server) as api:
        for _ in range(5):
            await api.ok("getJobs")
        assert (len(server.history), server.history.dropped, server.history.last) == (7, 9, 16)
        assert [it.number for it in server.history.since(14)] == [15, 16]
        assert [it.number for it in server.history.since(0)] == list(range(10, 17))
        assert server.history.since(99) == []
    assert verify_history(server.history)[0].invariant == "numbers_have_no_gaps"
    with pytest.raises(ValueError, match="history_limit must be 0 or more, got -1"):
        Emulator(history_limit=-1)


async def test_a_history_limit_of_zero_keeps_nothing(clock):
    async with Emulator(clock=clock, history_limit=0) as server, session_of(server) as api:
        await api.ok("getJobs")
        assert (list(server.history), server.history.dropped) == ([], 4)
        assert server.history.since(0) == []


# --- JSON Lines -------------------------------------------------------------------------------------------------------


async def test_written_text_is_read_back(api, server, clock, tmp_path):
    job = await api.job()
    await api.ok("executeJob", job, body={"parameters": {"a": [1, {"b": ["c"]}]}})
    server.faults.add("500")
    await api.send("POST", "/api/v1/jobs/%ff/", b"[1, 2]")

    server.history.write(tmp_path / "history.jsonl")
    assert read_history(tmp_path / "history.jsonl") == list(server.history)
    first = json.loads((tmp_path / "history.jsonl").read_text().splitlines()[1])
    assert first["type"] == "request_received" and first["operation"] == "createJob"


async def test_the_log_continues_after_a_killed_process(clock, tmp_path):
    log = tmp_path / "log.jsonl"
    async with Emulator(clock=clock, log=log) as server, session_of(server) as api:
        await api.job()
        assert read_history(log) == list(server.history)  # at once, not at the end
    with log.open("a") as file:
        file.write('{"type":"request_received","number":6,"ti')

    async with Emulator(clock=clock, log=str(log)) as server, session_of(server) as api:
        await api.ok("getJobs")

    both = read_history(log)
    assert [it.number for it in both] == list(range(1, len(both) + 1))
    assert Counter(type(it) for it in both)[ServerStarted] == 2
    assert [it.request for it in both if isinstance(it, RequestReceived)] == [1, 2]
    assert verify_history(both) == []


async def test_the_log_contains_earlier_events(clock, tmp_path):
    log, state = tmp_path / "log.jsonl", tmp_path / "state.json"
    first = Emulator(clock=clock, log=log)
    job = first.create_job("orders_rollup")
    runs = [first.launch(job)]
    async with first, session_of(first) as api:
        await api.status(job, runs[0])
    runs.append(first.launch(job))
    async with first:
        assert read_history(log) == list(first.history)
    first.save(state)

    async with Emulator.load(state, clock=clock, log=log) as server, session_of(server) as api:
        for run in runs:
            await api.status(job, run)
            assert server.cancel(run)
    recorded = [(it.what, it.resource_id) for it in read_history(log) if isinstance(it, StateChanged)]
    assert recorded == [
        *(("launched", run) for run in runs), *(("restored", run) for run in runs), *(("canceled", run) for run in runs),
    ]  # fmt: skip
    assert verify_history(read_history(log)) == []
    assert read_history(log)[-len(server.history) :] == list(server.history)


async def test_the_end_of_a_run_is_recorded_once_whatever_caused_it(api, server, clock):
    job = await api.job()
    runs = [(await api.ok("executeJob", job))["jobExecutionId"] for _ in range(4)]
    await api.ok("cancelJobExecution", job, runs[0])
    server.cancel(runs[1])
    server.finish(runs[2])
    server.fail(runs[3])
    for end in (server.cancel, server.finish, server.fail):
        assert not end(runs[0])

    ends = [it for it in server.history if isinstance(it, StateChanged)][5:]
    assert [(it.what, it.resource_id, it.request) for it in ends] == [
        ("canceled", runs[0], 6), ("canceled", runs[1], None), ("finished", runs[2], None), ("failed", runs[3], None),
    ]  # fmt: skip
    assert verify_history(server.history) == []


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", "{}", '{"type":"rain"}', '{"type":"server_started","number":1}', '{"type":[]}']
)
async def test_a_log_that_is_something_else_is_left_alone(line, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text(line + "\n")

    with pytest.raises(ValueError, match="must be an event of a history"):
        await Emulator(log=file).start()
    assert file.read_text() == line + "\n"
    with pytest.raises(ValueError, match="line 1 must be an event"):
        read_history(file)


async def test_a_log_that_can_not_be_written_is_an_error_and_nothing_listens(tmp_path):
    server = Emulator(log=tmp_path)
    with pytest.raises(IsADirectoryError):
        await server.start()
    with pytest.raises(RuntimeError):
        _ = server.url


def test_a_full_collection_of_garbage_walks_no_events():
    history = History(lambda: 0.5)
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1000):
        history.answered(number, 200)
    gc.collect()

    assert len(gc.get_objects()) - before < 500
