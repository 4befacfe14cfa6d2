"""The package itself: its names are loaded on their first use, and only then is Airflow."""

import sys

import pytest

from dataflow_async import airflow
from tests.support.fresh_process import loaded_by


def test_the_package_and_the_provider_load_nothing_but_the_version():
    loaded = loaded_by("import dataflow_async.airflow.provider as provider; provider.get_provider_info()")
    outside = {"airflow", "aiohttp", "asyncio", "attrs", "cattrs"}
    assert not {name for name in loaded if name.partition(".")[0] in outside}
    own = {name for name in loaded if name.startswith("dataflow_async")}
    assert own == {f"dataflow_async{it}" for it in ("", "._version", ".airflow", ".airflow.provider")}


def test_names_are_listed_before_they_are_loaded():
    assert set(airflow.__all__) <= set(dir(airflow))


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="DataFlowHoop"):
        _ = airflow.DataFlowHoop


def test_a_loaded_name_is_stored(monkeypatch):
    fake = type(sys)("dataflow_async.airflow.hook")
    fake.DataFlowHook = object()
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    monkeypatch.delitem(vars(airflow), "DataFlowHook", raising=False)
    assert airflow.DataFlowHook is fake.DataFlowHook
    assert vars(airflow).pop("DataFlowHook") is fake.DataFlowHook
