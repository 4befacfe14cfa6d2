"""Says for each ruling of the contract notes what the facts mean for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from attrs import frozen

from dataflow_async.probe.facts import Fact, Facts
from dataflow_async.probe.rulings import RULINGS, Line


class Answer(StrEnum):
    """What a probe found out about a ruling."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_SEEN = "not seen"


@frozen
class Finding:
    """The answer to one ruling, and the shapes that it rests on."""

    ruling: int
    question: str
    answer: Answer
    seen: str
    """Facts in words; of a refuted ruling those that contradict it."""
    why: str = ""
    """Why it was not seen."""
    next: str = ""
    """What a refutation means for a user of the library."""

    def record(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "ruling": self.ruling,
            "question": self.question,
            "answer": str(self.answer),
            "seen": self.seen,
            "why": self.why,
            "next": self.next,
        }


def findings(facts: Facts, why: Callable[[Line], str] = lambda _: "") -> tuple[Finding, ...]:
    """Return the answer to each ruling that has a line; ``why`` returns the reason where nothing was seen."""
    return tuple(_finding(number, line, facts, why) for number, line in sorted(RULINGS.items()))


def _finding(number: int, line: Line, facts: Facts, why: Callable[[Line], str]) -> Finding:
    seen = {name: facts[name] for name in line.facts if not line.is_silent(facts.get(name))}
    wrong = {name: value for name, value in seen.items() if not line.allows(value)}
    if not seen:
        return Finding(number, line.question, Answer.NOT_SEEN, "", why=why(line))
    if wrong:
        return Finding(number, line.question, Answer.REFUTED, _words(wrong), next=line.next)
    return Finding(number, line.question, Answer.CONFIRMED, _words(seen))


def _words(facts: Mapping[str, Fact]) -> str:
    """Return facts in words: each value with the places where it was seen."""
    places: dict[str, list[str]] = {}
    for name, value in facts.items():
        places.setdefault(_value(value), []).append(name.removeprefix("answer: ").replace(": ", " "))
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in places.items())


def _value(value: Fact) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)
