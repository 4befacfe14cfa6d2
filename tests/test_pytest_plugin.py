"""The pytest plugin, by whole test runs that use it: warnings are errors in them, as in ours."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import dataflow_async.client  # noqa: F401 - before pytester, which unloads what a run in this process has loaded
from dataflow_async.emulator import Emulator

ROOT = Path(__file__).parent.parent
STRICT, AUTO = (
    f"[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = {mode}\n"
    for mode in ("strict", "auto")
)
"""Settings of a test run; pytest-asyncio warns as long as its default scope is open."""
ALONE = "[pytest]\nfilterwarnings = error\naddopts = -p no:asyncio\n"
"""Without pytest-asyncio."""
A_RUN_ENDS = """
    job = await dataflow_client.jobs.create("orders_rollup", type="SCRIPT")
    run = await dataflow_client.run(job.job_id)
    assert run.status == "COMPLETED"
"""


@pytest.fixture
def run(pytester):
    """Run the text of a test module; gives how its tests ended and the result itself."""

    def run(text, *arguments, ini=AUTO):
        pytester.makeini(ini)
        pytester.makepyfile(text)
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:schemathesis", *arguments)
        return result.parseoutcomes(), result

    return run


# --- which tests it serves --------------------------------------------------------------------------------------------


def test_auto_mode(run):
    outcomes, _ = run(f"async def test_it(dataflow_client):{A_RUN_ENDS}")

    assert outcomes == {"passed": 1}


def test_strict_mode(run):
    outcomes, _ = run(
        f"import pytest\n@pytest.mark.asyncio\nasync def test_it(dataflow_client):{A_RUN_ENDS}", ini=STRICT
    )

    assert outcomes == {"passed": 1}


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_a_loop_of_any_scope(run, scope):
    marked = f"@pytest.mark.asyncio(loop_scope={scope!r})"
    test = "async def test_it(self, dataflow_client):" + A_RUN_ENDS.replace("\n", "\n    ")
    outcomes, _ = run(f"import pytest\n{marked}\nclass TestIt:\n    {test}", ini=STRICT)

    assert outcomes == {"passed": 1}


def test_the_loop_scope_of_the_settings(run):
    outcomes, _ = run(
        f"async def test_it(dataflow_client):{A_RUN_ENDS}", "-o", "asyncio_default_test_loop_scope=session"
    )

    assert outcomes == {"passed": 1}


def test_anyio(run):
    outcomes, _ = run(
        f"""
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_it(dataflow_client):{A_RUN_ENDS}
""",
        ini=STRICT,
    )

    assert outcomes == {"passed": 1}


@pytest.mark.parametrize("ini", [STRICT, AUTO, ALONE], ids=["strict", "auto", "alone"])
def test_a_sync_test_may_block_and_needs_no_async_plugin(run, ini):
    outcomes, _ = run(
        """
import asyncio
from dataflow_async import DataFlow

def test_it(dataflow_emulator):
    async def main():
        async with DataFlow() as flow:
            await flow.jobs.create("orders_rollup")

    asyncio.run(main())
    assert [job.name for job in dataflow_emulator.state.jobs.values()] == ["orders_rollup"]
""",
        ini=ini,
    )

    assert outcomes == {"passed": 1}


def test_a_sync_test_may_run_the_app_in_a_thread_of_its_own(pytester):
    pytester.makepyfile("""
from fastapi.testclient import TestClient
from contextlib import asynccontextmanager
from fastapi import FastAPI
from dataflow_async import DataFlow

@asynccontextmanager
async def lifespan(app):
    async with DataFlow() as app.state.flow:
        yield

app = FastAPI(lifespan=lifespan)

@app.post("/jobs")
async def create():
    return {"name": (await app.state.flow.jobs.create("orders_rollup")).name}

def test_it(dataflow_emulator):
    with TestClient(app) as http:
        assert http.post("/jobs").json() == {"name": "orders_rollup"}
    assert len(dataflow_emulator.state.jobs) == 1
