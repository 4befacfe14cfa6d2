"""Where keys come from: the first complete pair wins, and no value is ever shown (rulings 80 to 84)."""

import asyncio
import copy
import itertools
import json
import logging
import pickle
import re
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from dataflow_async import Credentials, CredentialsError, DataFlow, InvalidRequest, defaults
from dataflow_async.credentials import CredentialsChain
from dataflow_async.key_source import KeyFetcher
from dataflow_async.role_endpoint import METADATA_HOST
from tests.support.scripted import answer, scripted
from tests.support.warp import LoopClock, warped

LONG = {"NCLOUD_ACCESS_KEY_ID": "env-access", "NCLOUD_SECRET_ACCESS_KEY": "env-secret"}
SHORT = {"NCLOUD_ACCESS_KEY": "short-access", "NCLOUD_SECRET_KEY": "short-secret"}
ROLES = "/latest/meta-data/iam/security-credentials/"


@attrs.define
class Hands:
    """A clock that stands still until a test moves it."""

    now: float = 1_793_458_800.0

    def time(self):
        return self.now

    def monotonic(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


@attrs.define
class Metadata:
    """The server-role endpoint: a list of roles, and keys that change with every answer."""

    clock: Hands
    roles: str = "role-1\n"
    status: int = 200
    broken: object = None
    """Text or status to answer instead of keys, or an exception to raise."""
    lifetime: float = 3600.0
    urls: list = attrs.field(factory=list)
    issued: int = 0
    only: str | None = None
    """The role that is there, if not every one."""
    stalls: asyncio.Event | None = None
    """Answers wait for this."""

    async def __call__(self, url):
        self.urls.append(url)
        await asyncio.sleep(0)
        if self.stalls is not None:
            await self.stalls.wait()
        if self.status != 200:
            return self.status, "no"
        if url.endswith(ROLES):
            return 200, self.roles
        if self.only is not None and not url.endswith(self.only):
            return 404, "no"
        if isinstance(self.broken, Exception):
            raise self.broken
        if isinstance(self.broken, int):
            return self.broken, "no"
        if self.broken is not None:
            return 200, self.broken
        self.issued += 1
        return 200, json.dumps(self.document())

    def document(self):
        expires = datetime.fromtimestamp(self.clock.now + self.lifetime, UTC)
        return {
            "Code": "Success",
            "AccessKeyId": f"role-access-{self.issued}",
            "SecretAccessKey": f"role-secret-{self.issued}",
            "Expiration": expires.isoformat().replace("+00:00", "Z"),
        }


async def settled():
    """Let what runs in the background come to its end, or to where it waits for the test."""
    for _ in range(10):
        await asyncio.sleep(0)


async def no_server(url):
    raise OSError("no route to host")


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def metadata(clock):
    return Metadata(clock)


@pytest.fixture
def chain(tmp_path, clock):
    """A chain over nothing but what is given."""

    def make(environ=None, *, profile=None, fetch=no_server):
        return CredentialsChain(profile, clock=clock, fetch=fetch, environ=environ or {}, home=tmp_path)

    return make


@pytest.fixture
def configure(tmp_path):
    def write(text):
        path = tmp_path / ".ncloud" / "configure"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def pair(access, secret):
    return f"ncloud_access_key_id = {access}\nncloud_secret_access_key = {secret}\n"


async def failure_of(work):
    with pytest.raises(CredentialsError) as caught:
        await work
    return "".join(traceback.format_exception(caught.value))


# --- environment (81) --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "keys"),
    [
        (LONG, ("env-access", "env-secret")),
        (SHORT, ("short-access", "short-secret")),
        (SHORT | LONG, ("env-access", "env-secret")),
        ({"NCLOUD_ACCESS_KEY_ID": "a", "NCLOUD_SECRET_KEY": "s"}, ("a", "s")),
        ({"NCLOUD_ACCESS_KEY": "a", "NCLOUD_SECRET_ACCESS_KEY": "s"}, ("a", "s")),
        (SHORT | {"NCLOUD_ACCESS_KEY_ID": "a"}, ("a", "short-secret")),
        (
            SHORT | {"NCLOUD_ACCESS_KEY_ID": "", "NCLOUD_SECRET_ACCESS_KEY": "  "},
            ("short-access", "short-secret"),
        ),
        ({"NCLOUD_ACCESS_KEY": " a \n", "NCLOUD_SECRET_KEY": "\ts= "}, ("a", "s=")),
    ],
)
async def test_each_key_is_the_first_of_its_names_that_is_set(chain, environ, keys):
    assert await chain(environ).get() == Credentials(*keys)


@pytest.mark.parametrize("name", [*LONG, *SHORT])
async def test_half_a_pair_warns_and_goes_on(chain, configure, caplog, name):
    configure(pair("file-access", "file-secret"))
    assert await chain({name: "half-value"}).get() == Credentials("file-access", "file-secret")
    (record,) = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "dataflow_async")
    assert name in record.getMessage()
    assert "half-value" not in caplog.text


