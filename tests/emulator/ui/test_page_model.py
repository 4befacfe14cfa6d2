"""The data of the page: which jobs, runs and requests are shown."""

import re

import aiohttp
import pytest

from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    RequestReceived,
    ServerStarted,
    SignatureChecked,
    StateChanged,
)
from dataflow_async.emulator.ui.page_model import ROWS, log_entries
from tests.emulator.ui.conftest import NOW, Page, fetched

# --- what it says -------------------------------------------------------------------------------------------------------


async def test_runs_move_through_their_states(server, api, clock):
    job = await api.job()
    for _ in range(3):
        await api.ok("executeJob", job)
    assert "3 runs: 3 READY" in Page((await fetched(server))[1]).text
    await clock.push(0.7)
    assert "3 runs: 3 RUNNING" in Page((await fetched(server))[1]).text
    await clock.push(60)
    await api.ok("executeJob", job)
    _, html = await fetched(server)
    assert "4 runs: 1 READY, 3 COMPLETED" in Page(html).text
    widths = [it["width"] for it in Page(html).all("rect")]
    assert widths == ["25.000%", "0.000%", "75.000%", "0.000%", "0.000%"]


async def test_tables_show_the_newest_rows_up_to_a_limit(server):
    job = server.create_job("orders_rollup")
    runs = [server.launch(job) for _ in range(ROWS + 30)]
    for number in range(ROWS + 30):
        server.create_job(f"job {number}")
    _, html = await fetched(server)

    assert re.findall(r'<tr id="run-(\w+)"', html) == runs[::-1][:ROWS]
    assert len(re.findall(r'<tr id="job-', html)) == ROWS
    assert html.count(f"These are the newest {ROWS} ") == 3
    assert f"{ROWS + 31} jobs, {ROWS + 30} runs" in html


async def test_more_runs_than_are_searched_are_counted(server, monkeypatch):
    monkeypatch.setattr("dataflow_async.emulator.ui.page_model.MOST_SEARCHED", 5)
    monkeypatch.setattr("dataflow_async.emulator.ui.run_section.MOST_SEARCHED", 5)
    job = server.create_job("orders_rollup")
    runs = [server.launch(job) for _ in range(9)]
    _, html = await fetched(server)
    assert re.findall(r'<tr id="run-(\w+)"', html) == runs[::-1][:5]
    assert "The newest 5 of 9 runs: 5 READY" in html


@pytest.mark.parametrize(
    ("query", "shown"),
    [("find=ROLLup", "ab"), ("find=dedupe", "c"), ("status=FAILED", "b"), ("status=READY&find=rollup", "a"), ("find=no", "")],
)  # fmt: skip
async def test_jobs_and_runs_are_found_by_text_and_state(server, query, shown):
    rollup, dedupe = server.create_job("orders_rollup"), server.create_job("dedupe")
    runs = {"a": server.launch(rollup), "b": server.launch(rollup), "c": server.launch(dedupe)}
    server.fail(runs["b"])
    for asked in (
        query,
        *(
            [f"find={runs[shown]}", f"find={runs[shown].lower()}"]
            if len(shown) == 1 and "s=" not in query
            else []
        ),
    ):
        _, html = await fetched(server, f"/?{asked}")
        assert set(re.findall(r'<tr id="run-(\w+)"', html)) == {runs[it] for it in shown}
    assert ("No run matches." in html) is (not shown)


async def test_scripted_statuses_are_counted_too(server, clock):
    from dataflow_async.emulator.service.scripts import ScriptedRun

    job = server.create_job("orders_rollup")
    server.script(job, [ScriptedRun(phases=[("PAUSED", 50)], ready_seconds=(0, 0))])
    server.launch(job)
    await clock.push(1)
    _, html = await fetched(server, "/?status=PAUSED")
    assert "1 run: 1 PAUSED" in html and html.count('class="state other"') == 3


async def test_requests_are_shown_with_signature_effect_fault_and_answer(server, api):
    job = await api.job()
    server.faults.add("500", operation="executeJob", when="after")
    server.faults.add("429", operation="getJobs")
    server.faults.add("reset", operation="getTriggers")
    assert (await api("executeJob", job)).status == 500
    assert (await api("getJobs")).status == 429
    with pytest.raises(aiohttp.ClientError):
        await api("getTriggers")
    assert (await api.send("GET", "/api/v1/jobs", headers={"x-ncp-apigw-signature-v2": "x"})).status == 401
    (run,) = server.state.executions

    _, html = await fetched(server)
    table = html.partition('id="log-table"')[2]
    rows = [Page(row + "</tr>").texts[1:] for row in re.findall(r"(<tr id=.*?)</tr>", table)]
    target = f"/api/v1/jobs/{job}/executions"
    refused, lost, *_, many, launch, created = rows  # aiohttp may ask again
    assert launch == [
        "executeJob",
        f"POST {target}",
        f"launched execution {run}",
        "accepted",
        "500",
        "faults: 500",
    ]
    assert many == ["getJobs", "GET /api/v1/jobs", "accepted", "429", "faults: 429"]
    assert lost == ["getTriggers", "GET /api/v1/triggers", "accepted", "lost", "reset", "faults: reset"]
    assert refused[:3] == ["getJobs", "GET /api/v1/jobs", "refused"] and refused[-2:] == [
        "401",
        "faults: 429",
    ]
    assert created[2:] == [f"created job {job}", "accepted", "201"]


def test_events_are_grouped_by_request_newest_first():
    target = RequestReceived(3, NOW, 7, "GET", "/api/v1/jobs", "getJobs", True, None)
    cut_off, alone = AnswerSent(2, NOW, 6, 200), StateChanged(4, NOW, None, "failed", "execution", "e")
    refused = AnswerLost(6, NOW, None, "accept-close", ("accept-close",))
    request, by_hand, connection = log_entries(
        [ServerStarted(1, NOW), cut_off, target, alone, SignatureChecked(5, NOW, 7, None), refused]
    )[::-1]

    assert (request.request, request.signature_checked, request.objection, request.end) == (
        target,
        True,
        None,
        None,
    )
    assert (by_hand.key, by_hand.effects) == ("record-4", [alone])
    assert (connection.key, connection.end) == ("record-6", refused)
