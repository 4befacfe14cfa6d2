"""What the service says of nodes, with the steps and lines that wrote them.

No page prints a message about a node. A node is recognized by its position (``nodes[3]``, ``nodes.3``, ``/nodes/3``), by its id
after the word node (``node 7``, ``nodeId: 7``), or, where there is neither, by its label in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dataflow_async.errors import APIError
from dataflow_async.pipeline.graph import Entry

_POSITION = re.compile(r"\bnodes(?:\[|\.|/)(\d+)")
_ID = re.compile(r"\bnode(?:[ _]?id)?[\s:=#(\[\"']{1,4}(-?\d+)\b", re.IGNORECASE)
_QUOTED = ("'{}'", '"{}"', "`{}`", "\u2018{}\u2019", "\u201c{}\u201d")


def explained(error: APIError, entries: Sequence[Entry]) -> str:
    """Return the service's message with the steps that it names, and their lines.

    Args:
        error: The error.
        entries: The nodes as they were sent.
    """
    details = [f"{it.field} {it.message}" for it in error.field_errors]
    text = " ".join([error.message, error.details or "", *details])
    named: dict[int, str] = {}
    for entry, words in [*_named(text, entries)] or _labelled(text, entries):
        named.setdefault(entry.id, f"{words} is step {entry.label!r} ({entry.place})")
    return "; ".join([error.message, *named.values()])


def _named(text: str, entries: Sequence[Entry]) -> Iterator[tuple[Entry, str]]:
    """Return each node that a text names, and how."""
    for position in map(int, _POSITION.findall(text)):
        if position < len(entries):
            yield entries[position], f"nodes[{position}]"
    by_id = {entry.id: entry for entry in entries}
    for number in map(int, _ID.findall(text)):
        if number in by_id:
            yield by_id[number], f"node {number}"


def _labelled(text: str, entries: Sequence[Entry]) -> Iterator[tuple[Entry, str]]:
    """Return each node whose label stands in quotes."""
    for entry in entries:
        if any(quoted.format(entry.label) in text for quoted in _QUOTED):
            yield entry, repr(entry.label)
