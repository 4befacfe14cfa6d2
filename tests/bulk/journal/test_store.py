"""The journal store: only the last opener writes."""

import shutil

import pytest

from dataflow_async import JournalError
from dataflow_async.bulk.journal import opening
from dataflow_async.bulk.journal.lock import Lock
from tests.support.journals import entries, intend, writing


async def test_an_earlier_opener_writes_nothing_more(path, tmp_path, monkeypatch):
    """Should a lock ever fail, the one who came first must not go on beside the second."""
    async with writing(path) as first:
        await intend(first, "a")
        shutil.copy(f"{path}-lock", tmp_path / "other-lock")
        monkeypatch.setattr(opening, "take_lock", lambda _: Lock.take(tmp_path / "other-lock"))
        async with writing(path) as second:
            with pytest.raises(JournalError, match="another run has opened it meanwhile"):
                await intend(first, "b")
            assert await intend(second, "c") is None
    assert [entry.key for entry in entries(path)] == ["a", "c"]
