"""The page over HTTP: forms, files, and the clients that are refused."""

import io

import pytest

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.http.admin_api import PREFIX
from dataflow_async.emulator.ui.elements import FORMS
from dataflow_async.emulator.ui.render import ASSETS
from tests.emulator.ui.conftest import Page, fetched


async def test_half_of_a_surrogate_pair_does_not_end_the_page(server):
    job = server.create_job("half \ud83d of a pair")
    server.launch(job)
    response, html = await fetched(server)
    assert response.status == 200 and "half ? of a pair" in Page(html).text


async def test_the_page_loads_only_its_own_files_and_can_not_be_framed(server):
    for target, kind in (("/", "text/html"), *((f"{FORMS}/{name}", kind) for name, kind in ASSETS.items())):
        response, text = await fetched(server, target)
        assert (response.status, response.content_type) == (200, kind) and text
        assert response.headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"


async def test_the_page_leaves_no_events_and_no_fault_affects_it(server):
    server.faults.parse("close; 500")
    response, _ = await fetched(server)
    assert response.status == 200 and server.history.last == 1
    assert [it.matched for it in server.faults] == [0, 0]


# --- what it does -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "status"), [("finish", "COMPLETED"), ("fail", "FAILED"), ("cancel", "CANCELED")]
)
async def test_buttons_end_runs(server, press, ending, status):
    job = server.create_job("orders_rollup")
    run, other = server.launch(job), server.launch(job)

    assert await press({ending: run}, f"{FORMS}?find=a+%26b&other=1") == (303, "/?find=a+%26b", "")
    assert (server.status(run), server.status(other)) == (status, "READY")
    code, _, shown = await press({ending: run})
    assert code == 409 and f"{run} has ended before: {status}." in shown
    code, _, shown = await press({ending: "nobody"})
    assert code == 404 and "No run has the id nobody." in shown


async def test_faults_are_added_and_removed(server, press):
    assert await press({"add": "getJobs 503; close #9; reset x1"}) == (303, "/", "")
    first, second, third = server.faults
    assert await press({"remove": str(second.number)}) == (303, "/", "")
    assert list(server.faults) == [first, third]
    code, _, shown = await press({"remove": str(second.number)})
    assert code == 404 and f"There is no fault {second.number} any more." in shown
    assert await press({"clear": "all"}) == (303, "/", "")
    assert not server.faults
    await press({"add": "reset"})
    assert next(iter(server.faults)).number not in {first.number, second.number, third.number}


async def test_a_fault_that_is_not_understood_is_shown_with_the_reason(server, press, api):
    code, _, shown = await press({"add": "getJobs <rain>"})
    assert code == 400 and "fault 'getJobs <rain>': kind must be one of refuse" in shown
    assert not server.faults
    code, _, shown = await press({"add": " "})
    assert code == 400 and "At least one fault" in shown
    async with api.session.post(
        server.url + FORMS, data={"add": 'x"y'}, headers={"Origin": server.url}
    ) as response:
        assert [it["value"] for it in Page(await response.text()).all("input") if it["name"] == "add"] == [
            'x"y'
        ]


async def test_jobs_are_created_and_launched(server, press):
    assert await press({"create": " orders_rollup "}) == (303, "/", "")
    (job,) = server.state.jobs.values()
    assert (job.name, job.type) == ("orders_rollup", "SCRIPT")
    assert await press({"launch": job.job_id}, f"{FORMS}?find=a") == (303, "/?find=a", "")
    assert [it.job_id for it in server.state.executions.values()] == [job.job_id]
    job.max_concurrent_runs = 1
    code, _, shown = await press({"launch": job.job_id})
    assert code == 409 and "1 runs in progress, as many as it may have" in shown
    code, _, shown = await press({"launch": "nobody"})
    assert code == 404 and "No job has the id nobody." in shown


@pytest.mark.parametrize("name", ["", "x", "9 lives", "<b>"])
async def test_a_name_that_the_service_refuses_is_refused(server, press, name):
    code, _, shown = await press({"create": name})
    assert code == 400 and "A name must be" in shown and not server.state.jobs


async def test_unreadable_forms_are_refused(press):
    form = "application/x-www-form-urlencoded"
    assert (await press({"pause": "x"}))[0] == 400
    assert (await press({}, Content_Type=form))[0] == 400
    assert (await press(b'{"clear": 1}', Content_Type="application/json"))[0] == 415
    assert (await press(b"clear=all", Content_Type="text/plain"))[0] == 415
    assert (await press(b"clear=%ff", Content_Type=f"{form}; charset=nonsense"))[0] == 400
    assert (await press(b"a=\xff", Content_Type=form))[0] == 400


async def test_forms_that_are_too_large_are_refused(press):
    big = io.BytesIO(b"add=" + b"x" * 2_000_000)  # aiohttp warns of large bytes
    assert (await press(big, Content_Type="application/x-www-form-urlencoded"))[0] == 413


# --- whom it obeys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1", ""]
)
async def test_forms_of_other_pages_are_refused(server, press, origin):
    server.faults.add("reset")
    code, _, _ = await press({"clear": "all"}, Origin=origin)
    assert code == 403 and len(server.faults) == 1


async def test_a_form_without_an_origin_is_refused(server, press):
    server.faults.add("reset")
    code, _, text = await press({"clear": "all"}, origin=False)
    assert code == 403 and len(server.faults) == 1 and "Origin" in text


@pytest.mark.parametrize("target", ["/", f"{FORMS}/page.js"])
async def test_a_rebound_host_name_does_not_see_the_page(server, target):
    response, _ = await fetched(server, target, Host="evil.example")
    assert response.status == 403


async def test_a_form_with_a_rebound_host_name_is_refused(server, press):
    code, _, _ = await press({"clear": "all"}, Host="evil.example", Origin="http://evil.example")
    assert code == 403


async def test_other_machines_see_nothing_unless_remote_callers_are_allowed(monkeypatch, clock):
    from aiohttp import web

    monkeypatch.setattr(web.BaseRequest, "remote", "192.0.2.7")
    for allowed, status in ((False, 403), (True, 200)):
        async with Emulator(clock=clock, allow_remote=allowed) as server:
            for target in ("/", f"{FORMS}/page.css"):
                assert (await fetched(server, target))[0].status == status


async def test_nothing_else_is_served(server):
    assert FORMS.startswith(PREFIX)
    for target in (
        FORMS,
        f"{FORMS}/",
        f"{FORMS}/routes.py",
        f"{FORMS}/..%2Fserver.py",
        f"{FORMS}/__init__.py",
    ):
        assert (await fetched(server, target))[0].status == 404
