"""The benchmarks' guard: what it compares, what it fails on, and that nothing is left out."""

import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import instructions, table
from benchmarks.kept import ABSENT, LIBRARIES, Kept, differences, incomparable, regressions, versions
from tests.support.markdown import ROOT

VERSIONS = {"machine": "x86_64", "python": "CPython 3.11.7", **dict.fromkeys(LIBRARIES, "1.0")}
KEPT = {"calls": {"bare": 1_000, "ours": 2_000}}
RIVALS = {"calls": {"bare": "", "ours": "bare"}}


def risen(bare, ours):
    return regressions(KEPT, {"calls": {"bare": bare, "ours": ours}}, RIVALS)


# --- what counts as a regression ---------------------------------------------------------------------------


def test_a_rise_of_a_fifth_passes_and_more_is_named_with_both_figures_and_its_share():
    assert risen(1_000, 2_400) == []
    assert risen(1_000, 2_402) == ["calls, ours: kept 2,000, now 2,402, risen by 20.1%"]


def test_what_the_libraries_rose_by_is_not_ours():
    assert risen(1_200, 2_800) == []
    assert risen(1_100, 2_660) == ["calls, ours: kept 2,000, now 2,660, risen by 33.0%, its rival's by 10.0%"]


def test_libraries_that_became_cheaper_take_nothing_from_the_limit():
    assert risen(500, 2_400) == []
    assert risen(500, 2_402) != []


def test_a_rival_is_no_regression_of_ours():
    assert risen(9_000, 2_000) == []


def test_a_figure_without_a_rival_is_compared_alone():
    assert regressions(KEPT, {"calls": {"ours": 2_402}}, {"calls": {"ours": ""}}) != []


def test_a_new_figure_has_nothing_to_rise_from():
    assert regressions({}, {"calls": {"bare": 1.0, "ours": 9.0}}, RIVALS) == []
    assert regressions({"calls": {"ours": 1}}, {"calls": {"bare": 1.0, "ours": 9.0}}, RIVALS) != []


# --- versions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["python", *LIBRARIES])
def test_another_release_is_named_and_compared(name):
    here = {**VERSIONS, name: "CPython 3.11.9" if name == "python" else "2.0"}
    assert differences(VERSIONS, here) == [f"{name} {here[name]} (kept with {VERSIONS[name]})"]
    assert incomparable(VERSIONS, here) == ""


@pytest.mark.parametrize(
    ("name", "version"),
    [("machine", "aarch64"), ("python", "CPython 3.12.7"), ("python", "PyPy 3.11.7"), ("orjson", ABSENT)],
)
def test_what_takes_other_instructions_is_not_compared(name, version):
    assert name in incomparable(VERSIONS, {**VERSIONS, name: version})


def test_the_figures_kept_can_be_compared_by_those_who_work_on_this():
    """Else the guard would pass because it skips: CI has this Python, and the extras."""
    kept = Kept.read().versions
    assert set(kept) == set(versions())
    assert kept["python"].startswith("CPython 3.11.")
    assert ABSENT not in kept.values()


# --- wiring ------------------------------------------------------------------------------------------------


def test_whatever_a_benchmark_counts_is_kept_and_nothing_else():
    modules = {it.stem for it in (ROOT / "benchmarks").glob("*.py")} - {"__init__", "__main__"}
    counted = {name: set(rows) for name in modules if (rows := instructions.counted(name))}
    assert {name: set(rows) for name, rows in Kept.read().figures.items()} == counted
    assert set(counted) <= set(command.QUICK)


def test_every_figure_of_ours_has_a_rival_that_is_counted_too():
    for name in command.QUICK:
        rivals = instructions.counted(name)
        assert {it.rival for it in rivals.values()} <= {"", *rivals}


@pytest.fixture
def measured(monkeypatch):
    """The benchmarks by time that ran, each with its options; by instructions, the figures kept are counted again."""
    ran = {}
    for name in command.QUICK:
        instructions.counted(name)
        monkeypatch.setattr(
            sys.modules[f"benchmarks.{name}"], "main", lambda own, name=name: ran.update({name: own})
        )
    monkeypatch.setattr(instructions, "available", lambda: True)
    monkeypatch.setattr(command, "versions", lambda: Kept.read().versions)
    monkeypatch.setattr(
        instructions, "count", lambda names: ((name, dict(Kept.read().figures[name])) for name in names)
    )
    return ran


def test_all_runs_every_benchmark_and_compares_every_figure(measured, capsys):
    command.main(["all", "--quick"])
    assert measured == {name: own.split() for name, own in command.QUICK.items()}
    printed = capsys.readouterr().out
    for rows in Kept.read().figures.values():
        for name, each in rows.items():
            assert f"{name} " in printed
            assert f" {each:,} " in printed
    assert "not compared" not in printed


@pytest.mark.parametrize(
    ("benchmark", "name"),
    [
        (benchmark, name)
        for benchmark in command.QUICK
        for name in instructions.counted(benchmark)
        if name not in {it.rival for it in instructions.counted(benchmark).values()}
    ],
)
def test_all_fails_where_one_figure_has_risen(measured, monkeypatch, benchmark, name):
    figures = {it: dict(rows) for it, rows in Kept.read().figures.items()}
    figures[benchmark][name] *= 1.3
    monkeypatch.setattr(instructions, "count", lambda names: ((it, figures[it]) for it in names))
    with pytest.raises(SystemExit, match=f"{benchmark}, {name}: kept .* risen by 30.0%"):
        command.main(["all", "--quick"])


def test_all_without_valgrind_says_so_and_passes(measured, monkeypatch, capsys):
    monkeypatch.setattr(instructions, "available", lambda: False)
    command.main(["all", "--quick"])
    assert "not counted, and not compared: valgrind is not to be had" in capsys.readouterr().out


def test_all_with_another_python_says_so_counts_and_compares_nothing(measured, monkeypatch, capsys):
    monkeypatch.setattr(command, "versions", lambda: {**Kept.read().versions, "python": "CPython 3.13.1"})
    command.main(["all", "--quick"])
    assert (
        "nothing is failed, these differ too much: python CPython 3.13 (kept with" in capsys.readouterr().out
    )


def test_ci_gets_valgrind_and_runs_all_before_the_slow_suite():
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    at = [
        ci.index(line)
        for line in ("install -y --no-install-recommends valgrind", "-m benchmarks all --quick")
    ]
    assert at == sorted(at)
    assert at[-1] < ci.index('echo "== slow suite"')


# --- the table ---------------------------------------------------------------------------------------------


def test_every_row_has_a_measure_and_shows_its_medians():
    fast = {(it.measure, it.figure): [3.0, 1.0, 2.0] for it in table.ROWS}
    lines = table.markdown(fast, {("launching", "journal"): [0.25]}).splitlines()
    assert {it.measure for it in table.ROWS} == {*table.ROUNDS, *table.ONCE}
    assert len(lines) == 2 + len(table.ROWS)
    assert "| the same with a journal | 0.50 | 0.30 to 0.43 | 2.00 | 0.25 |" in lines


def test_readme_has_every_row_of_the_table():
    page = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    for row in table.ROWS:
        assert f"| {row.what} | {row.target} | {row.before} |" in page
