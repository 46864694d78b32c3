"""Calls that may take long, beside a server that goes on; one that is cancelled, or ends, waits for none of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
TICK = 0.02  # seconds between looks whether a call is done


def thread(call: Callable[[], T]) -> Future[T]:
    """Run something in a thread that ends with the server, whatever it is doing."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


async def beside(call: Callable[[], T]) -> T:
    """What it returns or raises, while the server goes on with other calls."""
    future = thread(call)
    await within(future, float("inf"))
    return future.result()


async def within(future: Future[Any], seconds: float) -> bool:
    """Whether it is done within so many seconds."""
    waited = 0.0
    while not future.done() and waited < seconds:
        await asyncio.sleep(TICK)
        waited += TICK
    return future.done()
