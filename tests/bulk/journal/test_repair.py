"""Repairing a journal by hand: what a person found out is recorded where it can be so."""

import pytest

from dataflow_async import InvalidRequest, Journal
from tests.support.journals import NOW, PHASES, accept, intend, writing


async def every_phase(path):
    async with writing(path) as writer:
        for phase, record in PHASES.items():
            await intend(writer, phase)
            await record(writer, phase)
        await intend(writer, "ended")
        await accept(writer, "ended", 1, "e9")
        await writer.ended("ended", 1, "ODD", NOW)


FINDINGS = {
    "not started": ({"started": False}, "not_sent", {"intent", "unknown"}),
    "a run": ({"execution_id": "found"}, "accepted", {"intent", "unknown"}),
    "a run that has ended": ({"execution_id": "found", "status": "FAILED"}, "FAILED", {"intent", "unknown"}),
    "an end": ({"status": "COMPLETED"}, "COMPLETED", {"accepted", "ended"}),
}


@pytest.mark.parametrize(("found", "state", "fits"), FINDINGS.values(), ids=FINDINGS)
async def test_a_finding_is_recorded_where_the_phase_allows_it(path, found, state, fits):
    await every_phase(path)
    with Journal.open(path) as journal:
        for before in journal.rows():  # while it is read, by whoever resolves what he comes upon
            if "execution_id" in found:
                found = found | {"execution_id": f"found for {before.key}"}
            if before.key in fits:
                now = journal.resolve(before.key, **found)
                assert now.state == state
                assert now.adopted == ("execution_id" in found)
                assert now.execution_id == found.get("execution_id", before.execution_id)
            else:
                with pytest.raises(
                    InvalidRequest, match=f"got {before.key!r}, which is {before.phase}"
                ) as caught:
                    journal.resolve(before.key, **found)
                assert caught.value.field == "key"
        assert {entry.key for entry in journal.rows() if entry.state == state} >= fits
    async with writing(path):
        pass


@pytest.mark.parametrize(
    ("found", "field"),
    [
        ({}, "started"),
        ({"started": False, "status": "FAILED"}, "started"),
        ({"started": False, "execution_id": "e"}, "started"),
        ({"execution_id": ""}, "execution_id"),
        ({"execution_id": ".."}, "execution_id"),
        ({"status": 5}, "status"),
    ],
)
async def test_a_finding_says_one_thing(path, found, field):
    await every_phase(path)
    with Journal.open(path) as journal, pytest.raises(InvalidRequest) as caught:
        journal.resolve("unknown", **found)
    assert caught.value.field == field


async def test_a_run_belongs_to_one_launch_whoever_says_so(path):
    await every_phase(path)
    with Journal.open(path) as journal:
        journal.resolve("unknown", execution_id="found")
        with pytest.raises(InvalidRequest, match="got found, the run of 'unknown'") as caught:
            journal.resolve("intent", execution_id="found")
        assert caught.value.field == "execution_id"
        assert {entry.key: entry.state for entry in journal.rows()}["intent"] == "intent"


async def test_a_finding_is_refused_while_a_run_writes(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        with Journal.open(path) as journal, pytest.raises(InvalidRequest, match="is writing to it"):
            journal.resolve("a", started=False)
