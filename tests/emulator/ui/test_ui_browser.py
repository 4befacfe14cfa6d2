"""The page in a real Chromium: what a person sees and does there is what Python sees."""

import asyncio

import pytest

from dataflow_async import ExecutionCanceled, ExecutionFailed
from dataflow_async.emulator import Emulator
from tests.support.browser import ENTER, IS_HERE, TAB, chromium

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not IS_HERE, reason="needs chromium and chromedriver (Debian: chromium chromium-driver)"
    ),
]

XSS = """<script>alert(1)</script><img src=x onerror="alert(2)"><svg onload=alert(3)>' " &amp; </td>"""
TOUCHED = "document.getElementById('clock').textContent !== window.clock"
"""The page has been brought up to date since `window.clock` was set."""


@pytest.fixture
async def server():
    async with Emulator(ready_seconds=(0, 0), run_seconds=(3_600, 3_600)) as server:
        yield server


@pytest.fixture
async def flow(server):
    async with server.client() as flow:
        yield flow


@pytest.fixture
async def browser(tmp_path):
    async with chromium(tmp_path / "profile") as browser:
        yield browser
        assert await browser.alert() is None
        assert await browser.console() == []


async def refreshed(browser):
    """Wait until the page has brought itself up to date once more."""
    await browser.run("window.clock = document.getElementById('clock').textContent")
    await browser.when(TOUCHED)


async def test_a_launch_appears_and_a_button_fails_it_for_python_too(server, flow, browser):
    job = await flow.jobs.create("orders_rollup", type="SCRIPT")
    await browser.open(server.url)
    assert await browser.text("h1") == "Data Flow emulator"
    assert "Nothing has been launched yet." in await browser.text("#runs")

    run = await flow.jobs.execute(job.job_id, parameters={"day": "2026-11-01"})
    waiting = asyncio.create_task(flow.wait(run))
    row = f"#run-{run.job_execution_id}"
    await browser.when(f"document.querySelector('{row}')")
    told = await browser.text(row)
    assert "RUNNING" in told and "orders_rollup" in told and "2026-11-01" in told

    await browser.click(f"#fail-{run.job_execution_id}")
    with pytest.raises(ExecutionFailed) as caught:
        await waiting
    assert caught.value.execution.job_execution_id == run.job_execution_id
    await browser.when(f"document.querySelector('{row} .failed')")
    assert await browser.run(f"return document.querySelectorAll('{row} button').length") == 0
    await browser.when("document.querySelector('#log-table').textContent.includes('failed execution')")
    assert await browser.run("return location.pathname") == "/"


async def test_the_page_works_with_the_keyboard_alone(server, flow, browser):
    job = await flow.jobs.create("orders_rollup", type="SCRIPT")
    run = await flow.jobs.execute(job.job_id)
    await browser.open(server.url)

    seen = []
    while (
        focus := await browser.run("return document.activeElement.id")
    ) != f"cancel-{run.job_execution_id}":
        seen.append(focus)
        assert len(seen) < 40, seen
        await browser.press(TAB)
    assert "find" in seen and f"fail-{run.job_execution_id}" in seen
    outline = await browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await refreshed(browser)
    assert await browser.run("return document.activeElement.id") == focus

    await browser.press(ENTER)
    with pytest.raises(ExecutionCanceled):
        await flow.wait(run)
    # the button is gone; the way goes on from its row
    await browser.when(f"document.activeElement.id === 'run-{run.job_execution_id}'")


async def test_hostile_text_stays_text(server, flow, browser):
    job = server.create_job(XSS)
    run = server.launch(job, parameters={XSS: XSS})
    server.state.jobs[job].name = XSS
    await browser.open(f"{server.url}/?find=%3Cscript%3Ealert(1)")
    await refreshed(browser)

    name = await browser.run(f"return document.querySelector('#run-{run} b').textContent")
    assert name == XSS == await browser.run(f"return document.querySelector('#job-{job} b').textContent")
    await browser.type("#spec", XSS + ENTER)
    await browser.when("document.querySelector('#notice p')")
    await refreshed(browser)
    assert "alert(1)" in await browser.text("#notice")
    assert await browser.run("return document.scripts.length") == 1
    assert await browser.run("return document.querySelectorAll('img, svg:not(.bar)').length") == 0
    # the refused form is told on the console by the browser itself
    assert all("400 (Bad Request)" in it for it in await browser.console())


