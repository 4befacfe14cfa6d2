"""The writer of a journal: what it records is durable when it returns, and only in an order that can be."""

import asyncio

import attrs
import pytest

from dataflow_async import JournalError
from dataflow_async.bulk.launch_records import JournalPhase, KeyRepeated, KnownRun
from dataflow_async.wire.server_time import ServerTime
from tests.support.journals import (
    JOB,
    NOW,
    OTHER_PARAMETERS,
    OTHER_SETTINGS,
    OUTCOMES,
    PARAMETERS,
    PHASES,
    SETTINGS,
    accept,
    at,
    entries,
    intend,
    intent,
    writing,
)


async def test_an_intent_is_recorded_once_and_a_known_key_gives_its_latest_entry(path):
    async with writing(path) as writer:
        assert await intend(writer, "a") is None
        assert entries(path) == [intent("a")]
    async with writing(path) as writer:
        assert await writer.intend("a", "other", OTHER_SETTINGS, None, at(NOW + 9)) == intent("a")
        assert entries(path) == [intent("a")]
        await accept(writer, "a", 1, "e1")
        await writer.ended("a", 1, "FAILED", NOW + 60)
        ended = intent("a", phase=JournalPhase.ENDED, execution_id="e1", status="FAILED", ended_at=NOW + 60)
        further = await writer.next_attempt(ended, at(NOW + 70), OTHER_SETTINGS, None)
    async with writing(path) as writer:
        assert await intend(writer, "a") == further
    assert further == intent("a", attempt=2, intended_from=NOW + 70, settings=OTHER_SETTINGS, parameters=None)
    assert entries(path) == [ended, further]


@pytest.mark.parametrize(("record", "changed"), OUTCOMES.values(), ids=OUTCOMES)
async def test_an_outcome_is_there_as_soon_as_it_was_awaited_and_after_the_end(path, record, changed):
    async with writing(path) as writer:
        await intend(writer, "a")
        await intend(writer, "b")
        await record(writer)
        assert entries(path) == [intent("a", **changed), intent("b")]
    assert entries(path) == [intent("a", **changed), intent("b")]
    async with writing(path) as writer:
        assert await intend(writer, "a") == intent("a", **changed)


@pytest.mark.parametrize(
    "phase", [JournalPhase.INTENT, JournalPhase.UNKNOWN, JournalPhase.REJECTED, JournalPhase.NOT_SENT]
)
@pytest.mark.parametrize("since", [NOW + 10, NOW - 10])
@pytest.mark.parametrize("may_have_run", [True, False])
async def test_an_attempt_that_goes_out_again_may_have_been_sent_since_its_first_time(
    path, phase, since, may_have_run
):
    async with writing(path) as writer:
        await intend(writer, "a")
        if phase is not JournalPhase.INTENT:
            await getattr(writer, phase)("a", 1, "x" if phase is not JournalPhase.UNKNOWN else NOW + 3)
        (before,) = entries(path)
        assert before.phase is phase
        before = attrs.evolve(before, parameters=OTHER_PARAMETERS)
        again = await writer.intend_again(before, at(since), may_have_run=may_have_run)
        kept = min(since, NOW) if may_have_run else since
        expected = intent("a", intended_from=kept, intended_until=since + 1.5, parameters=OTHER_PARAMETERS)
        assert again == expected
        assert entries(path) == [again]


