"""How to connect, as long as there is nothing else to see."""

from dataflow_async.emulator.ui.markup import Html, tag
from dataflow_async.emulator.ui.page_model import PageModel


def connect_note(model: PageModel) -> Html:
    """Return lines for a shell and for Python while there is no job; nothing afterwards, and nothing for other machines."""
    content = _lines(model) if model.connection and not model.totals.get("jobs") else []
    return tag("div", *content, id="connect", data_live=True)


def _lines(model: PageModel) -> list[Html]:
    assert model.connection is not None  # noqa: S101 - for mypy: it was checked before
    url, access_key, secret_key = model.connection
    exports = (
        f"export NCLOUD_DATAFLOW_URL={url}",
        f"export NCLOUD_ACCESS_KEY_ID={access_key}",
        f"export NCLOUD_SECRET_ACCESS_KEY={secret_key}",
    )
    return [
        tag("p", "Nothing is here yet. Create a job below, or connect from a shell:"),
        tag("pre", tag("code", "\n".join(exports))),
        tag(
            "p",
            "After these lines ",
            tag("code", "DataFlow()"),
            " in Python and the command ",
            tag("code", "dataflow-async"),
            " use this service.",
        ),
    ]
