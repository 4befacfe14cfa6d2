"""One signed, typed GET against its rivals: requests per second, and CPU per request.

Rivals, all on the same stub server, interleaved round by round so that noise meets all of them:

- bare: aiohttp GET and JSON, nothing else;
- hand-written: what a good engineer writes for one call on aiohttp: signed, parsed, typed, no safety;
- ours: ``flow.jobs.execution``: signed, typed, limited, repeated where that is safe, errors mapped;
- httpx: with a signing hook, JSON only; as it comes, and with a pool as large as the work.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import aiohttp
import attrs
import cattrs
import httpx
from cattrs.gen import make_dict_structure_fn, override

from benchmarks.instructions import Counted
from benchmarks.stub import stub_server
from dataflow_async import Credentials, DataFlow

try:
    from orjson import loads
except ImportError:
    from json import loads  # type: ignore[assignment]

ACCESS, SECRET = "AKIDEXAMPLE", "a-secret-of-some-length-0123456789"
PATH = "/api/v1/jobs/Jq3kT9vLmN2x/executions/Ex9dN4uVrB6t"
HTTPX = "httpx + signing hook"
One = Callable[[], Awaitable[object]]


# --- rivals ------------------------------------------------------------------------------------------------


@attrs.frozen
class Settings:
    num_worker: int | None = None
    timeout: int | None = None
    nrn: str | None = None
    script_path: str | None = None
    log_path: str | None = None
    console_log_path: str | None = None
    parameters: dict[str, Any] | None = None


@attrs.frozen
class Execution:
    job_execution_id: str
    job_id: str
    job_name: str | None = None
    job_condition: Settings | None = None
    status: str | None = None
    created_date: datetime | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    trigger_id: str | None = None
    trigger_name: str | None = None
    waiting_time: float | None = None
    running_time: float | None = None
    executor_num: float | None = None
    parsed_parameters: dict[str, Any] | None = None
    type: str | None = None


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.title, rest))


def _typed() -> Callable[[Any], Execution]:
    converter = cattrs.Converter(detailed_validation=False)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    for model in (Settings, Execution):
        names = {field.name: override(rename=_camel(field.name)) for field in attrs.fields(model)}
        converter.register_structure_hook(
            model,
            make_dict_structure_fn(model, converter, **names),  # type: ignore[arg-type]
        )
    hook = converter.get_structure_hook(Execution)
    return lambda content: hook(content, Execution)


_MAC = hmac.new(SECRET.encode(), digestmod=hashlib.sha256)


def sign(method: str, target: str) -> dict[str, str]:
    stamp = str(int(time.time() * 1000))
    mac = _MAC.copy()
    mac.update(f"{method} {target}\n{stamp}\n{ACCESS}".encode())
    return {
        "x-ncp-apigw-timestamp": stamp,
        "x-ncp-iam-access-key": ACCESS,
        "x-ncp-apigw-signature-v2": base64.b64encode(mac.digest()).decode(),
        "Content-Type": "application/json",
    }


def bare(session: aiohttp.ClientSession, url: str) -> One:
    async def one() -> object:
        async with session.get(url + PATH) as response:
            return loads(await response.read())

    return one


def hand_written(session: aiohttp.ClientSession, url: str) -> One:
    typed = _typed()

    async def one() -> object:
        async with session.get(url + PATH, headers=sign("GET", PATH)) as response:
            response.raise_for_status()
            return typed(loads(await response.read()))

    return one


def ours(flow: DataFlow) -> One:
    async def one() -> object:
        return await flow.jobs.execution("Jq3kT9vLmN2x", "Ex9dN4uVrB6t")

    return one


def httpx_signed(client: httpx.AsyncClient, url: str) -> One:
    async def one() -> object:
        return loads((await client.get(url + PATH)).content)

    return one


async def _sign_httpx(request: httpx.Request) -> None:
    request.headers.update(sign(request.method, request.url.raw_path.decode()))


# --- measuring ---------------------------------------------------------------------------------------------


async def measure(one: One, count: int, at_once: int) -> tuple[float, float]:
    """Give wall and CPU seconds for ``count`` calls by ``at_once`` workers over one iterator."""
    work: Iterator[int] = iter(range(count))

    async def worker() -> None:
        for _ in work:
            await one()

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return time.perf_counter() - wall, time.process_time() - cpu


async def compare(url: str, rounds: int, count: int, at_once: int) -> dict[str, list[tuple[float, float]]]:
    """Give (requests per second, CPU microseconds per request) per rival and round."""
    async with AsyncExitStack() as stack:

        async def session() -> aiohttp.ClientSession:
            return await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=at_once), timeout=aiohttp.ClientTimeout(total=30)
                )
            )

        flow = await stack.enter_async_context(
            DataFlow(Credentials(ACCESS, SECRET), base_url=url, max_concurrency=at_once)
        )

        async def httpx_client(**settings: Any) -> httpx.AsyncClient:
            hooks = {"request": [_sign_httpx]}
            return await stack.enter_async_context(
                httpx.AsyncClient(event_hooks=hooks, timeout=30, **settings)
            )

        stock = await httpx_client()
        tuned = await httpx_client(limits=httpx.Limits(max_connections=at_once))
        rivals: dict[str, tuple[One, int]] = {
            "bare aiohttp + json": (bare(await session(), url), count),
            "hand-written, signed, typed": (hand_written(await session(), url), count),
            "ours": (ours(flow), count),
            HTTPX: (httpx_signed(stock, url), max(count // 20, at_once)),
            "httpx, pool as large": (httpx_signed(tuned, url), max(count // 20, at_once)),
        }
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in rivals}
        for one, _ in rivals.values():
            await measure(one, at_once * 2, at_once)
        for turn in range(rounds):
            names = list(rivals)
            for name in names if turn % 2 else reversed(names):
                one, number = rivals[name]
                wall, cpu = await measure(one, number, at_once)
                results[name].append((number / wall, cpu / number * 1e6))
        return results


def report(results: dict[str, list[tuple[float, float]]], at_once: int) -> None:
    base = results["bare aiohttp + json"]
    hand = results["hand-written, signed, typed"]
    print(f"\n{at_once} at once; medians over rounds, ratios are medians of the rounds' own ratios\n")
    print(f"{'rival':<30}{'req/s':>10}{'CPU us':>10}{'x bare':>10}{'CPU x hand':>12}")
    for name, rows in results.items():
        rate = statistics.median(row[0] for row in rows)
        cpu = statistics.median(row[1] for row in rows)
        to_bare = statistics.median(row[0] / other[0] for row, other in zip(rows, base, strict=True))
        to_hand = statistics.median(row[1] / other[1] for row, other in zip(rows, hand, strict=True))
        print(f"{name:<30}{rate:>10.0f}{cpu:>10.1f}{to_bare:>10.2f}{to_hand:>12.2f}")
    pairs = zip(results["ours"], results[HTTPX], strict=True)
    print(f"\nours / httpx: {statistics.median(our[0] / other[0] for our, other in pairs):.1f} times")


# --- by instructions ---------------------------------------------------------------------------------------


async def _bare_calls(url: str, count: int, _: str) -> None:
    async with aiohttp.ClientSession() as session:
        await measure(bare(session, url), count, 16)


async def _hand_written_calls(url: str, count: int, _: str) -> None:
    async with aiohttp.ClientSession() as session:
        await measure(hand_written(session, url), count, 16)


async def _our_calls(url: str, count: int, _: str) -> None:
    async with DataFlow(Credentials(ACCESS, SECRET), base_url=url) as flow:
        await measure(ours(flow), count, 16)


COUNTED = {
    "bare aiohttp + json": Counted(_bare_calls, "call", 100, 400, stub_server),
    "hand-written, signed, typed": Counted(
        _hand_written_calls, "call", 100, 400, stub_server, "bare aiohttp + json"
    ),
    "ours": Counted(_our_calls, "call", 100, 400, stub_server, "bare aiohttp + json"),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks calls", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=4000, help="calls per rival and round")
    parser.add_argument("--at-once", type=int, default=64)
    options = parser.parse_args(argv)
    with stub_server() as url:
        results = asyncio.run(compare(url, options.rounds, options.count, options.at_once))
    report(results, options.at_once)
