"""Helpers for tests of the page: an HTML reader, a page model full of hostile text, and forms sent as a browser sends them."""

from html.parser import HTMLParser

import attrs
import pytest

from dataflow_async.emulator.audit.events import (
    AnswerLost,
    AnswerSent,
    RequestReceived,
    SignatureChecked,
    StateChanged,
)
from dataflow_async.emulator.faults.plan import FaultPlan
from dataflow_async.emulator.service.lifecycle import RunLifecycle
from dataflow_async.emulator.service.state import Job
from dataflow_async.emulator.ui.elements import FORMS
from dataflow_async.emulator.ui.markup import VOID
from dataflow_async.emulator.ui.page_model import PageModel, Run, Selection, log_entries
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
