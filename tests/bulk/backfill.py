"""A bulk run as a program of its own, to be killed: writes ``!`` when it begins and ``.`` for each outcome of its own."""

import asyncio
import os
import sys

from dataflow_async import Credentials, DataFlow, Launch, PollPolicy, RetryPolicy

ASKED = {
    "correlate": {"correlate": "key"},
    "unique": {},
    "exclusive": {"exclusive": True},
}
"""How lost launches are to be told apart, by the name of the form."""


def launches(form, job_id, count):
    """Keys that a run can echo; parameters that only one launch has; launches that all look alike."""
    for number in range(count):
        match form:
            case "correlate":
                yield Launch(job_id, key=f"day-{number}")
            case "unique":
                yield Launch(job_id, parameters={"day": str(number)}, key=f"day-{number}")
            case _:
                yield Launch(job_id)


async def main(url, access_key, secret_key, journal, form, job_id, count):
    policy = {"retry": RetryPolicy(base=0.01), "poll": PollPolicy(minimum=0.05, maximum=0.2)}
    async with DataFlow(Credentials(access_key, secret_key), base_url=url, timeout=10, **policy) as flow:
        os.write(1, b"!")
        asked = ASKED[form] | {"journal": journal, "settle": 0.5, "max_in_flight": 32}
        async for outcome in flow.run_all(launches(form, job_id, int(count)), **asked):
            if outcome.status not in ("COMPLETED", "FAILED"):
                sys.exit(f"{outcome.key}: {outcome.status}: {outcome.error}")
            if not outcome.resumed:
                os.write(1, b".")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
