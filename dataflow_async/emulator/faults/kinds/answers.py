"""Faults that answer in place of the service; the gateway's errors are those of the contract's table."""

from email.utils import formatdate

import attrs

from dataflow_async.emulator.api.responses import Answer, by_gateway
from dataflow_async.emulator.faults.base import Replaces, When, number, text, whole

_AT_THE_GATEWAY = "the gateway refuses before the call reaches the service"
_BEFORE = (When.BEFORE,)


@attrs.frozen
class TooMany(Replaces):
    """A rate limit of the gateway: 400 quota, 410 or 420 too fast, or another.

    ``retry_after`` is the text of the Retry-After header; ``date+N`` means the HTTP date N seconds ahead, and an empty text no
    header (contract/notes.md#ruling-26, contract/notes.md#ruling-27).
    """

    name = "429"
    moments = _BEFORE
    why = _AT_THE_GATEWAY
    code: str = text("410")
    retry_after: str = text("")

    def answer(self, now: float) -> Answer:
        """Return the refusal."""
        if not self.retry_after:
            headers = {}
        elif self.retry_after.startswith("date+") and self.retry_after[5:].isdigit():
            headers = {"Retry-After": formatdate(now + int(self.retry_after[5:]), usegmt=True)}
        else:
            headers = {"Retry-After": self.retry_after}
        known = self.code in {"400", "410", "420"}
        answer = by_gateway(self.code if known else "420", "Injected fault: too many calls.").answer
        if not known:
            answer.body["error"]["errorCode"] = self.code
        return attrs.evolve(answer, headers=headers)


@attrs.frozen
class Unexpected(Replaces):
    """Gateway code 900: an unexpected error."""

    name = "500"

    def answer(self, now: float) -> Answer:  # noqa: ARG002 - the base passes the time
        """Return the error."""
        return by_gateway("900", "Injected fault: an unexpected error.").answer


@attrs.frozen
class EndpointError(Replaces):
    """Gateway code 500: the service could not be reached, or so it claims."""

    name = "503"

    def answer(self, now: float) -> Answer:  # noqa: ARG002 - the base passes the time
        """Return the error."""
        return by_gateway("500", "Injected fault: the service could not be reached.").answer


@attrs.frozen
class EndpointTimeout(Replaces):
    """Gateway code 510: the service took too long; the call may have run.

    See contract/notes.md#ruling-28.
    """

    name = "504"
    moments = (When.AFTER, When.BEFORE)

    def answer(self, now: float) -> Answer:  # noqa: ARG002 - the base passes the time
        """Return the error."""
        return by_gateway("510", "Injected fault: no answer in time; the call may have run.").answer


@attrs.frozen
class SkewedClock(Replaces):
    """Gateway code 200, and a Date header that is some seconds off.

    See contract/notes.md#ruling-15.
    """

    name = "401"
    moments = _BEFORE
    why = _AT_THE_GATEWAY
    skew: float = number(400.0, low=-86_400)

    def answer(self, now: float) -> Answer:
        """Return the refusal."""
        answer = by_gateway(
            "200", "Injected fault: the timestamp is too far from the gateway's clock."
        ).answer
        return attrs.evolve(answer, headers={"Date": formatdate(now + self.skew, usegmt=True)})


@attrs.frozen
class Redirect(Replaces):
    """A redirection, which a signed request must not follow."""

    name = "302"
    moments = _BEFORE
    why = _AT_THE_GATEWAY
    location: str = text("/login")

    def answer(self, now: float) -> Answer:  # noqa: ARG002 - the base passes the time
        """Return the redirection."""
        return Answer(302, b"", {"Location": self.location})


@attrs.frozen
class HtmlPage(Replaces):
    """An error page in HTML, as proxies write them."""

    name = "html"
    status: int = whole(502, 200, 599)

    def answer(self, now: float) -> Answer:  # noqa: ARG002 - the base passes the time
        """Return the page."""
        page = f"<html><head><title>{self.status}</title></head><body><h1>Injected fault</h1></body></html>"
        return Answer(self.status, page.encode(), {"Content-Type": "text/html"})