async def test_the_environment_comes_before_the_file_and_the_file_before_the_role(chain, configure, metadata):
    configure(pair("file-access", "file-secret"))
    assert (await chain(LONG, fetch=metadata).get()).access_key == "env-access"
    assert (await chain(fetch=metadata).get()).access_key == "file-access"
    assert metadata.urls == []


async def test_the_source_of_the_keys_is_named_and_no_key(chain, configure, metadata):
    configure(pair("file-access", "file-secret"))
    sources = []
    for found in (chain(LONG), chain(), chain(fetch=metadata, profile="DEFAULT")):
        assert found.source is None
        await found.get()
        sources.append(found.source)
    assert sources[0] == "environment (NCLOUD_ACCESS_KEY_ID, NCLOUD_SECRET_ACCESS_KEY)"
    assert all(re.fullmatch("profile file .*/configure, profile DEFAULT", source) for source in sources[1:])


async def test_the_source_of_role_keys_is_the_role(chain, metadata):
    found = chain(fetch=metadata)
    await found.get()
    assert found.source == "server role 'role-1'"


async def test_what_is_given_in_code_beats_all(monkeypatch):
    for name, value in LONG.items():
        monkeypatch.setenv(name, value)
    async with scripted(answer(200, {"list": []})) as server:
        async with DataFlow(Credentials("code-access", "s"), base_url=server.url) as flow:
            await flow.jobs.page()
        assert server.last.headers["x-ncp-iam-access-key"] == "code-access"


async def test_a_profile_given_in_code_beats_the_environment_and_ncloud_profile_does_not(chain, configure):
    configure(ABOVE_AND_BELOW)
    assert (await chain(LONG, profile="prod").get()).access_key == "prod-access"
    assert (await chain(LONG, profile="DEFAULT").get()).access_key == "default-access"
    assert (await chain(LONG | {"NCLOUD_PROFILE": "prod"}).get()).access_key == "env-access"
    assert (await chain(LONG | {"NCLOUD_PROFILE": "absent"}).get()).access_key == "env-access"


async def test_a_profile_given_in_code_is_not_looked_for_elsewhere(chain, configure, metadata, caplog):
    configure(ABOVE_AND_BELOW)
    assert "absent" in await failure_of(chain(LONG, profile="absent", fetch=metadata).get())
    assert (await chain({"NCLOUD_ACCESS_KEY": "half"}, profile="prod").get()).access_key == "prod-access"
    assert caplog.records == []
    assert metadata.urls == []


@pytest.mark.parametrize("profile", ["", "  ", 5, b"prod", ["prod"]])
async def test_a_profile_that_is_no_name_is_refused(profile):
    with pytest.raises(InvalidRequest, match="profile must be the name of a profile"):
        await Credentials.discover(profile)


async def test_a_debug_line_says_which_source_won_with_a_masked_key(chain, configure, metadata, caplog):
    caplog.set_level(logging.DEBUG, logger="dataflow_async")
    configure(pair("file-access-0000", "file-secret"))
    await chain(LONG).get()
    await chain().get()
    await CredentialsChain(clock=metadata.clock, fetch=metadata, environ={}, home=Path("/nonexistent")).get()
    DataFlow(Credentials("code-access", "code-secret"))
    told = [record.getMessage() for record in caplog.records]
    assert [line.split(" from ")[0] for line in told[:3]] == [
        "credentials: access key env-...",
        "credentials: access key file...",
        "credentials: access key role...",
    ]
    assert "environment (NCLOUD_ACCESS_KEY_ID, NCLOUD_SECRET_ACCESS_KEY)" in told[0]
    assert "configure, profile DEFAULT" in told[1]
    assert "server role 'role-1'" in told[2]
    assert told[3] == "credentials: access key code... given in code"
    assert "secret" not in caplog.text.replace("NCLOUD_SECRET_ACCESS_KEY", "")
    assert "access-0000" not in caplog.text


async def test_keys_are_looked_for_at_the_first_call_and_not_before(monkeypatch):
    async with scripted(answer(200, {"list": []})) as server, DataFlow(base_url=server.url) as flow:
        for name, value in LONG.items():
            monkeypatch.setenv(name, value)
        await flow.jobs.page()
        assert server.last.headers["x-ncp-iam-access-key"] == "env-access"


async def test_discover_walks_the_chain(monkeypatch):
    for name, value in LONG.items():
        monkeypatch.setenv(name, value)
    assert await Credentials.discover() == Credentials("env-access", "env-secret")


# --- profile file (82) -------------------------------------------------------------------------------------

ABOVE_AND_BELOW = f"""
{pair("default-access", "default-secret")}
[prod]
{pair("prod-access", "prod-secret")}
[ other ]
{pair("other-access", "other-secret")}
"""


