"""What holds for every command: what goes wrong for somebody new, what is asked before, what a dry run shows."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from dataflow_async.cli.app import app
from dataflow_async.emulator.audit.events import RequestReceived
from tests.cli.process import ROOT
from tests.cli.shell import data, invoke

SETTINGS = ("--role", "nrn:x", "--script-path", "b/s.py", "--log-path", "b/logs/")
NODES = """[{"id": 1, "type": "SOURCE_OBS", "name": "orders", "parentNodeIds": [], "regionNo": "1",
"bucketName": "b", "prefix": "o/", "dataType": "CSV", "fieldList": []}]"""
WORDS = {
    "jobs list": "",
    "jobs show": "JOB",
    "jobs create": "second_job",
    "jobs update": "JOB --workers 3",
    "jobs verify": "draft --nodes nodes.json",
    "jobs delete": "JOB",
    "jobs run": "JOB",
    "executions list": "JOB",
    "executions failed": "JOB",
    "executions show": "JOB RUN",
    "executions wait": "JOB RUN",
    "executions watch": "JOB RUN",
    "executions cancel": "JOB RUN",
    "executions rerun": "JOB RUN",
    "workflows list": "",
    "workflows show": "WORKFLOW",
    "workflows create": "second_one --trigger TRIGGER --job JOB",
    "workflows run": "WORKFLOW",
    "workflows executions": "WORKFLOW",
    "workflows delete": "WORKFLOW",
    "triggers list": "",
    "triggers show": "TRIGGER",
    "triggers create": "hourly --hourly 5",
    "triggers delete": "TRIGGER",
    "dashboard": "",
    "whoami": "",
    "bulk run": "days.jsonl --journal days.db",
    "probe": "",
}
"""Each command that talks to the service, with what it takes."""
OFFLINE = {
    *("bulk plan", "journal show", "journal resolve", "journal rebind", "journal trust"),
    *("emulator", "demo", "completion"),
}
NAMES = {"JOB": "load", "RUN": "last", "WORKFLOW": "nightly", "TRIGGER": "every_night"}
QUICK = {"jobs list", "jobs run", "workflows create", "bulk run", "whoami", "probe"}
"""Commands that the quick suite tries: of each way to the service one."""


def each(names):
    marked = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]
    return pytest.mark.parametrize("name", marked)


EACH = each(WORDS)
EACH_WITH_NAMES = each(name for name, words in WORDS.items() if set(words.split()) & NAMES.keys())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder but for what the commands read."""
    monkeypatch.chdir(tmp_path)
    Path("nodes.json").write_text(NODES)
    Path("days.jsonl").write_text('{"job": "load", "key": "1"}\n')


@pytest.fixture
def account(dataflow_emulator):
    """An account with one thing of each kind, and a run that goes on."""
    job_id = data("jobs", "create", "load", *SETTINGS)["jobId"]
    dataflow_emulator.script(job_id, [("COMPLETED", 36_000)])
    data("triggers", "create", "every_night", "--daily", "03:00")
    by_hand = data("triggers", "create", "by_hand", "--manual")["triggerId"]
    data("workflows", "create", "nightly", "--trigger", by_hand, "--job", job_id)
    data("jobs", "run", job_id)
    return dataflow_emulator


def words_of(name, names=NAMES):
    return [*name.split(), *(names.get(word, word) for word in WORDS[name].split())]


def commands(group, *before):
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from commands(command, *before, name)
        else:
            yield " ".join((*before, name)), {option for it in command.params for option in it.opts}


OPTIONS = dict(commands(get_command(app)))
"""The options of each command."""


def taking(option):
    return sorted(name for name, options in OPTIONS.items() if option in options)


def changes(server):
    """How many requests of a kind that changes something the service took."""
    return sum(isinstance(it, RequestReceived) and it.method != "GET" for it in server.history)


def test_each_command_is_in_the_table():
    assert WORDS.keys() | OFFLINE == OPTIONS.keys()
    assert WORDS.keys() == set(taking("--url")) - {"demo"}


def mentioned():
    """The command lines in backticks on pages and in messages, as far as they have no placeholder."""
    pages = [ROOT / "README.md", ROOT / "README.ko.md", *(ROOT / "docs").rglob("*.md")]
    for path in [*pages, *(ROOT / "dataflow_async").rglob("*.py")]:
        for line in re.findall(r"`dataflow-async ([a-z][^`{}\n]*)`", path.read_text("utf-8")):
            yield line.split()


def test_each_command_that_is_mentioned_exists():
    lines = list(mentioned())
    assert len(lines) > 20
    for words in lines:
        name = next((it for it in (" ".join(words[:2]), words[0]) if it in OPTIONS), None)
        assert name or any(it.startswith(f"{words[0]} ") for it in OPTIONS), words
        for option in (word.partition("=")[0] for word in words if word.startswith("-")):
            assert option in OPTIONS[name] | {"--help", "-h"}, words


