"""The source distribution is whole: what is unpacked from it passes tests of its own."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
QUICK = [
    "tests/wire",
    "tests/test_public_names.py",
    "tests/test_imports.py",
    "tests/test_docs.py",
    "tests/test_rulings.py",
]
"""Of every kind that reads files beside the package: contract, README, docs, .ci."""


def run(*command, cwd, **environ):
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=cwd, env=os.environ | environ
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


@pytest.mark.slow
def test_the_source_distribution_passes_its_own_tests(tmp_path):
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path), cwd=ROOT)
    [archive] = tmp_path.glob("dataflow_async-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    unpacked = tmp_path / archive.name.removesuffix(".tar.gz")

    where = "import dataflow_async; print(dataflow_async.__file__)"
    surroundings = {"PYTHONPATH": str(unpacked)}
    assert run(sys.executable, "-c", where, cwd=tmp_path, **surroundings).startswith(str(unpacked))
    told = run(sys.executable, "-m", "pytest", "-q", "-n", "2", *QUICK, cwd=unpacked, **surroundings)
    assert " passed" in told
