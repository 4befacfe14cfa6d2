"""Pyright's language server, asked as an editor does (https://microsoft.github.io/language-server-protocol/)."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
NAME = (ROOT / "tests" / "typing" / "unsaved.py").as_uri()


class LanguageServer:
    """One server with one file that is never saved."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._child = subprocess.Popen(
            [Path(sys.executable).with_name("pyright-langserver"), "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        folder = {"uri": ROOT.as_uri(), "name": "root"}
        able = {"workspace": {"configuration": True}}
        self.call("initialize", processId=None, workspaceFolders=[folder], capabilities=able)
        self._send(method="initialized", params={})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()

    def suggested(self, text: str) -> list[str]:
        """What an editor suggests at the end of a text."""
        document = {"uri": NAME, "languageId": "python", "version": 1, "text": text}
        self._send(method="textDocument/didOpen", params={"textDocument": document})
        end = {"line": text.count("\n"), "character": len(text.rpartition("\n")[2])}
        found = self.call("textDocument/completion", textDocument={"uri": NAME}, position=end)
        self._send(method="textDocument/didClose", params={"textDocument": {"uri": NAME}})
        return [each["label"] for each in found["items"]]

    def call(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        self._send(id=number, method=method, params=params)
        while (message := self._received()).get("id") != number or "method" in message:
            if "id" in message and "method" in message:
                asked = message["params"].get("items", []) if message.get("params") else []
                self._send(id=message["id"], result=[{"pythonPath": sys.executable} for _ in asked])
        return message["result"]

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._child.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._child.stdin.flush()

    def _received(self) -> Any:
        length = 0
        while line := self._child.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self._child.stdout.read(length))
