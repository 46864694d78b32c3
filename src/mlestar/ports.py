"""Every seam of the house on one page: protocols only, implementations live in the rooms.

Only `runs.py` joins a protocol to an implementation (DESIGN.md §6). Implementations must be safe to
call from several threads at once: branches and folds run side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlestar.records import (
    Exchange,
    Final,
    Idea,
    Job,
    Judged,
    Left,
    Letter,
    Outcome,
    Page,
    Profile,
    Progress,
    Score,
    Scored,
    Told,
    Verb,
)
from mlestar.roles import Request

T = TypeVar("T")
Array = NDArray[Any]
Rows = NDArray[np.intp]
Blocks = Mapping[str, Sequence[Rows]]  # by view: blocks of its test rows
Piece = tuple[str, Rows | None]  # a view, and which of its test rows (None: all)
Measure = Callable[[str, Array, Rows | None], float]
Answer = Callable[[bytes], bytes]
# a program of ours behind the wall, and what it may read: files by their names, or a folder
Serve = Callable[[str, Mapping[str, bytes] | Path], Answer]


class Desk(Protocol):
    """What a brain has at hand while it answers one request."""

    @property
    def address(self) -> str:
        """Where the answer will be recorded."""

    def left(self) -> Left:
        """What is left of time, money and calls; for prompts, and never part of what is recorded as asked."""

    def call(self, number: int, about: str, ask: Callable[[], Exchange]) -> Exchange:
        """Pay for call `number` of this request, once: a recorded one is returned as it was.

        `about` tells it from another (the complaint about the answer before). Raises Spent where a cap is reached.
        """

    def owe(self, exchange: Exchange) -> None:
        """Pay, within the call under way, for what was asked in vain: the call counts, whatever becomes of it."""

    def wait(self, seconds: float) -> bool:
        """Wait a little for somebody; False when the time of this phase is over. Raises Interrupted on a stop."""

    def save(self, text: str) -> str:
        """Keep a text as a blob; its digest."""

    def note(self, text: str) -> None:
        """Leave a line for people."""


class Brain(Protocol):
    """Who plays the roles: a pure function of the request (which carries a seed) and of the recorded calls."""

    name: str

    def play(self, request: Request[T], desk: Desk) -> T:
        """Answer `request` with its reply record."""


class SearchProvider(Protocol):
    """Finds models and techniques."""

    def search(self, query: str, kind: str, limit: int) -> Sequence[Idea]:
        """Return at most `limit` ideas for tasks of `kind`, best first."""


class Outside(Protocol):
    """The search outside as a run uses it: several services, bounded, without what is barred."""

    def find(self, profile: Profile, limit: int) -> tuple[Sequence[Page], str]:
        """At most `limit` pages for such a task, and a word on what was left out or could not be reached."""


class Executor(Protocol):
    """Runs a script and says what came back; knows nothing about tasks or scores."""

    wall: str
    about: str

    def run(self, job: Job) -> Outcome:
        """Execute `job` to its end. A failing script is an outcome, never an exception.

        Raises OSError (ENOSPC) when it failed because our own disk is full.
        """

    def stop(self) -> None:
        """End every running job now; their outcome's state is `stopped`."""

    def close(self) -> None:
        """Let go of what is kept for further jobs; safe twice, and after a failure."""


class Task(Protocol):
    """What is to be solved, the judge, and the views `fold-0` … (as many as `folds`), `rehearsal` and `real`."""

    profile: Profile
    has_sealed: bool
    folds: tuple[int, ...]  # rows of each
    growth: float  # all training rows by those of a fold view

    def view(self, name: str) -> Path:
        """The folder of a view."""

    def judge(self, view: str, folder: Path, save: Callable[[bytes], str]) -> Judged:
        """Judge the submission and members that a job left in `folder`; arrays go through `save`.

        For `real` there are no labels: the submission is only checked, `value` stays None.
        """

    def rows(self, view: str) -> int:
        """How many test rows a view has."""

    def score(self, view: str, prediction: Array, rows: Rows | None = None) -> float:
        """The metric of `prediction` (see records) on the view's test rows, or on some of them."""

    def judged(self, view: str, prediction: Array) -> Judged:
        """The judge's word on `prediction` for a view's test rows, without members."""

    def blocks(self, view: str, count: int) -> Sequence[Rows]:
        """Cut a view's test rows into `count` seeded blocks that keep owners together."""

    def level_two(
        self,
        name: str,
        train: Sequence[tuple[str, Rows]],
        test: Sequence[tuple[str, Rows]],
        columns: dict[str, dict[str, Array]],
    ) -> Path:
        """Build a view whose columns are banked predictions: `columns[member][view]` -> array."""

    def look(self, name: str, predictions: dict[str, Array]) -> Path:
        """Build a view for analysis: `rows.parquet`, the search rows with their targets.

        `predictions[view]` fill the columns `oof:<column>` for that view's test rows; other rows are missing.
        """

    def deliver(self, folder: Path) -> bytes:
        """The user's submission file from a job's: the sample's order, echo columns byte for byte."""


