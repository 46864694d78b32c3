"""Any language model as a voice, by a model string such as `google:…`, `openai:…`, `ollama:…` (DESIGN.md §8)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlestar import plain
from mlestar.brains.spoken.keys import HOMES, endpoint, redact
from mlestar.brains.spoken.llm_gate import gate, launch
from mlestar.brains.spoken.voice import Past, Prompt
from mlestar.errors import Interrupted, Refused, SettingsError, Spent, Unreachable
from mlestar.ports import Desk
from mlestar.records import Exchange

if TYPE_CHECKING:  # both import pydantic-ai
    from mlestar.brains.spoken.llm_reading import Fault, Reading, Tried
    from mlestar.brains.spoken.llm_wire import Wire

FIRST, LONGEST = 1.0, 60.0  # seconds of back-off, doubled each time
PATIENCE = 300.0  # seconds that a provider may ask us to wait
TICK = 0.2  # seconds between looks at a stop while an answer is awaited
QUEUE = 0.05  # seconds between looks at the gate
LETTERS = 3  # characters of a token, at least: for answers whose tokens nobody counted

ADVICE = {
    "key": "check the key in {variable} (environment, or `[keys]` in `mlestar.toml`) and that it may use this model",
    "model": "check the model's name and the address",
    "context": "the prompt is longer than this model can read: name one that reads more",
    "content": "its provider has rules about what may be asked",
    "request": "check the model's name and its settings (temperature, max_tokens, web search)",
}
ONE = frozenset({"context", "content"})  # of these, what is wrong with one prompt only


class LanguageModel:
    """Implements `Voice` with pydantic-ai. Safe to use from several threads; nothing is sent before the first `say`."""

    def __init__(
        self,
        model: str,
        *,
        keys: Mapping[str, str],
        base_url: str = "",
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeout: float = 300.0,
        attempts: int = 6,
        parallel: int = 4,
        web_search: bool = False,
        price: tuple[float, float] | None = None,
        ceiling: tuple[float, float] = (10.0, 50.0),
        barred: Callable[[str], bool] = lambda text: False,
        proven: bool = False,
    ) -> None:
        """`keys` are environment-style names with values; prices are US dollars per million tokens in and out.

        `timeout` are seconds of one request, `attempts` its tries, `parallel` the calls of this model under way.
        `ceiling` is what an unknown price counts for. `proven` is whether the model is known to answer: what it then
        refuses is no mistake in the settings. Raises SettingsError where a key or an address is missing.
        """
        self.name = model
        self._at = endpoint(model, keys, base_url)
        self._keys = {**keys, "_BASE_URL": base_url}
        self._temperature, self._max_tokens, self._web_search = temperature, max_tokens, web_search
        self._timeout, self._attempts, self._parallel = timeout, max(attempts, 1), max(parallel, 1)
        self._price, self._ceiling, self._barred = price, ceiling, barred
        self._gate = gate(model, self._at.address)
        self._proof = (temperature, max_tokens, web_search)
        if proven:
            self._gate.proven.add(self._proof)
        self._lock = threading.Lock()
        self._wire: Wire | None = None

    def say(self, role: str, prompt: Prompt, past: Past, desk: Desk) -> Exchange:
        """Have the prompt answered; a refusal comes back as a text that says so, as does an answer that stays empty.

        Raises Unreachable after all attempts, Refused where this prompt has no chance, SettingsError for what no prompt
        has, Spent when time is over. What was billed before is owed then.
        """
        bill = Bill(letters=_letters(prompt, past))
        try:
            self._ask(role, prompt, past, desk, bill)
        except BaseException:
            if bill.readings:
                desk.owe(self._exchange(bill))
            raise
        return self._exchange(bill)

    def _exchange(self, bill: Bill) -> Exchange:
        return bill.exchange(self.name, self._price, self._ceiling)

    def _ask(self, role: str, prompt: Prompt, past: Past, desk: Desk, bill: Bill) -> None:
        """Ask until there is an answer, or as often as it may be."""
        wire = self._connected()
        for attempt in range(self._attempts):
            last = attempt + 1 == self._attempts
            self._enter(desk)
            try:
                fault = self._try(wire, prompt, past, desk, bill)
                if crowd := fault is not None and fault.kind == "crowd" and not last:
                    self._gate.close()  # before our place is free, or another would take it
            finally:
                self._gate.leave()
            if fault is None:
                self._gate.proven.add(self._proof)
                if bill.text:
                    break
            if fault is not None:
                self._give_up(fault, last=last)
            if not last:
                self._back_off(role, fault, attempt, desk, crowd)

    def close(self) -> None:
        """Close the connections; the next `say` opens new ones."""
        with self._lock:
            wire, self._wire = self._wire, None
        if wire is not None:
            launch(wire.close()).result(10)

    def _connected(self) -> Wire:
        with self._lock:
            if self._wire is None:
                from mlestar.brains.spoken.llm_wire import connect  # noqa: PLC0415 - a second, for its users only

                self._wire = connect(
                    self._at,
                    temperature=self._temperature,
                    max_tokens=self._max_tokens,
                    timeout=self._timeout,
                    web_search=self._web_search,
                    hide=self._hide,
                    barred=self._barred,
                )
            return self._wire

    def _enter(self, desk: Desk) -> None:
        """Wait for a place, and until the model's crowd has gone."""
        while not self._gate.enter(self._parallel):
            if not desk.wait(QUEUE):
                raise Spent(f"the time of this phase was over before {self.name} had a place for another call")

    def _try(self, wire: Wire, prompt: Prompt, past: Past, desk: Desk, bill: Bill) -> Fault | None:
        """One request."""
        answer = launch(wire.ask(prompt, past))
        try:
            tried = self._landed(answer, desk)
        finally:
            answer.cancel()
        bill.add(tried)
        return tried.fault

    def _landed(self, answer: Future[Tried], desk: Desk) -> Tried:
        """What a request under way comes to. It is paid for, so a stop and the phase's end wait: at most `timeout`."""
        late = 0.0  # seconds since then
        while True:
            try:
                return answer.result(TICK)
            except NotYet:
                late += TICK if late or not _goes_on(desk) else 0.0
                if late > self._timeout:
                    desk.wait(0.001)  # raises where it is a stop
                    raise Spent(f"the time of this phase was over before {self.name} had answered") from None

    def _give_up(self, fault: Fault, *, last: bool) -> None:
        """Raise what ends the call: a fault that no other try mends, or the last of all."""
        what = f"{fault.status}: {fault.words}" if fault.status else fault.words
        if fault.kind in ADVICE:
            advice = ADVICE[fault.kind].format(variable=self._at.variable)
            one = fault.kind in ONE or (fault.kind == "request" and self._proof in self._gate.proven)
            said = "does not take this request" if one else "does not answer"
            error = Refused if one else SettingsError
            raise error(self._hide(f"{self.name} at {self._at.place} {said} ({what}): {advice}"))
        if fault.kind == "quota":
            raise Unreachable(
                self._hide(
                    f"{self.name} stayed away: its account has nothing left ({what}); nothing is lost, resume goes on"
                )
            )
        if last:
            raise Unreachable(
                self._hide(
                    f"{self.name} at {self._at.place} stayed away: {self._attempts} attempts, "
                    f"the last: {what}; nothing is lost, resume goes on"
                )
            )

    def _back_off(self, role: str, fault: Fault | None, attempt: int, desk: Desk, crowd: bool) -> None:
        """Wait before the next try; after a 429 everybody who asks this model waits too, until the gate is open."""
        seconds = min(FIRST * 2**attempt, LONGEST)
        if fault is not None:
            seconds = min(max(seconds, fault.after), PATIENCE)
        why = "an empty answer" if fault is None else plain.word(f"{fault.status or ''} {fault.words}", 120)
        try:
            desk.note(self._hide(f"{role}: {self.name} is asked again in {seconds:.0f} s ({why})"))
            if not desk.wait(seconds):
                raise Spent(f"the time of this phase was over before {self.name} had answered")
        finally:
            if crowd:
                self._gate.open()

    def _hide(self, text: str) -> str:
        return redact(text, self._keys)


