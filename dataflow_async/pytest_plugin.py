"""The pytest plugin: fixtures with an emulator and a client of its own for each test that uses them.

pytest loads every installed plugin, used or not. So this module imports at its top only modules that pytest has loaded already,
and each fixture imports the rest on use: a test run without these fixtures never loads aiohttp.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from dataflow_async import DataFlow
    from dataflow_async.emulator import Emulator, ManualClock
    from dataflow_async.emulator.threaded import OnLoop

FIXED_SETTINGS = {"clock", "host", "port", "allow_remote"}
"""Settings that the marker must not change: ``dataflow_clock`` sets the clock, and the address is a free port of loopback."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the fixtures for the loops of pytest-asyncio if that is installed."""
    config.addinivalue_line(
        "markers",
        "dataflow(faults=..., speed=..., seed=...): settings of the test's dataflow_emulator, by name",
    )
    if config.pluginmanager.hasplugin("asyncio"):
        from dataflow_async import pytest_loops

        config.pluginmanager.register(pytest_loops, pytest_loops.__name__)


# --- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def dataflow_emulator(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _dataflow_on_loop: OnLoop
) -> Iterator[Emulator]:
    """A running `dataflow_async.emulator.Emulator`: in the loop of an async test, in a thread beside a sync one.

    During the test the environment holds its address and keys, so a ``DataFlow()`` in the code under test, or in a command that
    the test starts, connects to it.
    """
    server = _emulator(request)
    _dataflow_on_loop(server.start())
    monkeypatch.setenv("NCLOUD_DATAFLOW_URL", server.url)
    monkeypatch.setenv("NCLOUD_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("NCLOUD_SECRET_ACCESS_KEY", server.secret_key)
    yield server
    _dataflow_on_loop(server.stop())


@pytest.fixture
def dataflow_client(
    request: pytest.FixtureRequest, dataflow_emulator: Emulator, _dataflow_on_loop: OnLoop
) -> Iterator[DataFlow]:
    """A `dataflow_async.DataFlow` connected to ``dataflow_emulator``, for async tests; closed at the end.

    Its polling intervals are divided by the speed of the emulator.
    """
    from dataflow_async import PollPolicy, defaults

    if not _is_async(request):
        _fail(
            "dataflow_client needs an async test, in whose event loop it runs; this test is sync: use dataflow_emulator.url"
        )
    speed = dataflow_emulator.speed
    poll = PollPolicy(
        min_interval=defaults.POLL_MIN_INTERVAL / speed, max_interval=defaults.POLL_MAX_INTERVAL / speed
    )
    clock = request.getfixturevalue("dataflow_clock") if _holds_the_clock(request) else None
    flow = dataflow_emulator.client(poll=poll, clock=clock)
    yield flow
    _dataflow_on_loop(flow.aclose())


@pytest.fixture
def dataflow_clock(request: pytest.FixtureRequest, _dataflow_on_loop: OnLoop) -> ManualClock:
    """A `dataflow_async.emulator.ManualClock`; a test that names it stops the time of its emulator and its client.

    Push it with ``await dataflow_clock.push(seconds)``, in a sync test with ``dataflow_clock.advance(seconds)``.
    """
    from dataflow_async.emulator import ManualClock

    if _is_async(request):
        return ManualClock()

    class Remote(ManualClock):
        """A clock whose sleepers run in the event loop of the emulator, in another thread."""

        def advance(self, seconds: float) -> None:
            _dataflow_on_loop(self.push(seconds))

    return Remote()


def _holds_the_clock(request: pytest.FixtureRequest) -> bool:
    return "dataflow_clock" in request.fixturenames


def _fail(why: str) -> NoReturn:
    pytest.fail(why, pytrace=False)


# --- settings ---------------------------------------------------------------------------------------------------------


def _emulator(request: pytest.FixtureRequest) -> Emulator:
    """Return an emulator with the clock and the markers of the test."""
    from dataflow_async.emulator import Emulator, defaults

    marked = _marker_settings(request)
    if _holds_the_clock(request):
        settings = {**marked, "clock": request.getfixturevalue("dataflow_clock")}
    else:
        settings = {"speed": defaults.TEST_SPEED, **marked}
    try:
        return Emulator(**settings)
    except (TypeError, ValueError) as error:
        why = error.args[0] if error.args else error
    _fail(f"{_marker(marked)}: {why}")


def _marker_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the settings in the test's markers; the nearer marker wins."""
    import attrs

    from dataflow_async.emulator import Emulator

    allowed = {str(setting.alias) for setting in attrs.fields(Emulator) if setting.init} - FIXED_SETTINGS
    marked: dict[str, Any] = {}
    for mark in request.node.iter_markers("dataflow"):
        if mark.args or not mark.kwargs.keys() <= allowed:
            _fail(
                f"{_marker(mark.kwargs, *mark.args)}: settings must be given by name: {', '.join(sorted(allowed))}"
            )
        marked = mark.kwargs | marked
    return marked


def _marker(named: dict[str, Any], *unnamed: object) -> str:
    """Return a marker as it stands in the source."""
    arguments = [*map(repr, unnamed), *(f"{name}={value!r}" for name, value in named.items())]
    return f"@pytest.mark.dataflow({', '.join(arguments)})"


# --- loops ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def _dataflow_on_loop(request: pytest.FixtureRequest) -> Iterator[OnLoop]:
    """Runs coroutines in the emulator's event loop: that of an async test, which is idle between fixtures and test, or one in a thread."""
    if _is_async(request):
        yield _loop_of_the_test(request).run_until_complete
    else:
        from dataflow_async.emulator.threaded import loop_in_a_thread

        with loop_in_a_thread() as on_loop:
            yield on_loop


def _is_async(request: pytest.FixtureRequest) -> bool:
    return inspect.iscoroutinefunction(getattr(request.node, "obj", None))


def _loop_of_the_test(request: pytest.FixtureRequest) -> AbstractEventLoop:
    loop: AbstractEventLoop
    mark = request.node.get_closest_marker("asyncio")
    if mark and request.config.pluginmanager.hasplugin("asyncio"):
        scope = mark.kwargs.get("loop_scope") or request.config.getini("asyncio_default_test_loop_scope")
        loop = request.getfixturevalue(f"_dataflow_{scope}_loop")
    elif "anyio_backend" in request.fixturenames:
        loop = request.getfixturevalue("_dataflow_anyio_loop")
    else:
        _fail(
            "the dataflow fixtures of an async test need pytest-asyncio or anyio; install one, or write a sync test"
        )
    return loop


@pytest.fixture
async def _dataflow_anyio_loop(anyio_backend_name: str) -> AbstractEventLoop:
    import asyncio

    if anyio_backend_name != "asyncio":
        _fail(f"anyio_backend must be asyncio, got {anyio_backend_name}")
    return asyncio.get_running_loop()
