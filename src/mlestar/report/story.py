"""A run as a story: what was tried, from what, how it did, and who made each gain. Records only, for pages and reports.

Times (`at`, `until`) are seconds worked on the run, over all sittings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlestar.records import Ablated, Breadths, Idea, Score, Summary, Target

Kind = Literal[
    "quick", "candidate", "merger", "check", "ablation", "variant", "attempt", "added", "look", "blend", "delivery"
]
State = Literal["running", "scored", "dropped", "failed", "not tried", "done"]


@dataclass(frozen=True)
class Run:
    """One execution. `value` is the metric on a fold; `reason` says why there is none."""

    address: str
    view: str
    state: str
    value: float | None
    reason: str
    seconds: float
    peak_mb: float
    at: float
    until: float | None


@dataclass(frozen=True)
class Node:
    """One thing that was tried, at its address. `script` is a blob's digest, empty where none is known.

    `parents` are the addresses of what it was made from. Of an attempt: the `cell` that was rewritten, the `plan`, the
    `gain` over its parent (positive = better), and whether it was `accepted`.
    """

    address: str
    kind: Kind
    branch: str
    name: str
    source: str
    state: State
    score: Score | None
    reason: str
    seconds: float
    at: float
    until: float | None
    parents: tuple[str, ...] = ()
    script: str = ""
    cell: str = ""
    plan: str = ""
    gain: float | None = None
    accepted: bool | None = None
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True)
class Gain:
    """A moment at which the best search score of the run became better, and what made it so."""

    at: float
    address: str
    name: str
    kind: Kind
    score: Score


@dataclass(frozen=True)
class Told:
    """A line that the run left for people. `warns` where leakage is suspected."""

    at: float
    address: str
    text: str
    warns: bool = False


@dataclass(frozen=True)
class Seen:
    """A word of somebody outside that the run heard: a hint, a ban, a cell."""

    at: float
    address: str
    about: str
    text: str
    sender: str


@dataclass(frozen=True)
class Story:
    """All that pages and reports show of one run.

    `weights` are the final solution's, by member key, `learned`, `bag` and `remarks` what `records.Final` says of it;
    `opened` counts, by path; `size` are the loop sizes, where the run wrote them down.
    """

    run: str
    summary: Summary
    nodes: tuple[Node, ...]
    gains: tuple[Gain, ...]
    ablations: tuple[tuple[str, Ablated], ...] = ()
    targets: tuple[tuple[str, Target], ...] = ()
    ideas: tuple[tuple[str, Idea], ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    final: str = ""
    opened: tuple[tuple[str, int], ...] = ()
    notes: tuple[Told, ...] = ()
    heard: tuple[Seen, ...] = ()
    steps: int = 0
    running: tuple[str, ...] = ()
    learned: bool = False
    bag: int = 1
    remarks: tuple[str, ...] = ()
    size: Breadths | None = None

    def node(self, address: str) -> Node | None:
        """The node at an address."""
        return next((node for node in self.nodes if node.address == address), None)
