"""A journal to write to, what is written to it, and what it then holds."""

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

import dataflow_async
from dataflow_async import InvalidRequest, Journal
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.bulk.launch_records import JournalEntry, JournalPhase
from dataflow_async.wire.server_time import ServerTime

ROOT = Path(dataflow_async.__file__).parents[1]
URL = "https://dataflow.apigw.ntruss.com"
ACCESS = "ACCESS-KEY-ID"
SETTINGS, OTHER_SETTINGS = b"s" * 16, b"t" * 16
PARAMETERS, OTHER_PARAMETERS = b"p" * 16, b"\x00q" * 8
JOB = "Jq3kT9vLmN2x"
NOW = 1_790_000_000.25


@asynccontextmanager
async def writing(path, *, base_url=URL, access_key=ACCESS):
    writer = await JournalWriter.open(path, base_url=base_url, access_key=access_key)
    try:
        yield writer
    finally:
        await writer.aclose()


def at(earlier, later=None):
    return ServerTime(earlier, earlier + 1.5 if later is None else later)


def intend(writer, key, job_id=JOB, since=NOW, parameters=PARAMETERS):
    return writer.intend(key, job_id, SETTINGS, parameters, at(since))


def accept(writer, key, attempt, execution_id):
    return writer.accepted(key, attempt, execution_id, at=NOW + 2, created="2026-09-21T13:46:42")


def intent(key, **changed):
    since = changed.setdefault("intended_from", NOW)
    changed.setdefault("intended_until", since + 1.5)
    if "execution_id" in changed:
        changed = {"accepted_at": NOW + 2, "created": "2026-09-21T13:46:42"} | changed
    return attrs.evolve(
        JournalEntry(key, 1, JOB, SETTINGS, PARAMETERS, JournalPhase.INTENT, NOW, NOW), **changed
    )


def entries(path):
    with Journal.open(path) as journal:
        return list(journal.rows())


async def refused(path, **whose):
    """The one line with which a writer is refused."""
    with pytest.raises(InvalidRequest) as caught:
        await JournalWriter.open(path, **{"base_url": URL, "access_key": ACCESS} | whose)
    assert caught.value.field == "journal"
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
    return str(caught.value)


OUTCOMES = {
    "accepted": (lambda w: accept(w, "a", 1, "e1"), {"phase": JournalPhase.ACCEPTED, "execution_id": "e1"}),
    "rejected": (
        lambda w: w.rejected("a", 1, "BadRequest"),
        {"phase": JournalPhase.REJECTED, "status": "BadRequest"},
    ),
    "not sent": (
        lambda w: w.not_sent("a", 1, "NotSent"),
        {"phase": JournalPhase.NOT_SENT, "status": "NotSent"},
    ),
    "unknown": (lambda w: w.unknown("a", 1, NOW + 3), {"phase": JournalPhase.UNKNOWN, "sent_by": NOW + 3}),
    "unknown since": (lambda w: w.unknown("a", 1, None), {"phase": JournalPhase.UNKNOWN}),
    "ended": (
        lambda w: asyncio.gather(accept(w, "a", 1, "e1"), w.ended("a", 1, "COMPLETED", NOW + 5)),
        {"phase": JournalPhase.ENDED, "execution_id": "e1", "status": "COMPLETED", "ended_at": NOW + 5},
    ),
}


PHASES = {
    "intent": lambda _, __: asyncio.sleep(0),
    "accepted": lambda w, k: accept(w, k, 1, "e1"),
    "rejected": lambda w, k: w.rejected(k, 1, "BadRequest"),
    "not_sent": lambda w, k: w.not_sent(k, 1, "NotSent"),
    "unknown": lambda w, k: w.unknown(k, 1, None),
}


def child(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        text=True,
    )
