"""What Airflow shows of this provider: its name, its parts, and the form of its connections.

Airflow imports this module in each of its processes, and one provider that fails breaks ``airflow providers list`` for
the whole installation. So it imports nothing and computes nothing: it works, and shows the form, also
where neither Airflow's extra nor this library's own dependencies are installed.

Source: airflow/provider.yaml.schema.json of Airflow 3.3.
"""

from typing import Any

DISTRIBUTION = "dataflow-async"
"""The distribution's own name: Airflow refuses a provider whose package-name differs from it."""
CONNECTION_TYPE = "ncloud_data_flow"
_INTEGRATION = "NAVER Cloud Data Flow"
_PACKAGE = "dataflow_async.airflow"


def get_provider_info() -> dict[str, Any]:
    """Return the description of this provider in the form of Airflow's ``provider.yaml``."""
    return {
        "package-name": DISTRIBUTION,
        "name": _INTEGRATION,
        "description": "Start jobs and workflows of NAVER Cloud Data Flow, each once, and wait for thousands of runs in one triggerer.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://api.ncloud-docs.com/docs/analytics-dataflow-getjobs",
                "tags": ["service"],
            }
        ],
        "operators": [_modules("operators.run_job", "operators.run_workflow", "operators.bulk")],
        "sensors": [_modules("sensor")],
        "hooks": [_modules("hook")],
        "triggers": [_modules("trigger")],
        "extra-links": [f"{_PACKAGE}.links.ConsoleLink", f"{_PACKAGE}.links.LogLink"],
        "connection-types": [_CONNECTION],
    }


def _modules(*names: str) -> dict[str, Any]:
    return {"integration-name": _INTEGRATION, "python-modules": [f"{_PACKAGE}.{name}" for name in names]}


_CONNECTION: dict[str, Any] = {
    "connection-type": CONNECTION_TYPE,
    "hook-class-name": f"{_PACKAGE}.hook.DataFlowHook",
    "hook-name": _INTEGRATION,
    "ui-field-behaviour": {
        "hidden-fields": ["host", "port", "schema"],
        "relabeling": {"login": "Access key", "password": "Secret key"},
        "placeholders": {
            "login": "empty: environment, profile file or server role",
            "password": "empty: environment, profile file or server role",
        },
    },
    "conn-fields": {
        "base_url": {
            "label": "Base URL",
            "description": "Where the service answers, such as an emulator's address; empty for the public service.",
            "schema": {"type": ["string", "null"]},
        },
        "profile": {
            "label": "Profile",
            "description": "Section of the profile file on the machine of the worker or triggerer; used where both keys are empty.",
            "schema": {"type": ["string", "null"]},
        },
        "allow_insecure_http": {
            "label": "Allow insecure HTTP",
            "description": "Accept a base URL of plain HTTP on another machine than this one.",
            "schema": {"type": ["boolean", "null"], "default": False},
        },
        "console_url": {
            "label": "Console URL",
            "description": "Where a task's link to the console leads; {job_id} and {execution_id} are filled in.",
            "schema": {"type": ["string", "null"]},
        },
        "log_url": {
            "label": "Log URL",
            "description": "Where a task's link to the log of its run leads; {log_path}, {job_id} and {execution_id} are filled in.",
            "schema": {"type": ["string", "null"]},
        },
    },
}
