"""Shared clients: one for each loop and connection, counted, closed with the last user, cancelled or not."""

import asyncio
import gc
import weakref
from contextvars import ContextVar

import pytest

from dataflow_async import CredentialsError
from dataflow_async.airflow.clients import Clients
from dataflow_async.emulator import Emulator

WHO = ContextVar("WHO", default="nobody")


class Client:
    """Stands for a client that only opens and closes."""

    def __init__(self):
        self.closed = 0
        self.closing = asyncio.Event()
        self.closing.set()

    async def aclose(self):
        await self.closing.wait()
        self.closed += 1


class Factory:
    """Makes clients; each opens when ``release`` is set."""

    def __init__(self):
        self.made = []
        self.begun = self.cancelled = 0
        self.release = asyncio.Event()
        self.release.set()
        self.contexts = []
        self.clients = Clients(self)

    async def __call__(self, conn_id):
        self.begun += 1
        self.contexts.append(WHO.get())
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.made.append(Client())
        return self.made[-1]


async def turns(count=8):
    for _ in range(count):
        await asyncio.sleep(0)


async def use(factory, until, conn_id="etl"):
    async with factory.clients.use(conn_id) as flow:
        await until.wait()
        return flow


async def test_a_thousand_users_share_a_client_that_the_last_one_closes():
    factory, until = Factory(), asyncio.Event()
    WHO.set("the first task")
    tasks = [asyncio.create_task(use(factory, until)) for _ in range(1000)]
    await turns()
    assert factory.clients.users == {"etl": 1000}
    for task in tasks[1:]:
        task.cancel()
    await turns()
    assert factory.clients.users == {"etl": 1}
    assert factory.made[0].closed == 0
    until.set()
    assert await tasks[0] is factory.made[0]
    assert factory.made[0].closed == 1
    assert factory.clients.users == {}
    assert factory.contexts == ["nobody"]


async def test_connections_have_clients_of_their_own():
    factory, until = Factory(), asyncio.Event()
    tasks = [asyncio.create_task(use(factory, until, name)) for name in ("one", "two", None, "one")]
    await turns()
    assert factory.clients.users == {"one": 2, "two": 1, None: 1}
    until.set()
    await asyncio.gather(*tasks)
    assert [client.closed for client in factory.made] == [1, 1, 1]


async def test_a_connection_that_has_changed_has_another_client_for_whoever_comes_then():
    factory, until, address = Factory(), asyncio.Event(), ["one"]

    async def settings(conn_id):
        return address[0]

    factory.clients = Clients(factory, settings)
    first = [asyncio.create_task(use(factory, until)) for _ in range(2)]
    await turns()
    address[0] = "two"
    later = asyncio.create_task(use(factory, until))
    await turns()
    assert factory.clients.users == {"etl": 3}
    until.set()
    assert [await task for task in (*first, later)] == [factory.made[0], factory.made[0], factory.made[1]]
    assert [client.closed for client in factory.made] == [1, 1]
    assert factory.clients.users == {}


async def test_the_next_user_after_the_last_one_gets_a_new_client():
    factory = Factory()
    for count in (1, 2, 3):
        async with factory.clients.use("etl"):
            assert len(factory.made) == count
    assert [client.closed for client in factory.made] == [1, 1, 1]


async def test_a_user_that_comes_while_the_client_closes_gets_another_one():
    factory, until = Factory(), asyncio.Event()
    first = asyncio.create_task(use(factory, until))
    await turns()
    factory.made[0].closing.clear()
    until.set()
    await turns()
    assert not first.done()
    async with factory.clients.use("etl") as flow:
        assert flow is factory.made[1]
    assert factory.made[0].closed == 0
    factory.made[0].closing.set()
    await first
    assert [client.closed for client in factory.made] == [1, 1]


async def test_an_opening_is_cancelled_with_its_last_user():
    factory, until = Factory(), asyncio.Event()
    factory.release.clear()
    tasks = [asyncio.create_task(use(factory, until)) for _ in range(3)]
    await turns()
    tasks[0].cancel()
    await turns()
    assert (factory.begun, factory.cancelled) == (1, 0)
    for task in tasks:
        task.cancel()
    await turns()
    assert (factory.begun, factory.cancelled) == (1, 1)
    assert factory.clients.users == {}
    factory.release.set()
    until.set()
    await use(factory, until)
    assert [client.closed for client in factory.made] == [1]