async def test_an_intent_is_widened_before_it_is_sent_under_another_clock(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        await writer.widen_intent("a", 1, ServerTime(NOW - 7200, NOW - 7198))
        assert entries(path) == [intent("a", intended_from=NOW - 7200, intended_until=NOW + 1.5)]
        await writer.widen_intent("a", 1, ServerTime(NOW, NOW + 60))
        assert entries(path) == [intent("a", intended_from=NOW - 7200, intended_until=NOW + 60)]
        await accept(writer, "a", 1, "e")
        with pytest.raises(JournalError, match="not as it was recorded"):
            await writer.widen_intent("a", 1, at(NOW))


@pytest.mark.parametrize("earlier", [float("-inf"), -0.0, 0.0])
async def test_an_intent_is_recorded_before_server_time_is_known(path, earlier):
    async with writing(path) as writer:
        await intend(writer, "a", since=earlier)
        assert entries(path) == [intent("a", intended_from=earlier, intended_until=earlier + 1.5)]


async def test_outcomes_of_one_launch_in_one_group_count_in_their_order(path):
    async with writing(path) as writer:
        await asyncio.gather(
            intend(writer, "a"),
            intend(writer, "b"),
            accept(writer, "a", 1, "e1"),
            writer.unknown("b", 1, NOW),
            writer.ended("a", 1, "COMPLETED", NOW + 1),
            accept(writer, "b", 1, "e2"),
        )
    assert [(entry.key, entry.phase, entry.execution_id, entry.sent_by) for entry in entries(path)] == [
        ("a", "ended", "e1", None),
        ("b", "accepted", "e2", None),
    ]


@pytest.mark.parametrize("together", [True, False])
async def test_a_run_has_each_key_once(path, together):
    """The journal is what a run's keys are kept in: no other room is needed for them."""
    for known in (None, intent("a"), intent("a")):
        async with writing(path) as writer:
            if together:
                found = await asyncio.gather(intend(writer, "a"), intend(writer, "a"), return_exceptions=True)
                assert found[0] == known
                assert isinstance(found[1], KeyRepeated)
            else:
                assert await intend(writer, "a") == known
                await writer.unknown("a", 1, None)
                await writer.intend_again(intent("a", phase=JournalPhase.UNKNOWN), at(NOW), may_have_run=True)
                with pytest.raises(KeyRepeated):
                    await intend(writer, "a")
            assert await intend(writer, "b") == (known and intent("b"))


async def test_text_that_utf8_has_no_form_for_is_written_readably(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        await accept(writer, "a", 1, "e\ud800")
        assert [run.execution_id for run in await writer.known_runs(JOB)] == ["e\\ud800"]
        await writer.ended("a", 1, "DONE\udfff", NOW)
    assert entries(path)[0].status == "DONE\\udfff"


async def test_known_runs_are_those_of_a_job_by_their_intent(path):
    async with writing(path) as writer:
        for n, key in enumerate("cba"):
            await intend(writer, key, since=NOW + n)
        await intend(writer, "other", job_id="another job")
        await accept(writer, "other", 1, "e9")
        await accept(writer, "c", 1, "e0")
        await writer.ended("c", 1, "FAILED", NOW + 60)
        await writer.unknown("a", 1, NOW + 30)
        await writer.accepted("a", 1, "e2", at=NOW + 40, created=None, adopted=True)
        await writer.next_attempt(entries(path)[2], at(NOW + 70), SETTINGS, PARAMETERS)
        assert [*await writer.known_runs(JOB)] == [
            KnownRun("e0", "c", NOW, NOW + 1.5, NOW + 2, "2026-09-21T13:46:42", adopted=False, ended=True),
            KnownRun("e2", "a", NOW + 2, NOW + 3.5, NOW + 40, None, adopted=True, ended=False),
        ]
        assert not await writer.known_runs("no such job")


WRONG = {
    "accepted": ("accepted", "rejected", "not_sent"),
    "rejected": ("accepted", "rejected", "not_sent"),
    "not_sent": ("accepted", "rejected", "not_sent"),
    "unknown": ("accepted", "rejected", "not_sent"),
    "ended": ("intent", "rejected", "not_sent", "unknown"),
}


@pytest.mark.parametrize(("then", "was"), [(then, was) for then, some in WRONG.items() for was in some])
async def test_an_outcome_is_recorded_only_over_a_phase_that_it_can_follow(path, was, then):
    """Two who think that they write to one journal must not undo each other's outcomes."""
    async with writing(path) as writer:
        await intend(writer, "a")
        await PHASES[was](writer, "a")
        before = entries(path)
        with pytest.raises(JournalError, match="not as it was recorded"):
            if then == "ended":
                await writer.ended("a", 1, "FAILED", NOW)
            else:
                await PHASES[then](writer, "a")
    assert entries(path) == before


async def test_an_attempt_goes_out_again_only_from_the_phase_that_was_read(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        await accept(writer, "a", 1, "e1")
        with pytest.raises(JournalError, match="not as it was recorded"):
            await writer.intend_again(intent("a", phase=JournalPhase.UNKNOWN), at(NOW), may_have_run=True)


async def test_keys_that_carry_the_same_parameters_are_counted(path):
    async with writing(path) as writer:
        for key in "ab":
            await intend(writer, key)
        await intend(writer, "c", parameters=OTHER_PARAMETERS)
        await intend(writer, "d", parameters=None)
        await intend(writer, "e", job_id="another job", parameters=OTHER_PARAMETERS)
        await writer.next_attempt(intent("a"), at(NOW), SETTINGS, PARAMETERS)
        digests = [PARAMETERS, OTHER_PARAMETERS, b"n" * 16]
        assert await writer.count_parameters(JOB, digests) == dict(zip(digests, (2, 1, 0), strict=True))
        assert await writer.count_parameters(JOB, []) == {}


@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_outcome_without_its_intent_fails_the_journal(path, attempt):
    async with writing(path) as writer:
        await intend(writer, "a")
        with pytest.raises(JournalError, match="a launch is not as it was recorded"):
            await accept(writer, "a" if attempt == 2 else "b", attempt, "e")


async def test_a_further_attempt_never_replaces_one_that_is_there(path):
    async with writing(path) as writer:
        await intend(writer, "a")
        await writer.next_attempt(intent("a"), at(NOW), SETTINGS, None)
        await accept(writer, "a", 2, "e2")
        with pytest.raises(JournalError, match="UNIQUE"):
            await writer.next_attempt(intent("a"), at(NOW), SETTINGS, None)
    assert entries(path)[1] == intent(
        "a", attempt=2, parameters=None, phase=JournalPhase.ACCEPTED, execution_id="e2"
    )