@dataclass
class Bill:
    """What the tries of one call took together. `letters` is how many characters were asked."""

    letters: int
    requests: int = 0
    readings: list[Reading] = field(default_factory=list)
    text: str = ""

    def add(self, tried: Tried) -> None:
        """Add one try, whose answer counts where it has no fault."""
        self.requests += tried.requests
        self.readings += tried.readings
        self.text = "" if tried.fault else "\n\n".join(one.text for one in tried.readings if one.text)

    def exchange(self, by: str, price: tuple[float, float] | None, ceiling: tuple[float, float]) -> Exchange:
        """The call as it is recorded; pages are those of the last answer."""
        known = [_dollars(reading, price) for reading in self.readings]
        most = [
            self._most(reading, ceiling) if cost is None else cost
            for reading, cost in zip(self.readings, known, strict=True)
        ]
        unknown = any(cost is None for cost in known)
        pages = {page.address: page for reading in self.readings for page in reading.pages}
        return Exchange(
            text=self.text,
            by=by,
            input_tokens=sum(reading.input_tokens for reading in self.readings),
            cached_tokens=sum(reading.cached_tokens for reading in self.readings),
            output_tokens=sum(reading.output_tokens for reading in self.readings),
            cost_usd=None if unknown else sum(cost or 0.0 for cost in known),
            most_usd=sum(most) if unknown else 0.0,
            requests=self.requests,
            pages=tuple(pages.values()),
        )

    def _most(self, reading: Reading, ceiling: tuple[float, float]) -> float:
        asked, said = reading.input_tokens, reading.output_tokens
        if not reading.measured:
            asked, said = self.letters // LETTERS, len(reading.text) // LETTERS
        return _price(asked, said, ceiling)


def known_price(model: str, price: tuple[float, float] | None = None) -> tuple[float, float] | None:
    """US dollars per million tokens in and out, by the installed price table, else as given, else None.

    Where prices depend on the prompt's length, those of a short one. Reads no network.
    """
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - the table takes time to load

    provider, _, name = model.partition(":")
    if provider.strip().lower() not in HOMES:
        return price
    try:
        cost = calc_price(
            Usage(input_tokens=1000, output_tokens=1000), name.strip(), provider_id=provider.strip().lower()
        )
    except LookupError:
        return price
    return float(cost.input_price) * 1000, float(cost.output_price) * 1000


def _goes_on(desk: Desk) -> bool:
    """Whether neither a stop was asked for nor the phase's time is over."""
    try:
        return desk.wait(0.001)
    except Interrupted:
        return False


def _dollars(reading: Reading, price: tuple[float, float] | None) -> float | None:
    if reading.cost_usd is not None or price is None or not reading.measured:
        return reading.cost_usd
    return _price(reading.input_tokens, reading.output_tokens, price)


def _price(asked: int, said: int, price: tuple[float, float]) -> float:
    return (asked * price[0] + said * price[1]) / 1e6


def _letters(prompt: Prompt, past: Past) -> int:
    return len(prompt.stable) + len(prompt.asked) + sum(len(answer) + len(complaint) for answer, complaint in past)