async def test_a_user_that_is_cancelled_when_the_client_has_just_opened_closes_it():
    factory, until = Factory(), asyncio.Event()
    factory.release.clear()
    task = asyncio.create_task(use(factory, until))
    await turns()
    factory.release.set()
    while not factory.made:
        await asyncio.sleep(0)
    task.cancel()
    await turns()
    assert task.cancelled()
    assert factory.made[0].closed == 1


async def test_a_user_that_is_cancelled_while_it_closes_the_client_does_not_stop_that():
    factory, until = Factory(), asyncio.Event()
    task = asyncio.create_task(use(factory, until))
    await turns()
    factory.made[0].closing.clear()
    until.set()
    await turns()
    task.cancel()
    await turns()
    assert task.cancelled()
    factory.made[0].closing.set()
    await turns()
    assert factory.made[0].closed == 1


async def test_a_client_that_can_not_be_closed_is_logged_and_hurts_nobody(caplog):
    factory, until = Factory(), asyncio.Event()

    async def broken():
        raise OSError("no")

    task = asyncio.create_task(use(factory, until))
    await turns()
    factory.made[0].aclose = broken
    until.set()
    assert await task is factory.made[0]
    assert "a client could not be closed: no" in caplog.text
    assert factory.clients.users == {}


async def test_each_user_gets_the_error_of_an_opening_and_the_next_one_tries_again():
    begun = []

    async def make(conn_id):
        begun.append(conn_id)
        await asyncio.sleep(0)
        if len(begun) == 1:
            raise CredentialsError("no such connection")
        return Client()

    factory = Factory()
    factory.clients = Clients(make)
    until = asyncio.Event()
    until.set()
    errors = await asyncio.gather(*(use(factory, until) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in errors] == ["no such connection"] * 3
    await use(factory, until)
    assert len(begun) == 2


async def test_a_user_that_comes_right_after_an_error_opens_a_client_of_its_own():
    begun, until, later = [], asyncio.Event(), []

    async def make(conn_id):
        begun.append(conn_id)
        if len(begun) > 1:
            return Client()
        await asyncio.sleep(0)
        later.append(asyncio.create_task(use(factory, until)))  # enters before the first user has left
        raise CredentialsError("no such connection")

    factory = Factory()
    factory.clients = Clients(make)
    with pytest.raises(CredentialsError):
        await use(factory, until)
    await turns()
    assert len(begun) == 2
    assert factory.clients.users == {"etl": 1}
    until.set()
    assert (await later[0]).closed == 1
    assert factory.clients.users == {}


def test_each_event_loop_has_a_client_of_its_own_also_after_one_that_was_closed_under_it():
    async def make(conn_id):
        return Client()

    clients = Clients(make)
    seen = []

    async def abandon():
        block = clients.use("etl")
        seen.append(await block.__aenter__())
        return block  # never left: its loop is closed first

    blocks = [asyncio.run(abandon()) for _ in range(3)]
    assert len({id(client) for client in seen}) == len(blocks)


async def test_a_client_of_the_emulator_is_open_in_the_block_and_closed_after_it():
    async with Emulator() as server:

        async def make(conn_id):
            return server.client()

        clients = Clients(make)
        async with clients.use(None) as flow:
            await flow.jobs.page()
        with pytest.raises(Exception, match="closed"):
            await flow.jobs.page()


def test_what_belongs_to_a_loop_that_was_closed_is_forgotten():
    """A loop may be closed while a client is in use, as where a worker is interrupted."""
    factory, loops = Factory(), []

    async def abandon():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        factory.release = asyncio.Event()
        factory.release.set()
        lent.append(factory.clients.use("etl"))
        await lent[0].__aenter__()

    lent = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(abandon())
    loop.close()
    del loop
    asyncio.run(use_once(factory))
    lent.clear()
    gc.collect()
    assert [loop() for loop in loops] == [None]


async def use_once(factory):
    factory.release = asyncio.Event()
    factory.release.set()
    async with factory.clients.use("etl"):
        pass
