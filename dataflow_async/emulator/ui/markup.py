"""HTML that is escaped by construction: text becomes markup through `tag` alone, and `tag` escapes all text."""

from html import escape


class Html(str):
    """Text that is markup already; only this module makes it."""

    __slots__ = ()


Content = str | Html | None
"""Text, which is escaped; markup, which is not; or nothing."""

Value = str | bool | None
"""The value of an attribute."""
VOID = frozenset({"input", "link", "meta"})
"""Elements without an end tag."""


def tag(element: str, /, *content: Content, **attributes: Value) -> Html:
    """Return an element.

    Args:
        element: Its name.
        *content: Its content.
        **attributes: ``class_`` stands for ``class`` and ``aria_label`` for ``aria-label``; True leaves the value out, False
            and None the attribute.
    """
    start = f"<{element}{''.join(_attribute(*it) for it in attributes.items())}>"
    return Html(start if element in VOID else f"{start}{join(*content)}</{element}>")


def join(*content: Content) -> Html:
    """Return contents one after the other."""
    return Html("".join(it if isinstance(it, Html) else escape(it) for it in content if it is not None))


def document(*content: Content) -> Html:
    """Return a whole page in English."""
    return Html(f"<!doctype html>\n{tag('html', *content, lang='en')}\n")


def _attribute(name: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(value)}"'