""")
    # fastapi's compiled parts load once a process; its TestClient warns of the httpx that is installed
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:schemathesis", "-W", "ignore")

    assert result.parseoutcomes() == {"passed": 1}


@pytest.mark.parametrize(
    ("ini", "mark"), [(STRICT, ""), (ALONE, ""), (ALONE + "markers = asyncio\n", "@pytest.mark.asyncio")]
)
def test_an_async_test_that_nobody_runs_fails_with_the_reason(run, ini, mark):
    outcomes, result = run(f"import pytest\n{mark}\nasync def test_it(dataflow_client): pass", ini=ini)

    assert outcomes == {"errors": 1}
    result.stdout.fnmatch_lines("the dataflow fixtures of an async test need pytest-asyncio or anyio; *")


def test_a_sync_test_that_uses_the_client_fails_with_the_reason(run):
    outcomes, result = run("def test_it(dataflow_client): pass")

    assert outcomes == {"errors": 1}
    result.stdout.fnmatch_lines("dataflow_client needs an async test, in whose event loop it runs; *")


# --- what a test gets -------------------------------------------------------------------------------------------------


def test_the_environment_leads_to_the_emulator_and_no_longer(run):
    outcomes, _ = run("""
import os
from dataflow_async import DataFlow

async def test_it(dataflow_emulator):
    async with DataFlow() as flow:
        await flow.jobs.create("orders_rollup")
    assert [job.name for job in dataflow_emulator.state.jobs.values()] == ["orders_rollup"]

def test_afterwards():
    assert not [name for name in os.environ if name.startswith("NCLOUD_")]
""")

    assert outcomes == {"passed": 2}


def test_a_pushed_clock_ends_a_run_of_an_hour_without_waiting(run):
    outcomes, _ = run("""
import asyncio
import pytest

pytestmark = pytest.mark.dataflow(run_seconds=(3600, 3600))

async def test_it(dataflow_client, dataflow_emulator, dataflow_clock):
    assert dataflow_emulator.speed == 1
    job = await dataflow_client.jobs.create("orders_rollup")
    running = asyncio.create_task(dataflow_client.run(job.job_id))
    await dataflow_clock.push(3_500)
    assert not running.done()
    await dataflow_clock.push(200)
    assert (await running).status == "COMPLETED"

def test_a_sync_one(dataflow_emulator, dataflow_clock):
    now = dataflow_clock.time()
    assert dataflow_emulator.clock is dataflow_clock
    dataflow_clock.advance(500)
    assert dataflow_clock.time() == now + 500
""")

    assert outcomes == {"passed": 2}


def test_a_clock_pushed_by_a_sync_test_wakes_who_sleeps_beside_the_emulator(run):
    outcomes, _ = run("""
import asyncio
import threading

def test_it(dataflow_clock, _dataflow_on_loop):
    woken = threading.Event()

    async def sleeper():
        await dataflow_clock.sleep(60)
        woken.set()

    async def start():
        return asyncio.create_task(sleeper())

    task = _dataflow_on_loop(start())
    dataflow_clock.advance(59)
    assert not woken.is_set()
    dataflow_clock.advance(1)
    assert woken.is_set()
""")

    assert outcomes == {"passed": 1}


def test_two_tests_share_nothing(run):
    one = """
async def test_{}(dataflow_client):
    assert (await dataflow_client.jobs.page()).items == []
    await dataflow_client.jobs.create("orders_rollup")
"""
    outcomes, _ = run(one.format("one") + one.format("two"))

    assert outcomes == {"passed": 2}


@pytest.mark.parametrize("scope", ["function", "session"])
def test_what_a_test_leaves_running_is_cleared_away(run, scope):
    outcomes, result = run(
        """
import asyncio
import gc
import pytest

from dataflow_async import Launch

mine = []

