"""What reconciliation reads pages with is loaded by a thread: the event loop goes on meanwhile."""

import threading
from types import SimpleNamespace

import pytest

from dataflow_async.bulk.run_reads import RunReads
from dataflow_async.wire import listed_rows


@pytest.mark.parametrize("loaded", [False, True])
async def test_what_pages_are_read_with_is_loaded_once_and_by_a_thread(monkeypatch, loaded):
    threads, pages = [], []

    async def page_by(*_, **query):
        pages.append((query, len(threads)))
        return "page"

    monkeypatch.setattr(listed_rows, "is_loaded", lambda: loaded or bool(threads))
    monkeypatch.setattr(listed_rows, "load", lambda: threads.append(threading.current_thread()))
    reads = RunReads(None, SimpleNamespace(page_by=page_by))
    assert [await reads.listed_page("job", number, 10) for number in range(2)] == ["page", "page"]
    assert len(threads) == (not loaded)
    assert threading.current_thread() not in threads
    assert [count for _, count in pages] == [len(threads)] * 2