async def test_scripts_inside_the_page_are_not_run(server, browser):
    await browser.open(server.url)
    await browser.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1'; document.body.append(script)"
    )
    assert await browser.run("return window.ran") is None
    (complaint,) = await browser.console()
    assert "Content Security Policy" in complaint


async def test_faults_are_changed_while_what_is_typed_stays(server, browser):
    await browser.open(server.url)
    await browser.type("#spec", "getJobs 503 2")
    await browser.type("#find", "or")
    await refreshed(browser)
    assert await browser.run("return document.getElementById('spec').value") == "getJobs 503 2"
    assert await browser.run("return document.activeElement.id") == "find"

    await browser.type("#spec", "0%; close #99" + ENTER)
    await browser.when("document.querySelectorAll('#fault-table tbody tr').length === 2")
    assert str(server.faults) == "getJobs 503 20%; close #99"
    assert await browser.run("return document.getElementById('spec').value") == ""
    first, second = server.faults
    await browser.click(f"#remove-{first.number}")
    await browser.when("document.querySelectorAll('#fault-table tbody tr').length === 1")
    assert list(server.faults) == [second]
    await browser.click("#clear")
    await browser.when("document.getElementById('fault-table').textContent.includes('No fault')")
    assert not server.faults


async def test_rows_stay_the_same_elements_while_others_come_in(server, browser):
    job = server.create_job("orders_rollup")
    first = server.launch(job)
    await browser.open(server.url)
    await browser.run(f"window.row = document.getElementById('run-{first}')")
    newer = [server.launch(job) for _ in range(3)]
    await browser.when(f"document.getElementById('run-{newer[-1]}')")

    rows = await browser.run(
        "return [...document.querySelectorAll('#run-table tbody tr')].map((it) => it.id)"
    )
    assert rows == [f"run-{run}" for run in (*newer[::-1], first)]
    assert await browser.run(f"return window.row === document.getElementById('run-{first}')")


async def test_buttons_and_forms_work_without_script(server, browser):
    run = server.launch(server.create_job("orders_rollup"))
    await browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    await browser.open(f"{server.url}/?find=rollup")
    await browser.click(f"#finish-{run}")
    assert await browser.text(f"#run-{run} .completed") == "COMPLETED"
    assert server.status(run) == "COMPLETED"
    assert await browser.text("#run-table .actions") == ""

    # each of these is on the page that follows only: a browser may say that it has clicked before it is there
    for more, whole in (("rain", "rain"), (" x", "rain x")):
        await browser.type("#spec", more)
        await browser.click("#faults .line button")
        assert (
            f"fault '{whole}': a fault must begin with a kind or an operation, got 'rain'"
            in await browser.text(f"body:has(#spec[value='{whole}']) #notice p")
        )
    assert all("400 (Bad Request)" in it for it in await browser.console())


async def test_an_empty_page_leads_to_a_first_run(server, browser):
    await browser.open(server.url)
    assert f"export NCLOUD_DATAFLOW_URL={server.url}" in await browser.text("#connect")
    await browser.type("#new-job", "stock_import")
    await browser.click("#jobs .line button")
    await browser.when("document.querySelector('#job-table tbody button')")
    assert await browser.text("#connect") == ""
    await browser.click("#job-table tbody button")
    await browser.when("document.querySelector('#run-table tbody tr')")
    assert [run.job_name for run in server.state.executions.values()] == ["stock_import"]


async def test_a_server_that_stops_is_reported_and_found_again(server, browser):
    await browser.open(server.url)
    await refreshed(browser)
    server.port = int(server.url.rpartition(":")[2])
    await server.stop()
    await browser.when("document.getElementById('connection').textContent.includes('does not answer')")
    await server.start()
    await browser.when("document.getElementById('connection').textContent === ''")
    assert all("net::ERR_" in it for it in await browser.console())


@pytest.mark.parametrize("width", [360, 1280])
async def test_nothing_is_wider_than_the_window(server, flow, browser, width):
    server.faults.parse(
        "getJobs,getJobById,getTriggers 429 code=410 retry-after=3 20% x3 #1,2,3,4,5,6,7,8,9,10,11"
    )
    for name in ("orders_rollup", "W" * 100):
        server.launch(server.create_job(name), parameters={"day": "w" * 300})
    await flow.jobs.page(name="W" * 100)
    await browser.devtools(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
    )
    await browser.open(server.url)
    await browser.click("summary")

    assert await browser.run("return innerWidth") == width
    assert await browser.run("return document.documentElement.scrollWidth") <= width
