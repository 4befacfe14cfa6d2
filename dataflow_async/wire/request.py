"""One call -> one exact target (path and query), which is signed and sent byte for byte."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlsplit

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks
from dataflow_async.wire.operation import Operation

API_PREFIX = "/api/v1"
"""Belongs to the path of every call, not to the base URL."""

_PATH_KEPT = "/!$&'()*+,;=:@~%"
_BAD_ESCAPE = r"%(?![0-9A-Fa-f]{2})"
_UNSAFE_PATH = r"//|/(\.|%2[Ee]){1,2}(/|$)|[?#\\]"


def segment(value: object, field: str) -> str:
    """Quote an id for use as one path segment.

    Raises:
        InvalidRequest: As `check_id`.
    """
    if isinstance(value, str) and value.isascii() and value.isalnum():  # every id seen so far
        return value
    return quote(check_id(value, field), safe="")


def check_id(value: object, field: str) -> str:
    """Return an id after a check; the service alone decides about its shape.

    Raises:
        InvalidRequest: ``value`` is not text, is empty, a dot segment, or holds control characters.
    """
    if not isinstance(value, str) or value in {"", ".", ".."} or checks.has_control(value):
        raise checks.refuse(field, value, "text without control characters, and not empty, '.' or '..'")
    return value


def path_of(operation: Operation[Any], ids: tuple[str, ...]) -> str:
    """Put ids, quoted, into the path of a call."""
    if len(ids) != len(operation.id_names):
        raise TypeError(f"{operation.name} takes {len(operation.id_names)} ids, got {len(ids)}")
    return operation.template % tuple(map(segment, ids, operation.id_names))


def query_text(query: Mapping[str, Any] | None) -> str:
    """Return ``?name=value&...`` in the order of the mapping, percent-encoded (space ``%20``), without the Nones.

    The name of a list stands once for each entry. Without a pair the text is empty: no bare ``?``.

    Raises:
        InvalidRequest: Not a mapping, or a value is neither text nor a number, or can't be encoded.
    """
    if query is None:
        return ""
    pairs = [
        f"{_quoted(name, name)}={_quoted(entry, name)}"
        for name, value in checks.mapping(query, "query").items()
        for entry in (value if isinstance(value, list | tuple) else (value,))
        if entry is not None
    ]
    return "?" + "&".join(pairs) if pairs else ""


def _quoted(value: object, name: str) -> str:
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidRequest(
            f"query[{name!r}] must be text or a number, got {checks.shown(value)}", field=name
        )
    try:
        return quote(str(value), safe="")
    except ValueError as problem:  # a lone surrogate, or a number of more than 4,300 digits
        reason = type(problem).__name__
    raise InvalidRequest(
        f"query[{name!r}] must be text that UTF-8 has a form for, got a {reason}", field=name
    )


def free_path(path: object) -> str:
    """Return a user's own path in the form that goes out; ``%XX`` escapes in it are kept.

    Raises:
        InvalidRequest: ``path`` is not a plain path that starts with one ``/``.
    """
    if (
        not isinstance(path, str)
        or not path.startswith("/")
        or re.search(_UNSAFE_PATH, path)
        or re.search(_BAD_ESCAPE, path)
        or checks.has_control(path)
    ):
        raise checks.refuse(
            "path",
            path,
            "a path like /api/v1/jobs, without host, '?', '#', dot segments or bare '%' "
            "(the query has an argument of its own)",
        )
    return quote(path, safe=_PATH_KEPT)


def origin_and_prefix(base_url: object, *, allow_insecure_http: bool = False) -> tuple[str, str]:
    """Split a base URL into ``scheme://host[:port]`` and the path before ``/api/v1`` (mostly empty).

    Raises:
        InvalidRequest: Not an ``https:`` URL, or ``http:`` off loopback that is not allowed, or with query, fragment or user.
    """
    problem = _base_url_problem(base_url, allow_insecure_http=allow_insecure_http)
    if problem or not isinstance(base_url, str):
        if not isinstance(base_url, str):
            shown = type(base_url).__name__
        else:  # it may hold a password
            shown = "a URL with a user in it" if "@" in base_url else checks.shown(base_url)
        raise InvalidRequest(
            f"base_url must be https://host[:port][/api/v1] (http: on loopback only), got {shown} ({problem})",
            field="base_url",
        )
    parts = urlsplit(base_url.strip())
    prefix = parts.path.rstrip("/").removesuffix(API_PREFIX).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}", quote(prefix, safe=_PATH_KEPT)


def _base_url_problem(base_url: object, *, allow_insecure_http: bool) -> str | None:
    if not isinstance(base_url, str):
        return "not text"
    try:
        parts = urlsplit(base_url.strip())
        _ = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        return "no https: or http: scheme and host"
    if (
        "\\" in base_url
        or not parts.netloc.isascii()
        or checks.has_control(base_url.strip())
        or " " in base_url.strip()
    ):
        return "host and path must be printable ASCII without spaces"
    if parts.query or parts.fragment or "@" in parts.netloc:
        return "query, fragment and user have no place in it"
    if parts.scheme == "http" and not allow_insecure_http and not _is_loopback(parts.hostname):
        return "http: would send signed calls in the clear to another machine; allow_insecure_http=True permits it"
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