@pytest.mark.parametrize(
    ("text", "profile", "environ", "keys"),
    [
        (pair("a", "s"), None, {}, ("a", "s")),
        (f"[DEFAULT]\n{pair('a', 's')}", None, {}, ("a", "s")),
        (ABOVE_AND_BELOW, None, {}, ("default-access", "default-secret")),
        (ABOVE_AND_BELOW, "DEFAULT", {}, ("default-access", "default-secret")),
        (ABOVE_AND_BELOW, "prod", {}, ("prod-access", "prod-secret")),
        (ABOVE_AND_BELOW, "other", {}, ("other-access", "other-secret")),
        (ABOVE_AND_BELOW, None, {"NCLOUD_PROFILE": "prod"}, ("prod-access", "prod-secret")),
        (ABOVE_AND_BELOW, "other", {"NCLOUD_PROFILE": "prod"}, ("other-access", "other-secret")),
        (ABOVE_AND_BELOW, "other", {"NCLOUD_PROFILE": "absent"}, ("other-access", "other-secret")),
        (ABOVE_AND_BELOW, None, {"NCLOUD_PROFILE": ""}, ("default-access", "default-secret")),
        (pair("a", "s") + pair("b", "t"), None, {}, ("b", "t")),
        (pair("a", "s") + "ncloud_access_key_id=b", None, {}, ("b", "s")),
        (f"{pair('a', 's')}[x]\n{pair('x', 'x')}[DEFAULT]\nncloud_access_key_id=b", None, {}, ("b", "s")),
        (pair("a", "s=t==/u+"), None, {}, ("a", "s=t==/u+")),
        ("ncloud_access_key_id=a\nncloud_secret_access_key=s", None, {}, ("a", "s")),
        (
            "# note\n; note\n\nnonsense\n" + pair("a", "s") + "ncloud_api_url = https://x\n",
            None,
            {},
            ("a", "s"),
        ),
        ("\ufeff" + pair("a", "s"), None, {}, ("a", "s")),
        (pair("a", "s").replace("\n", "\r\n"), None, {}, ("a", "s")),
        (pair("a", "비밀"), None, {}, ("a", "비밀")),
        (pair('"a"', "'s'"), None, {}, ("a", "s")),
        (pair("`a`", '" s "'), None, {}, ("a", "s")),
        (pair('"a" ; note', "'s'# note"), None, {}, ("a", "s")),
        (pair("a # note", "s\t; note ' of mine"), None, {}, ("a", "s")),
        (pair("a#b", "s;t#u"), None, {}, ("a#b", "s;t#u")),
        (pair("a", '"s;t # u"'.replace(" ", "")), None, {}, ("a", "s;t#u")),
        ("ncloud_access_key_id: a\nncloud_secret_access_key:s=t:u", None, {}, ("a", "s=t:u")),
        ("export NCLOUD_ACCESS_KEY_ID=a\nexport\tNCLOUD_SECRET_ACCESS_KEY='s'", None, {}, ("a", "s")),
        ('"ncloud_access_key_id" = a\nncloud_secret_access_key = s', None, {}, ("a", "s")),
        (f"[default]\n{pair('a', 's')}", None, {}, ("a", "s")),
        (f"[Default] # mine\n{pair('a', 's')}", "default", {}, ("a", "s")),
        (f"[default]\n{pair('a', 's')}", "DEFAULT", {}, ("a", "s")),
        (
            f"[x]\n{pair('x', 'x')}[dEFAULT]\n{pair('a', 's')}",
            None,
            {"NCLOUD_PROFILE": "Default"},
            ("a", "s"),
        ),
        (f"[prod] ; mine\n{pair('a', 's')}", "prod", {}, ("a", "s")),
        (f"[Prod]\n{pair('b', 't')}[prod]\n{pair('a', 's')}", "prod", {}, ("a", "s")),
        (f"[prod]\n{pair('a', 's')}", None, {"NCLOUD_PROFILE": " prod "}, ("a", "s")),
        (("# 메모\n" + pair("a", "s")).encode("cp949"), None, {}, ("a", "s")),
        (pair("a # 내 키", "s").encode("cp949"), None, {}, ("a", "s")),
        ("# 옛 메모\n".encode("cp949") + pair("a", "비밀").encode(), None, {}, ("a", "비밀")),
        (
            "# note é\n".encode("latin-1") + b"# \xff\xfe\x80\n" + pair("a", "s").encode(),
            None,
            {},
            ("a", "s"),
        ),
        (pair("a", "s").encode("utf-16"), None, {}, ("a", "s")),
        ("\ufeff[DEFAULT]\n" + pair("a", "s"), None, {}, ("a", "s")),
        ("# one file\n\ufeff" + pair("a", "s") + "\ufeff[x]", None, {}, ("a", "s")),
        (pair("a", "s").replace("\n", "\r"), None, {}, ("a", "s")),
    ],
)
async def test_a_profile_is_read(chain, configure, text, profile, environ, keys):
    configure(text)
    assert await chain(environ, profile=profile).get() == Credentials(*keys)


