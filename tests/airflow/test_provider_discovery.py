"""Airflow finds the provider by itself, with the extra and without it, and shows the form of its connections."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import airflow
import jsonschema
import pytest

from dataflow_async.airflow.provider import CONNECTION_TYPE, get_provider_info
from tests.support.findings import ROOT

PYTHON = Path(sys.executable)


def airflow_command(python, *arguments, home):
    """What a command of Airflow's prints as JSON, from an installation that was never set up."""
    command = [python.with_name("airflow"), *arguments, "--output", "json"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env=environ | {"AIRFLOW_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "dataflow" not in done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def assert_listed(python, home):
    listed = {row["package_name"]: row for row in airflow_command(python, "providers", "list", home=home)}
    assert listed["dataflow-async"]["version"] == version("dataflow-async")
    assert "apache-airflow-providers-standard" in listed


def assert_form_shown(python, home):
    widgets = airflow_command(python, "providers", "widgets", home=home)
    prefix = f"extra__{CONNECTION_TYPE}__"
    shown = {row["connection_parameter_name"] for row in widgets}
    assert {f"{prefix}base_url", f"{prefix}profile", f"{prefix}allow_insecure_http"} <= shown
    behaviours = airflow_command(python, "providers", "behaviours", home=home)
    assert CONNECTION_TYPE in {row["field_behaviours"] for row in behaviours}


def test_the_description_has_the_form_that_airflow_prescribes():
    for name in ("provider_info.schema.json", "provider.yaml.schema.json"):
        known = json.loads((Path(airflow.__file__).parent / name).read_text("utf-8"))["properties"]
        for key, value in get_provider_info().items():
            jsonschema.validate(value, known[key])


def test_airflow_lists_the_provider_and_shows_its_form(tmp_path):
    assert_listed(PYTHON, tmp_path)
    assert_form_shown(PYTHON, tmp_path)


@pytest.mark.slow
def test_without_the_extra_airflow_lists_it_just_as_well(tmp_path):
    uv = shutil.which("uv", path=f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: a second environment would take minutes")

    def run(*command):
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)

    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    [wheel] = tmp_path.glob("*.whl")
    bare = tmp_path / "bare" / "bin" / "python"
    run(uv, "venv", "-q", "--python", sys.executable, str(bare.parents[1]))
    run(uv, "pip", "install", "-q", "--python", str(bare), f"apache-airflow=={airflow.__version__}")
    run(uv, "pip", "install", "-q", "--python", str(bare), "--no-deps", str(wheel))
    found = subprocess.run([bare, "-c", "import aiohttp"], check=False, capture_output=True, text=True)
    assert "ModuleNotFoundError" in found.stderr
    assert_listed(bare, tmp_path)
    assert_form_shown(bare, tmp_path)