# --- somebody new --------------------------------------------------------------------------------------------

NO_KEYS = {
    **dict.fromkeys(("NCLOUD_ACCESS_KEY_ID", "NCLOUD_SECRET_ACCESS_KEY"), ""),
    "NCLOUD_METADATA_API_ENDPOINT": "http://127.0.0.1:1",
    "HOME": "/nonexistent",
}
STEP = {
    "no keys": r"CredentialsError: no credentials found; tried .*; set both keys in the environment, or give --profile.*",
    "a wrong key": r"AuthenticationFailed: \w+: HTTP 401 .*; check (the keys with `dataflow-async whoami`|both keys)",
    "a wrong clock": r"AuthenticationFailed: \w+: HTTP 401 .*our clock differs .*; set the clock of this machine",
    "no network": r"NotSent: \w+: never sent: .*; nothing was sent; check network, proxy and --url",
    "a wrong address": r"NotFound: \w+: HTTP 404 code 300 .*; check --url and NCLOUD_DATAFLOW_URL",
    "no address": r"InvalidRequest: base_url must be .*; check --url and NCLOUD_DATAFLOW_URL; .*",
    "a wrong name": r"no \w+ has the id or name absent; see `dataflow-async \w+ list`",
    "a wrong id": r"no \w+ has the id or name abcdefghijkl; see `dataflow-async \w+ list`",
}
"""The one line that each command prints, with the next step."""


def check_one_line(name, case, code, names=NAMES, **env):
    result = invoke(*words_of(name, names), code=code, **env)
    line = result.stderr.splitlines()[-1]
    assert re.fullmatch(STEP[case], line), line
    shown = {"whoami", "probe"}  # what is found out so far, or what is about to be read
    assert result.stderr.count("\n") == 1 + (name in shown and result.stderr.startswith("reading "))
    assert result.stdout == "" or name in shown
    assert "secret-key" not in result.output


@EACH
def test_without_keys(name):
    check_one_line(name, "no keys", 4, NCLOUD_DATAFLOW_URL="", **NO_KEYS)


@EACH
def test_with_a_wrong_key(name, dataflow_emulator):
    check_one_line(name, "a wrong key", 4, NCLOUD_SECRET_ACCESS_KEY="not-the-secret-key")
    assert dataflow_emulator.state.jobs == dataflow_emulator.state.triggers == {}


@EACH
@pytest.mark.dataflow(faults="* 401 skew=900")
def test_with_a_wrong_clock(name, dataflow_emulator):
    check_one_line(name, "a wrong clock", 4)


@EACH
def test_without_a_network(name, dataflow_emulator):
    check_one_line(name, "no network", 1, NCLOUD_DATAFLOW_URL="http://127.0.0.1:1")


@EACH
def test_at_an_address_that_is_no_service(name, dataflow_emulator):
    check_one_line(name, "a wrong address", 7, NCLOUD_DATAFLOW_URL=f"{dataflow_emulator.url}/elsewhere")


@EACH
@pytest.mark.parametrize("url", ["dataflow", "http://example.com"])
def test_at_what_is_no_address(name, url, dataflow_emulator):
    check_one_line(name, "no address", 2, NCLOUD_DATAFLOW_URL=url)


@EACH_WITH_NAMES
@pytest.mark.parametrize(("case", "word"), [("a wrong name", "absent"), ("a wrong id", "abcdefghijkl")])
def test_with_a_wrong_name(name, case, word, dataflow_emulator):
    check_one_line(name, case, 7, dict.fromkeys(NAMES, word))
    assert changes(dataflow_emulator) == 0


# --- before something happens --------------------------------------------------------------------------------


@each(taking("--dry-run"))
def test_a_dry_run_shows_the_request_and_sends_none(name, account):
    before = changes(account)
    result = invoke(*words_of(name), "--dry-run")
    assert re.match(rf"(POST|PUT|PATCH|DELETE) {re.escape(account.url)}/api/v1/\w+", result.stdout)
    assert "signature" not in result.stdout.casefold()
    assert "EMULATOR" not in result.stdout
    assert result.stderr.endswith("dry run: nothing was sent\n")
    assert changes(account) == before


@each(taking("--yes"))
def test_what_costs_money_or_destroys_is_asked_about(name, account, monkeypatch):
    monkeypatch.setattr("dataflow_async.cli.context.LOOPBACK", frozenset())
    before = changes(account)
    words = [*words_of(name), *(["--with-runs", "load"] if name == "probe" else [])]
    refused = invoke(*words, code=2).stderr
    assert re.fullmatch(
        rf"refused: .* on {account.url} with access key EMUL\.\.\.: nobody is there to ask; add --yes if you mean it\n",
        refused,
    ), refused
    assert "EMULATOR-ACCESS-KEY" not in refused
    assert changes(account) == before