@pytest.mark.parametrize(
    ("profile", "environ"),
    [("absent", {}), (None, {"NCLOUD_PROFILE": "absent"}), ("absent", {"NCLOUD_PROFILE": "prod"})],
)
async def test_a_profile_asked_for_by_name_must_be_there(chain, configure, metadata, profile, environ):
    configure(ABOVE_AND_BELOW)
    text = await failure_of(chain(environ, profile=profile, fetch=metadata).get())
    assert "absent" in text
    assert str(Path(".ncloud") / "configure") in text
    assert metadata.urls == []


async def test_a_profile_asked_for_by_name_needs_the_file(chain, metadata):
    assert "prod" in await failure_of(chain(profile="prod", fetch=metadata).get())
    assert metadata.urls == []


async def test_a_profile_asked_for_by_name_must_be_whole(chain, configure, metadata):
    configure("[prod]\nncloud_access_key_id = a\n")
    assert "prod" in await failure_of(chain(profile="prod", fetch=metadata).get())


async def test_half_a_default_profile_warns_and_goes_on(chain, configure, metadata, caplog):
    configure("ncloud_secret_access_key = half-value\n")
    assert (await chain(fetch=metadata).get()).access_key == "role-access-1"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "half-value" not in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe\x00",
        pair("spaced access", "secret-value"),
        pair("한글", "secret-value"),
        pair("spaced access", "secret-value # not the access key"),
        pair("access", '"secret-value'),
        pair("access", "secret-value'"),
        pair("access", '"secret-value" secret-value'),
        pair("access", "“secret-value”"),
        pair("access", "secret-value\u200b"),
        pair("access", "secret-valueé").encode("latin-1") + b"\xff",
    ],
)
async def test_a_malformed_file_names_itself_and_no_value(chain, configure, text):
    configure(text)
    problem = await failure_of(chain().get())
    assert "configure" in problem
    assert "secret-value" not in problem
    assert "spaced access" not in problem


@pytest.mark.parametrize("environ", [{}, {"NCLOUD_PROFILE": "prod"}])
async def test_a_file_that_can_not_be_read_warns_and_goes_on_unless_asked_for(
    chain, metadata, tmp_path, caplog, environ
):
    (tmp_path / ".ncloud" / "configure").mkdir(parents=True)
    keys = chain(environ, fetch=metadata)
    if environ:
        assert "can't be read: Is a directory" in await failure_of(keys.get())
        return
    assert (await keys.get()).access_key == "role-access-1"
    assert "can't be read: Is a directory; trying the next source" in caplog.text


@pytest.mark.parametrize(
    ("environ", "profile", "document"),
    [
        ({"NCLOUD_ACCESS_KEY": "a", "NCLOUD_SECRET_KEY": "'s3cret'"}, None, {}),
        ({"NCLOUD_SECRET_KEY": "s3cret"}, None, {"Code": "Failed"}),
        ({"NCLOUD_SECRET_KEY": "s3cret"}, "absent", {}),
        ({}, "half", {}),
        ({}, "odd", {}),
        ({}, None, {"SecretAccessKey": "'s3cret'"}),
        ({}, None, {"Token": "s3cret"}),
    ],
)
async def test_no_frame_of_ours_that_an_error_passes_through_holds_keys(
    chain, configure, metadata, environ, profile, document
):
    whole = pair("a", "s3cret")
    configure(f"[half]\nncloud_secret_access_key = s3cret\n[other]\n{whole}[odd]\n{pair('a', 's3cret`')}")
    metadata.broken = json.dumps({"AccessKeyId": "a", "SecretAccessKey": "s3cret"} | document)
    source = chain(environ, profile=profile, fetch=metadata)
    with pytest.raises(CredentialsError) as caught:
        await KeyFetcher(source, metadata.clock).current()
    error = caught.value
    assert error.__cause__ is error.__context__ is None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "dataflow_async" in frame.f_globals["__name__"]:
            assert "s3cret" not in repr(frame.f_locals)
    with pytest.raises(CredentialsError) as caught:
        await source.get()
    for frame, _ in list(traceback.walk_tb(caught.value.__traceback__))[1:]:
        assert "s3cret" not in repr(frame.f_locals)


