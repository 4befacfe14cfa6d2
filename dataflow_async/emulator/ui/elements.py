"""Parts of the page that several sections use."""

from dataflow_async.emulator.service.dates import with_zone
from dataflow_async.emulator.service.lifecycle import Status
from dataflow_async.emulator.ui.markup import Content, Html, tag
from dataflow_async.emulator.ui.page_model import ROWS, Selection

SECTIONS = {"runs": "Runs", "faults": "Faults", "jobs": "Jobs", "log": "Requests"}
"""Ids and titles."""
FORMS = "/_emulator/page"
"""The path that forms are sent to."""
STATES = frozenset(map(str, Status))
"""Statuses of the service; a script may use others."""
LONGEST = 160
"""Longest text, in characters; longer text is shortened."""


def address(path: str, selection: Selection) -> str:
    """Return a path of the page with a selection."""
    return f"{path}?{selection}" if str(selection) else path


def section(name: str, *content: Content) -> Html:
    """Return a section of the page with its heading."""
    heading = tag("h2", SECTIONS[name], id=f"{name}-title", tabindex="-1")
    return tag("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


def live_text(name: str, text: str) -> Html:
    """Return a paragraph that the script keeps up to date."""
    return tag("p", text, id=name, data_live=True)


def table(columns: tuple[str, ...], rows: list[Html], empty: str) -> Html:
    """Return a table, or a sentence if it has no rows."""
    if not rows:
        return tag("p", empty, class_="empty")
    head = tag("tr", *(tag("th", it, scope="col", class_=narrow_class(it)) for it in columns))
    return tag("table", tag("thead", head), tag("tbody", *rows))


def narrow_class(column: str) -> str | None:
    """Return the class of columns that a narrow screen leaves out."""
    return "extra" if column in {"Created", "Time", "Type"} else None


def limit_note(rows: int, things: str) -> Html | None:
    """Return a note if a table shows only the newest rows."""
    return tag("p", f"These are the newest {ROWS} {things}.", class_="note") if rows == ROWS else None


def small_text(text: str, class_: str = "") -> Html:
    """Return small text, shortened."""
    return tag("small", shortened(text), class_=class_ or None)


def time_of_day(seconds: float) -> Html:
    """Return a time of day, with the whole date as its title."""
    whole = with_zone(seconds)
    return tag("time", whole[11:19], datetime=whole, title=whole)


def status_class(status: str) -> str:
    """Return the class that colours a status; unusual statuses share one."""
    return status.lower() if status in STATES else "other"


def status_badge_class(status: str) -> str:
    """Return the classes of a status badge."""
    return f"state {status_class(status)}"


def duration(seconds: float) -> str:
    """Return seconds in words."""
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def shortened(text: str) -> str:
    """Return a text, shortened to `LONGEST` characters."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def counted(number: float, name: str) -> str:
    """Return a number and a noun, in the plural if needed."""
    return f"{number:,} {name}" if number == 1 else f"{number:,g} {name}s"
