"""The page as HTML: a pure function of the page model."""

from dataflow_async.emulator.service.dates import with_zone
from dataflow_async.emulator.ui import connect_section, fault_section, job_section, log_section, run_section
from dataflow_async.emulator.ui.elements import FORMS, SECTIONS, counted, live_text, section
from dataflow_async.emulator.ui.markup import Html, document, tag
from dataflow_async.emulator.ui.page_model import PageModel

ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""Files that the page needs, under `FORMS`: ``/_emulator/page/page.css``."""


def render(model: PageModel, notice: str = "", spec: str = "") -> str:
    """Return the whole page.

    Args:
        model: The data of the page.
        notice: Why the last action was refused.
        spec: The text of faults that was refused, for correction.
    """
    return document(_head(), tag("body", _header(model), _main(model, notice, spec)))


def _head() -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", "Data Flow emulator"),
        tag("link", rel="icon", type="image/svg+xml", href=f"{FORMS}/icon.svg"),
        tag("link", rel="stylesheet", href=f"{FORMS}/page.css"),
        tag("script", src=f"{FORMS}/page.js", defer=True),
    )


def _header(model: PageModel) -> Html:
    date, clock = with_zone(model.now)[:19].split("T")
    totals = model.totals
    return tag(
        "header",
        tag("h1", "Data Flow emulator"),
        live_text("clock", f"{date} {clock} (UTC+9), speed {model.speed:g}"),
        live_text("totals", ", ".join(counted(number, name[:-1]) for name, number in totals.items())),
        tag("p", "", id="connection", role="status"),
        tag(
            "nav",
            *(tag("a", title, href=f"#{name}") for name, title in SECTIONS.items()),
            aria_label="Sections",
        ),
    )


def _main(model: PageModel, notice: str, spec: str) -> Html:
    return tag(
        "main",
        tag("div", tag("p", notice) if notice else None, id="notice", role="alert"),
        connect_section.connect_note(model),
        section(
            "runs",
            run_section.chart(model),
            run_section.search(model.selection),
            run_section.run_table(model),
        ),
        section("faults", fault_section.fault_list(model), fault_section.fault_form(model.selection, spec)),
        section("jobs", job_section.job_table(model), job_section.job_form(model.selection)),
        section("log", log_section.log_table(model)),
    )