class Journal(Protocol):
    """Every paid act is a step: begin, return if known, play, store (DESIGN.md §7)."""

    def step(self, address: str, verb: Verb, inputs: Any, returns: type[T], play: Callable[[], T]) -> T:
        """Return the recorded result of `address`, or play it once and record it.

        Raises StaleStep when the address is recorded with other inputs.
        """

    def knows(self, address: str) -> bool:
        """Whether the step at `address` has an answer."""

    def charge(self, address: str, cost_usd: float | None, tokens: int = 0) -> None:
        """Add to what the step at `address` has cost; kept even if the step then fails."""

    def note(self, address: str, text: str) -> None:
        """Leave a line for people; never read by the algorithm."""

    def publish(self, address: str, told: Told) -> None:
        """Leave a record for pages and reports; never read by the algorithm."""

    def save(self, data: bytes) -> str:
        """Store a blob; return its tagged digest."""

    def load(self, digest: str) -> bytes:
        """Read a blob back; raises RunError when it is missing or damaged."""


class Clock(Protocol):
    """Time, behind a port so that tests never sleep and replays agree."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def spent(self) -> float:
        """Seconds that this run has been worked on, earlier sittings included."""


class House(Protocol):
    """What the composition root does for a run while it goes on: tell people, keep the best on disk."""

    def tell(self, progress: Progress) -> None:
        """Show a line of progress."""

    def milestone(self, name: str, score: Score | None) -> None:
        """Remember where the score stood after a phase; people only."""

    def keep(
        self, name: str, script: str, submission: str, score: Score | None, opened: Collection[str] = (),
        final: Final | None = None,
    ) -> None:  # fmt: skip
        """Write `best/` anew from a verified submission (a blob's digest), unless a better one is there.

        `opened` are the files that the script read; `final` is what the run ends with, and always taken.
        """

    def stopping(self) -> bool:
        """Whether somebody asked the run to stop."""

    def letters(self, kind: str) -> Sequence[Letter]:
        """What people have handed in so far, of one kind (`steer`, `add`, `look`), oldest first."""


class Bank(Protocol):
    """The out-of-fold predictions of all evaluated scripts, and the arithmetic of comparing scores.

    A member's key is `<address of its evaluation>::<member>`. The bank knows no metric: whoever asks
    for a selection hands it over.
    """

    def join(self, results: Sequence[tuple[int, Judged]]) -> Score:
        """One score of judged folds: within folds, weighted by rows."""

    def better(self, challenger: Sequence[tuple[int, Judged]], incumbent: Sequence[tuple[int, Judged]]) -> float:
        """p(challenger beats incumbent) by paired bootstrap on the folds that both have."""

    def outlook(self, challenger: Sequence[Judged], incumbent: Sequence[Judged], more: float) -> float:
        """p(challenger is ahead on all rows) by both on two growing parts; `more` is how far all are from there."""

    def add(self, scored: Scored) -> None:
        """Bank the members of a scored solution."""

    def keys(self) -> tuple[str, ...]:
        """All members, sorted; never in order of time, so that a replay agrees."""

    def blob(self, key: str, view: str) -> str:
        """The digest of one member's predictions on one view."""

    def bias(self, measure: Measure, blocks: Blocks, seed: int) -> float:
        """By how much choosing the best of all members flatters its score; in the metric's units, never negative."""

    def select(self, measure: Measure, pieces: Sequence[Piece], most: int, seconds: float | None) -> Selection:
        """Greedy selection over all members; see records of `Selection`."""


@dataclass(frozen=True)
class Selection:
    """Weights by member key: `weights` chosen on all pieces, `without[i]` with piece i left out.

    `predictions[i]` is what `without[i]` predicts for piece i, so scores made of them are honest.
    """

    weights: dict[str, float]
    without: tuple[dict[str, float], ...]
    predictions: tuple[Array, ...]
