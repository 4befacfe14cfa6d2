"""Draw Mermaid flow charts as SVG while pages are built, so that a reader's browser needs no script and no other host.

Only what `Pipeline.to_mermaid` writes is drawn; anything else fails the build. GitHub draws the same text by itself.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple
from unicodedata import east_asian_width

HEIGHT, GAP_X, GAP_Y, PADDING = 40, 48, 20, 14
"""Pixels: of a box, between columns, between rows, and beside a label."""
_NODE = re.compile(r'    (n\d+)(\[\(?)"([^"]*)"\)?\]')
_ARROW = re.compile(r"    (n\d+) --> (n\d+)")
_STYLE = (
    ".df rect,.df path{fill:var(--color-background-secondary,#f5f7fa);stroke:var(--color-foreground-muted,#5a6672)}"
    ".df .arrow{fill:none}.df .head{fill:var(--color-foreground-muted,#5a6672)}"
    ".df text{fill:var(--color-foreground-primary,#1d2b38);font:14px sans-serif;text-anchor:middle}"
)


class Box(NamedTuple):
    """A node on the page: its label, whether it is a store, and where its left upper corner is."""

    label: str
    is_store: bool
    x: float
    y: float
    width: float


def svg(text: str) -> str:
    """Return the drawing of a flow chart.

    Raises:
        ValueError: The text has another form than `Pipeline.to_mermaid` writes.
    """
    head, *lines = text.strip("\n").split("\n")
    if head != "flowchart LR":
        raise ValueError(f"first line of a diagram must be 'flowchart LR', got {head!r}")
    labels: dict[str, tuple[str, bool]] = {}
    arrows: list[tuple[str, str]] = []
    for line in lines:
        if node := _NODE.fullmatch(line):
            label = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), node[3])
            labels[node[1]] = label, node[2] == "[("
        elif arrow := _ARROW.fullmatch(line):
            arrows.append((arrow[1], arrow[2]))
        else:
            raise ValueError(f"a line of a diagram must be a node or an arrow, got {line!r}")
    boxes = _placed(labels, arrows)
    width = max(box.x + box.width for box in boxes.values()) + 1
    height = max(box.y for box in boxes.values()) + HEIGHT + 6
    drawn = [_box(box) for box in boxes.values()] + [_arrow(boxes[one], boxes[two]) for one, two in arrows]
    title = escape(", ".join(label for label, _ in labels.values()))
    return (
        f'<svg class="df" xmlns="http://www.w3.org/2000/svg" viewBox="-1 -6 {width + 1:g} {height + 6:g}" '
        f'style="max-width:{width:g}px;width:100%" role="img" aria-label="Steps: {title}">'
        f"<style>{_STYLE}</style>{''.join(drawn)}</svg>"
    )


def _columns(labels: Mapping[str, Any], arrows: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return the nodes by columns: each stands right of all that it reads from, near their middle."""
    column: dict[str, int] = {}
    for name in labels:  # parents come first
        column[name] = max((column[one] + 1 for one, two in arrows if two == name), default=0)
    for name in labels:  # a source stands just left of what reads it
        if not any(two == name for _, two in arrows):
            column[name] = min((column[two] - 1 for one, two in arrows if one == name), default=0)
    found: list[list[str]] = [[] for _ in range(max(column.values()) + 1)]
    row: dict[str, float] = {}
    for at, names in enumerate(found):
        names += [name for name in labels if column[name] == at]
        mean = {name: [row[one] for one, two in arrows if two == name and one in row] for name in names}
        names.sort(key=lambda name: sum(mean[name]) / len(mean[name]) if mean[name] else 0)
        row |= {name: float(place) for place, name in enumerate(names)}
    return found


def _placed(labels: Mapping[str, tuple[str, bool]], arrows: Sequence[tuple[str, str]]) -> dict[str, Box]:
    columns = _columns(labels, arrows)
    tallest = max(len(names) for names in columns)
    boxes: dict[str, Box] = {}
    x = 0.0
    for names in columns:
        width = max(_width(labels[name][0]) for name in names)
        for row, name in enumerate(names):
            y = (row + (tallest - len(names)) / 2) * (HEIGHT + GAP_Y)
            boxes[name] = Box(*labels[name], x, y, width)
        x += width + GAP_X
    return {name: boxes[name] for name in labels}


def _width(label: str) -> float:
    return 2 * PADDING + sum(15 if east_asian_width(sign) in "WF" else 7.5 for sign in label)


def _box(box: Box) -> str:
    x, y, width = box.x, box.y, box.width
    if box.is_store:  # a cylinder
        top = f"a{width / 2:g},5 0 0 0 {width:g},0"
        shape = (
            f'<path d="M{x:g},{y:g} v{HEIGHT} {top} v-{HEIGHT} a{width / 2:g},5 0 0 0 -{width:g},0 {top}"/>'
        )
    else:
        shape = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT}" rx="4"/>'
    down = y + HEIGHT / 2 + (7 if box.is_store else 5)
    return f'{shape}<text x="{x + width / 2:g}" y="{down:g}">{escape(box.label)}</text>'


def _arrow(one: Box, two: Box) -> str:
    x, y, to_x, to_y = one.x + one.width, one.y + HEIGHT / 2, two.x, two.y + HEIGHT / 2
    middle = max(x + 10, to_x - GAP_X / 2)
    line = f"M{x:g},{y:g} C{middle:g},{y:g} {middle:g},{to_y:g} {to_x - 6:g},{to_y:g}"
    head = f"M{to_x:g},{to_y:g} l-8,-4 v8 z"
    return f'<path class="arrow" d="{line}"/><path class="head" d="{head}"/>'


def mermaid_directive() -> type[Any]:
    """Return what Sphinx makes of a fence of Mermaid's language; the only part that needs docutils."""
    from docutils import nodes
    from docutils.parsers.rst import Directive

    class Mermaid(Directive):
        has_content = True

        def run(self) -> list[nodes.Node]:
            return [nodes.raw("", svg("\n".join(self.content)), format="html")]

    return Mermaid
