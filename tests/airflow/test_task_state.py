"""The store of a task's launches: what it confirms is there for the next try, and what fails is reported."""

import asyncio
import json
import threading
from math import inf

import pytest

from dataflow_async import JournalError, defaults
from dataflow_async.airflow.task_state import PREFIX, TaskStateLaunchStore, TaskTry
from dataflow_async.bulk.launch_records import JournalPhase, KeyRepeated
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.wire.server_time import ServerTime
from tests.support.task_states import MemoryTaskState

AT = ServerTime(100.0, 101.0)
BY = TaskTry(2, 5)


async def opened(state, by=BY, service="https://one"):
    return await TaskStateLaunchStore.open(state, service=service, by=by)


async def test_every_member_of_an_attempt_comes_back():
    state = MemoryTaskState()
    store = await opened(state)
    assert isinstance(store, LaunchStore)
    await store.intend("a", "J", b"\x01\x02", b"\x03", ServerTime(-inf, 101.0))
    await store.accepted("a", 1, "run1", at=inf, created="2026-11-29", adopted=True)
    await store.ended("a", 1, "FAILED", 120.0)
    entry = store.last.entry
    await store.next_attempt(entry, AT, b"\x01\x02", None)
    await store.unknown("a", 2, 130.0)
    await store.supersede("a")
    await store.aclose()
    again = await opened(state, TaskTry(3, 5))
    assert again.latest() == store.latest()
    assert again.last.by == BY
    assert again.last.superseded
    assert again.last.entry.phase is JournalPhase.UNKNOWN
    assert await again.known_runs("J") == await store.known_runs("J")
    assert [run.execution_id for run in await again.known_runs("J")] == ["run1"]
    assert [(it.key, it.attempt) for it in await again.unresolved("J")] == [("a", 2)]
    assert await again.count_parameters("J", [b"\x03", b"\x04"]) == {b"\x03": 1}
    assert await again.unresolved("K") == []
    await again.aclose()


async def test_a_known_key_is_returned_and_not_changed_and_one_of_this_run_is_refused():
    state = MemoryTaskState()
    store = await opened(state)
    assert await store.intend("a", "J", b"", None, AT) is None
    with pytest.raises(KeyRepeated):
        await store.intend("a", "J", b"", None, AT)
    await store.aclose()
    again, writes = await opened(state), len(state.writes)
    assert (await again.intend("a", "J", b"other", None, AT)).settings == b""
    assert len(state.writes) == writes
    await again.aclose()


async def test_an_intent_is_widened_and_sent_again_as_the_protocol_says():
    store = await opened(MemoryTaskState())
    await store.intend("a", "J", b"", None, AT)
    await store.widen_intent("a", 1, ServerTime(90.0, 110.0))
    entry = store.last.entry
    assert (entry.intended_from, entry.intended_until) == (90.0, 110.0)
    again = await store.intend_again(entry, ServerTime(200.0, 201.0), may_have_run=True)
    assert (again.intended_from, again.intended_until) == (90.0, 201.0)
    again = await store.intend_again(entry, ServerTime(200.0, 201.0), may_have_run=False)
    assert (store.last.entry, again.intended_from) == (again, 200.0)
    await store.aclose()


async def test_launches_are_kept_in_pages_and_a_write_sends_one(monkeypatch):
    monkeypatch.setattr(defaults, "TASK_STATE_PAGE", 3)
    state = MemoryTaskState()
    store = await opened(state)
    for number in range(9):
        await store.intend(f"k{number}", "J", b"", None, AT)
    await store.accepted("k4", 1, "run", at=1.0, created=None)
    await store.aclose()
    assert sorted(state.values) == [f"{PREFIX}{number}" for number in range(3)]
    assert [len(json.loads(value)["launches"]) for value in state.values.values()] == [3, 3, 3]
    again = await opened(state)
    assert [it.entry.key for it in again.latest()] == [f"k{number}" for number in range(9)]
    await again.aclose()


async def test_many_who_record_at_once_share_writes(monkeypatch):
    state = MemoryTaskState()
    store = await opened(state)
    await asyncio.gather(*(store.intend(f"k{number}", "J", b"", None, AT) for number in range(40)))
    assert len(state.writes) <= 2
    await store.aclose()
    again = await opened(state)
    assert len(again.latest()) == 40
    await again.aclose()


async def test_after_a_write_that_failed_nothing_more_is_recorded():
    state = MemoryTaskState()
    store = await opened(state)
    await store.intend("a", "J", b"", None, AT)
    state.fails_at = {"accepted"}
    with pytest.raises(JournalError, match="Outage: no answer"):
        await store.accepted("a", 1, "run", at=1.0, created=None)
    state.fails_at = None
    with pytest.raises(JournalError):
        await store.intend("b", "J", b"", None, AT)
    await store.aclose()
    again = await opened(state)
    assert [it.entry.phase for it in again.latest()] == ["intent"]
    await again.aclose()


class SlowState(MemoryTaskState):
    """Each write waits until the test lets it go on."""

    def __init__(self):
        super().__init__()
        self.goes_on = threading.Event()
        self.began = threading.Event()

    def set(self, key, value, **more):
        self.began.set()
        assert self.goes_on.wait(10)
        super().set(key, value, **more)


async def test_a_write_whose_caller_is_cancelled_is_completed_before_the_next_one():
    state = SlowState()
    store = await opened(state)
    writing = asyncio.create_task(store.intend("a", "J", b"", None, AT))
    while not state.began.is_set():
        await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait([writing])
    assert writing.cancelled()
    state.goes_on.set()
    await store.accepted("a", 1, "run", at=1.0, created=None)
    assert state.writes == ["intent", "accepted"]
    await store.aclose()


async def test_the_event_loop_goes_on_while_airflow_answers():
    state = SlowState()
    store = await opened(state)
    writing = asyncio.create_task(store.intend("a", "J", b"", None, AT))
    while not state.began.is_set():
        await asyncio.sleep(0)
    state.goes_on.set()
    await writing
    await store.aclose()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"version": 2, "service": "https://one", "launches": []}, "version must be 1, got 2"),
        ({"version": 1, "service": "https://two", "launches": []}, "launched at https://two"),
        ({"version": 1, "service": "https://one"}, "does not hold launches"),
        ("text", "does not hold launches"),
        ({"version": 1, "service": "https://one", "launches": [[{"phase": "moon"}]]}, "does not hold"),
    ],
)
async def test_what_is_not_understood_is_refused(value, why):
    state = MemoryTaskState()
    state.values[f"{PREFIX}0"] = json.dumps(value)
    with pytest.raises(JournalError, match=why):
        await opened(state)


async def test_members_of_a_later_version_are_ignored():
    state = MemoryTaskState()
    store = await opened(state)
    await store.intend("a", "J", b"", None, AT)
    await store.aclose()
    value = json.loads(state.values[f"{PREFIX}0"])
    value["launches"][0][0]["more"] = value["more"] = 1
    state.values[f"{PREFIX}0"] = json.dumps(value)
    again = await opened(state)
    assert again.latest() == store.latest()
    await again.aclose()
