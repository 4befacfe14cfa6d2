"""A real Chromium without a window, driven over the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import attrs

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
IS_HERE = CHROMIUM is not None and DRIVER is not None
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container may have little of it
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
TAB, ENTER = "\ue004", "\ue007"
PATIENCE = 20_000
"""Milliseconds until what a test waits for has to be there."""

WHEN = """
const [condition, done] = [new Function(`return ${arguments[0]}`), arguments[arguments.length - 1]];
const look = () => { const found = condition(); if (found) { observer.disconnect(); done(found); } };
const observer = new MutationObserver(look);
const all = { subtree: true, childList: true, characterData: true, attributes: true };
observer.observe(document, all);
document.addEventListener("focusin", look);
look();
"""
"""Answers as soon as a condition on the page holds."""


@attrs.frozen
class Browser:
    """One window."""

    http: aiohttp.ClientSession
    session: str

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if method == "GET" else body or {}
        async with self.http.request(method, f"{self.session}{path}", json=data) as response:
            value = (await response.json())["value"]
        if response.status != 200:
            raise RuntimeError(f"{value['error']}: {value['message'].partition(chr(10))[0]}")
        return value

    async def open(self, url: str) -> None:
        await self._call("POST", "/url", {"url": url})

    async def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page and give what it returns."""
        return await self._call("POST", "/execute/sync", {"script": script, "args": arguments})

    async def when(self, condition: str) -> Any:
        """Wait until a JavaScript expression is true of the page, and give its value."""
        return await self._call("POST", "/execute/async", {"script": WHEN, "args": [condition]})

    async def text(self, css: str) -> str:
        """The text of an element, which is waited for."""
        return await self._call("GET", f"/element/{await self._find(css)}/text")

    async def click(self, css: str) -> None:
        await self._call("POST", f"/element/{await self._find(css)}/click")

    async def type(self, css: str, text: str) -> None:
        await self._call("POST", f"/element/{await self._find(css)}/value", {"text": text})

    async def press(self, key: str) -> None:
        """Press a key, wherever the focus is."""
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        await self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    async def alert(self) -> str | None:
        """The text of a dialog that a script has opened, if one has."""
        try:
            return str(await self._call("GET", "/alert/text"))
        except RuntimeError as error:
            if str(error).startswith("no such alert"):
                return None
            raise

    async def console(self) -> list[str]:
        """What the page has complained of since it was last asked."""
        return [it["message"] for it in await self._call("POST", "/se/log", {"type": "browser"})]

    async def devtools(self, command: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return await self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    async def _find(self, css: str) -> str:
        return (await self._call("POST", "/element", {"using": "css selector", "value": css}))[ELEMENT]


@contextlib.asynccontextmanager
async def chromium(directory: Path) -> AsyncIterator[Browser]:
    """A window, with its profile in a directory of the test's."""
    assert DRIVER is not None
    with subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            assert driver.stdout is not None
            said = iter(driver.stdout.readline, "")
            port = next(
                match[1] for line in said if (match := re.search(r"successfully on port (\d+)", line))
            )
            async with aiohttp.ClientSession() as http:
                session = await _opened(http, f"http://127.0.0.1:{port}", directory)
                try:
                    yield Browser(http, session)
                finally:
                    async with http.delete(session):
                        pass
        finally:
            driver.terminate()


async def _opened(http: aiohttp.ClientSession, driver: str, directory: Path) -> str:
    options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={directory}"]}
    wanted = {
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL"},
        "timeouts": {"script": PATIENCE, "implicit": PATIENCE},
        "unhandledPromptBehavior": "ignore",
    }
    async with http.post(f"{driver}/session", json={"capabilities": {"alwaysMatch": wanted}}) as response:
        answer = await response.json()
    assert response.status == 200, json.dumps(answer)
    return f"{driver}/session/{answer['value']['sessionId']}"
