"""The report of a probe: facts, and what they mean for each ruling; written as JSON of a stable schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Self

from attrs import field, frozen

from dataflow_async.errors import DataFlowError
from dataflow_async.probe.anonymiser import Anonymiser
from dataflow_async.probe.exchange import Exchange
from dataflow_async.probe.facts import Facts, observe
from dataflow_async.probe.findings import Answer, Finding, findings
from dataflow_async.probe.reasons import why_not
from dataflow_async.probe.sender import Ended

FORMAT = "dataflow_async probe"
VERSION = 1
"""Increased when a reader of the earlier form would misread a report; `probe.schema.json` describes it."""


@frozen
class Report:
    """What a probe found out."""

    library: str
    """Version of the package that has probed."""
    with_runs: bool
    """Whether runs were started."""
    facts: Facts = field(factory=dict)
    findings: tuple[Finding, ...] = ()
    incomplete: str = ""
    """Why not every question was asked; empty if all were."""
    error: DataFlowError | None = field(default=None, eq=False)
    """The failure that ended it early; it is not written."""

    @classmethod
    def of(
        cls,
        exchanges: Mapping[str, Exchange],
        library: str,
        *private: str,
        idle: Facts | None = None,
        more: Facts | None = None,
        ended: Ended | None = None,
    ) -> Self:
        """Return the report about some answers.

        Args:
            exchanges: Answers by the names of their questions.
            library: Version of the package.
            *private: Texts that must not be in it, besides those of the answers: access key, host.
            idle: Facts about a connection that was held idle.
            more: Facts about runs that were started.
            ended: What has ended the probe early.
        """
        anonymiser = Anonymiser()
        anonymiser.learn(exchanges.values(), *private)
        facts = anonymiser.clean(observe(exchanges) | (idle or {}) | (more or {}))
        incomplete = ended.why if ended else ""
        return cls(
            library,
            more is not None,
            facts,
            findings(facts, partial(why_not, exchanges, incomplete)),
            incomplete,
            ended.error if ended else None,
        )

    def record(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "library": self.library,
            "withRuns": self.with_runs,
            "incomplete": self.incomplete,
            "facts": dict(sorted(self.facts.items())),
            "findings": [finding.record() for finding in self.findings],
        }

    def text(self) -> str:
        """Return it as JSON text."""
        return json.dumps(self.record(), indent=1, ensure_ascii=True) + "\n"

    def notes(self) -> str:
        """Return a Markdown table with a row for each ruling that was seen, to stand beside the contract notes."""
        rows = [
            f"| [{it.ruling}](#ruling-{it.ruling}) | {it.answer} | {it.seen.replace('|', '/')} |"
            for it in self.findings
            if it.answer is not Answer.NOT_SEEN
        ]
        return "\n".join(("| # | A probe says | Seen |", "| --- | --- | --- |", *rows))
