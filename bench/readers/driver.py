"""A service that reads, in a process of its own: ``python -m bench.readers.driver PLAN.json``.

The latency of a request counts from the instant it was due, so a client, a server or a driver that falls behind can't
hide it. The requests are made up beforehand: that is not what is measured.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.readers.plan import Outcome, Plan
from bench.readers.population import PURPOSE, user
from serving.async_client import AsyncProfileClient
from serving.client import ProfileClient
from serving.read_errors import ReadError

_LEAD_S = 0.5
# a sleep ends late by up to this; the rest is waited out awake
_SLEEP_SLACK_S = 0.0003
# the event loop's timers are of whole milliseconds
_LOOP_SLACK_S = 0.002
_CONNECTIONS = 4


class _Latencies:
    """Collects what the loops measure; only requests after the warm-up count."""

    def __init__(self, plan: Plan) -> None:
        self._first = round(plan.rate * plan.warm_up_s)
        self._ms: list[float] = []
        self._failed = 0

    def add(self, number: int, due_s: float, ok: bool) -> None:
        if number >= self._first:
            self._ms.append((time.perf_counter() - due_s) * 1_000)
            self._failed += not ok

    def outcome(self) -> Outcome:
        return Outcome(sorted(self._ms), self._failed)


def drive_sync(plan: Plan, asked: list[list[str]]) -> Outcome:
    """One thread, one connection."""
    latencies = _Latencies(plan)
    with ProfileClient(plan.url, reader="bench", purpose=PURPOSE, prefix=plan.prefix) as client:
        client.profiles(asked[0])
        start_s = time.perf_counter() + _LEAD_S
        for number, users in enumerate(asked):
            due_s = start_s + number / plan.rate
            _wait_until(due_s)
            try:
                read = [client.profile(users[0])] if len(users) == 1 else list(client.profiles(users).values())
                ok = all(view.tags for view in read)
            except ReadError:
                ok = False
            latencies.add(number, due_s, ok)
    return latencies.outcome()


async def drive_asyncio(plan: Plan, asked: list[list[str]]) -> Outcome:
    """One event loop, a task per request."""
    latencies = _Latencies(plan)
    async with AsyncProfileClient(plan.url, reader="bench", purpose=PURPOSE, prefix=plan.prefix) as client:

        async def one(number: int, due_s: float, users: list[str]) -> None:
            try:
                if len(users) == 1:
                    ok = bool((await client.profile(users[0])).tags)
                else:
                    ok = all(view.tags for view in (await client.profiles(users)).values())
            except ReadError:
                ok = False
            latencies.add(number, due_s, ok)

        await client.profiles(asked[0])
        tasks = set()
        start_s = time.perf_counter() + _LEAD_S
        for number, users in enumerate(asked):
            due_s = start_s + number / plan.rate
            while (left_s := due_s - time.perf_counter()) > 0:
                await asyncio.sleep(left_s - _LOOP_SLACK_S if left_s > _LOOP_SLACK_S else 0)
            task = asyncio.create_task(one(number, due_s, users))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    return latencies.outcome()


def drive_http(plan: Plan, asked: list[list[str]]) -> Outcome:
    """A few threads with a connection each, kept alive; whichever is free takes the next request."""
    latencies = _Latencies(plan)
    at = urlsplit(plan.url)
    waiting = iter(enumerate(asked))
    lock = threading.Lock()
    start_s = time.perf_counter() + _LEAD_S
    headers = {"Authorization": f"Bearer {plan.token}", "Livetags-Purpose": PURPOSE}

    def take() -> None:
        connection = HTTPConnection(at.hostname or "", at.port, timeout=10.0)
        connection.connect()
        while True:
            with lock:
                number, users = next(waiting, (-1, []))
            if number < 0:
                break
            due_s = start_s + number / plan.rate
            _wait_until(due_s)
            if len(users) == 1:
                connection.request("GET", f"/v1/profiles/{users[0]}", headers=headers)
            else:
                connection.request("POST", "/v1/profiles", msgspec.json.encode({"users": users}), headers)
            answer = connection.getresponse()
            body = answer.read()
            with lock:
                latencies.add(number, due_s, answer.status == 200 and len(body) > 1_000)
        connection.close()

    threads = [threading.Thread(target=take) for _ in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies.outcome()


def _wait_until(due_s: float) -> None:
    while (left_s := due_s - time.perf_counter()) > 0:
        if left_s > _SLEEP_SLACK_S:
            time.sleep(left_s - _SLEEP_SLACK_S)


def main(path: str) -> None:
    """Drive the plan of a file."""
    plan = msgspec.json.decode(Path(path).read_bytes(), type=Plan)
    asked = [[user(number) for number in numbers] for numbers in islice(plan.asked(), plan.requests())]
    drives: dict[str, Callable[[], Outcome]] = {
        "sync": lambda: drive_sync(plan, asked),
        "asyncio": lambda: asyncio.run(drive_asyncio(plan, asked)),
        "http": lambda: drive_http(plan, asked),
    }
    Path(plan.outcome).write_bytes(msgspec.json.encode(drives[plan.via]()))


if __name__ == "__main__":
    main(sys.argv[1])
