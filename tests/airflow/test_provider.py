"""The description that Airflow shows, read without Airflow: it must hold where only our wheel is installed."""

import tomllib
from importlib.metadata import EntryPoint, distribution

from dataflow_async.airflow.provider import CONNECTION_TYPE, get_provider_info
from tests.support.findings import ROOT

INFO = get_provider_info()
[CONNECTION] = INFO["connection-types"]


def test_the_package_name_is_the_distributions():
    assert INFO["package-name"] == distribution("dataflow-async").metadata["Name"]


def test_its_entry_point_leads_to_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [(name, value)] = project["entry-points"]["apache_airflow_provider"].items()
    assert EntryPoint(name, value, "apache_airflow_provider").load() is get_provider_info


def test_each_call_returns_its_own_description():
    get_provider_info()["connection-types"][0]["conn-fields"].clear()
    assert get_provider_info() == INFO


def test_the_secret_key_is_in_the_one_field_that_airflow_encrypts_and_masks():
    behaviour = CONNECTION["ui-field-behaviour"]
    assert behaviour["relabeling"] == {"login": "Access key", "password": "Secret key"}
    assert not {"login", "password", "extra"} & set(behaviour["hidden-fields"])
    assert not [name for name in CONNECTION["conn-fields"] if "key" in name]


def test_every_field_may_stay_empty():
    assert all("null" in field["schema"]["type"] for field in CONNECTION["conn-fields"].values())
    assert CONNECTION["connection-type"] == CONNECTION_TYPE
