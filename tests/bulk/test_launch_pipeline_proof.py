"""What proves that a launch did not start, and what does not: answers of others, and answers about other launches."""

import json

import pytest

from dataflow_async import APIError, DecodeError, Launch, LaunchUncertain, NotFound
from dataflow_async.bulk import factory
from dataflow_async.emulator.audit.verify import read_journal
from tests.bulk.test_launch_source_items import Service
from tests.support.client import client
from tests.support.scripted import answer, gateway_error, scripted

PAGE = "<html><head><title>Refused</title></head><body>nginx</body></html>"
FOREIGN = [403, 404, 408, 409, 425, 429, 499, 502]
REDIRECTS = [301, 302, 307, 308]


class Listing(Service):
    """Lists the runs that it has started as well, newest first."""

    def __call__(self, request):
        if request.method == "GET" and "?" in request.target and "/execution" in request.target:
            job_id = request.target.split("/")[4]
            rows = [
                {"jobExecutionId": f"run{n + 1}", "jobId": job_id, "status": "COMPLETED"}
                | {"parsedParameters": json.loads(it.body).get("jobCondition", {}).get("parameters")}
                for n, it in enumerate(self.sent)
            ]
            return answer(200, {"list": rows if "page=0" in request.target else []})
        return super().__call__(request)


def after_the_effect(service, given, which):
    """The ``which``-th launch has its effect, and its answer is replaced."""

    def respond(request):
        reply = service(request)
        return given if request.method == "POST" and len(service.sent) == which else reply

    return respond


@pytest.mark.parametrize("status", FOREIGN)
async def test_a_page_of_somebody_in_between_is_no_refusal(status, tmp_path):
    path = tmp_path / "backfill.db"
    service = Listing()
    respond = after_the_effect(service, answer(status, PAGE, Content_Type="text/html"), 2)
    days = [Launch("J", parameters={"day": str(n)}, key=f"day-{n}") for n in range(4)]
    async with scripted(respond) as server, client(server.url) as flow:
        run = flow.run_all(days, journal=path, max_in_flight=1, correlation_parameter="key")
        outcomes = {outcome.key: outcome async for outcome in run}
    assert len(service.sent) == 4
    assert {outcome.status for outcome in outcomes.values()} == {"COMPLETED"}
    assert outcomes["day-1"].execution.job_execution_id == "run2"


@pytest.mark.parametrize("status", FOREIGN)
async def test_without_a_journal_it_is_uncertain(status):
    service = Listing()
    respond = after_the_effect(service, answer(status, PAGE, Content_Type="text/html"), 1)
    async with scripted(respond) as server, client(server.url) as flow:
        (outcome,) = [it async for it in flow.run_all([Launch("J")])]
    assert (outcome.status, outcome.error.may_have_run) == ("UNCERTAIN", True)
    assert len(service.sent) == 1


@pytest.mark.parametrize("with_journal", [False, True])
@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_redirect_names_its_target_and_ends_the_run(status, with_journal, tmp_path):
    path = tmp_path / "backfill.db" if with_journal else None
    service = Service(lambda _: answer(status, "", Location="https://elsewhere.example/x?signature=s"))
    taken = []
    async with scripted(service) as server, client(server.url) as flow:
        with pytest.raises(APIError, match=r"elsewhere\.example.*check base_url") as caught:
            async for outcome in flow.run_all(
                (Launch("J") for _ in range(1000)), journal=path, max_in_flight=2
            ):
                taken.append(outcome)
    assert caught.value.redirect_host == "elsewhere.example"
    assert {outcome.status for outcome in taken} == {"UNCERTAIN"}
    assert len(taken) <= 4
    if path is not None:
        assert {row["phase"] for row in read_journal(path)} == {"unknown"}