async def test_a_user_without_a_home_directory_has_no_file(clock, metadata, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", staticmethod(no_home))
    keys = await CredentialsChain(clock=clock, fetch=metadata, environ={}).get()
    assert keys.access_key == "role-access-1"


async def test_the_file_is_in_the_home_directory(configure, tmp_path, monkeypatch):
    configure(pair("home-access", "s"))
    monkeypatch.setattr(Path, "home", staticmethod(lambda: tmp_path))
    assert (await CredentialsChain(environ={}, fetch=no_server).get()).access_key == "home-access"


# --- server role (83) --------------------------------------------------------------------------------------


async def test_role_keys_are_asked_for_in_two_steps(chain, metadata):
    assert await chain(fetch=metadata).get() == Credentials("role-access-1", "role-secret-1")
    assert METADATA_HOST == "http://169.254.169.254"
    assert metadata.urls == [METADATA_HOST + ROLES, METADATA_HOST + ROLES + "role-1"]


async def test_the_first_role_counts(chain, metadata):
    metadata.roles = "first-role\nsecond-role\n"
    await chain(fetch=metadata).get()
    assert metadata.urls[-1].endswith(ROLES + "first-role")


@pytest.mark.parametrize("status", [404, 403, 405])
async def test_no_role_is_no_source(chain, metadata, status):
    metadata.status = status
    text = await failure_of(chain(fetch=metadata).get())
    assert "no credentials found" in text
    assert str(status) in text
    assert len(metadata.urls) == 1


@pytest.mark.parametrize("roles", ["", "\n \n"])
async def test_an_empty_list_of_roles_is_no_source(chain, metadata, roles):
    metadata.roles = roles
    assert "server role" in await failure_of(chain(fetch=metadata).get())


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({"NCLOUD_METADATA_API_ENDPOINT": "http://10.1.1.1:90"}, "http://10.1.1.1:90"),
        ({"NCLOUD_METADATA_ENDPOINT": "http://10.1.1.2/"}, "http://10.1.1.2"),
        ({"NCLOUD_METADATA_ENDPOINT": "10.1.1.3"}, "http://10.1.1.3"),
        ({"NCLOUD_METADATA_API_ENDPOINT": " ", "NCLOUD_METADATA_ENDPOINT": "http://b"}, "http://b"),
    ],
)
async def test_the_host_of_the_endpoint_can_be_named(chain, metadata, environ, host):
    await chain(environ, fetch=metadata).get()
    assert metadata.urls == [host + ROLES, host + ROLES + "role-1"]


async def test_keys_are_remembered_until_15_minutes_before_they_expire(chain, metadata, clock):
    keys = chain(fetch=metadata)
    await keys.get()
    clock.now += 3600 - 901
    assert (await keys.get()).access_key == "role-access-1"
    clock.now += 2
    assert (await keys.get()).access_key == "role-access-1"
    await settled()
    assert (await keys.get()).access_key == "role-access-2"
    assert metadata.issued == 2


@pytest.mark.parametrize("broken", [OSError("no route"), 500, 404, "{", json.dumps({"Code": "Failed"})])
async def test_a_renewal_that_fails_keeps_old_keys_while_they_are_good(
    chain, metadata, clock, caplog, broken
):
    keys = chain(fetch=metadata)
    await keys.get()
    metadata.broken = broken
    clock.now += 3600 - 899
    assert (await keys.get()).access_key == "role-access-1"
    assert "role-secret" not in caplog.text
    clock.now += 599 - 1
    assert (await keys.get()).access_key == "role-access-1"
    clock.now += 2
    assert "role-1" in await failure_of(keys.get())
    metadata.broken = None
    assert (await keys.get()).access_key == "role-access-2"


async def test_a_failing_endpoint_is_not_asked_at_every_call(chain, metadata, clock):
    keys = chain(fetch=metadata)
    await keys.get()
    metadata.broken = 500
    clock.now += 3600 - 600
    for _ in range(50):
        await keys.get()
        await settled()
    assert len(metadata.urls) == 3
    clock.now += 31
    await keys.get()
    await settled()
    assert len(metadata.urls) == 4


@pytest.mark.parametrize(("within", "served"), [(600, "role-access-1"), (299, "role-access-2")])
async def test_a_hundred_calls_make_one_renewal(chain, metadata, clock, within, served):
    keys = chain(fetch=metadata)
    assert len({(await keys.get()).access_key for _ in range(3)}) == 1
    clock.now += 3600 - within
    got = await asyncio.gather(*(keys.get() for _ in range(100)))
    assert {pair_.access_key for pair_ in got} == {served}
    await settled()
    assert (await keys.get()).access_key == "role-access-2"
    assert metadata.issued == 2


async def test_keys_that_come_near_their_end_are_asked_for_once_and_not_per_call(chain, metadata, clock):
    metadata.lifetime = 240
    keys = chain(fetch=metadata)
    for _ in range(1000):
        await keys.get()
        await settled()
    assert metadata.issued == 1
    clock.now += 31
    assert (await keys.get()).access_key == "role-access-2"


async def test_nobody_waits_for_a_slow_endpoint_while_old_keys_are_good(chain, metadata, clock):
    keys = chain(fetch=metadata)
    await keys.get()
    metadata.stalls = asyncio.Event()
    clock.now += 3600 - 301
    for _ in range(10):
        assert (await keys.get()).access_key == "role-access-1"
        await settled()
    assert len(metadata.urls) == 3
    clock.now += 2
    waiting = [asyncio.create_task(keys.get()) for _ in range(10)]
    await settled()
    assert not any(task.done() for task in waiting)
    waiting[0].cancel()
    metadata.stalls.set()
    assert {keys.access_key for keys in await asyncio.gather(*waiting[1:])} == {"role-access-2"}
    assert len(metadata.urls) == 3


