"""What a brain has at hand while it answers: calls that are recorded and capped, and a way to wait for somebody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mlestar.errors import Spent
from mlestar.ports import Journal
from mlestar.records import Exchange, Left

TICK = 0.25  # seconds between looks at a stop while somebody is waited for


@dataclass
class Purse:
    """What the run's calls have cost over all sittings, and the caps on it.

    A call is counted before it is made, its price when it is known: with L branches at most L calls are under way
    when the cap on money is reached. A call whose price nobody knows counts for `Exchange.most_usd`.
    """

    most_usd: float | None = None
    most_calls: int | None = None
    usd: float = 0.0
    calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def draw(self) -> None:
        """Count a call that is about to be made. Raises Spent when none is left."""
        with self._lock:
            if self.most_calls is not None and self.calls >= self.most_calls:
                raise Spent(f"the cap of {self.most_calls} calls is reached")
            if self.most_usd is not None and self.usd >= self.most_usd:
                raise Spent(f"the cap of ${self.most_usd:g} is reached")
            self.calls += 1

    def put_back(self) -> None:
        """The call was not made after all."""
        with self._lock:
            self.calls -= 1

    def pay(self, exchange: Exchange) -> None:
        """Add what a call cost."""
        with self._lock:
            self.usd += exchange.most_usd if exchange.cost_usd is None else exchange.cost_usd

    def left(self) -> tuple[float | None, int | None]:
        """US dollars and calls that are left; None where there is no cap."""
        usd = None if self.most_usd is None else max(self.most_usd - self.usd, 0.0)
        return usd, None if self.most_calls is None else max(self.most_calls - self.calls, 0)


@dataclass
class Seat:
    """Implements `ports.Desk` for one request at one address. One thread sits there."""

    address: str
    request: Any
    journal: Journal
    purse: Purse
    time: Callable[[], tuple[float | None, float | None, float]]  # seconds: of this phase, of the run, of one job
    pause: Callable[[], None]
    failed: threading.Event
    turn: threading.Lock  # held by the one paid call of a branch that is under way: a kill loses no more
    folds: int = 5
    slots: int = 1
    _calling: str = ""  # the address of the call under way
    _paid: bool = False  # whether it has cost something

    def left(self) -> Left:
        """What is left of time, money and calls."""
        phase, run, limit = self.time()
        return Left(phase, run, *self.purse.left(), self.folds, self.slots, limit)

    def call(self, number: int, about: str, ask: Callable[[], Exchange]) -> Exchange:
        """One paid call, recorded at `<address>/call-<number>`."""
        address = f"{self.address}/call-{number}"

        def play() -> Exchange:
            self.pause()
            self.purse.draw()
            self._calling, self._paid = address, False
            try:
                exchange = ask()
            except BaseException:
                if not self._paid:
                    self.purse.put_back()
                raise
            self.owe(exchange)
            return exchange

        with self.turn:
            return self.journal.step(address, "call", {"request": self.request, "about": about}, Exchange, play)

    def owe(self, exchange: Exchange) -> None:
        """Pay for an answer, or for tries without one, at the call under way; it is counted from now on."""
        self._paid = True
        self.purse.pay(exchange)
        self.journal.charge(self._calling, exchange.cost_usd, exchange.input_tokens + exchange.output_tokens)

    def wait(self, seconds: float) -> bool:
        """Wait a little; False when the time of this phase is over. Raises Interrupted on a stop."""
        rest = seconds
        while rest > 0:
            self.pause()
            left, *_ = self.time()
            if left is not None and left <= 0:
                return False
            self.failed.wait(min(rest, TICK))
            rest -= TICK
        return True

    def save(self, text: str) -> str:
        """Keep a text as a blob; its digest."""
        return self.journal.save(text.encode("utf-8", "replace"))

    def note(self, text: str) -> None:
        """Leave a line for people."""
        self.journal.note(self.address, text)
