"""A run without a journal records nothing, and still launches no key twice."""

import inspect

import pytest

from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase, KeyRepeated
from dataflow_async.bulk.launch_store import LaunchStore
from dataflow_async.bulk.null_store import NullStore, no_server_time

METHODS = [name for name, method in vars(LaunchStore).items() if inspect.iscoroutinefunction(method)]


@pytest.mark.parametrize("store", [NullStore, JournalWriter])
@pytest.mark.parametrize("method", METHODS)
def test_each_store_takes_the_arguments_of_the_protocol(store, method):
    asked = inspect.signature(getattr(LaunchStore, method)).parameters
    taken = inspect.signature(getattr(store, method)).parameters
    assert [(it.name, it.kind, it.default) for it in taken.values()] == [
        (it.name, it.kind, it.default) for it in asked.values()
    ]


async def test_null_store_refuses_a_key_that_comes_again():
    store = NullStore()
    assert await store.intend("day-1", "job", b"", None, no_server_time()) is None
    assert await store.intend("day-2", "job", b"", None, no_server_time()) is None
    with pytest.raises(KeyRepeated):
        await store.intend("day-1", "job", b"", None, no_server_time())


async def test_null_store_lets_an_attempt_be_sent_again():
    store = NullStore()
    await store.intend("day-1", "job", b"", None, no_server_time())
    entry = JournalEntry("day-1", 1, "job", b"", None, JournalPhase.REJECTED, *no_server_time())
    assert await store.intend_again(entry, no_server_time(), may_have_run=False) == entry
    assert (await store.next_attempt(entry, no_server_time(), b"", None)).attempt == 2


async def test_null_store_has_no_evidence():
    store = NullStore()
    await store.intend("day-1", "job", b"", None, no_server_time())
    await store.accepted("day-1", 1, "run", at=0.0, created=None)
    assert not store.durable
    assert await store.known_runs("job") == await store.unresolved("job") == []
    assert await store.count_parameters("job", [b"p" * 16]) == {}