@pytest.fixture
async def witness():
    yield
    others = asyncio.all_tasks() - set(mine) - {asyncio.current_task()}
    for task in mine:
        task.cancel()
    await asyncio.gather(*mine, return_exceptions=True)
    assert not others

@pytest.mark.dataflow(run_seconds=(86_400, 86_400))
async def test_it(witness, dataflow_client):
    job = await dataflow_client.jobs.create("orders_rollup", type="SCRIPT")
    mine.append(asyncio.create_task(dataflow_client.run(job.job_id)))
    runs = dataflow_client.run_all(Launch(job.job_id, key=str(n)) for n in range(5))
    mine.append(asyncio.ensure_future(anext(aiter(runs))))
    changes = dataflow_client.watch(await dataflow_client.jobs.execute(job.job_id))
    assert (await anext(changes)).end_date is None

def test_nothing_comes_to_light_later():
    gc.collect()
""",
        "-o",
        f"asyncio_default_test_loop_scope={scope}",
        "-o",
        f"asyncio_default_fixture_loop_scope={scope}",
    )

    assert outcomes == {"passed": 2}
    assert "never retrieved" not in result.stdout.str() + result.stderr.str()


# --- the marker -------------------------------------------------------------------------------------------------------


def test_the_nearest_marker_wins_and_the_others_add_to_it(run):
    outcomes, _ = run("""
import pytest

pytestmark = pytest.mark.dataflow(speed=7, seed=3)

@pytest.mark.dataflow(speed=8, fail_rate=1)
async def test_it(dataflow_emulator):
    assert (dataflow_emulator.speed, dataflow_emulator.seed, dataflow_emulator.fail_rate) == (8, 3, 1)

async def test_far(dataflow_emulator):
    assert (dataflow_emulator.speed, dataflow_emulator.seed, dataflow_emulator.fail_rate) == (7, 3, 0)
""")

    assert outcomes == {"passed": 2}


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ("spede=8", "*dataflow(spede=8): settings must be given by name: *, seed, *speed*"),
        ("'rain'", "*dataflow('rain'): settings must be given by name: *"),
        ("port=80", "*dataflow(port=80): settings must be given by name: *"),
        ("speed=-1", "*dataflow(speed=-1): 'speed' must be > 0: -1"),
        ("run_seconds=(5, 1)", "*dataflow(run_seconds=(5, 1)): run_seconds must be two numbers of seconds*"),
        ("faults='rain'", "*dataflow(faults='rain'): *'rain'*"),
        ("speed='fast'", "*dataflow(speed='fast'): *"),
    ],
)
def test_a_wrong_marker_fails_with_what_is_wrong(run, marker, told):
    text = f"import pytest\n@pytest.mark.dataflow({marker})\ndef test_it(dataflow_emulator): pass"
    outcomes, result = run(text)

    assert outcomes == {"errors": 1}
    result.stdout.fnmatch_lines(told)


def test_a_wrong_marker_fails_with_all_settings(run):
    _, result = run("import pytest\n@pytest.mark.dataflow(8)\ndef test_it(dataflow_emulator): pass")

    line = next(line for line in result.outlines if "settings must be given by name: " in line)
    told = line.partition("settings must be given by name: ")[2].split(", ")
    assert set(told) == inspect.signature(Emulator).parameters.keys() - {
        "clock",
        "host",
        "port",
        "allow_remote",
    }


def test_the_marker_and_the_fixtures_are_documented(pytester):
    pytester.makeini(AUTO)
    result = pytester.runpytest_inprocess("--markers", "-p", "no:schemathesis")
    result.stdout.fnmatch_lines("@pytest.mark.dataflow(faults=*, speed=*, seed=*): *")

    result = pytester.runpytest_inprocess("--fixtures", "-p", "no:schemathesis")
    for name in ("dataflow_emulator", "dataflow_client", "dataflow_clock"):
        result.stdout.fnmatch_lines(f"{name} -- *")


def test_faults(run):
    outcomes, _ = run("""
