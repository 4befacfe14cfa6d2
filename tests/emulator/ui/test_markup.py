"""Markup: text is escaped, and only one module makes markup."""

import dataflow_async.emulator.ui as package
from dataflow_async.emulator.ui.markup import join, tag

# --- escaping ---------------------------------------------------------------------------------------------------------


def test_a_tag_escapes_all_text_and_no_markup():
    inner = tag("b", "<&>\"'", title="\"'<&>")
    assert inner == '<b title="&quot;&#x27;&lt;&amp;&gt;">&lt;&amp;&gt;&quot;&#x27;</b>'
    assert tag("p", inner, None, "<") == f"<p>{inner}&lt;</p>"
    assert tag("p", inner + "") == f"<p>{join(str.__str__(inner) + '')}</p>" != f"<p>{inner}</p>"
    assert tag("input", for_="a", aria_label="b", required=True, hidden=False, id=None) == (
        '<input for="a" aria-label="b" required>'
    )


def test_only_one_module_makes_markup():
    from pathlib import Path

    for path in Path(package.__file__).parent.glob("*.py"):
        assert path.name == "markup.py" or "Html(" not in path.read_text("utf-8")