@pytest.mark.parametrize(
    "refusal",
    [
        answer(400, {"detail": "no", "errorType": "bad-parameter"}),
        gateway_error(429, "400"),
        gateway_error(403, "230"),
    ],
    ids=["400", "quota", "403"],
)
async def test_an_uncertain_launch_that_is_sent_again_and_refused_may_still_have_started(refusal, tmp_path):
    """`on_uncertain="relaunch"`: the refusal says nothing about the first send."""
    path = tmp_path / "backfill.db"
    posts = 0

    def respond(request):
        nonlocal posts
        if request.method == "POST":
            posts += 1
            return b"" if posts == 1 else refusal
        if "?" in request.target:  # it lists somebody's run without a date: nothing can be told
            return answer(200, {"list": [{"jobExecutionId": "strange", "jobId": "J"}]})
        return answer(200, {"jobId": "J", "name": "stock_import"})

    outcomes, again = [], []

    async with scripted(respond, close=True) as server, client(server.url) as flow:
        for taken in (outcomes, again):
            try:
                async for outcome in flow.run_all(
                    [Launch("J", key="a")], journal=path, on_uncertain="relaunch" if not again else "report"
                ):
                    taken.append(outcome)
            except APIError:
                pass
            (row,) = read_journal(path)
            assert row["phase"] == "unknown"
    for taken in (outcomes, again):
        (outcome,) = taken
        assert outcome.status == "UNCERTAIN"
        assert isinstance(outcome.error, LaunchUncertain)
        assert outcome.error.may_have_run
    assert "sent again, it did not start" in str(outcomes[0].error)


@pytest.mark.parametrize("with_journal", [False, True])
@pytest.mark.parametrize("named", ["its twin", "another job"])
async def test_an_answer_about_another_launch_is_none(named, with_journal, tmp_path):
    path = tmp_path / "backfill.db" if with_journal else None
    other = (
        {"jobExecutionId": "run1", "jobId": "J"}
        if named == "its twin"
        else {
            "jobExecutionId": "elsewhere",
            "jobId": "K",
        }
    )
    service = Listing()
    respond = after_the_effect(service, answer(202, other), 2)
    days = [Launch("J", parameters={"day": str(n)}, key=f"day-{n}") for n in range(3)]
    async with scripted(respond) as server, client(server.url) as flow:
        more = {"journal": path, "correlation_parameter": "key"} if with_journal else {}
        outcomes = {it.key: it async for it in flow.run_all(days, max_in_flight=1, **more)}
    assert len(service.sent) == 3
    if with_journal:
        found = {key: it.execution.job_execution_id for key, it in outcomes.items()}
        assert found == {"day-0": "run1", "day-1": "run2", "day-2": "run3"}
    else:
        assert outcomes["day-1"].status == "UNCERTAIN"
        assert ("another launch" if named == "its twin" else "K") in str(outcomes["day-1"].error)


async def test_an_answer_that_cannot_be_read_whole_names_its_run_all_the_same(monkeypatch, tmp_path):
    async with scripted(Service()) as server, client(server.url) as flow:
        start_run = factory.start_run

        async def unreadable(*launch, **control):
            run = await start_run(*launch, **control)
            error = DecodeError("executeJob: odd", operation="executeJob", may_have_run=True)
            error.execution_ref = run.ref
            raise error

        monkeypatch.setattr(factory, "start_run", unreadable)
        for journal in (None, tmp_path / "backfill.db"):
            (outcome,) = [it async for it in flow.run_all([Launch("J", key="a")], journal=journal)]
            assert outcome.status == "COMPLETED"


async def test_a_404_of_the_service_is_a_refusal(tmp_path):
    missing = answer(404, {"detail": "no such job", "errorType": "not-found"})
    path = tmp_path / "backfill.db"
    async with scripted(Service(lambda _: missing)) as server, client(server.url) as flow:
        (outcome,) = [it async for it in flow.run_all([Launch("J", key="a")], journal=path)]
    assert isinstance(outcome.error, NotFound)
    assert (outcome.status, outcome.error.may_have_run) == ("NOT_LAUNCHED", False)
    assert [row["phase"] for row in read_journal(path)] == ["rejected"]
