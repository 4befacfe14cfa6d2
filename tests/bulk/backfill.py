"""A bulk run as a program of its own, to be killed: writes ``!`` when it begins, ``.`` for each new outcome, ``?`` for an uncertain one."""

import asyncio
import json
import os
import sys
import time
from random import Random

from dataflow_async import Credentials, DataFlow, Launch, PollPolicy, RetryPolicy

ASKED = {
    "correlation_parameter": {"correlation_parameter": "key"},
    "unique": {},
    "assume_exclusive": {"assume_exclusive": True},
}
"""How lost launches are to be told apart, by the name of the form."""


def launches(form, job_id, count):
    """Keys that a run can echo; parameters that only one launch has; launches that all look alike."""
    for number in range(count):
        match form:
            case "correlation_parameter":
                yield Launch(job_id, key=f"day-{number}")
            case "unique":
                yield Launch(job_id, parameters={"day": str(number)}, key=f"day-{number}")
            case _:
                yield Launch(job_id)


class WrongClock:
    """The machine's clock, off by a fixed time, and by a further one that changes while the program runs."""

    sleep = staticmethod(asyncio.sleep)

    def __init__(self, off=0.0, step=0.0, suspended=0.0, seed=0):
        self._off = off
        self._step = step
        self._suspended = suspended
        self._began = time.monotonic()
        self._turn = Random(seed).uniform(0.2, 1.0)

    def _after_the_turn(self):
        return time.monotonic() - self._began > self._turn

    def time(self):
        return time.time() + self._off + (self._step + self._suspended) * self._after_the_turn()

    def monotonic(self):
        return time.monotonic()


async def main(url, access_key, secret_key, journal, form, job_id, count, clock="{}"):
    policy = {
        "retry": RetryPolicy(backoff_base=0.01),
        "poll": PollPolicy(min_interval=0.05, max_interval=0.2),
    }
    if wrong := json.loads(clock):
        policy["clock"] = WrongClock(**wrong)
    async with DataFlow(Credentials(access_key, secret_key), base_url=url, timeout=10, **policy) as flow:
        os.write(1, b"!")
        asked = ASKED[form] | {"journal": journal, "visibility_delay": 0.5, "max_in_flight": 32}
        async for outcome in flow.run_all(launches(form, job_id, int(count)), **asked):
            if outcome.status == "UNCERTAIN":
                os.write(2, f"UNCERTAIN {outcome.key}: {outcome.error}\n".encode())
            elif outcome.status not in ("COMPLETED", "FAILED"):
                sys.exit(f"{outcome.key}: {outcome.status}: {outcome.error}")
            if not outcome.resumed:
                os.write(1, b"?" if outcome.status == "UNCERTAIN" else b".")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
