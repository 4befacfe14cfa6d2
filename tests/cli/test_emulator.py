"""The emulator as a command."""

import re
import signal
import socket

import pytest
from typer.testing import CliRunner

from dataflow_async.cli.app import app
from tests.cli.process import NOISE, started


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_what_it_prints_connects_and_a_signal_ends_it_well(signum):
    with started("emulator", "--port", "0", "--speed", "100") as process:
        python = process.until(r"(?s)(from dataflow_async .*?base_url=\S+\))\n")[1]
        assert re.search(
            r"access key +EMULATOR-ACCESS-KEY\n +secret key +emulator-secret-key\n", process.text
        )
        made = {}
        exec(python, made)
        async with made["flow"] as flow:
            job = await flow.jobs.create("orders_rollup", type="SCRIPT")
            assert (await flow.run(job.job_id)).status == "COMPLETED"
            process.interrupt(signum)
            assert process.end() == 0
    assert process.text.endswith("stopped\n")
    assert not NOISE.search(process.text)


def test_a_port_in_use_is_said_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["emulator", "--port", str(port)])
    assert result.exit_code == 1
    assert result.output == f"port {port} on 127.0.0.1 is in use; choose another with --port\n"


def test_an_address_of_another_machine_is_said_in_one_line():
    result = CliRunner().invoke(app, ["emulator", "--port", "0", "--host", "192.0.2.1", "--allow-remote"])
    assert result.exit_code == 1
    assert re.fullmatch(r"can't listen on port 0 on 192\.0\.2\.1: .+\n", result.output)


def test_it_stays_on_loopback_unless_told_otherwise():
    result = CliRunner().invoke(app, ["emulator", "--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert result.output == "refused: 0.0.0.0 is not loopback; say --allow-remote if that is meant\n"


def test_off_loopback_it_warns_and_names_the_way_from_this_machine():
    with started("emulator", "--port", "0", "--host", "0.0.0.0", "--allow-remote") as process:
        process.until("Other machines can reach it")
        assert re.search(r'base_url="http://127\.0\.0\.1:\d+"', process.text)
        process.interrupt()
        assert process.end() == 0
