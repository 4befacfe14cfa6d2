"""The page: what it says, that nothing in it is ever markup but its own, and whom it obeys."""

import io
import json
import re
from html.parser import HTMLParser

import aiohttp
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflow_async.emulator.ui as package
from dataflow_async.emulator import Emulator
from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    RequestReceived,
    ServerStarted,
    SignatureChecked,
    StateChanged,
)
from dataflow_async.emulator.faults.plan import FaultPlan
from dataflow_async.emulator.http.admin_api import PREFIX
from dataflow_async.emulator.service.lifecycle import RunLifecycle
from dataflow_async.emulator.service.state import Job
from dataflow_async.emulator.ui.elements import FORMS, LONGEST
from dataflow_async.emulator.ui.markup import VOID, join, tag
from dataflow_async.emulator.ui.page_model import ROWS, PageModel, Run, Selection, log_entries
from dataflow_async.emulator.ui.render import ASSETS, render
from tests.emulator.conftest import session_of

XSS = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>&amp;</td></table>"""
NOW = 1_793_000_000.0


class Page(HTMLParser):
    """Elements, texts and ids of a page; broken nesting is an error."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes)
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    def all(self, *names):
        return [attributes for name, attributes in self.elements if name in names]

    def skeleton(self):
        return [(name, tuple(attributes)) for name, attributes in self.elements]


def model(text, rows=1):
    """Everything that a stranger may write, in every place where it is shown."""
    job = Job(text, text, "SCRIPT", {}, [], None, NOW, NOW)
    job.executions.append(attrs.make_class("Ran", ["lifecycle"])(RunLifecycle(NOW, NOW, NOW + 9, text)))
    runs = [Run(text, text, text, "RUNNING", {text: text}, NOW, 1.0, has_ended=False) for _ in range(rows)]
    effects = [StateChanged(3, NOW, 1, "launched", "execution", text, text, {text: text})]
    log = [
        attrs.evolve(entry, effects=effects)
        for entry in log_entries(
            [
                RequestReceived(1, NOW, 1, text, text, None, True, text),
                SignatureChecked(2, NOW, 1, text),
                AnswerLost(4, NOW, 1, text, (text,)),
                RequestReceived(5, NOW, 2, "GET", text, "getJobs", True, text),
                AnswerSent(6, NOW, 2, 200, (text,)),
            ]
        )
    ]
    faults = list(FaultPlan(text="getJobs 503 20%; latency"))
    selection = Selection(text, text)
    statuses = {"READY": 1, text: 1}
    return PageModel(NOW, 60.0, selection, {"jobs": 1, "runs": 2}, statuses, [job] * rows, runs, faults, log)


async def fetched(server, target="/", **headers):
    async with session_of(server) as api:
        async with api.session.get(server.url + target, headers=headers) as response:
            return response, await response.text()


