"""The cast: one request record and one reply record per role of the paper.

A request is all that a brain ever sees. It holds no label of a held or sealed row, no path, and
nothing that differs between a run and its replay. `seed` comes from the step's address, so that two
branches that ask the same question get different answers. Paper symbols are those of
arXiv 2506.15692, section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

from mlestar import plain
from mlestar.records import Attempt, Effect, Elsewhere, Idea, Page, Plan, Profile, Standing, Target

R = TypeVar("R")
_PROGRAMS, _NAMES = ("script", "code"), ("name", "cell", "recipe")
MOST_NAME, MOST_TEXT, MOST_PROGRAM, MOST_ITEMS = 80, 8_000, 1_000_000, 100


@dataclass(frozen=True)
class Request(Generic[R]):
    """What every role is told: the task, the seed, and what is installed."""

    role: ClassVar[str]
    reply: ClassVar[type]

    profile: Profile
    seed: int
    branch: int = 0
    hints: tuple[str, ...] = ()  # what people said while it ran, newest last
    standing: tuple[Standing, ...] = ()  # of the branch's solutions, best first, where that helps
    elsewhere: tuple[Elsewhere, ...] = ()  # what other branches had found, for brains in words, where that helps
    start: Standing | None = None  # whose script it is that is to be changed

    def declined(self) -> R:
        """The reply of somebody who has nothing to say: the method goes on without."""
        made: R = self.reply(*_DECLINED[self.reply])
        return made


@dataclass(frozen=True)
class Ideas:
    """Reply of the retriever, best first; the first one must be the cheapest that is any good."""

    ideas: tuple[Idea, ...]


@dataclass(frozen=True)
class Retrieve(Request[Ideas]):
    """A_retriever: which `count` models suit this task? `found` is what the search brought."""

    role = "retriever"
    reply = Ideas
    count: int = 4
    quick: bool = False  # the run's first model: the cheapest that is any good, so that a submission exists early
    found: tuple[Idea, ...] = ()
    findings: tuple[str, ...] = ()
    pages: tuple[Page, ...] = ()


@dataclass(frozen=True)
class WrittenScript:
    """A whole composable script. `cost` is a rough unit: 1 = a linear model or a small forest.

    `source` names the recipe where another model than the one asked for was written.
    """

    name: str
    script: str
    cost: float = 1.0
    source: str = ""


@dataclass(frozen=True)
class WriteCandidate(Request[WrittenScript]):
    """A_init: write a solution with this one model."""

    role = "candidate writer"
    reply = WrittenScript
    idea: Idea = field(default_factory=lambda: Idea("", "", ""))


@dataclass(frozen=True)
class CheckedScript:
    """Reply of the checkers: `script` is None when nothing needs to change; `finding` says what was seen."""

    finding: str
    script: str | None = None


@dataclass(frozen=True)
class CheckDataUsage(Request[CheckedScript]):
    """A_data: does the script use all that was given? `unread` are files no execution opened."""

    role = "data-usage checker"
    reply = CheckedScript
    script: str = ""
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckLeakage(Request[CheckedScript]):
    """A_leakage: does the script learn from what the test will not have? `suspicions` are the harness's."""

    role = "leakage checker"
    reply = CheckedScript
    script: str = ""
    suspicions: tuple[str, ...] = ()


@dataclass(frozen=True)
class NeutralForms:
    """Reply of the ablation role: cell name -> source of its neutral form (same names defined)."""

    forms: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ablate(Request[NeutralForms]):
    """A_abl: what would each cell be if it did nothing? The harness runs the variants itself."""

    role = "ablation"
    reply = NeutralForms
    script: str = ""
    most: int = 6


@dataclass(frozen=True)
class ChooseTarget(Request[Target]):
    """A_extractor: which cell is worth refining now? Effects are measured, with intervals."""

    role = "target chooser"
    reply = Target
    script: str = ""
    effects: tuple[Effect, ...] = ()
    ledger: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """Reply of the analyst: a script that prints what it sees (never predicts); None to look at nothing."""

    question: str
    script: str | None


