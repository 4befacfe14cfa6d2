"""Connections: what they say, how often they are looked up, and that no key is shown."""

import asyncio
import threading
import traceback
from types import SimpleNamespace

import pytest

from dataflow_async import Credentials, CredentialsError, defaults
from dataflow_async.airflow.connections import Connections, ConnectionSettings, key_source
from dataflow_async.credentials import CredentialsChain
from tests.support.clocks import LeapClock

SECRET = "q8ZkSecret0Lx"


def connection(**members):
    return SimpleNamespace(
        **{
            "conn_id": "etl",
            "host": None,
            "port": None,
            "login": "AK7Qm2",
            "password": SECRET,
            "extra": None,
            **members,
        }
    )


class LookUps:
    """Airflow's side: counts look-ups, answers with what is there at that moment."""

    def __init__(self, *answers):
        self.answers = [*answers] or [connection()]
        self.begun = 0
        self.clock = LeapClock()
        self.connections = Connections(self.fetch, self.afetch, clock=self.clock)

    def fetch(self, conn_id):
        self.begun += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def afetch(self, conn_id):
        await asyncio.sleep(0)
        return self.fetch(conn_id)


# --- what a connection says --------------------------------------------------------------------------------


def test_all_members_are_read():
    extra = (
        '{"base_url": "https://gov.example", "profile": "night", "allow_insecure_http": "true", "more": 1}'
    )
    settings = ConnectionSettings.of(connection(extra=extra))
    assert settings == ConnectionSettings(
        "etl", Credentials("AK7Qm2", SECRET), "https://gov.example", "night", allow_insecure_http=True
    )


@pytest.mark.parametrize(
    ("members", "address"),
    [
        ({}, None),
        ({"host": "dataflow.example"}, "https://dataflow.example"),
        ({"host": "http://127.0.0.1", "port": 8500}, "http://127.0.0.1:8500"),
        ({"host": "other.example", "extra": '{"base_url": "https://one.example"}'}, "https://one.example"),
        ({"extra": '{"base_url": ""}'}, None),
        ({"extra": {"base_url": "https://one.example"}}, "https://one.example"),
    ],
)
def test_the_address_is_that_of_the_extra_field_or_of_the_host(members, address):
    assert ConnectionSettings.of(connection(**members)).base_url == address


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"password": None}, "must have a login (access key) and a password (secret key), or neither"),
        ({"login": ""}, "must have a login (access key) and a password (secret key), or neither"),
        ({"password": SECRET + " "}, "secret_key must be text without spaces"),
        ({"extra": "{"}, "the extra field of connection 'etl' must be a JSON object"),
        ({"extra": "[1]"}, "must be a JSON object"),
        ({"extra": '{"base_url": 5}'}, "base_url in the extra field of connection 'etl' must be text, got 5"),
        ({"extra": '{"allow_insecure_http": "maybe"}'}, "must be true or false, got 'maybe'"),
    ],
)
def test_a_malformed_connection_is_refused_by_its_name(members, words):
    with pytest.raises(CredentialsError) as refused:
        ConnectionSettings.of(connection(**members))
    assert "'etl'" in str(refused.value)
    assert words in str(refused.value)
    for frame, _ in traceback.walk_tb(refused.tb):  # the frames that tools print
        if frame.f_code.co_filename.endswith("airflow/connections.py"):
            assert SECRET not in repr(frame.f_locals)


def test_no_key_is_shown():
    assert SECRET not in repr(ConnectionSettings.of(connection()))


# --- look-ups ----------------------------------------------------------------------------------------------


async def test_a_thousand_triggers_look_a_connection_up_once():
    airflow = LookUps()
    found = await asyncio.gather(*(airflow.connections.aget("etl") for _ in range(1000)))
    assert airflow.begun == 1
    assert {id(settings) for settings in found} == {id(found[0])}
    assert await airflow.connections.aget("etl") is found[0]
    assert airflow.connections.get("etl") is found[0]
    assert airflow.begun == 1


async def test_each_connection_is_looked_up():
    airflow = LookUps(connection(), connection(conn_id="other"))
    await asyncio.gather(*(airflow.connections.aget(name) for name in ("etl", "other") * 5))
    assert airflow.begun == 2


async def test_a_fetch_is_repeated_after_a_while():
    airflow = LookUps()
    await airflow.connections.aget("etl")
    await airflow.clock.sleep(299)
    await airflow.connections.aget("etl")
    assert airflow.begun == 1
    await airflow.clock.sleep(2)
    await airflow.connections.aget("etl")
    assert airflow.begun == 2