import pytest
from dataflow_async import ResponseLost

@pytest.mark.dataflow(faults="executeJob reset after")
async def test_it(dataflow_client, dataflow_emulator):
    job = await dataflow_client.jobs.create("orders_rollup")
    with pytest.raises(ResponseLost) as lost:
        await dataflow_client.run(job.job_id)
    assert lost.value.may_have_run
    assert len(dataflow_emulator.state.executions) == 1

async def test_the_next_one_has_none(dataflow_client, dataflow_emulator):
    assert not list(dataflow_emulator.faults)
    job = await dataflow_client.jobs.create("orders_rollup")
    assert (await dataflow_client.run(job.job_id)).status == "COMPLETED"
""")

    assert outcomes == {"passed": 2}


def test_a_pushed_clock_ends_the_latency_of_a_fault(run):
    outcomes, _ = run("""
import asyncio
import pytest

pytestmark = pytest.mark.dataflow(faults="getJobs latency 50")

async def test_it(dataflow_client, dataflow_clock):
    listing = asyncio.create_task(dataflow_client.jobs.page())
    await dataflow_clock.push(49)
    assert not listing.done()
    await dataflow_clock.push(1)
    assert (await listing).items == []
""")

    assert outcomes == {"passed": 1}


def test_a_request_that_hangs_in_a_fault_ends_with_the_test(run):
    outcomes, _ = run("""
import asyncio
import gc
import pytest

left = []

@pytest.mark.dataflow(faults="getJobs stall-headers")
async def test_it(dataflow_client):
    left.append(asyncio.create_task(dataflow_client.jobs.page()))
    await dataflow_client.triggers.page()

def test_nothing_comes_to_light_later():
    left.clear()
    gc.collect()
""")

    assert outcomes == {"passed": 2}


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_loading_it_loads_nothing_but_itself():
    code = (
        "import sys, pytest; before = set(sys.modules); import dataflow_async.pytest_plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [
        "dataflow_async",
        "dataflow_async._version",
        "dataflow_async.pytest_plugin",
    ]


@pytest.mark.parametrize("asyncio_plugin", ["asyncio", "no:asyncio"])
def test_a_test_run_that_does_not_use_it_does_not_load_the_client(pytester, asyncio_plugin):
    pytester.makepyfile("""
        import sys

        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.hasplugin("dataflow_async")
            ours = {name for name in sys.modules if name.startswith("dataflow_async.")}
            assert ours <= {f"dataflow_async.{name}" for name in ("_version", "pytest_plugin", "pytest_loops")}
            assert not {"aiohttp", "attrs", "cattrs", "yarl"} & set(sys.modules)
    """)
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:hypothesispytest"),
        *("-p", asyncio_plugin, "-W", "ignore"),
    )

    assert result.parseoutcomes() == {"passed": 1}


def test_coverage_of_code_that_uses_the_client_is_whole(pytester):
    pytester.makeini(AUTO + "pythonpath = .\n")
    pytester.makepyfile(
        app="""
            from dataflow_async import DataFlow, NotFound

            async def start(name):
                async with DataFlow() as flow:
                    job = await flow.jobs.create(name)
                    return await flow.run(job.job_id)
        """,
        test_app="""
            import asyncio
            import app

            async def test_async(dataflow_emulator):
                assert (await app.start("orders_rollup")).status == "COMPLETED"

            def test_sync(dataflow_emulator):
                assert asyncio.run(app.start("orders_rollup")).status == "COMPLETED"
        """,
    )
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "-p", "no:schemathesis"),
        *("--cov=app", "--cov-report=term-missing", "--cov-fail-under=100"),
    )

    assert result.ret == 0
    assert result.parseoutcomes() == {"passed": 2}  # and no warning: coverage was not late
    result.stdout.re_match_lines([r"app\.py +5 +0 +100%"])
