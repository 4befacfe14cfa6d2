"""The section of requests."""

from dataflow_async.emulator.audit.events import AnswerLost, StateChanged
from dataflow_async.emulator.ui.elements import limit_note, shortened, small_text, table, time_of_day
from dataflow_async.emulator.ui.markup import Content, Html, tag
from dataflow_async.emulator.ui.page_model import LogEntry, PageModel


def log_table(model: PageModel) -> Html:
    """Return the table of requests."""
    rows = [_log_row(entry) for entry in model.log]
    return tag(
        "div",
        table(("Time", "Request", "Signature", "Answer"), rows, "No request has come in yet."),
        limit_note(len(rows), "requests"),
        id="log-table",
        data_live=True,
    )


def _log_row(entry: LogEntry) -> Html:
    return tag(
        "tr",
        tag("td", time_of_day(entry.time), class_="extra"),
        tag("th", *_request(entry), *map(_effect, entry.effects), scope="row"),
        tag("td", *_signature(entry)),
        tag("td", *_answer(entry)),
        id=entry.key,
    )


def _request(entry: LogEntry) -> list[Content]:
    if entry.request is None:
        return ["a connection" if isinstance(entry.end, AnswerLost) else "without a request"]
    title = entry.request.operation or "no call of the API"
    return [tag("b", title), tag("code", shortened(f"{entry.request.method} {entry.request.target}"))]


def _effect(effect: StateChanged) -> Html:
    return small_text(f"{effect.what} {effect.resource} {effect.resource_id}", "effect")


def _signature(entry: LogEntry) -> list[Content]:
    if not entry.signature_checked:
        return ["not checked" if entry.request else None]
    if entry.objection is None:
        return [tag("span", "accepted", class_="good")]
    return [tag("span", "refused", class_="bad"), small_text(entry.objection)]


def _answer(entry: LogEntry) -> list[Content]:
    end = entry.end
    if end is None:
        return ["under way" if entry.request else None]
    faults = [small_text(f"faults: {', '.join(end.faults)}", "fault")] if end.faults else []
    if isinstance(end, AnswerLost):
        return [tag("span", "lost", class_="bad"), small_text(end.reason), *faults]
    return [tag("span", str(end.status), class_="good" if end.status < 400 else "bad"), *faults]
