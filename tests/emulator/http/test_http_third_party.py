"""The emulator with tools of others: curl sends, openssl signs, a shell combines them."""

import json
import os
import shutil
import subprocess
import time

import pytest

from dataflow_async.emulator import Emulator
from tests.support.threaded import running

CALL = r"""
set -eu
timestamp=${TIMESTAMP:-$(date +%s)000}
signature=$(printf '%s %s\n%s\n%s' "$1" "$2" "$timestamp" "$ACCESS_KEY" |
    openssl dgst -sha256 -hmac "$SECRET_KEY" -binary | openssl base64)
curl --silent --show-error --max-time 20 --noproxy '*' --request "$1" "$URL$2" --write-out '\n%{http_code}' \
    --header "x-ncp-apigw-timestamp: $timestamp" \
    --header "x-ncp-iam-access-key: $ACCESS_KEY" \
    --header "x-ncp-apigw-signature-v2: $signature" \
    --header 'Content-Type: application/json' ${3+--data-binary "$3"}
"""
"""``sh`` runs it with a method, a target and maybe a body; keys and address come from its environment."""

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("curl", "openssl", "sh"))), reason="needs curl, openssl and a shell"
)


@pytest.fixture
def url():
    with running(Emulator(run_seconds=(3600, 3600))) as server:
        yield server.url


@pytest.fixture
def call(url):
    """Make one call; gives the status and the JSON of the answer."""

    def call(*arguments, **environment):
        keys = {"URL": url, "ACCESS_KEY": "EMULATOR-ACCESS-KEY", "SECRET_KEY": "emulator-secret-key"}
        done = subprocess.run(
            ["sh", "-c", CALL, "call", *arguments],
            capture_output=True,
            check=True,
            text=True,
            env={"PATH": os.environ["PATH"], **keys, **environment},
        )
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), json.loads(body)

    return call


def test_a_job_is_created_started_read_and_canceled(call):
    status, job = call("POST", "/api/v1/jobs", '{"name": "orders_rollup", "type": "SCRIPT"}')
    assert (status, job["name"]) == (201, "orders_rollup")
    executions = f"/api/v1/jobs/{job['jobId']}/executions"

    status, started = call("POST", executions, '{"jobCondition": {"parameters": {"이름": "값 1"}}}')
    assert (status, started["status"]) == (202, "READY")
    run = f"{executions}/{started['jobExecutionId']}"
    status, read = call("GET", run)
    assert (status, read["parsedParameters"]) == (202, {"이름": "값 1"})
    assert call("POST", f"{run}/cancel") == (200, True)
    status, read = call("GET", run)
    assert (status, read["status"]) == (200, "CANCELED")


@pytest.mark.parametrize(
    "query", ["?page=0&limit=1", "?name=%EC%A3%BC%EB%AC%B8%20%2F%3F%26", "?name=a+b", "?name=%ec%a3%bc"]
)
def test_the_query_is_signed_as_it_is_spelled(call, query):
    status, page = call("GET", f"/api/v1/jobs{query}")
    assert (status, page["list"]) == (200, [])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"SECRET_KEY": "another-secret"}, "The signature does not fit this request."),
        ({"ACCESS_KEY": "SOMEBODY"}, "The access key is not known."),
        ({"TIMESTAMP": str(int(time.time() * 1000) - 360_000)}, "5 minutes or more away"),
    ],
)
def test_a_wrong_signature_is_refused(call, wrong, told):
    status, answer = call("GET", "/api/v1/jobs", **wrong)
    assert (status, answer["error"]["errorCode"]) == (401, "200")
    assert told in answer["error"]["details"]
