"""Any text of a service, in each form of output."""

import contextlib
import csv
import io
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.cli.exit_codes import CommandFailed, ExitCode
from dataflow_async.cli.output import Column, Format, Output, minutes, moment

NAMES = st.one_of(
    st.text(),
    st.sampled_from(["=1+1", "@x", "-1", "+1", "[red]x[/]", "\x1b[2J", "\u202egnp", "a\r\nb", "\ud800"]),
)
ROWS = st.lists(
    st.fixed_dictionaries({"name": NAMES, "n": st.integers() | st.none() | st.booleans()}), min_size=1
)
COLUMNS = [Column("name", "name", elastic=True), Column("n", "n", right=True)]


def printed(form, rows, query=None):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        Output(form, query).rows(rows, COLUMNS)
    return out.getvalue()


def members(rows):
    """Rows as they are printed: without members that are null."""
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


@given(ROWS)
def test_text_of_others_stays_text(rows):
    expected = members(rows)
    texts = {form: printed(form, rows) for form in Format}
    assert json.loads(texts[Format.JSON]) == expected
    assert [json.loads(line) for line in texts[Format.JSONL].split("\n")[:-1]] == expected
    for form, text in texts.items():
        assert all(character.isprintable() or character == "\n" for character in text), form
    assert texts[Format.TABLE].count("\n") == len(rows) + 1
    cells = [row[0] for row in csv.reader(io.StringIO(texts[Format.CSV]))]
    assert len(cells) == len(rows) + 1
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


@given(
    st.lists(st.fixed_dictionaries({"name": st.text(st.characters(exclude_categories=["Cs"]))}), min_size=1)
)
def test_yaml_is_read_back(rows):
    assert yaml.safe_load(printed(Format.YAML, rows)) == rows


def test_what_is_shown_of_times_and_durations():
    assert moment("2026-11-28T18:00:07+00:00") == "2026-11-29 03:00:07"
    assert moment("2026-11-29T03:00:07") == "2026-11-29 03:00:07"
    assert moment("yesterday") == "yesterday"
    assert [minutes(it) for it in (0.5, 61.25, None, "?")] == ["0:30", "1:01:15", "-", "?"]


@pytest.mark.parametrize("query", ["nope(@)", "[].nope(name)", "sort_by(@, &nope(n))"])
def test_a_query_with_an_unknown_function_is_refused_before_anything_is_sent(query):
    with pytest.raises(CommandFailed, match=r"--query: Unknown function: nope\(\)") as caught:
        Output(Format.JSON, query)
    assert caught.value.code == ExitCode.USAGE


@pytest.mark.parametrize("say", [Output.one, Output.stream])
def test_a_query_that_does_not_fit_the_data_is_one_line(say):
    with pytest.raises(CommandFailed, match=r"^--query: .*length\(\), invalid type.*$") as caught:
        say(Output(Format.JSON, "length(n)"), {"n": 1}, COLUMNS)
    assert caught.value.code == ExitCode.ERROR


def test_streamed_csv_begins_with_its_heading(capsys):
    out = Output(Format.CSV)
    for n in range(2):
        out.stream({"name": "x", "n": n}, COLUMNS)
    assert capsys.readouterr().out == "name,n\nx,0\nx,1\n"
