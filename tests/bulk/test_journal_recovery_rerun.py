"""Nothing stays stuck: runs that the service no longer knows, launches that stay uncertain, ends that were inferred."""

import pytest

from dataflow_async import Journal, Launch
from dataflow_async.bulk.digests import settings_digest
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.wire.server_time import ServerTime
from tests.support.client import KEYS, RUN, client
from tests.support.scripted import answer, scripted

LAUNCH = Launch("Jq3kT9vLmN2x", key="day 1")
AT = ServerTime(1_700_000_000.0, 1_700_000_001.0)


async def recorded(path, url, *, run="e1", status=None):
    """A journal with one launch: in doubt, accepted, or ended."""
    writer = await JournalWriter.open(path, base_url=url, access_key=KEYS.access_key)
    await writer.intend(LAUNCH.key, LAUNCH.job_id, settings_digest(LAUNCH), None, AT)
    if run is None:
        await writer.unknown(LAUNCH.key, 1, AT.later)
    else:
        await writer.accepted(LAUNCH.key, 1, run, at=AT.later, created=None)
    if status is not None:
        await writer.ended(LAUNCH.key, 1, status, AT.later)
    await writer.aclose()


def service(known, listed=()):
    """Runs by id, as the service knows them; one that is launched has ended at once."""

    def respond(request):
        if request.method == "POST":
            return answer(202, {**RUN, "jobExecutionId": "new"})
        if "?" in request.target:
            return answer(200, {"list": [{**RUN, "jobExecutionId": name} for name in listed]})
        name = request.target.rpartition("/")[2]
        if name == "new":
            return answer(200, {**RUN, "jobExecutionId": "new", "status": "COMPLETED"})
        if name in known:
            return answer(200, {**RUN, "jobExecutionId": name, **known[name]})
        return answer(404, {"detail": "No such run", "errorType": "not-found"})

    return respond


async def outcome(path, respond, record, **settings):
    async with scripted(respond) as server, client(server.url) as flow:
        await recorded(path, server.url, **record)
        (only,) = [it async for it in flow.run_all([LAUNCH], journal=path, **settings)]
        posts = sum(request.method == "POST" for request in server.received)
    with Journal.open(path) as journal:
        return only, posts, [(entry.attempt, entry.state) for entry in journal.rows()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "j.db"


async def test_a_run_that_is_gone_at_the_service_stays_recorded(path):
    only, posts, rows = await outcome(path, service({}), {})
    assert type(only.error).__name__ == "NotFound"
    assert (posts, rows) == (0, [(1, "accepted")])


async def test_rerun_can_name_a_run_that_is_gone_at_the_service(path):
    only, posts, rows = await outcome(path, service({}), {}, rerun=["NOT_FOUND"])
    assert (only.status, only.execution.job_execution_id) == ("COMPLETED", "new")
    assert (posts, rows) == (1, [(1, "NOT_FOUND"), (2, "COMPLETED")])


async def test_rerun_of_lost_runs_leaves_those_alone_that_are_known(path):
    known = {"e1": {"status": "COMPLETED"}}
    only, posts, rows = await outcome(path, service(known), {}, rerun=["NOT_FOUND", "UNCERTAIN"])
    assert (only.status, posts, rows) == ("COMPLETED", 0, [(1, "COMPLETED")])


@pytest.mark.parametrize(("rerun", "posts"), [([], 0), (["FAILED"], 0), (["UNCERTAIN"], 1)])
async def test_rerun_can_name_what_an_earlier_run_left_uncertain(path, rerun, posts):
    respond = service({}, listed=["a stranger's"])  # which says nothing of its date
    only, sent, _ = await outcome(path, respond, {"run": None}, rerun=rerun)
    assert sent == posts
    assert only.status == ("COMPLETED" if posts else "UNCERTAIN")


async def test_an_end_that_was_inferred_is_looked_at_again(path):
    known = {"e1": {"status": "COMPLETED"}}
    only, posts, rows = await outcome(path, service(known), {"status": "ARCHIVING"})
    assert (only.status, only.error, posts, rows) == ("COMPLETED", None, 0, [(1, "COMPLETED")])


async def test_an_end_that_was_inferred_stays_when_its_run_is_no_longer_known(path):
    only, posts, rows = await outcome(path, service({}), {"status": "ARCHIVING"})
    assert (only.status, posts, rows) == ("ARCHIVING", 0, [(1, "ARCHIVING")])


async def test_an_end_that_is_certain_is_not_looked_at_again(path):
    only, posts, rows = await outcome(path, service({}), {"status": "COMPLETED"})
    assert (only.status, only.error, posts, rows) == ("COMPLETED", None, 0, [(1, "COMPLETED")])
