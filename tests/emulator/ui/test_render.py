"""The page as HTML: hostile text stays text, and the page is well-formed and labelled."""

import json
import re

from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.emulator import Emulator
from dataflow_async.emulator.ui.elements import FORMS, LONGEST
from dataflow_async.emulator.ui.render import render
from tests.emulator.ui.conftest import XSS, Page, fetched, model


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
    assert [it["value"] for it in page.all("input")] == [text] * 3 + [""]


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


async def test_long_text_is_shortened(server, api):
    job = server.create_job("y" * 5_000)
    server.launch(job, parameters={"day": "y" * 5_000})
    server.faults.parse("getTriggers latency " + "#1" + ",1" * 2_000)
    await api("getJobs", name="y" * 5_000)
    page = Page((await fetched(server))[1])
    assert max(len(text) for text in page.texts) == LONGEST


# --- a page that everybody can use --------------------------------------------------------------------------------------


async def test_the_page_is_well_formed_and_labelled(server, api):
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
    assert re.findall(r"<button[^>]*>([^<]*)</button>", html) == [
        "Find",
        "Finish",
        "Fail",
        "Cancel",
        "Add",
        "Launch",
        "Create",
    ]


async def test_keys_are_not_on_the_page(server, api):
    await api.job()
    _, html = await fetched(server)
    assert server.access_key not in html and server.secret_key not in html


async def test_an_empty_page_shows_how_to_connect(server):
    page = Page((await fetched(server))[1])
    assert f"export NCLOUD_DATAFLOW_URL={server.url}\n" in page.text
    assert f"export NCLOUD_SECRET_ACCESS_KEY={server.secret_key}" in page.text
    server.create_job("orders_rollup")
    assert "export" not in Page((await fetched(server))[1]).text


async def test_other_machines_see_no_keys(monkeypatch, clock):
    monkeypatch.setattr(web.BaseRequest, "remote", "192.0.2.7")
    async with Emulator(clock=clock, allow_remote=True) as server:
        _, html = await fetched(server)
    assert "There is no job yet." in html and server.secret_key not in html
