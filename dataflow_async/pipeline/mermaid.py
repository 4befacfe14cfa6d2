"""A pipeline as a diagram in Mermaid's language."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow_async.pipeline.graph import Entry

_PLAIN = frozenset(" _-.,/")


def to_mermaid(entries: Sequence[Entry]) -> str:
    """Return a flow chart; whatever labels hold, it is shown as text."""
    names = {entry.id: f"n{at}" for at, entry in enumerate(entries)}
    lines = ["flowchart LR"]
    for entry in entries:
        stores = (entry.node.type or "").startswith(("SOURCE_", "TARGET_"))
        opening, closing = ("[(", ")]") if stores else ("[", "]")
        lines.append(f'    {names[entry.id]}{opening}"{escaped(entry.label)}"{closing}')
    lines += [
        f"    {names[parent]} --> {names[entry.id]}"
        for entry in entries
        for parent in entry.node.parent_node_ids
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return a text with all but letters, digits and a few marks as entity codes, which Mermaid shows as text."""
    return "".join(it if it.isalnum() or it in _PLAIN else f"#{ord(it)};" for it in text)
