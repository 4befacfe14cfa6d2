"""What an error shows of a body: a short text for a person, without tags and without anything like a signature."""

from __future__ import annotations

import re

from dataflow_async import defaults

_TAG = r"<(?:[!/]?[A-Za-z][^<>]*|!--[^<>]*--)>"
_ESCAPED = r"(?:[A-Za-z0-9]|\+|\\?/|\\u002[BbFf]|%2[BbFf]|&#(?:43|47|[xX]2[BbFf]);)"
_SIGNATURE = (
    rf"(?<![A-Za-z0-9+/]){_ESCAPED}{{43}}(?![A-Za-z0-9+/])(?:=|\\u003[Dd]|%3[Dd]|&#(?:61|[xX]3[Dd]);)?"
)
"""32 bytes in Base64, plain or as JSON, URLs and HTML escape it, with or without its padding."""


def is_page(body: bytes) -> bool:
    """Return whether a body is HTML or XML, which neither gateway nor service answers with."""
    return body[:100].lstrip().removeprefix(b"\xef\xbb\xbf").startswith(b"<")


def excerpt(body: bytes, charset: str = "utf-8") -> str:
    """Return the first characters of a body, whatever it is."""
    return redacted(body[: defaults.BODY_SHOWN * 4].decode(charset, "replace"))[: defaults.BODY_SHOWN]


def strip_html(text: str) -> str:
    """Return ``text`` for a person: without tags, entities resolved, white space folded."""
    import html

    return redacted(" ".join(html.unescape(re.sub(_TAG, " ", text[: defaults.ERROR_BODY_SEARCHED])).split()))


def redacted(text: str) -> str:
    """Return ``text`` without anything that looks like a signature: a server may echo the request it refuses."""
    return re.sub(_SIGNATURE, "(signature)", text)