@dataclass(frozen=True)
class Look(Request[Analysis]):
    """The analyst (DESIGN.md §5): its script reads `input/rows.parquet`, the search rows with their

    targets and, once there is an incumbent, its out-of-fold predictions in columns `oof:<column>`.
    """

    role = "analyst"
    reply = Analysis
    script: str = ""
    findings: tuple[str, ...] = ()
    ledger: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class MakePlan(Request[Plan]):
    """A_planner: what should be tried next on the target cell? The ledger holds every attempt."""

    role = "planner"
    reply = Plan
    script: str = ""
    target: Target = field(default_factory=lambda: Target("", ""))
    ledger: tuple[Attempt, ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RewrittenCells:
    """Reply of coder and debugger: cell name -> new source. Cells not named stay as they are.

    The coder names the target cell, and may add new cells or imports (`setup`) that it needs.
    """

    cells: tuple[tuple[str, str], ...]
    name: str = ""
    cost: float = 1.0


@dataclass(frozen=True)
class WriteCell(Request[RewrittenCells]):
    """A_coder: carry the plan out on the cell."""

    role = "coder"
    reply = RewrittenCells
    script: str = ""
    plan: Plan = field(default_factory=lambda: Plan("", ""))


@dataclass(frozen=True)
class Debug(Request[RewrittenCells]):
    """A_debugger: mend the failing cell; never change the model family. Empty `cells` = give up."""

    role = "debugger"
    reply = RewrittenCells
    script: str = ""
    state: str = ""
    error: str = ""
    cell: str = ""


@dataclass(frozen=True)
class BlendPlan:
    """Reply of the ensemble planner: how to join; `recipe` names a stack. `cells` are its own: no ensembler is asked.

    `every`: all members are joined, not only those that the greedy selection chose.
    """

    text: str
    recipe: str = ""
    cells: tuple[tuple[str, str], ...] = ()
    every: bool = False


@dataclass(frozen=True)
class PlanBlend(Request[BlendPlan]):
    """A_ens_planner: how should the banked members be joined? `tried` = (text, score) so far."""

    role = "ensemble planner"
    reply = BlendPlan
    members: tuple[str, ...] = ()  # all that a blend may join
    chosen: tuple[tuple[str, float], ...] = ()  # the greedy weights
    tried: tuple[tuple[str, str, float], ...] = ()
    scores: tuple[tuple[str, float], ...] = ()  # of the members alone
    left_out: tuple[tuple[str, str, str], ...] = ()  # scripts that no blend may join: name, address, reason
    code: tuple[tuple[str, str], ...] = ()  # the cells of the best of `tried` that has any


@dataclass(frozen=True)
class WriteBlend(Request[RewrittenCells]):
    """A_ensembler: write the cells `learn` and `blend` (see scripts.py) for the plan."""

    role = "ensembler"
    reply = RewrittenCells
    plan: BlendPlan = field(default_factory=lambda: BlendPlan(""))


@dataclass(frozen=True)
class Finalise(Request[CheckedScript]):
    """A_test: a last look at the script that will be delivered; the harness runs and verifies it."""

    role = "finaliser"
    reply = CheckedScript
    script: str = ""


@dataclass(frozen=True)
class Adopt(Request[WrittenScript]):
    """A script that somebody wrote in their own way: what would it be as a composable one?"""

    role = "adopter"
    reply = WrittenScript
    script: str = ""
    name: str = ""


_DECLINED: dict[type, tuple[Any, ...]] = {
    Ideas: ((),), WrittenScript: ("", ""), CheckedScript: ("not checked",), NeutralForms: ((),), Target: ("model", ""),
    Analysis: ("", None), Plan: ("", ""), RewrittenCells: ((),), BlendPlan: ("",),
}  # fmt: skip


ROLES = tuple(request.role for request in (
    Retrieve, WriteCandidate, CheckDataUsage, CheckLeakage, Ablate, ChooseTarget, Look, MakePlan, WriteCell, Debug,
    PlanBlend, WriteBlend, Finalise,
))  # fmt: skip


def sound(reply: R) -> R:
    """A reply as the harness takes it, whatever a brain or a page put in: texts and lists bounded and free of

    escapes, names in one line, programs that can be written to a file, costs between 0.01 and 1000.
    """
    made: R = _sound(reply, "")
    return made


def _sound(value: Any, name: str) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _sound(getattr(value, f.name), f.name) for f in fields(value)})
    if name in ("cells", "forms"):
        return tuple((plain.word(cell, MOST_NAME), _sound(text, "script")) for cell, text in value[:MOST_ITEMS])
    if isinstance(value, tuple):
        return tuple(_sound(item, name) for item in value[:MOST_ITEMS])
    if name == "cost":
        return min(max(value, 0.01), 1000.0) if math.isfinite(value) else 1.0
    if not isinstance(value, str):
        return value
    if name in _PROGRAMS:
        return plain.source(value[:MOST_PROGRAM])
    return plain.word(value, MOST_NAME) if name in _NAMES else plain.clean(value[:MOST_TEXT])
