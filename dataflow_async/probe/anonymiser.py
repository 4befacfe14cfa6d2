"""The second net under a report: texts of the account that would be in it in spite of `shapes` are replaced.

A report is made of shapes, so nothing private should be left to find. But a status or a member may be called like somebody's job:
then the text is replaced by its kind and a number, the same one everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import define, field

from dataflow_async import defaults
from dataflow_async.probe.exchange import Exchange
from dataflow_async.probe.facts import Fact, Facts
from dataflow_async.probe.words import KEPT

_WORD = re.compile(r"[^\s,]+")
_WORDS = frozenset(
    {"status", "lastExecutionStatus", "type", "triggerRuleType", "triggerRule", "errorType", "errorCode"}
)
"""Members whose values are words of the service."""
_OPEN = frozenset({"parsedParameters", "parameters"})
"""Objects whose members are named by the account."""
_KINDS = (
    (re.compile(r"(Id|^id|resourceId)$"), "id"),
    (re.compile(r"([nN]ame)$"), "name"),
    (re.compile(r"([pP]ath|nrn)$"), "path"),
)


@define
class Anonymiser:
    """Collects the private texts of an account, and replaces them.

    Always true: equal texts are replaced by equal pseudonyms, and a pseudonym holds nothing of its text.
    """

    _kinds: dict[str, str] = field(factory=dict, init=False, repr=False)
    """Private texts, each with its kind."""
    _pseudonyms: dict[str, str] = field(factory=dict, init=False, repr=False)

    def learn(self, exchanges: Iterable[Exchange], *others: str) -> None:
        """Collect the private texts of answers, and others such as the access key and the host."""
        for text in others:
            self._add(text, "account")
        for exchange in exchanges:
            for kind, text in _private(exchange.json):
                self._add(text, kind)

    def clean(self, facts: Facts) -> Facts:
        """Return facts without words that are, or hold, a private text; words of the documentation are no secret."""
        return {name: self._cleaned(value) for name, value in facts.items()}

    def _add(self, text: str, kind: str) -> None:
        if len(text) >= defaults.PROBE_PRIVATE_LENGTH:
            self._kinds.setdefault(text, kind)

    def _cleaned(self, value: Fact) -> Fact:
        if isinstance(value, list):
            return [_WORD.sub(self._replaced, entry) for entry in value]
        return _WORD.sub(self._replaced, value) if isinstance(value, str) else value

    def _replaced(self, found: re.Match[str]) -> str:
        word = found[0]
        private = None if word in KEPT else next((text for text in self._kinds if text in word), None)
        return word if private is None else self._pseudonym(private)

    def _pseudonym(self, private: str) -> str:
        if private not in self._pseudonyms:
            kind = self._kinds[private]
            number = sum(self._kinds[other] == kind for other in self._pseudonyms) + 1
            self._pseudonyms[private] = f"<{kind} {number}>"
        return self._pseudonyms[private]


def _private(answer: Any) -> Iterator[tuple[str, str]]:
    """Yield every text of an answer that is not a word of the service, with its kind; however deep it stands."""
    parts = [("", answer)]
    while parts:
        name, value = parts.pop()
        if isinstance(value, dict):
            for member, inner in value.items():
                if name in _OPEN:
                    yield "parameter", member
                parts.append(("parameters" if name in _OPEN else member, inner))
        elif isinstance(value, list):
            parts.extend((name, inner) for inner in value)
        elif isinstance(value, str) and name not in _WORDS:
            yield _kind(name), value


def _kind(name: str) -> str:
    if name in _OPEN:
        return "parameter"
    return next((kind for form, kind in _KINDS if form.search(name)), "text")
