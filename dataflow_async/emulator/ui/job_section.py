"""The section of jobs: table and form."""

from dataflow_async.emulator.service.state import Job
from dataflow_async.emulator.ui.elements import (
    FORMS,
    address,
    counted,
    limit_note,
    shortened,
    status_badge_class,
    table,
)
from dataflow_async.emulator.ui.markup import Html, tag
from dataflow_async.emulator.ui.page_model import PageModel, Selection


def job_table(model: PageModel) -> Html:
    """Return the table of jobs, with buttons that launch them."""
    rows = [_job_row(job, model.now) for job in model.jobs]
    empty = "No job matches." if model.selection.find else "There is no job yet."
    return tag(
        "form",
        table(("Job", "Type", "Runs", "Last run", "Launch"), rows, empty),
        limit_note(len(rows), "jobs"),
        method="post",
        action=address(FORMS, model.selection),
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
        aria_label=f"{counted(len(job.executions), 'run')} of {shortened(job.name)}",
    )
    launch = tag(
        "button",
        "Launch",
        name="launch",
        value=job.job_id,
        id=f"launch-{job.job_id}",
        aria_label=f"Launch a run of {shortened(job.name)}",
    )
    return tag(
        "tr",
        tag("th", tag("b", shortened(job.name)), tag("code", job.job_id), scope="row"),
        tag("td", job.type, class_="extra"),
        tag("td", runs),
        tag("td", tag("span", shortened(last), class_=status_badge_class(last)) if last else "none"),
        tag("td", launch, class_="actions"),
        id=f"job-{job.job_id}",
        tabindex="-1",
    )


def job_form(selection: Selection) -> Html:
    """Return the form that creates a SCRIPT job."""
    return tag(
        "form",
        tag("label", "Create a job", for_="new-job"),
        tag(
            "input",
            id="new-job",
            name="create",
            value="",
            required=True,
            placeholder="name, such as stock_import",
            autocomplete="off",
            autocapitalize="off",
            spellcheck="false",
        ),
        tag("button", "Create"),
        method="post",
        action=address(FORMS, selection),
        class_="line",
    )
