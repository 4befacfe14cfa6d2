"""README keeps its word, and its Korean twin says the same; code blocks run in tests/test_docs.py."""

import re

from tests.support.markdown import ROOT, blocks, headings

README, KOREAN = ROOT / "README.md", ROOT / "README.ko.md"


def test_the_two_commands_are_one_line_each_and_ci_runs_them():
    commands = {block.note: block.text for block in blocks(README) if block.note.startswith("run: ")}
    assert list(commands) == ["run: demo", "run: tests"]
    for command in commands.values():
        assert len(command.splitlines()) == 1
        assert command.startswith("python3 -m venv .venv && ")
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "readme_command demo" in ci
    assert "readme_command tests" in ci


def test_both_are_short():
    for path in (README, KOREAN):
        assert len(path.read_text("utf-8").splitlines()) <= 200


def test_words_that_a_newcomer_looks_for_are_there():
    text = README.read_text("utf-8").lower()
    for word in ("retry", "backoff", "rate limit", "polling", "in flight", "idempotency", "not affiliated"):
        assert word in text


def test_the_korean_readme_has_the_same_blocks_and_as_many_headings():
    def code(path):
        return [(block.language, re.sub(r"\s*#.*", "", block.text)) for block in blocks(path)]

    assert code(KOREAN) == code(README)
    assert [it.split()[0] for it in headings(KOREAN)] == [it.split()[0] for it in headings(README)]


def test_both_link_to_the_same_pages():
    links = [re.findall(r"\]\((docs/[^)]+)\)", path.read_text("utf-8")) for path in (README, KOREAN)]
    assert set(links[0]) == set(links[1])
    assert links[0]


def test_the_package_ships_its_types_and_its_changelog_its_version():
    assert (ROOT / "dataflow_async" / "py.typed").exists()
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
