"""Says why a ruling was not seen: no such thing in the account, no answer, a refusal, or a question that was not asked."""

from __future__ import annotations

from collections.abc import Mapping

from dataflow_async.probe.exchange import Exchange
from dataflow_async.probe.rulings import Line

_OF_RUNS = "launch"
_OF_NONE = frozenset(
    {
        "headers",
        "signature",
        "stale signature",
        "members",
        "connection",
        "redirected",
        "throttled",
        "paths",
        "ids of things",
    }
)
"""First words of facts that any answer may show."""


def why_not(exchanges: Mapping[str, Exchange], incomplete: str, line: Line) -> str:
    """Return the reason why the facts of a line were not seen."""
    questions = list(dict.fromkeys(_question(fact) for fact in line.facts))
    if set(questions) == {_OF_RUNS} and _OF_RUNS not in exchanges:
        return "not asked" + (f": {incomplete}" if incomplete else ": it needs --with-runs")
    reasons = [_reason(exchanges.get(name), name, incomplete) for name in questions if name != _OF_RUNS]
    return "; ".join(dict.fromkeys(reasons)) or "the run did not show it"


def _question(fact: str) -> str:
    """Return the question whose answer shows a fact."""
    place, _, rest = fact.partition(": ")
    return rest if place == "answer" else place


def _reason(exchange: Exchange | None, name: str, incomplete: str) -> str:
    if name in _OF_NONE:
        return (
            f"no answer showed it, but not every question was asked: {incomplete}"
            if incomplete
            else "no answer showed it"
        )
    if exchange is None:
        return f"not asked: {incomplete}" if incomplete else f"the account has nothing to ask '{name}' about"
    if not exchange.status:
        return f"no answer to '{name}' ({exchange.reason})"
    if not exchange.is_success:
        return f"'{name}' was answered with {exchange.status}"
    return f"the answer to '{name}' does not show it"
