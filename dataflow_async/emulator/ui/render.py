"""The page as HTML: a pure function of the page model."""

import json

from dataflow_async.emulator.audit.events import AnswerLost, StateChanged
from dataflow_async.emulator.faults.kinds import KINDS
from dataflow_async.emulator.faults.plan import Fault
from dataflow_async.emulator.service.dates import with_zone
from dataflow_async.emulator.service.lifecycle import Status
from dataflow_async.emulator.service.state import Job
from dataflow_async.emulator.ui.markup import Content, Html, document, join, tag
from dataflow_async.emulator.ui.page_model import MOST_SEARCHED, ROWS, LogEntry, PageModel, Run, Selection

SECTIONS = {"runs": "Runs", "faults": "Faults", "jobs": "Jobs", "log": "Requests"}
"""Ids and titles."""
FORMS = "/_emulator/page"
"""The path that forms are sent to."""
ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""Files that the page needs, under `FORMS`: ``/_emulator/page/page.css``."""
STATES = frozenset(map(str, Status))
"""Statuses of the service; a script may use others."""
LONGEST = 160
"""Longest text, in characters; longer text is shortened."""
EXAMPLE = "executeJob reset after 5%; 429 code=410 x3"
"""Example of the text form of faults."""


def render(model: PageModel, notice: str = "", spec: str = "") -> str:
    """Return the whole page.

    Args:
        model: The data of the page.
        notice: Why the last action was refused.
        spec: The text of faults that was refused, for correction.
    """
    return document(_head(), tag("body", _header(model), _main(model, notice, spec)))


def address(path: str, selection: Selection) -> str:
    """Return a path of the page with a selection."""
    return f"{path}?{selection}" if str(selection) else path


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
        _live("clock", f"{date} {clock} (UTC+9), speed {model.speed:g}"),
        _live("totals", ", ".join(_plural(number, name[:-1]) for name, number in totals.items())),
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
        _section("runs", _chart(model), _search(model.selection), _run_table(model)),
        _section("faults", _fault_list(model), _fault_form(model.selection, spec)),
        _section("jobs", _job_table(model)),
        _section("log", _log_table(model)),
    )


# --- runs -------------------------------------------------------------------------------------------------------------


def _chart(model: PageModel) -> Html:
    """Return a bar of all statuses, and under it their counts, each a link that selects one of them."""
    counts, total = model.statuses, sum(model.statuses.values())
    if model.totals["runs"] > MOST_SEARCHED:
        caption = f"The newest {MOST_SEARCHED:,} of {model.totals['runs']:,} runs"
    else:
        caption = _plural(total, "run")
    counted = ", ".join(f"{number:,} {_shortened(status)}" for status, number in counts.items() if number)
    links = [("", "All", total), *((status, status, number) for status, number in counts.items())]
    states = tag(
        "ul",
        *(
            tag("li", _narrower(model.selection, status, label, number))
            for status, label, number in links
            if number or status in {"", model.selection.status} or status in STATES
        ),
        class_="states",
    )
    caption_ = tag(
        "figcaption", f"{caption}: {counted}" if counted else caption, role="status", class_="unseen"
    )
    return tag("figure", caption_, _bar(counts, total), states, id="chart", data_live=True)


def _bar(counts: dict[str, int], total: int) -> Html:
    parts, offset = [], 0.0
    for status, number in counts.items():
        share = 100 * number / total if total else 0.0
        parts.append(
            tag("rect", x=f"{offset:.3f}%", width=f"{share:.3f}%", height="100%", class_=_tone(status))
        )
        offset += share
    return tag(
        "svg", *parts, class_="bar", aria_hidden="true", focusable="false"
    )  # the list has the same numbers


def _narrower(selection: Selection, status: str, label: str, number: int) -> Html:
    return tag(
        "a",
        tag("span", _shortened(label), class_=_state(status) if status else None),
        " ",
        tag("b", f"{number:,}"),
        href=address("/", Selection(status, selection.find)),
        id=f"state-{label}",
        aria_current="true" if selection.status == status else None,
    )


def _search(selection: Selection) -> Html:
    return tag(
        "form",
        tag("label", "Find a job or a run", for_="find"),
        tag(
            "input",
            type="search",
            id="find",
            name="find",
            value=selection.find,
            placeholder="name or id",
            autocomplete="off",
        ),
        tag("input", type="hidden", name="status", value=selection.status) if selection.status else None,
        tag("button", "Find"),
        tag("a", "Show all", href="/") if str(selection) else None,
        method="get",
        action="/",
        class_="line",
    )


def _run_table(model: PageModel) -> Html:
    return tag(
        "form",
        _table(
            ("State", "Job and run", "Created", "End it"),
            [_run_row(run) for run in model.runs],
            "No run matches." if str(model.selection) else "Nothing has been launched yet.",
        ),
        _limit_note(len(model.runs), "runs"),
        method="post",
        action=address(FORMS, model.selection),
        id="run-table",
        data_live=True,
    )


def _run_row(run: Run) -> Html:
    parameters = _shortened(json.dumps(run.parameters, ensure_ascii=False)) if run.parameters else None
    return tag(
        "tr",
        tag(
            "td",
            tag("span", _shortened(run.status), class_=_state(run.status)),
            _small(_seconds(run.seconds)),
        ),
        tag(
            "th",
            tag("b", _shortened(run.job_name)),
            tag("code", run.run_id),
            tag("code", parameters) if parameters else None,
            scope="row",
        ),
        tag("td", _time(run.created_at), class_="extra"),
        tag("td", *() if run.has_ended else _endings(run), class_="actions"),
        id=f"run-{run.run_id}",
        tabindex="-1",
    )


def _endings(run: Run) -> list[Html]:
    return [
        tag(
            "button",
            label,
            name=label.lower(),
            value=run.run_id,
            id=f"{label.lower()}-{run.run_id}",
            aria_label=f"{label} run {run.run_id} of {_shortened(run.job_name)}",
        )
        for label in ("Finish", "Fail", "Cancel")
    ]


# --- faults -----------------------------------------------------------------------------------------------------------


def _fault_list(model: PageModel) -> Html:
    faults = model.faults
    content: list[Content] = [tag("p", "No fault is injected.", class_="empty")]
    if faults:
        content = [
            _table(("Fault", "Injected", "Remove"), [_fault_row(it) for it in faults], ""),
            tag("button", "Clear all faults", name="clear", value="all", id="clear"),
        ]
    return tag(
        "form",
        *content,
        method="post",
        action=address(FORMS, model.selection),
        id="fault-table",
        data_live=True,
    )


def _fault_row(fault: Fault) -> Html:
    text = _shortened(str(fault))
    number = str(fault.number)
    remove = tag(
        "button", "Remove", name="remove", value=number, id=f"remove-{number}", aria_label=f"Remove {text}"
    )
    return tag(
        "tr",
        tag("th", tag("code", text), _small(fault.kind.summary()), scope="row"),
        tag("td", f"{fault.injected:,} of {fault.matched:,}"),
        tag("td", remove, class_="actions"),
        id=f"fault-{number}",
        tabindex="-1",
    )


def _fault_form(selection: Selection, spec: str) -> Html:
    kinds = [join(tag("dt", tag("code", kind.usage())), tag("dd", kind.summary())) for kind in KINDS.values()]
    form = tag(
        "form",
        tag("label", "Add a fault", for_="spec"),
        tag(
            "input",
            id="spec",
            name="add",
            value=spec,
            required=True,
            placeholder=EXAMPLE,
            autocomplete="off",
            autocapitalize="off",
            spellcheck="false",
            aria_describedby="form-of-faults",
        ),
        tag("button", "Add"),
        method="post",
        action=address(FORMS, selection),
        class_="line",
    )
    form_of_it = "[OPERATIONS] KIND [NAME=VALUE ...] [before|after] [N%] [xN] [#N,M]"
    note = tag(
        "p", tag("code", form_of_it), "; several are separated by ;", id="form-of-faults", class_="note"
    )
    return join(form, note, tag("details", tag("summary", "All kinds of fault"), tag("dl", *kinds)))


# --- jobs and requests ------------------------------------------------------------------------------------------------


def _job_table(model: PageModel) -> Html:
    rows = [_job_row(job, model.now) for job in model.jobs]
    empty = "No job matches." if model.selection.find else "There is no job yet."
    return tag(
        "div",
        _table(("Job", "Type", "Runs", "Last run"), rows, empty),
        _limit_note(len(rows), "jobs"),
        id="job-table",
        data_live=True,
    )


def _job_row(job: Job, now: float) -> Html:
    last = str(job.executions[-1].lifecycle.status(now)) if job.executions else ""
    runs = tag(
        "a",
        f"{len(job.executions):,}",
        href=address("/", Selection(find=job.job_id)),
        id=f"runs-of-{job.job_id}",
        aria_label=f"{_plural(len(job.executions), 'run')} of {_shortened(job.name)}",
    )
    return tag(
        "tr",
        tag("th", tag("b", _shortened(job.name)), tag("code", job.job_id), scope="row"),
        tag("td", job.type, class_="extra"),
        tag("td", runs),
        tag("td", tag("span", _shortened(last), class_=_state(last)) if last else "none"),
        id=f"job-{job.job_id}",
    )


def _log_table(model: PageModel) -> Html:
    rows = [_log_row(entry) for entry in model.log]
    return tag(
        "div",
        _table(("Time", "Request", "Signature", "Answer"), rows, "No request has come in yet."),
        _limit_note(len(rows), "requests"),
        id="log-table",
        data_live=True,
    )


def _log_row(entry: LogEntry) -> Html:
    return tag(
        "tr",
        tag("td", _time(entry.time), class_="extra"),
        tag("th", *_request(entry), *map(_effect, entry.effects), scope="row"),
        tag("td", *_signature(entry)),
        tag("td", *_answer(entry)),
        id=entry.key,
    )


def _request(entry: LogEntry) -> list[Content]:
    if entry.request is None:
        return ["a connection" if isinstance(entry.end, AnswerLost) else "without a request"]
    title = entry.request.operation or "no call of the API"
    return [tag("b", title), tag("code", _shortened(f"{entry.request.method} {entry.request.target}"))]


def _effect(effect: StateChanged) -> Html:
    return _small(f"{effect.what} {effect.resource} {effect.resource_id}", "effect")


def _signature(entry: LogEntry) -> list[Content]:
    if not entry.signature_checked:
        return ["not checked" if entry.request else None]
    if entry.objection is None:
        return [tag("span", "accepted", class_="good")]
    return [tag("span", "refused", class_="bad"), _small(entry.objection)]


def _answer(entry: LogEntry) -> list[Content]:
    end = entry.end
    if end is None:
        return ["under way" if entry.request else None]
    faults = [_small(f"faults: {', '.join(end.faults)}", "fault")] if end.faults else []
    if isinstance(end, AnswerLost):
        return [tag("span", "lost", class_="bad"), _small(end.reason), *faults]
    return [tag("span", str(end.status), class_="good" if end.status < 400 else "bad"), *faults]


# --- pieces -----------------------------------------------------------------------------------------------------------


def _section(name: str, *content: Content) -> Html:
    heading = tag("h2", SECTIONS[name], id=f"{name}-title", tabindex="-1")
    return tag("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


def _live(name: str, text: str) -> Html:
    return tag("p", text, id=name, data_live=True)


def _table(columns: tuple[str, ...], rows: list[Html], empty: str) -> Html:
    if not rows:
        return tag("p", empty, class_="empty")
    head = tag("tr", *(tag("th", it, scope="col", class_=_extra(it)) for it in columns))
    return tag("table", tag("thead", head), tag("tbody", *rows))


def _extra(column: str) -> str | None:
    """Return the class of columns that a narrow screen leaves out."""
    return "extra" if column in {"Created", "Time", "Type"} else None


def _limit_note(rows: int, things: str) -> Html | None:
    return tag("p", f"These are the newest {ROWS} {things}.", class_="note") if rows == ROWS else None


def _small(text: str, class_: str = "") -> Html:
    return tag("small", _shortened(text), class_=class_ or None)


def _time(seconds: float) -> Html:
    whole = with_zone(seconds)
    return tag("time", whole[11:19], datetime=whole, title=whole)


def _tone(status: str) -> str:
    """Return the class that colours a status; unusual statuses share one."""
    return status.lower() if status in STATES else "other"


def _state(status: str) -> str:
    return f"state {_tone(status)}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _plural(number: float, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,g} {name}s"
