"""Each command in a real terminal of 80 columns, and in a pipe; and the first steps of somebody new."""

import re

import pytest
from typer.main import get_command

from dataflow_async.cli.app import app
from tests.cli.process import NOISE, started
from tests.cli.shell import data, invoke

SETTINGS = ("--role", "nrn:x", "--script-path", "b/s.py", "--log-path", "b/logs/")
NODES = """[{"id": 1, "type": "SOURCE_OBS", "name": "orders", "parentNodeIds": [], "regionNo": "1",
"bucketName": "b", "prefix": "o/", "dataType": "CSV", "fieldList": []}]"""
STEPS = (
    (("whoami",), "reading     yes"),
    (("jobs", "create", "load", *SETTINGS), "SCRIPT"),
    (("jobs", "create", "check", *SETTINGS), "SCRIPT"),
    (("jobs", "list"), "load"),
    (("jobs", "show", "load"), "time limit"),
    (("jobs", "update", "load", "--workers", "3"), "workers           3"),
    (("jobs", "verify", "load", "--nodes", "nodes.json"), "usable  yes"),
    (("jobs", "run", "load", "-p", "day=1", "--wait"), "COMPLETED"),
    (("executions", "list", "load"), "COMPLETED"),
    (("executions", "failed"), "0 FAILED since 24h"),
    (("executions", "show", "load", "last"), "console log"),
    (("executions", "wait", "load", "last"), "COMPLETED"),
    (("executions", "watch", "load", "last"), "COMPLETED"),
    (("executions", "rerun", "load", "last"), "day=1"),
    (("executions", "cancel", "--all-running"), ""),
    (("triggers", "create", "by_hand", "--manual"), "NONE"),
    (("triggers", "list"), "by_hand"),
    (("triggers", "show", "by_hand"), "by_hand"),
    (("workflows", "create", "nightly", "--trigger", "by_hand", "--job", "load"), "job load"),
    (("workflows", "list"), "nightly"),
    (("workflows", "show", "nightly"), "trigger by_hand, job load"),
    (("workflows", "run", "nightly", "--wait"), "COMPLETED"),
    (("workflows", "executions", "nightly"), "COMPLETED"),
    (("workflows", "delete", "nightly"), "deleted workflow nightly"),
    (("triggers", "delete", "by_hand"), "deleted trigger by_hand"),
    (("dashboard",), "completed"),
    (("bulk", "plan", "--job", "load", "--from", "2026-01-01", "--to", "2026-01-02"), '"key": "2026-01-01"'),
    (("bulk", "run", "days.jsonl", "--journal", "j.db"), "worker-minutes spent"),
    (("journal", "show", "j.db", "--rows"), "COMPLETED"),
    (("jobs", "delete", "load", "check"), "deleted job check"),
    (("completion", "bash"), "_DATAFLOW_ASYNC_COMPLETE"),
)
ELSEWHERE = {"demo", "emulator", "probe", "journal resolve", "journal rebind", "journal trust"}
"""Commands with tests of their own in processes, and those that mend a journal."""


def names(group, *before):
    for name, command in group.commands.items():
        yield from (
            names(command, *before, name)
            if getattr(command, "commands", None)
            else [" ".join((*before, name))]
        )


def test_every_command_has_a_step():
    stepped = {
        " ".join(words[: 1 if words[0] in {"whoami", "dashboard", "completion"} else 2]) for words, _ in STEPS
    }
    assert stepped | ELSEWHERE == set(names(get_command(app)))


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_a_day_at_the_shell(dataflow_emulator, tmp_path, terminal):
    (tmp_path / "nodes.json").write_text(NODES)
    (tmp_path / "days.jsonl").write_text('{"job": "load", "key": "1"}\n{"job": "load", "key": "2"}\n')
    shell = {
        "NCLOUD_DATAFLOW_URL": dataflow_emulator.url,
        "NCLOUD_ACCESS_KEY_ID": dataflow_emulator.access_key,
        "NCLOUD_SECRET_ACCESS_KEY": dataflow_emulator.secret_key,
    }
    for words, shown in STEPS:
        paths = {name: str(tmp_path / name) for name in ("nodes.json", "days.jsonl", "j.db")}
        with started(*(paths.get(word, word) for word in words), terminal=terminal, **shell) as process:
            assert process.end() == 0, (words, process.text)
        visible = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", process.text)
        assert shown in visible, (words, visible)
        assert not NOISE.search(process.text), process.text
        assert terminal or "\x1b" not in process.text


KEYS = {"NCLOUD_ACCESS_KEY_ID": "EMULATOR-ACCESS-KEY", "NCLOUD_SECRET_ACCESS_KEY": "emulator-secret-key"}
NO_ROLE = {"NCLOUD_METADATA_API_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("words", "env", "code", "line"),
    [
        (
            ("jobs", "list"),
            NO_ROLE,
            4,
            "CredentialsError: no credentials found; tried .*; set both keys in the environment.*",
        ),
        (
            ("jobs", "list"),
            {**KEYS, "NCLOUD_SECRET_ACCESS_KEY": "wrong"},
            4,
            "AuthenticationFailed: getJobs: HTTP 401 .*; check the keys with `dataflow-async whoami`",
        ),
        (
            ("jobs", "list", "--url", "http://127.0.0.1:1"),
            KEYS,
            1,
            "NotSent: getJobs: .*; nothing was sent; check network, proxy and --url",
        ),
        (("jobs", "list", "--url", "http://example.com"), KEYS, 2, "InvalidRequest: base_url must be .*"),
        (
            ("jobs", "show", "absent"),
            KEYS,
            7,
            "no job has the id or name absent; see `dataflow-async jobs list`",
        ),
        (("jobs", "show", "abcdefghijkl"), KEYS, 7, "no job has the id or name abcdefghijkl; .*"),
        (("workflows", "run", "absent"), KEYS, 7, "no workflow has the id or name absent; .*"),
        (("executions", "wait", "absent", "x"), KEYS, 7, "no job has the id or name absent; .*"),
    ],
)
def test_what_goes_wrong_first_is_one_clear_line(dataflow_emulator, words, env, code, line):
    with started(*words, **{"NCLOUD_DATAFLOW_URL": dataflow_emulator.url, **env}) as process:
        assert process.end() == code, process.text
    assert re.fullmatch(line + "(;.*)?\n", process.text), process.text
    assert not NOISE.search(process.text)


@pytest.mark.dataflow(faults="* clock 3600")
def test_a_clock_that_is_an_hour_off_is_no_obstacle(dataflow_emulator):
    dataflow_emulator.create_job("stock_import")
    assert len(data("jobs", "list")) == 1
    assert data("whoami")["clockSkew"] == pytest.approx(3600, abs=3)
    assert "3600 s behind the service's" in invoke("whoami").stdout


@pytest.mark.dataflow(faults="getJobs 429 code=400")
def test_a_quota_that_is_used_up_has_a_code_of_its_own(dataflow_emulator):
    assert invoke("jobs", "list", code=8).stderr.startswith("QuotaExceeded: getJobs: HTTP 429 code 400")
