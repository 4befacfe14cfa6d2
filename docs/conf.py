"""How the documentation is built: ``python -m sphinx -W -b html -c docs docs/pages docs/_build``."""

import re
import sys
from pathlib import Path
from typing import Any

from dataflow_async import __version__

sys.path.insert(0, str(Path(__file__).parent))
from diagrams import mermaid_directive  # lies beside this file

NOTES = Path(__file__).parent.parent / "dataflow_async" / "contract" / "notes.md"

project = "dataflow_async"
author = "the dataflow_async authors"
project_copyright = "the dataflow_async authors, Apache-2.0"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
suppress_warnings = ["ref.python"]  # a bare name such as `RUNNING` stands in two enums

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

default_role = "py:obj"  # `name` in a docstring links where there is something to link to
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"dataflow_async {__version__}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}


def _notes_as_page(_app: Any, page: str, source: list[str]) -> None:
    """Show the shipped contract notes as a page; their anchors become targets that other pages can link to."""
    if page == "contract":
        text = NOTES.read_text("utf-8")
        source[0] = re.sub(r'<a id="(ruling-\d+)"></a>(\d+)', r"[\2]{#\1}", text)


def _fences(lines: list[str]) -> list[str]:
    """Turn a Markdown fence in a docstring into a code block."""
    text = "\n".join(lines)

    def block(found: re.Match[str]) -> str:
        code = "".join(f"    {line}\n" if line else "\n" for line in found[2].splitlines())
        return f".. code-block:: {found[1]}\n\n{code}"

    return re.sub(r"^```(\w+)\n(.*?)^```$", block, text, flags=re.DOTALL | re.MULTILINE).splitlines()


def _linked(line: str) -> str:
    """Turn ``contract/notes.md#ruling-15`` into a link to that row on the page of contract notes."""
    return re.sub(
        r"`{0,2}contract/notes\.md#(ruling-\d+)`{0,2}", r"`contract notes, \1 <../contract.html#\1>`__", line
    )


def _docstring(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    lines[:] = map(_linked, _fences(lines))


def _value(_app: Any, what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Begin the docstring of a value with an empty comment: napoleon takes what precedes a colon for its type."""
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]


def setup(app: Any) -> None:
    """Connect the changes to the text that Sphinx reads."""
    app.add_directive("mermaid", mermaid_directive())
    app.connect("source-read", _notes_as_page)
    app.connect("autodoc-process-docstring", _value, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", _docstring)
