"""How many calls of one model are under way, and the one thread on which all of them run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

_starting = threading.Lock()
_gates: dict[tuple[str, str], Gate] = {}


@dataclass
class Gate:
    """Lets calls of one model pass: at most so many at once, and none while it is shut.

    It is shut by whoever was told to come back later, and opened by the same when the time has passed. `proven` are
    the settings under which the model has answered.
    """

    flying: int = 0
    shut: int = 0
    proven: set[object] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, most: int) -> bool:
        """Take one of `most` places; False when there is none now."""
        with self._lock:
            if self.shut or self.flying >= most:
                return False
            self.flying += 1
            return True

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self.flying -= 1

    def close(self) -> None:
        """Let nobody pass until `open` was called as often."""
        with self._lock:
            self.shut += 1

    def open(self) -> None:
        """Take back one `close`."""
        with self._lock:
            self.shut -= 1


def gate(model: str, address: str) -> Gate:
    """The gate of a model, the same for everybody who asks it at this address."""
    with _starting:
        return _gates.setdefault((model, address), Gate())


def launch(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Run `work` on the loop of the background thread: connections must not be used from two loops."""
    with _starting:
        loop = _loop()
    return asyncio.run_coroutine_threadsafe(work, loop)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="language models", daemon=True).start()
    return loop
