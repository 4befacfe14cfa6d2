"""Where an error says a step was written: the user's line, through helpers and in notebooks."""

import re
import subprocess
import sys
import types

import pytest

from dataflow_async.pipeline import Pipeline, PipelineError, col
from tests.pipeline.written import sources


def only_korea(step):
    return step.filter(col("contry") == "KR")


def place_of(call):
    with pytest.raises(PipelineError) as caught:
        call()
    return caught.value.place


def test_a_helper_function_is_named_with_the_line_that_called_it():
    _, orders, _ = sources()
    place = place_of(lambda: only_korea(orders))
    assert (place.file, place.line, place.function) == (
        "tests/pipeline/test_places.py",
        only_korea.__code__.co_firstlineno + 1,
        "only_korea",
    )
    assert place.called_at.line > place.line
    assert re.fullmatch(r"tests/\S+:\d+ in only_korea, called at tests/\S+:\d+", str(place))


def each_of(steps):
    return [*(only_of(step) for step in steps)], [step.select("contry") for step in steps]


def only_of(step):
    return step.select("id") if "id" in step.columns else step


def test_a_comprehension_is_a_part_of_its_function():
    _, orders, _ = sources()
    place = place_of(lambda: each_of([orders]))
    line = each_of.__code__.co_firstlineno + 1
    assert (place.line, place.function) == (line, "each_of")
    assert place.called_at.line > line
    generated = place_of(lambda: list(step.select("contry") for step in [orders]))  # noqa: C400
    assert (generated.function, generated.called_at.function) == ("<lambda>", "place_of")


def test_lines_of_installed_packages_are_no_call_of_the_user():
    names = {}
    exec(compile("def run(call): call()", "/opt/venv/site-packages/tool.py", "exec"), names)
    place = place_of(lambda: names["run"](lambda: Pipeline("x")))
    assert (place.function, place.called_at) == ("<lambda>", None)
    assert str(place) == f"{place.file}:{place.line}"


def cells(*texts):
    """Run texts as IPython runs cells; gives its names."""
    names = {"__name__": "__main__", "In": [""], "get_ipython": object, **vars(types)}
    for number, text in enumerate(texts, 1):
        names["In"].append(text)
        exec(compile(text, f"/tmp/ipykernel_7/{number}.py", "exec"), names)
    return names


HELPER = """
from dataflow_async.pipeline import Pipeline, col
def helper(step):
    return step.select("nmae")
"""
USE = """
p = Pipeline("abc")
table = p.mysql("c", "t", columns={"name": "string"})
"""


def test_a_cell_of_a_notebook_is_named_by_its_number():
    with pytest.raises(PipelineError, match=r"^In \[3\]:2: column to select must be one of name, got 'nam'"):
        cells(HELPER, USE, "\ntable.select('nam')")


def test_a_helper_of_an_earlier_cell_is_named_by_that_cell():
    with pytest.raises(PipelineError, match=r"^In \[1\]:4 in helper, called at In \[3\]:1: column"):
        cells(HELPER, USE, "helper(table)")


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("get_ipython().run_line_magic('time', \"table.select('nam')\")", 1),
        ("get_ipython().run_cell_magic('time', '', ...)", 2),
    ],
)
def test_a_cell_under_a_magic_is_named_by_its_number(cell, line):
    names = cells(HELPER, USE)
    names["In"].append(cell)
    with pytest.raises(PipelineError, match=rf"^In \[3\]:{line}: column to select must be one of name"):
        exec(compile("table.select('nam')", "<timed exec>", "exec"), names)


def test_a_script_is_named_by_its_path(tmp_path):
    script = tmp_path / "orders.py"
    script.write_text(HELPER + USE + "helper(table)\n")
    done = subprocess.run(
        [sys.executable, "orders.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "PipelineError: orders.py:4 in helper, called at orders.py:8: column to select" in done.stderr
    typed = subprocess.run(
        [sys.executable, "-"], cwd=tmp_path, input=USE, capture_output=True, text=True, check=False
    )
    assert "NameError" in typed.stderr
