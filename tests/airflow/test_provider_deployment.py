"""The provider in a real Airflow: what its page is given to draw the form of a connection."""

import pytest

from dataflow_async.airflow.provider import CONNECTION_TYPE

pytestmark = pytest.mark.slow


def test_the_page_offers_the_connection_with_its_form(deployment):
    rows = deployment.api.get("/ui/connections/hook_meta")
    [form] = [row for row in rows if row["connection_type"] == CONNECTION_TYPE]
    assert form["hook_name"] == "NAVER Cloud Data Flow"
    assert set(form["extra_fields"]) == {
        "base_url",
        "profile",
        "allow_insecure_http",
        "console_url",
        "log_url",
    }
    standard = form["standard_fields"]
    assert standard["login"]["title"] == "Access key"
    assert standard["password"]["title"] == "Secret key"
    hidden = {name for name, field in standard.items() if field and field["hidden"]}
    assert hidden == {"port", "url_schema", "host"}


def test_the_secret_key_is_not_shown_again(deployment):
    shown = deployment.api.call("GET", "/connections/ncloud_data_flow_default")
    assert shown["login"] == deployment.connection["login"]
    assert deployment.connection["password"] not in str(shown)
