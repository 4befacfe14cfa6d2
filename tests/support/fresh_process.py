"""What a Python of its own loads and prints: the tests' own process has loaded everything already."""

import subprocess
import sys

from tests.support.findings import ROOT


def run(code):
    """Run the code in a fresh process, warnings are errors; gives the words that it prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.split()


def loaded_by(statement):
    """Names of all modules that are loaded after the statement."""
    return set(run(f"import sys; {statement}; print(*sorted(sys.modules))"))
