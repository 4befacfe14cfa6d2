"""Fixtures with the event loop of an async test, one for each scope of pytest-asyncio; loaded only if that is installed."""

import asyncio
from typing import Any

import pytest_asyncio


def _loop(scope: Any) -> Any:
    @pytest_asyncio.fixture(loop_scope=scope)
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    return loop


_dataflow_function_loop = _loop("function")
_dataflow_class_loop = _loop("class")
_dataflow_module_loop = _loop("module")
_dataflow_package_loop = _loop("package")
_dataflow_session_loop = _loop("session")
