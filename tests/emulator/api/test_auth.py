"""Signatures: over the raw target, within the time window, with the one key."""

import pytest

from dataflow_async.emulator import Emulator, ManualClock
from dataflow_async.emulator.api.auth import ACCESS_KEY, SIGNATURE, TIMESTAMP, Verifier
from tests.emulator.conftest import session_of, signed_headers

# printf 'GET /api/v1/jobs/a%%2Fb%%7E/executions?page=0&name=x+y%%20z\n1793458800000\nEMULATOR-ACCESS-KEY' |
#     openssl dgst -sha256 -hmac 'emulator-secret-key' -binary | base64
TARGET = "/api/v1/jobs/a%2Fb%7E/executions?page=0&name=x+y%20z"
NOW = 1_793_458_800.0
VECTOR = {
    TIMESTAMP: "1793458800000",
    ACCESS_KEY: "EMULATOR-ACCESS-KEY",
    SIGNATURE: "YYuEWoJPNHu7jilKIWqz3mQp35M4EV0BprtT2LfUyOE=",
}


@pytest.fixture
def verifier():
    return Verifier("EMULATOR-ACCESS-KEY", "emulator-secret-key")


def test_openssl_signs_the_same(verifier):
    assert verifier.objection("GET", TARGET, VECTOR, NOW) is None


@pytest.mark.parametrize(
    ("method", "target", "changed", "why"),
    [
        ("POST", TARGET, {}, "signature"),
        ("GET", TARGET.replace("%2F", "/"), {}, "signature"),
        ("GET", TARGET.replace("%2F", "%2f"), {}, "signature"),
        ("GET", TARGET.replace("%7E", "~"), {}, "signature"),
        ("GET", TARGET.replace("%20", "+"), {}, "signature"),
        ("GET", TARGET + "&", {}, "signature"),
        ("GET", TARGET + "#", {}, "signature"),
        ("GET", TARGET.partition("?")[0], {}, "signature"),
        ("GET", TARGET, {TIMESTAMP: "1793458800001"}, "signature"),
        ("GET", TARGET, {SIGNATURE: VECTOR[SIGNATURE].rstrip("=")}, "signature"),
        ("GET", TARGET, {SIGNATURE: VECTOR[SIGNATURE].lower()}, "signature"),
        ("GET", TARGET, {SIGNATURE: "\udcff한"}, "signature"),
        ("GET", TARGET, {SIGNATURE: ""}, SIGNATURE),
        ("GET", TARGET, {ACCESS_KEY: "emulator-access-key"}, "access key"),
        ("GET", TARGET, {ACCESS_KEY: "\udcff한"}, "access key"),
        ("GET", TARGET, {ACCESS_KEY: ""}, ACCESS_KEY),
        ("GET", TARGET, {TIMESTAMP: ""}, TIMESTAMP),
        ("GET", TARGET, {TIMESTAMP: "1793458800000.0"}, "digits"),
        ("GET", TARGET, {TIMESTAMP: " 1793458800000"}, "digits"),
        ("GET", TARGET, {TIMESTAMP: "+1793458800000"}, "digits"),
        ("GET", TARGET, {TIMESTAMP: "1_793_458_800_000"}, "digits"),
        ("GET", TARGET, {TIMESTAMP: "١٧٩٣٤٥٨٨٠٠٠٠٠"}, "digits"),
        ("GET", TARGET, {TIMESTAMP: "9" * 5000}, "digits"),
        ("GET", TARGET, {TIMESTAMP: "2026-11-01T00:00:00"}, "digits"),
        ("GET", TARGET, {TIMESTAMP: "1793458800"}, "5 minutes"),
    ],
)
def test_every_other_signature_is_refused_with_the_reason(verifier, method, target, changed, why):
    objection = verifier.objection(method, target, VECTOR | changed, NOW)

    assert why in objection
    assert "emulator-secret-key" not in objection
    assert VECTOR[SIGNATURE] not in objection


def test_all_missing_headers_are_named(verifier):
    objection = verifier.objection("GET", TARGET, {}, NOW)

    assert all(name in objection for name in (TIMESTAMP, ACCESS_KEY, SIGNATURE))


@pytest.mark.parametrize(
    ("off", "good"), [(0, True), (299.999, True), (300, False), (301, False), (-299.999, True), (-300, False)]
)
async def test_the_window_is_less_than_five_minutes_on_the_server_s_clock(api, server, clock, off, good):
    milliseconds = round((clock.time() + off) * 1000)
    target = "/api/v1/jobs?name=%ED%95%9C%20x"

    reply = await api.send("GET", target, headers=signed_headers(server, "GET", target, milliseconds))

    assert reply.status == (200 if good else 401)
    if not good:
        assert reply.body["error"] == {
            "errorCode": "200",
            "message": "Authentication Failed",
            "details": f"{TIMESTAMP} is 5 minutes or more away from the gateway's clock.",
        }


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("/api/v1/jobs/a%2Fb", "/api/v1/jobs/a/b"),
        ("/api/v1/jobs/a%2Fb", "/api/v1/jobs/a%2fb"),
        ("/api/v1/jobs?name=a%20b", "/api/v1/jobs?name=a b"),
        ("/api/v1/jobs?name=a%20b", "/api/v1/jobs?name=a+b"),
        ("/api/v1/jobs?name=%7E", "/api/v1/jobs?name=~"),
        ("/api/v1/jobs?page=0&limit=1", "/api/v1/jobs?limit=1&page=0"),
        ("/api/v1/jobs", "/api/v1/jobs?"),
        ("/api/v1/jobs", "/jobs"),
    ],
)
async def test_a_signature_of_another_spelling_is_refused(api, server, clock, sent, signed):
    stamp = int(clock.time() * 1000)

    right = await api.send("GET", sent, headers=signed_headers(server, "GET", sent, stamp))
    wrong = await api.send("GET", sent, headers=signed_headers(server, "GET", signed, stamp))

    assert right.status in {200, 404}
    assert (wrong.status, wrong.error_code) == (401, "200")


async def test_a_gateway_authenticates_before_it_routes(api):
    reply = await api.send("POST", "/no/such/path", data=b"{" * 2_000_000, headers={SIGNATURE: "x"})

    assert (reply.status, reply.error_code) == (401, "200")


async def test_a_refused_call_has_no_effect(api, server):
    reply = await api.send(
        "POST", "/api/v1/jobs", b'{"name":"abc","type":"SCRIPT"}', headers={SIGNATURE: "x"}
    )

    assert reply.status == 401
    assert not server.state.jobs


async def test_keys_are_settings():
    async with (
        Emulator(clock=ManualClock(), access_key="한", secret_key="글") as server,
        session_of(server) as api,
    ):
        assert (await api("getJobs")).status == 200
        assert "글" not in repr(server)
