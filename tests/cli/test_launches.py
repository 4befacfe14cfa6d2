"""Files of launches: JSON Lines and CSV, from files and from what can be read once."""

import io
import json
import os

import pytest

from dataflow_async import InvalidRequest
from dataflow_async.cli.launches import LaunchFile

ROWS = [{"job_id": "a", "key": "1", "parameters": {"day": "1"}}, {"job_id": "b", "key": "2"}]
JSONL = "".join(f"{json.dumps(row)}\n" for row in ROWS)


def read(path, job=None, ids=()):
    with LaunchFile(path, job) as file:
        count = file.checked_count()
        file.jobs.update(ids)
        launches = list(file.launches())
    assert count == len(launches)
    return launches


def written(tmp_path, text, name="l.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("way", ["file", "no suffix", "fifo", "-", "- of a file"])
def test_launches_are_read_twice_from_whatever_can_be_read_once(tmp_path, monkeypatch, way):
    path = written(tmp_path, "\ufeff\n" + JSONL, "l.jsonl" if way == "file" else "l")
    if way == "fifo":
        reader, writer = os.pipe()
        os.write(writer, JSONL.encode())
        os.close(writer)
        path = f"/dev/fd/{reader}"
    elif way.startswith("-"):
        stream = path.open("rb") if way == "- of a file" else Once(JSONL.encode())
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
        path = "-"
    launches = read(type(tmp_path)(path))
    assert [(it.job_id, it.key, it.parameters) for it in launches] == [
        ("a", "1", {"day": "1"}),
        ("b", "2", None),
    ]


class Once(io.BytesIO):
    """A stream that can't go back, as a pipe."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise OSError("Illegal seek")


def test_jobs_are_named_in_the_file_or_beside_it(tmp_path):
    path = written(
        tmp_path, '{"job": "daily", "key": "1"}\n{"job_id": "x", "key": "2"}\n{"key": "3"}\n', "l.jsonl"
    )
    assert [it.job_id for it in read(path, "weekly", {"daily": "A", "weekly": "B"})] == ["A", "x", "B"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_columns_are_parameters_settings_and_what_launches_have(tmp_path, encoding):
    text = 'job,key,지점,parameters.key,condition.numWorker\r\n일별,1,"서울, 부산",x,4\r\n\r\n일별,2,,,\r\n'
    first, second = read(written(tmp_path, text, encoding=encoding), ids={"일별": "A"})
    assert (first.job_id, first.key) == ("A", "1")
    assert first.parameters == {"지점": "서울, 부산", "key": "x"}
    assert first.condition == {"numWorker": 4}
    assert (second.job_id, second.key, second.parameters, second.condition) == ("A", "2", None, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("day\n1\n", "line 1: a column job_id or job is missing, and --job is not given"),
        ("job_id,day,day\na,1,2\n", "line 1: each column must have a name of its own, got 'day'"),
        ("job_id,\na,1\n", "line 1: each column must have a name of its own, got ''"),
        ("job_id,day\na\n", "line 2: it must have as many cells as the head, 2, got 1"),
        ("job_id,condition.numWorker\na,four\n", "line 2: numWorker must be a whole number, got 'four'"),
        ("job_id,condition.numWorker\na,99\n", "line 2: condition.numWorker must be"),
        ("job_id,key\na,1\na,1\n", "line 3: key .*'1'"),
        ('job_id,key\na,"1\n', "unexpected end of data"),
    ],
)
def test_a_bad_cell_is_named(tmp_path, text, says):
    with pytest.raises(InvalidRequest, match=f"l.csv, .*{says}"):
        read(written(tmp_path, text))


@pytest.mark.parametrize("name", ["l.csv", "l.jsonl", "l"])
def test_an_empty_file_has_no_launches(tmp_path, name):
    assert read(written(tmp_path, " \n\n", name)) == []
