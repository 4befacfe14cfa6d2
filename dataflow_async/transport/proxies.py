"""Chooses the proxy of a client: the argument, or the environment's by the rules of urllib."""

from __future__ import annotations

import logging
import os
from ipaddress import ip_address
from typing import Literal, NamedTuple
from urllib.parse import urlsplit
from urllib.request import (  # type: ignore[attr-defined]  # typeshed does not know the second
    getproxies_environment,
    proxy_bypass_environment,
)

from dataflow_async.errors import InvalidRequest
from dataflow_async.models import checks

log = logging.getLogger("dataflow_async")


class Proxy(NamedTuple):
    """A proxy and the source of its URL. Its repr hides the password that the URL may hold."""

    url: str
    source: str
    """``proxy`` or the variable."""

    def __repr__(self) -> str:
        """Return its address without user and password."""
        return f"<Proxy {self}>"

    def __str__(self) -> str:
        """Return its address without user and password, and its source."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} from {self.source}"


def chosen(given: str | Literal[False] | None, origin: str, *, borrowed: bool) -> Proxy | None:
    """Return the proxy for calls to ``origin``; the environment is read now, and not again.

    Args:
        given: A URL; False for none; None for the environment's.
        origin: ``scheme://host[:port]`` of the service.
        borrowed: Whether the session is borrowed: then its owner decides about the environment.

    Raises:
        InvalidRequest: It is no URL of an HTTP proxy; names the argument or the variable, and shows no password.
    """
    if given is not None and given is not False:
        return Proxy(_checked(given, "proxy"), "proxy")
    if given is False or borrowed or (found := _of_environment(origin)) is None:
        return None
    proxy = Proxy(
        _checked(found.url if "://" in found.url else f"http://{found.url}", found.source), found.source
    )
    log.info("calls to %s go through the proxy %s; proxy=False turns that off", origin, proxy)
    return proxy


def _of_environment(origin: str) -> Proxy | None:
    """Return the environment's proxy; none for this machine and for link-local addresses, as of the role endpoint."""
    parts = urlsplit(origin)
    proxies = getproxies_environment()
    scheme = next((name for name in (parts.scheme, "all") if name in proxies), None)
    host = parts.hostname or ""
    if scheme is None or _is_near(host) or proxy_bypass_environment(parts.netloc, proxies):
        return None
    # urllib takes the variable in small letters before any other spelling.
    name = f"{scheme}_proxy"
    if not os.environ.get(name):
        name = next((other for other in os.environ if other.lower() == name), name)
    return Proxy(proxies[scheme].strip(), name)


def _is_near(host: str) -> bool:
    host = host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local


def _checked(url: object, source: str) -> str:
    problem = _problem(url)
    if problem is None:
        return str(url).strip()
    del url  # a tool that prints this frame must not find a password
    raise InvalidRequest(
        f"{source} must be the http://[user:password@]host[:port] of a proxy, got {problem}"
        + ("" if source == "proxy" else "; proxy=False leaves the environment's proxies aside"),
        field=source,
    )


def _problem(url: object) -> str | None:
    """Return what is wrong with the URL of a proxy, quoting nothing that could be a password."""
    if not isinstance(url, str):
        return type(url).__name__
    text = url.strip()
    if checks.has_control(text) or " " in text or not text.isascii():
        return "a text with characters that no URL has"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "a URL whose host or port can't be read"
    if parts.scheme.startswith("socks"):
        return f"{parts.scheme}: SOCKS is not supported (a session with a connector for it can be passed in)"
    if parts.scheme not in {"http", "https"}:
        return (
            f"the scheme {parts.scheme!r}"
            if parts.scheme and "://" in text
            else "a URL without http:// or https://"
        )
    if not parts.hostname or port == 0:
        return "a URL without a host" if not parts.hostname else "port 0"
    return "a URL with a path" if parts.path.strip("/") or parts.query or parts.fragment else None