def test_threads_of_a_worker_share_a_fetch():
    airflow, release = LookUps(), threading.Event()

    def fetch(conn_id):
        begun.append(conn_id)
        release.wait()
        return connection()

    def get():
        entered.release()
        connections.get("etl")

    begun, entered = [], threading.Semaphore(0)
    connections = Connections(fetch, airflow.afetch)
    threads = [threading.Thread(target=get) for _ in range(20)]
    for thread in threads:
        thread.start()
    for _ in threads:
        entered.acquire()
    release.set()
    for thread in threads:
        thread.join()
    assert begun == ["etl"]


async def test_without_a_connection_nothing_is_looked_up():
    airflow = LookUps()
    assert await airflow.connections.aget(None) == airflow.connections.get(None) == ConnectionSettings()
    assert airflow.begun == 0


async def test_a_triggerer_repeats_fetchs_that_fail():
    airflow = LookUps(RuntimeError("not defined"), RuntimeError("not defined"), connection())
    assert (await airflow.connections.aget("etl")).keys == Credentials("AK7Qm2", SECRET)
    assert (airflow.begun, airflow.clock.naps) == (3, [1, 2])


async def test_a_connection_that_is_not_there_is_an_error_that_says_what_to_do():
    airflow = LookUps(RuntimeError("The conn_id `etl` isn't defined"))
    with pytest.raises(CredentialsError, match="define it in Airflow, or pass conn_id=None"):
        await airflow.connections.aget("etl")
    assert (airflow.begun, sum(airflow.clock.naps)) == (6, 30)
    with pytest.raises(CredentialsError, match=r"connection 'etl' can't be looked up \(RuntimeError"):
        airflow.connections.get("etl")


async def test_a_supervisor_that_answers_nothing_does_not_hold_a_trigger_for_ever(monkeypatch):
    monkeypatch.setattr(defaults, "CONNECTION_TIMEOUT", 0.001)
    begun = []

    async def silent(conn_id):
        begun.append(conn_id)
        await asyncio.get_running_loop().create_future()

    connections = Connections(LookUps().fetch, silent, clock=LeapClock())
    with pytest.raises(CredentialsError, match=r"can't be looked up \(TimeoutError: no answer in time\)"):
        await connections.aget("etl")
    assert len(begun) == 6


@pytest.mark.parametrize("conn_id", [7, "", b"etl"])
async def test_an_id_that_is_none_is_refused(conn_id):
    airflow = LookUps()
    with pytest.raises(CredentialsError, match="conn_id must be the id of a connection, or None, got "):
        await airflow.connections.aget(conn_id)
    with pytest.raises(CredentialsError, match="conn_id must be"):
        airflow.connections.get(conn_id)
    assert airflow.begun == 0


@pytest.mark.parametrize("error", [PermissionError("denied"), connection(login=None)])
async def test_what_does_not_pass_is_not_repeated(error):
    airflow = LookUps(error)
    with pytest.raises(CredentialsError):
        await airflow.connections.aget("etl")
    assert airflow.begun == 1


async def test_a_process_that_was_forked_looks_up_for_itself():
    airflow = LookUps()
    await airflow.connections.aget("etl")
    airflow.connections.forget()
    await airflow.connections.aget("etl")
    assert airflow.begun == 2


# --- keys --------------------------------------------------------------------------------------------------


async def test_rotated_keys_are_looked_up_once_after_they_were_refused():
    airflow = LookUps(connection(), connection(login="NEW", password="NewSecret"))
    settings = await airflow.connections.aget("etl")
    sources = [key_source(airflow.connections, settings) for _ in range(50)]
    refused = await sources[0].get()
    assert refused == Credentials("AK7Qm2", SECRET)
    found = await asyncio.gather(*(source.renew(refused) for source in sources))
    assert set(found) == {Credentials("NEW", "NewSecret")}
    assert airflow.begun == 2
    assert await sources[0].get() == found[0]
    late = key_source(airflow.connections, settings)
    assert await late.renew(refused) == found[0]  # the keys that it was refused are replaced already
    assert airflow.begun == 2


async def test_keys_that_a_connection_has_lost_are_an_error():
    airflow = LookUps(connection(), connection(login=None, password=None))
    source = key_source(airflow.connections, await airflow.connections.aget("etl"))
    with pytest.raises(CredentialsError, match="'etl' has no login and password any more"):
        await source.renew(await source.get())


def test_without_keys_the_profile_or_the_search_of_the_client_is_used():
    connections = LookUps().connections
    assert key_source(connections, ConnectionSettings("etl")) is None
    assert isinstance(key_source(connections, ConnectionSettings("etl", profile="night")), CredentialsChain)
