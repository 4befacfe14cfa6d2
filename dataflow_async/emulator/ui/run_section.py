"""The section of runs: chart, search and table."""

import json

from dataflow_async.emulator.ui.elements import (
    FORMS,
    STATES,
    address,
    counted,
    duration,
    limit_note,
    shortened,
    small_text,
    status_badge_class,
    status_class,
    table,
    time_of_day,
)
from dataflow_async.emulator.ui.markup import Html, tag
from dataflow_async.emulator.ui.page_model import MOST_SEARCHED, PageModel, Run, Selection


def chart(model: PageModel) -> Html:
    """Return a bar of all statuses, and under it their counts, each a link that selects one of them."""
    counts, total = model.statuses, sum(model.statuses.values())
    if model.totals["runs"] > MOST_SEARCHED:
        caption = f"The newest {MOST_SEARCHED:,} of {model.totals['runs']:,} runs"
    else:
        caption = counted(total, "run")
    numbers = ", ".join(f"{number:,} {shortened(status)}" for status, number in counts.items() if number)
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
        "figcaption", f"{caption}: {numbers}" if numbers else caption, role="status", class_="unseen"
    )
    return tag("figure", caption_, _bar(counts, total), states, id="chart", data_live=True)


def _bar(counts: dict[str, int], total: int) -> Html:
    parts, offset = [], 0.0
    for status, number in counts.items():
        share = 100 * number / total if total else 0.0
        parts.append(
            tag("rect", x=f"{offset:.3f}%", width=f"{share:.3f}%", height="100%", class_=status_class(status))
        )
        offset += share
    return tag(
        "svg", *parts, class_="bar", aria_hidden="true", focusable="false"
    )  # the list has the same numbers


def _narrower(selection: Selection, status: str, label: str, number: int) -> Html:
    return tag(
        "a",
        tag("span", shortened(label), class_=status_badge_class(status) if status else None),
        " ",
        tag("b", f"{number:,}"),
        href=address("/", Selection(status, selection.find)),
        id=f"state-{label}",
        aria_current="true" if selection.status == status else None,
    )


def search(selection: Selection) -> Html:
    """Return the form that searches jobs and runs."""
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


def run_table(model: PageModel) -> Html:
    """Return the table of runs, with buttons that end them."""
    return tag(
        "form",
        table(
            ("State", "Job and run", "Created", "End it"),
            [_run_row(run) for run in model.runs],
            "No run matches." if str(model.selection) else "Nothing has been launched yet.",
        ),
        limit_note(len(model.runs), "runs"),
        method="post",
        action=address(FORMS, model.selection),
        id="run-table",
        data_live=True,
    )


def _run_row(run: Run) -> Html:
    parameters = shortened(json.dumps(run.parameters, ensure_ascii=False)) if run.parameters else None
    return tag(
        "tr",
        tag(
            "td",
            tag("span", shortened(run.status), class_=status_badge_class(run.status)),
            small_text(duration(run.seconds)),
        ),
        tag(
            "th",
            tag("b", shortened(run.job_name)),
            tag("code", run.run_id),
            tag("code", parameters) if parameters else None,
            scope="row",
        ),
        tag("td", time_of_day(run.created_at), class_="extra"),
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
            aria_label=f"{label} run {run.run_id} of {shortened(run.job_name)}",
        )
        for label in ("Finish", "Fail", "Cancel")
    ]
