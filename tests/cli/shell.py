"""The command in this process, against the emulator that the environment leads to."""

import json

from typer.testing import CliRunner

from dataflow_async.cli.app import app


def invoke(*words, stdin=None, code=0, **env):
    """Run a command; its exit code must be ``code``."""
    result = CliRunner().invoke(app, list(map(str, words)), input=stdin, env={"COLUMNS": "100", **env})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def data(*words, **settings):
    """Run a command and read the JSON it prints."""
    return json.loads(invoke(*words, "-o", "json", **settings).stdout)
