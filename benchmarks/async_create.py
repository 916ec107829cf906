"""Make bills in many tasks at once over loopback HTTP: python benchmarks/async_create.py [--rounds 9]

Against one shared httpx.AsyncClient that sends the same requests, in the same loop and against the same server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import bills
import library
from frame import Benchmark, Gate, Measurements, Options, is_installed, main, race
from server import NUMBER, served

TASKS = {20: 5, 100: 2}
"""How many tasks, and how many bills each makes, one after another."""
ABOUT = (
    "Tasks on one asyncio loop make Stripe bills as above, of three requests each, with one shared client: 20 "
    "tasks of five bills each, and 100 tasks of two. A sample is the wall time of all of them, divided by the "
    "bills. The peer is one `httpx.AsyncClient` as it comes, which sends the same bytes from as many tasks and "
    "does not parse the answers; `AsyncClient(http=…)` is ours over the aiohttp transport of httpx-aiohttp. That "
    "transport by itself, which sends the same too, is there for information. httpcore tries to import sniffio "
    "whenever it makes a lock or a connection; where it is not installed (httpx no longer asks for it), as in the "
    "pinned environment, each try searches the disk, and raw httpx as well as ours over it are slower for it."
)
_OURS, _AIOHTTP, _RAW, _RAW_AIOHTTP = "AsyncClient", "AsyncClient(http=aiohttp)", "raw httpx", "raw httpx-aiohttp"
GATES = tuple(
    gate
    for tasks in TASKS
    for gate in (
        Gate(f"{tasks} tasks, × raw httpx", f"{_OURS}, {tasks} tasks", f"{_RAW}, {tasks} tasks", "ratio", 0.5),
        Gate(
            f"{tasks} tasks, over httpx-aiohttp, × raw httpx",
            f"{_AIOHTTP}, {tasks} tasks",
            f"{_RAW}, {tasks} tasks",
            "ratio",
            0.36,
        ),
        Gate(
            f"{tasks} tasks, over httpx-aiohttp, × raw httpx-aiohttp",
            f"{_AIOHTTP}, {tasks} tasks",
            f"{_RAW_AIOHTTP}, {tasks} tasks",
            "ratio",
            None,
        ),
    )
)

Make = Callable[[], Awaitable[Any]]


def by_client(client: Any, course: bills.Course, numbers: Iterator[str]) -> Make:
    return lambda: client.create(bills.bill(course.provider, next(numbers)))


def by_http(http: Any, course: bills.Course, url: str, numbers: Iterator[str]) -> Make:
    token = NUMBER.decode()

    async def make() -> None:
        number = next(numbers)
        for one in course.sent:
            content = one.content.replace(token, number) or None
            answer = await http.request(
                one.method, url + one.path.replace(token, number), headers=one.headers, content=content
            )
            assert answer.status_code == 200, answer.text

    return make


async def contestants(
    course: bills.Course, url: str, numbers: Iterator[str], stack: AsyncExitStack, measured: Measurements
) -> dict[str, Make]:
    """The clients, by their names; all of them stay open for all rounds."""
    import httpx

    from invoice_bridge import AsyncClient

    settings = bills.client_settings(course.provider, url)
    client = AsyncClient(course.provider, api_key=course.key, **settings)
    made = {
        _OURS: by_client(await stack.enter_async_context(client), course, numbers),
        _RAW: by_http(await stack.enter_async_context(httpx.AsyncClient()), course, url, numbers),
    }
    if is_installed("httpx_aiohttp"):
        from httpx_aiohttp import HttpxAiohttpClient

        http = await stack.enter_async_context(HttpxAiohttpClient())
        client = AsyncClient(course.provider, api_key=course.key, http=http, **settings)
        made[_AIOHTTP] = by_client(await stack.enter_async_context(client), course, numbers)
        http = await stack.enter_async_context(HttpxAiohttpClient())
        made[_RAW_AIOHTTP] = by_http(http, course, url, numbers)
    else:
        for tasks in TASKS:
            measured.missing |= {
                f"{name}, {tasks} tasks": "httpx_aiohttp is not installed" for name in (_AIOHTTP, _RAW_AIOHTTP)
            }
    return made


async def batch(make: Make, tasks: int, each: int) -> None:
    """All bills of a sample."""

    async def work() -> None:
        for _ in range(each):
            await make()

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())


def measure(options: Options) -> Measurements:
    library.hide_msgspec()
    measured, numbers = Measurements(), bills.numbers()
    course = bills.course("stripe")
    with served(course.routes()) as url, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        made = runner.run(contestants(course, url, numbers, stack, measured))
        for tasks, each in TASKS.items():
            busy, bills_each = (tasks // 10, 1) if options.small else (tasks, each)
            calls: dict[str, Callable[[], object]] = {
                f"{name}, {tasks} tasks": lambda make=make, busy=busy, each=bills_each: runner.run(
                    batch(make, busy, each)
                )
                for name, make in made.items()
            }
            samples = race(calls, options.rounds, single=True)
            count = busy * bills_each
            measured.add({name: [one / count for one in values] for name, values in samples.items()})
            measured.facts.append(f"{tasks} tasks: {count} bills, {count * len(course.sent)} requests a sample")
        runner.run(stack.aclose())
    return measured


BENCHMARK = Benchmark("async_create", "Making bills in many tasks", ABOUT, 9, GATES, measure)

if __name__ == "__main__":
    main(BENCHMARK)