@pytest.fixture
def press(api, server):
    """Send a form as a browser does, script or not; gives status, where it leads, and the text of what is shown."""

    async def send(fields, target=FORMS, *, origin=True, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if origin:
            headers.setdefault("Origin", server.url)
        async with api.session.post(
            server.url + target, data=fields, headers=headers, allow_redirects=False
        ) as response:
            text = await response.text()
            shown = Page(text).text if response.content_type == "text/html" else text
            return response.status, response.headers.get("Location"), shown

    return send


# --- escaping ---------------------------------------------------------------------------------------------------------


def test_a_tag_escapes_all_text_and_no_markup():
    inner = tag("b", "<&>\"'", title="\"'<&>")
    assert inner == '<b title="&quot;&#x27;&lt;&amp;&gt;">&lt;&amp;&gt;&quot;&#x27;</b>'
    assert tag("p", inner, None, "<") == f"<p>{inner}&lt;</p>"
    assert tag("p", inner + "") == f"<p>{join(str.__str__(inner) + '')}</p>" != f"<p>{inner}</p>"
    assert tag("input", for_="a", aria_label="b", required=True, hidden=False, id=None) == (
        '<input for="a" aria-label="b" required>'
    )


def test_nothing_but_the_escaping_module_makes_markup():
    from pathlib import Path

    for path in Path(package.__file__).parent.glob("*.py"):
        assert path.name == "markup.py" or "Html(" not in path.read_text("utf-8")


@given(
    st.text(min_size=1).filter(lambda it: it not in {"READY", "RUNNING", "COMPLETED", "FAILED", "CANCELED"})
)
def test_no_text_changes_the_elements_of_the_page(text):
    plain, html = render(model("x"), "x", "x"), render(model(text), text, text)

    assert Page(html).skeleton() == Page(plain).skeleton()
    assert html.count("<") == plain.count("<")


@given(st.text(min_size=1, max_size=LONGEST // 2).filter(str.strip))
def test_every_text_is_shown_as_it_is(text):
    page = Page(render(model(text), text, text))
    assert page.texts.count(text) >= 8
    assert [it["value"] for it in page.all("input")] == [text] * 3


async def test_hostile_names_and_parameters_stay_text(server, api):
    job = await api.job(name="orders_rollup")
    server.state.jobs[job].name = XSS
    run = server.launch(job, parameters={XSS: XSS})
    server.faults.parse("latency")

    response, html = await fetched(server, "/?find=&status=")
    assert response.status == 200
    page = Page(html)
    assert page.texts.count(XSS) == 2  # the job, and its run
    assert any(XSS in json.loads(text) for text in page.texts if text.startswith('{"'))
    assert [it.get("src") for it in page.all("script", "img")] == [f"{FORMS}/page.js"]
    assert any(
        run in it["aria-label"] and XSS in it["aria-label"] for it in page.all("button") if "aria-label" in it
    )


async def test_half_of_a_surrogate_pair_does_not_end_the_page(server):
    job = server.create_job("half \ud83d of a pair")
    server.launch(job)
    response, html = await fetched(server)
    assert response.status == 200 and "half ? of a pair" in Page(html).text


async def test_long_text_is_shortened(server, api):
    job = server.create_job("y" * 5_000)
    server.launch(job, parameters={"day": "y" * 5_000})
    server.faults.parse("getTriggers latency " + "#1" + ",1" * 2_000)
    await api("getJobs", name="y" * 5_000)
    page = Page((await fetched(server))[1])
    assert max(len(text) for text in page.texts) == LONGEST


# --- a page that everybody can use --------------------------------------------------------------------------------------


async def test_it_is_well_formed_labelled_and_its_own(server, api):
    server.faults.parse("getJobs 503 20%; close #99")
    await api.ok("executeJob", await api.job())
    _, html = await fetched(server, "/?find=r")
    page = Page(html)

    ids = [it["id"] for _, it in page.elements if "id" in it]
    assert len(set(ids)) == len(ids)
    labelled = {it["for"] for it in page.all("label")}
    assert {it["id"] for it in page.all("input") if it.get("type") != "hidden"} == labelled
    named = {
        it[name] for _, it in page.elements for name in ("aria-labelledby", "aria-describedby") if name in it
    }
    assert named and named <= set(ids)
    assert len(page.all("h1")) == 1 and len(page.all("h2")) == len(page.all("section")) == 4
    assert all("scope" in it for it in page.all("th")) and len(page.all("table")) == 4
    assert all("id" in it for _, it in page.elements if "data-live" in it)
    roles = [it["role"] for _, it in page.elements if "role" in it]
    assert roles.count("status") == 2 and roles.count("alert") == 1
    assert page.all("html")[0]["lang"] == "en"
    assert "width=device-width" in page.all("meta")[1]["content"]

    inline = [it for _, it in page.elements if "style" in it or any(name.startswith("on") for name in it)]
    assert not inline and not page.all("style")
    addresses = [it[name] for _, it in page.elements for name in ("src", "href", "action") if name in it]
    assert len(addresses) > 8 and all(re.match(r"/(?!/)|#", it) for it in addresses)


async def test_every_button_is_named(server, api):
    await api.ok("executeJob", await api.job())
    _, html = await fetched(server)
    assert re.findall(r"<button[^>]*>([^<]*)</button>", html) == ["Find", "Finish", "Fail", "Cancel", "Add"]


async def test_only_its_own_files_are_loaded_and_nobody_frames_it(server):
    for target, kind in (("/", "text/html"), *((f"{FORMS}/{name}", kind) for name, kind in ASSETS.items())):
        response, text = await fetched(server, target)
        assert (response.status, response.content_type) == (200, kind) and text
        assert response.headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"


async def test_keys_are_not_on_the_page(server, api):
    await api.job()
    _, html = await fetched(server)
    assert server.access_key not in html and server.secret_key not in html


async def test_looking_leaves_no_trace_and_faults_do_not_reach_it(server):
    server.faults.parse("close; 500")
    response, _ = await fetched(server)
    assert response.status == 200 and server.history.last == 1
    assert [it.matched for it in server.faults] == [0, 0]


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


async def test_newest_first_and_bounded(server):
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


def test_records_are_put_together_by_request_newest_first():
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


async def test_forms_that_can_not_be_read_are_refused(press):
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
async def test_a_name_that_was_pointed_here_sees_nothing(server, target):
    response, _ = await fetched(server, target, Host="evil.example")
    assert response.status == 403


async def test_a_form_under_a_name_that_was_pointed_here_is_refused(server, press):
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
