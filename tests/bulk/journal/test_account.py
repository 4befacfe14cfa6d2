"""A journal belongs to a service and an account, not to an access key (ruling 95)."""

from types import SimpleNamespace

import pytest

from dataflow_async import InvalidRequest, Journal
from dataflow_async.bulk.journal.account import reads_one_of
from dataflow_async.bulk.journal.writer import JournalWriter
from dataflow_async.errors import ResponseLost
from dataflow_async.models.execution import ExecutionRef
from dataflow_async.wire.server_time import ServerTime

URL = "https://dataflow.apigw.ntruss.com"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "j.db"


def opened(path, key="OLD", prove=None, url=URL):
    return JournalWriter.open(path, base_url=url, access_key=key, prove=prove)


def at(seconds):
    return ServerTime(seconds, seconds + 1.0)


async def launched(path, runs):
    """A journal with launches of these jobs: key, job, run or None."""
    writer = await opened(path)
    for n, (key, job, run) in enumerate(runs):
        await writer.intend(key, job, b"s" * 16, None, at(float(n)))
        if run is not None:
            await writer.accepted(key, 1, run, at=float(n), created=None)
    await writer.aclose()


def keys(path):
    with Journal.open(path) as journal:
        return journal.access_keys


class Asked:
    def __init__(self, answer):
        self.answer, self.runs = answer, []

    async def __call__(self, runs):
        self.runs.append(list(runs))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_new_key_that_reads_one_of_its_runs_is_added(path):
    await launched(path, [(f"k{n}", f"job{n % 7}", f"e{n}") for n in range(20)])
    asked = Asked(answer=True)
    await (await opened(path, "NEW", asked)).aclose()
    assert asked.runs == [[ExecutionRef(f"job{n % 7}", f"e{n}") for n in (19, 18, 17, 16, 15)]]
    assert keys(path) == ("OLD", "NEW")
    for key in ("OLD", "NEW"):  # once proven, nothing is asked again
        await (await opened(path, key)).aclose()


@pytest.mark.parametrize("prove", [None, Asked(answer=False)])
async def test_another_key_is_refused_without_proof_and_the_file_is_unchanged(path, prove):
    await launched(path, [("a", "job", "e1")])
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="journal rebind PATH --access-key NEW") as caught:
            await opened(path, "NEW", prove)
        assert caught.value.field == "journal"
    assert keys(path) == ("OLD",)


async def test_a_proof_that_could_not_be_had_raises_itself(path):
    await launched(path, [("a", "job", "e1")])
    lost = ResponseLost("no answer", operation="getJobExecutionById")
    with pytest.raises(ResponseLost):
        await opened(path, "NEW", Asked(lost))
    await (await opened(path)).aclose()  # nothing holds it
    assert keys(path) == ("OLD",)


async def test_another_key_needs_no_proof_where_no_launch_may_have_started(path):
    writer = await opened(path)
    await writer.intend("a", "job", b"s" * 16, None, at(1.0))
    await writer.not_sent("a", 1, "NotSent")
    await writer.aclose()
    await (await opened(path, "NEW", Asked(answer=False))).aclose()
    assert keys(path) == ("OLD", "NEW")


async def test_a_launch_that_may_have_started_and_no_run_that_is_known_prove_nothing(path):
    await launched(path, [("a", "job", None)])
    asked = Asked(answer=True)
    with pytest.raises(InvalidRequest, match="belongs to access key OLD, and this client uses NEW"):
        await opened(path, "NEW", asked)
    assert asked.runs == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://localhost:8787", "http://127.0.0.1:8787", True),
        ("http://[::1]:8787", "http://localhost:8787", True),
        ("http://localhost:8787", "http://localhost:8788", False),
        ("http://localhost", "https://localhost", False),
        ("http://localhost:80", "http://127.0.0.1", True),
        ("https://dataflow.apigw.ntruss.com", "https://DataFlow.apigw.ntruss.com.:443/", True),
        ("https://dataflow.apigw.ntruss.com", "https://localhost", False),
    ],
)
async def test_the_names_of_this_machine_are_one_service(path, one, other, same):
    await (await opened(path, url=one)).aclose()
    if same:
        await (await opened(path, url=other)).aclose()
    else:
        with pytest.raises(InvalidRequest, match="belongs to service"):
            await opened(path, url=other)


# --- what an answer proves ---------------------------------------------------------------------------------

RUNS = [ExecutionRef("job1", "e1"), ExecutionRef("job2", "e2")]


def gateway(status, code):
    return status, {"error": {"errorCode": code, "message": "m", "details": "d"}}


ANSWERS = {
    "it": ([(200, {"jobExecutionId": "e1", "jobId": "job1", "status": "COMPLETED"})], True),
    "accepted": ([(202, {"jobExecutionId": "e1"})], True),
    "the second": ([gateway(404, "300"), (200, {"jobExecutionId": "e2", "status": "COMPLETED"})], True),
    "none": ([gateway(404, "300"), gateway(403, "300")], False),
    "no permission": ([gateway(401, "210"), gateway(401, "210")], False),
    "no body": ([(202, None), (202, None)], False),
    "another run": ([(200, {"jobExecutionId": "e2", "status": "RUNNING"}), gateway(404, "300")], False),
}


@pytest.mark.parametrize(("answers", "proven"), ANSWERS.values(), ids=ANSWERS)
async def test_only_a_body_that_names_the_run_proves_the_account(answers, proven):
    left = list(answers)

    async def execution(job_id, execution_id):
        from dataflow_async.models.execution import JobExecution
        from dataflow_async.wire.failure import failure

        status, body = left.pop(0)
        if status >= 400:
            import json

            raise failure("getJobExecutionById", status, {}, json.dumps(body).encode())
        run = JobExecution((body or {}).get("jobExecutionId", execution_id), job_id)
        object.__setattr__(run, "raw", body or {})
        return run

    assert await reads_one_of(SimpleNamespace(execution=execution), RUNS) is proven
    assert not left or proven
