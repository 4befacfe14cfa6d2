"""The signature is what openssl makes of the documented string."""

import base64
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_async.credentials import Credentials
from dataflow_async.wire.signature import Signer

ACCESS = "AK7Qm2Rt9Zc4"
SECRET = "q8Zk/wT+3vB=n0Lx"
NOW = 1_793_458_800_000

# printf '%s %s\n1793458800000\nAK7Qm2Rt9Zc4' "$METHOD" "$TARGET" |
#     openssl dgst -sha256 -hmac 'q8Zk/wT+3vB=n0Lx' -binary | base64
GOLDEN = {
    "bare path": ("GET", "/api/v1/jobs", "XZ4Fz60A7LTzLPGgJ2B5tYuql/qVhYgPp4UdI2DJDgQ="),
    "space, plus and slash in the query": (
        "GET",
        "/api/v1/jobs?name=orders%20rollup%2Bv2%2Fx&page=0&limit=1000",
        "ke0k9PxgJZfFEeOgxvcGu3JNyGM+ALj+uUhWE6MvAQ8=",
    ),
    "Korean text": (
        "GET",
        "/api/v1/triggers?name=%EC%A3%BC%EB%AC%B8%20%EC%A7%91%EA%B3%84",
        "YJVSWDcc11vtdnDzf4uZ+avvuV+uW/T8yqqxrEMTCiI=",
    ),
    "percent and slash in an id": (
        "POST",
        "/api/v1/jobs/50%25off%2F%ED%95%9C/executions?triggerId=a%2Bb&workflowId=c%20d",
        "oKc5u8RLzHM11fiYxzrRjgKLjJL20gSMNVlAr5EXBLs=",
    ),
    "colons in dates": (
        "GET",
        "/api/v1/stats/executions?startDate=2026-11-01T00%3A00%3A00&endDate=2026-11-02T23%3A59%3A59",
        "P3Jh2gNbqYLGMQHHdPfER1+KEYItW0oShUDmBBCmWRY=",
    ),
    "another method": ("DELETE", "/api/v1/jobs/Jq3kT9vLmN2x", "aHeGb6r03C5ciOHREUNK5CZ8fljITt2V1F8FTRzZ+qU="),
}
# The same with -hmac '비밀키', GET /api/v1/jobs and 1793458800001.
KOREAN_SECRET = "queTNnvr86xhjjb0J2stju0NwVTe11QBm3UIrv+KmN0="


@pytest.fixture
def signer():
    return Signer(Credentials(ACCESS, SECRET))


@pytest.mark.parametrize(("method", "target", "signature"), GOLDEN.values(), ids=GOLDEN)
def test_equals_what_openssl_gave(signer, method, target, signature):
    assert signer.headers(method, target, NOW) == {
        "x-ncp-apigw-timestamp": "1793458800000",
        "x-ncp-iam-access-key": ACCESS,
        "x-ncp-apigw-signature-v2": signature,
    }


def test_secret_is_taken_as_utf8():
    signer = Signer(Credentials(ACCESS, "비밀키"))
    assert signer.headers("GET", "/api/v1/jobs", NOW + 1)["x-ncp-apigw-signature-v2"] == KOREAN_SECRET


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(("method", "target", "signature"), GOLDEN.values(), ids=GOLDEN)
def test_equals_what_openssl_gives_now(signer, method, target, signature):
    digest = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET, "-binary"],
        input=f"{method} {target}\n{NOW}\n{ACCESS}".encode(),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    assert base64.b64encode(digest).decode() == signature
    assert signer.headers(method, target, NOW)["x-ncp-apigw-signature-v2"] == signature


def test_one_signer_signs_each_request_for_itself(signer):
    first = signer.headers("GET", "/api/v1/jobs", NOW)
    signer.headers("POST", "/api/v1/triggers", NOW + 5)
    assert signer.headers("GET", "/api/v1/jobs", NOW) == first


@given(
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126)),
    st.integers(0, 2**53),
)
def test_method_target_and_time_all_count(method, rest, now):
    signer = Signer(Credentials(ACCESS, SECRET))
    signature = signer.headers(method, f"/{rest}", now)["x-ncp-apigw-signature-v2"]
    others = [(method + "X", f"/{rest}", now), (method, f"/{rest}?", now), (method, f"/{rest}", now + 1)]
    assert signature not in {signer.headers(*other)["x-ncp-apigw-signature-v2"] for other in others}


def test_repr_holds_no_key(signer):
    assert ACCESS not in repr(signer)
    assert SECRET not in repr(signer)
