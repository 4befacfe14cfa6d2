"""The section of jobs."""

from dataflow_async.emulator.service.state import Job
from dataflow_async.emulator.ui.elements import (
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
    """Return the table of jobs."""
    rows = [_job_row(job, model.now) for job in model.jobs]
    empty = "No job matches." if model.selection.find else "There is no job yet."
    return tag(
        "div",
        table(("Job", "Type", "Runs", "Last run"), rows, empty),
        limit_note(len(rows), "jobs"),
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
    return tag(
        "tr",
        tag("th", tag("b", shortened(job.name)), tag("code", job.job_id), scope="row"),
        tag("td", job.type, class_="extra"),
        tag("td", runs),
        tag("td", tag("span", shortened(last), class_=status_badge_class(last)) if last else "none"),
        id=f"job-{job.job_id}",
    )