async def test_closing_ends_a_renewal_and_the_chain_works_on(chain, metadata, clock):
    keys = chain(fetch=metadata)
    await keys.get()
    metadata.stalls = asyncio.Event()
    clock.now += 3600 - 600
    await keys.get()
    await settled()
    await keys.aclose()
    assert len(asyncio.all_tasks()) == 1
    metadata.stalls.set()
    clock.now += 301
    assert (await keys.get()).access_key == "role-access-2"


async def test_a_hundred_first_calls_make_one_search(chain, metadata):
    keys = chain(fetch=metadata)
    await asyncio.gather(*(keys.get() for _ in range(100)))
    assert len(metadata.urls) == 2


async def test_a_caller_that_gives_up_does_not_stop_the_others(chain, metadata):
    keys = chain(fetch=metadata)
    tasks = [asyncio.create_task(keys.get()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    others = await asyncio.gather(*tasks[1:])
    assert {pair_.access_key for pair_ in others} == {f"role-access-{metadata.issued}"}


@pytest.mark.parametrize("lost", [1, 2])
async def test_one_lost_packet_of_the_endpoint_is_asked_again(chain, metadata, lost):
    count = itertools.count(1)

    async def lossy(url):
        if next(count) == lost:
            raise OSError("no answer within 3 s")
        return await metadata(url)

    assert (await chain(fetch=lossy).get()).access_key == "role-access-1"


async def test_an_endpoint_that_is_not_there_is_asked_twice_and_no_more(chain):
    urls = []

    async def dead(url):
        urls.append(url)
        raise OSError("no route to host")

    assert "no route" in await failure_of(chain(fetch=dead).get())
    assert len(urls) == 2


async def test_a_role_that_was_replaced_is_found_again(chain, metadata, clock):
    keys = chain(fetch=metadata)
    stale = await keys.get()
    metadata.roles = metadata.only = "role-2"
    assert (await keys.renew(stale)).access_key == "role-access-2"
    assert metadata.urls[-3:] == [METADATA_HOST + ROLES + name for name in ("role-1", "", "role-2")]


@warped
async def test_an_endpoint_that_hangs_is_bounded_and_asked_again(tmp_path):
    async def hanging(url):
        await asyncio.Event().wait()

    began = asyncio.get_running_loop().time()
    chain = CredentialsChain(clock=LoopClock(), fetch=hanging, environ={}, home=tmp_path)
    assert "no answer within 3 s" in await failure_of(chain.get())
    assert asyncio.get_running_loop().time() - began == 7


@pytest.mark.parametrize("roles", ["<html>captive portal</html>", '{"message": "no"}'])
async def test_an_answer_that_lists_no_roles_is_no_source(chain, metadata, roles):
    metadata.roles = roles
    assert "lists no roles" in await failure_of(chain(fetch=metadata).get())
    assert len(metadata.urls) == 1


@pytest.mark.parametrize(
    "foreign",
    [
        {"Type": "AWS-HMAC", "Token": "secret-value"},
        {"Type": "AWS-HMAC"},
        {"Token": "secret-value"},
        {"SecurityToken": "secret-value"},
        {"token": "secret-value"},
    ],
)
async def test_keys_of_another_cloud_are_refused(chain, metadata, foreign):
    metadata.broken = json.dumps(DOCUMENT | {"Message": "", "LastUpdated": "2026-11-01T00:00:00Z"} | foreign)
    problem = await failure_of(chain(fetch=metadata).get())
    assert "another cloud (AWS)" in problem
    assert "secret-value" not in problem


async def test_a_search_that_failed_begins_anew(chain, metadata):
    environ = {"HOME": "/nonexistent"}
    keys = chain(environ, fetch=metadata)
    metadata.broken = json.dumps(DOCUMENT | {"Type": "AWS-HMAC"})
    await failure_of(keys.get())
    environ |= LONG
    assert (await keys.get()).access_key == "env-access"


@pytest.mark.parametrize("member", [{"Token": None}, {"Token": ""}, {"Type": "NCP"}, {"Type": None}])
async def test_what_does_not_make_keys_foreign(chain, metadata, member):
    metadata.broken = json.dumps(DOCUMENT | {"Message": ""} | member)
    assert (await chain(fetch=metadata).get()).access_key == "role-access"


DOCUMENT = {
    "Code": "Success",
    "AccessKeyId": "role-access",
    "SecretAccessKey": "secret-value",
    "Message": "secret-value",
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"secret-value"',
        "null",
        "<html>secret-value</html>",
        json.dumps(DOCUMENT | {"Code": "Failed"}),
        json.dumps(DOCUMENT | {"AccessKeyId": None}),
        json.dumps(DOCUMENT | {"AccessKeyId": 5}),
        json.dumps(DOCUMENT | {"AccessKeyId": ""}),
        json.dumps(DOCUMENT | {"AccessKeyId": "two words secret-value"}),
        json.dumps(DOCUMENT | {"SecretAccessKey": ""}),
        json.dumps(
            {name: text for name, text in DOCUMENT.items() if name != "SecretAccessKey"} | {"Message": ""}
        ),
        "[" * 100_000,
    ],
    ids=lambda text: text[:40] or "empty",
)
async def test_a_role_answer_that_is_malformed_names_the_role_and_no_value(chain, metadata, text):
    metadata.broken = text
    problem = await failure_of(chain(fetch=metadata).get())
    assert "role-1" in problem
    assert "secret-value" not in problem


@pytest.mark.parametrize("expiration", [None, "", "soon", 1793462400, "2026-13-01T00:00:00Z"])
async def test_an_expiry_that_can_not_be_read_is_taken_for_near(chain, metadata, clock, expiration):
    metadata.broken = json.dumps(DOCUMENT | {"Expiration": expiration})
    keys = chain(fetch=metadata)
    assert (await keys.get()).access_key == "role-access"
    assert (await keys.get()).access_key == "role-access"
    assert len(metadata.urls) == 2
    clock.now += 3600
    await keys.get()
    assert len(metadata.urls) == 3


async def test_refused_keys_are_renewed_before_their_time(chain, metadata):
    keys = chain(fetch=metadata)
    stale = await keys.get()
    assert (await keys.renew(stale)).access_key == "role-access-2"
    assert (await keys.renew(stale)).access_key == "role-access-2"


async def test_refused_keys_of_the_environment_are_looked_up_again(chain):
    environ = dict(LONG)
    keys = chain(environ)
    stale = await keys.get()
    environ["NCLOUD_SECRET_ACCESS_KEY"] = "rotated"
    assert await keys.get() == stale
    assert (await keys.renew(stale)).secret_key == "rotated"


async def test_the_endpoint_has_three_seconds(monkeypatch):
    assert defaults.METADATA_TIMEOUT == 3.0
    monkeypatch.setattr(defaults, "METADATA_TIMEOUT", 0.05)
    stop = asyncio.Event()

    async def silent(_reader, writer):
        await stop.wait()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    host = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    chain = CredentialsChain(environ={"NCLOUD_METADATA_API_ENDPOINT": host}, home=Path("/nonexistent"))
    text = await failure_of(chain.get())
    stop.set()
    listener.close()
    assert "0.05 s" in text


async def test_a_real_endpoint_gives_keys_to_a_real_call(monkeypatch, tmp_path, clock):
    monkeypatch.setattr(Path, "home", staticmethod(lambda: tmp_path))
    for name in (*LONG, *SHORT, "NCLOUD_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    clock.now = time.time()
    document = Metadata(clock).document()
    async with scripted(answer(200, "role-1\n"), answer(200, document)) as endpoint:
        monkeypatch.setenv("NCLOUD_METADATA_API_ENDPOINT", endpoint.url)
        async with scripted(answer(200, {"list": []})) as server, DataFlow(base_url=server.url) as flow:
            await flow.jobs.page()
            await flow.jobs.page()
        assert endpoint.targets == [ROLES, ROLES + "role-1"]
        assert [request.headers["x-ncp-iam-access-key"] for request in server.received] == [
            "role-access-0"
        ] * 2
        for request in endpoint.received:
            assert request.method == "GET"
            assert not [name for name in request.headers if name.startswith("x-ncp") or "token" in name]


async def test_the_endpoint_is_not_asked_through_redirects(monkeypatch, tmp_path):
    async with scripted(answer(200, "elsewhere")) as other:
        redirect = answer(302, b"", Location=other.url)
        async with scripted(redirect) as endpoint:
            environ = {"NCLOUD_METADATA_ENDPOINT": endpoint.url}
            assert "302" in await failure_of(CredentialsChain(environ=environ, home=tmp_path).get())
        assert other.received == []


# --- what else is in the environment (84) ------------------------------------------------------------------


async def test_the_main_gateway_is_not_data_flow(monkeypatch, configure, tmp_path):
    monkeypatch.setenv("NCLOUD_API_GW", "https://ncloud.apigw.ntruss.com")
    monkeypatch.delenv("NCLOUD_DATAFLOW_URL", raising=False)
    configure(pair("a", "s") + "ncloud_api_url = https://ncloud.apigw.ntruss.com\n")
    monkeypatch.setattr(Path, "home", staticmethod(lambda: tmp_path))
    async with DataFlow() as flow:
        assert repr(flow) == "<DataFlow https://dataflow.apigw.ntruss.com>"


# --- errors and values -------------------------------------------------------------------------------------


async def test_an_error_lists_every_source_tried_and_no_value(chain, configure):
    configure("ncloud_access_key_id = file-value\n")
    text = await failure_of(chain({"NCLOUD_SECRET_KEY": "env-value"}).get())
    for source in (
        "environment",
        "NCLOUD_SECRET_KEY",
        "NCLOUD_ACCESS_KEY_ID",
        "configure",
        "169.254.169.254",
        "no route",
    ):
        assert source in text
    assert "file-value" not in text
    assert "env-value" not in text


@pytest.mark.parametrize(
    ("access", "secret"),
    [
        ("", "s3cret"),
        ("two words", "s3cret"),
        ("키키키", "s3cret"),
        ("line\nbreak", "s3cret"),
        (None, "s3cret"),
        (b"bytes", "s3cret"),
        ("access", ""),
        ("access", "  "),
        ("access", None),
        ("access", b"s3cret"),
        ("access", "s3cret\ud800"),
        ("access\n", "s3cret"),
        ("access\x00", "s3cret"),
        ('"access"', "s3cret"),
        ("acc'ess", "s3cret"),
        ("acc\u200bess", "s3cret"),
        ("access\u2026", "s3cret"),
        ("access", "s3cret\n"),
        ("access", "s3cret\r\n"),
        ("access", " s3cret"),
        ("access", "s3cret\u00a0"),
        ("access", "s3\tcret"),
        ("access", "s3cret\u2028"),
        ("access", "s3cret\x85"),
        ("access", '"s3cret"'),
        ("access", "'s3cret'"),
        ("access", "s3cret`"),
        ("access", "\u201cs3cret\u201d"),
        ("access", "\uff07s3cret"),
        ("access", "s3cret\u200b"),
        ("access", "\ufeffs3cret"),
        ("access", "s3\u00adcret"),
        ("access", "s3\u2060cret"),
        ("access", "s3\u034fcret"),
        ("access", "s3cret\ufe0f"),
        ("access", "s3cret\u3164"),
        ("access", "s3cret\u115f"),
        ("access", "s3cret\x7f"),
        ("access", "\ufffds3cret"),
        (Credentials, "s3cret"),
        ("access", {"secret": "s3cret"}),
    ],
)
def test_keys_that_can_not_be_keys_are_refused_without_showing_them(access, secret):
    with pytest.raises(CredentialsError, match=r"^(access|secret)_key must be .* got ") as caught:
        Credentials(access, secret)
    frame = list(traceback.walk_tb(caught.value.__traceback__))[-1][0]
    assert "s3cret" not in repr({**frame.f_locals, "self": None})
    text = "".join(traceback.format_exception(caught.value)).replace("Credentials(access, secret)", "")
    assert "s3cret" not in text
    assert "two words" not in text


def test_keys_do_not_show_their_secret():
    keys = Credentials("AK7Qm2Rt9Zc4", "s3cret-value")
    for text in (repr(keys), str(keys), f"{keys}", f"{keys!r}", "%s" % keys, repr([keys]), repr({"k": keys})):  # noqa: UP031
        assert "s3cret" not in text
        assert "AK7Qm2Rt9Zc4" not in text


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_keys_can_not_be_pickled(protocol):
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(Credentials("a", "s3cret-value"), protocol)


def test_keys_are_values():
    keys = Credentials("a", "s")
    assert keys == Credentials("a", "s")
    assert keys != Credentials("a", "t")
    assert hash(keys) == hash(Credentials("a", "s"))
    assert copy.copy(keys) == copy.deepcopy(keys) == keys
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        keys.secret_key = "t"


async def test_keys_are_a_source_of_themselves():
    keys = Credentials("a", "s")
    assert await keys.get() is keys


@pytest.mark.parametrize("source", [5, "key", ("a", "s"), object()])
def test_what_gives_no_keys_is_no_source(source):
    with pytest.raises(Exception, match="credentials") as caught:
        DataFlow(source)
    assert type(caught.value).__name__ == "InvalidRequest"


class Leaky:
    """A source of the user's own that fails with the secret in its words."""

    async def get(self):
        raise ValueError("s3cret-value is wrong")


async def test_a_source_that_fails_is_named_and_not_quoted():
    async with DataFlow(Leaky()) as flow:
        problem = await failure_of(flow.jobs.page())
    assert "Leaky" in problem
    assert "s3cret-value" not in problem


async def test_an_endless_answer_of_the_role_endpoint_is_not_read():
    async with scripted(answer(200, b"r" * (defaults.MAX_METADATA_BODY + 1))) as server:
        with pytest.raises(CredentialsError, match="an answer of more than 65536 bytes") as caught:
            await CredentialsChain(
                environ={"NCLOUD_METADATA_ENDPOINT": server.url}, home=Path("/nonexistent")
            ).get()
    assert len(str(caught.value)) < 1000
