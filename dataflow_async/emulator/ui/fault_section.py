"""The section of faults: list and form."""

from dataflow_async.emulator.faults.kinds import KINDS
from dataflow_async.emulator.faults.plan import Fault
from dataflow_async.emulator.ui.elements import FORMS, address, shortened, small_text, table
from dataflow_async.emulator.ui.markup import Content, Html, join, tag
from dataflow_async.emulator.ui.page_model import PageModel, Selection

EXAMPLE = "executeJob reset after 5%; 429 code=410 x3"
"""Example of the text form of faults."""


def fault_list(model: PageModel) -> Html:
    """Return the table of faults, with buttons that remove them."""
    faults = model.faults
    content: list[Content] = [tag("p", "No fault is injected.", class_="empty")]
    if faults:
        content = [
            table(("Fault", "Injected", "Remove"), [_fault_row(it) for it in faults], ""),
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
    text = shortened(str(fault))
    number = str(fault.number)
    remove = tag(
        "button", "Remove", name="remove", value=number, id=f"remove-{number}", aria_label=f"Remove {text}"
    )
    return tag(
        "tr",
        tag("th", tag("code", text), small_text(fault.kind.summary()), scope="row"),
        tag("td", f"{fault.injected:,} of {fault.matched:,}"),
        tag("td", remove, class_="actions"),
        id=f"fault-{number}",
        tabindex="-1",
    )


def fault_form(selection: Selection, spec: str) -> Html:
    """Return the form that adds faults, and the list of fault types."""
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
