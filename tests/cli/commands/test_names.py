"""Names for a shell that completes a word."""

from types import SimpleNamespace

import pytest

from dataflow_async.cli.commands import names
from tests.cli.shell import invoke


@pytest.fixture(autouse=True)
def no_timeout(monkeypatch):
    monkeypatch.setattr(names, "TIMEOUT", 60.0)


def completed(kind, incomplete="", **given):
    return sorted(kind(SimpleNamespace(params=given), incomplete))


def test_names_of_the_account_complete_a_word(dataflow_emulator, monkeypatch):
    for name in ("load_orders", "load_stock", "check"):
        dataflow_emulator.create_job(name)
    for hostile in ("load;rm -rf", "load$(id)", "load\x1b[2J", "load *"):
        dataflow_emulator.state.jobs[dataflow_emulator.create_job("x_y_z")].name = hostile
    invoke("triggers", "create", "nightly", "--manual")
    monkeypatch.setenv("_DATAFLOW_ASYNC_COMPLETE", "complete_bash")
    assert completed(names.job, "load") == ["load_orders", "load_stock"]
    assert completed(names.trigger) == ["nightly"]
    assert completed(names.workflow, url=dataflow_emulator.url) == []


@pytest.mark.parametrize("given", [{"url": "http://127.0.0.1:1"}, {"url": "x"}, {"profile": "absent"}])
@pytest.mark.slow
def test_what_goes_wrong_is_no_name_and_not_a_word(dataflow_emulator, capfd, given):
    dataflow_emulator.create_job("load_orders")
    assert completed(names.job, **given) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.dataflow(faults="getJobs stall-headers")
def test_nobody_is_kept_waiting(dataflow_emulator, monkeypatch):
    monkeypatch.setattr(names, "TIMEOUT", 0.01)
    assert completed(names.job) == []
