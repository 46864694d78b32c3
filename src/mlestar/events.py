"""What happens in a run, one small record after the other, while it goes on: from its journal, whoever writes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlestar.journal import queries
from mlestar.plain import word
from mlestar.report.story import Node, Story
from mlestar.telling import Teller

TICK = 0.2  # seconds between looks
_QUIET = ("look", "delivery", "ablation")  # they have no score of their own to wait for


@dataclass(frozen=True)
class Event:
    """Something that happened. `at` is in seconds worked on the run; `text` says it in a line.

    `kind`: a solution was *started*, *scored*, or *failed* (a race that it lost included); the best score was *gained*
    upon; a *phase* ended; the run is *done*, which comes last and once, however it ended.
    """

    kind: Literal["started", "scored", "gained", "failed", "phase", "done"]
    at: float
    address: str
    name: str
    text: str
    score: float | None = None

    def __str__(self) -> str:
        return f"{self.at:8.1f} s  {self.kind:8} {self.text}"


def follow(run: Path, under_way: Callable[[], bool] | None = None) -> Iterator[Event]:
    """All events of a run, from its first: at once what has happened, then the rest as it happens, and its end.

    `under_way` says whether somebody drives it; absent: whether any process does. Raises RunError when `run` is none.
    """
    teller, seen, waiting = Teller(run), _Seen(), threading.Event()
    goes_on = under_way or (lambda: queries.is_running(run))
    while True:
        last = not goes_on()  # asked first: what is written until then is read
        if teller.look():
            yield from seen.new(teller.story())
        if last:
            story = teller.story()
            yield Event("done", story.summary.seconds, "", word(story.summary.task), _ended(story))
            return
        waiting.wait(TICK)


class _Seen:
    """What was told already."""

    def __init__(self) -> None:
        self._states: dict[str, set[str]] = {}
        self._gains = 0
        self._phases: set[str] = set()

    def new(self, story: Story) -> list[Event]:
        """What a story has that none before it had, in the order in which it happened."""
        found = [event for node in story.nodes if node.kind not in _QUIET for event in self._of(node)]
        metric = story.summary.metric
        for gain in story.gains[self._gains :]:
            text = f"{gain.name} ({gain.kind}) is the best so far: {metric} {gain.score}"
            found.append(Event("gained", gain.at, gain.address, gain.name, text, gain.score.value))
        self._gains = max(self._gains, len(story.gains))
        for name, value in story.summary.phases:
            if name not in self._phases:
                self._phases.add(name)
                text = f"{name} is over" + ("" if value is None else f", with {metric} {value:.5f}")
                found.append(Event("phase", story.summary.seconds, name, name, text, value))
        return sorted(found, key=lambda event: event.at)

    def _of(self, node: Node) -> Iterator[Event]:
        told = self._states.setdefault(node.address, set())
        if "started" not in told and node.state != "not tried":
            told.add("started")
            yield Event("started", node.at, node.address, node.name, f"{node.name} ({node.kind}) at {node.address}")
        at, ended = node.until if node.until is not None else node.at, "ended" in told
        if node.state == "scored" and node.score is not None and not ended:
            told.add("ended")
            yield Event("scored", at, node.address, node.name, f"{node.name}: {node.score}", node.score.value)
        if node.state in ("failed", "dropped") and not ended:
            told.add("ended")
            text = f"{node.name} {node.state}: {word(node.reason)}"
            yield Event("failed", at, node.address, node.name, text, node.score.value if node.score else None)


def _ended(story: Story) -> str:
    found = story.summary
    score = "" if found.estimate is None else f"; expect {word(found.metric)} {found.estimate:.5f}"
    return f"the run is {found.state}{score}"
