"""How many calls and jobs the loops of `algorithm.py` come to, by what its verbs (`lab.py`) ask and run."""

from __future__ import annotations

from dataclasses import dataclass

from mlestar.config import Settings
from mlestar.lab import FEWEST_VARIANTS
from mlestar.records import Breadths
from mlestar.tasks.splits import FOLDS

Range = tuple[int, int]  # least and most


@dataclass(frozen=True)
class Stage:
    """The jobs of one part of the method."""

    name: str
    jobs: Range


def calls(size: Breadths, only_start: bool = False) -> dict[str, Range]:
    """Calls by role, one answer each. What the playbook or the library can settle without a call is 0 at least.

    M, L, T, K, R, D are the paper's symbols (`records.Breadths`). A role that is not named is never called.
    """
    if only_start:
        return {"retriever": (0, 1), "candidate writer": (0, 1), "debugger": (0, size.debug)}
    M, L, T, K, R, D = size.candidates, size.branches, size.outer, size.inner, size.rounds, size.debug
    looks = 1 + L * T  # one for all branches before the candidates, and one before each target's plans
    variants = _variants(size)
    scripts = 1 + L * (M + _mergers(size) + 2 + T * (variants + K))  # all that may fail
    return {
        "retriever": (L, L + 1),  # the run's first model is the library's, where it has one
        "candidate writer": (0, L * M + 1),  # a recipe of the library needs no writer
        "data-usage checker": (0, L),  # asked where files stay unread
        "leakage checker": (0, L),  # asked where the harness has a suspicion
        "ablation": (0, L * T if variants else 0),  # recipes bring their neutral forms
        "target chooser": (L * T, L * T),
        "analyst": (looks * min(size.looks, 1), looks * size.looks),
        "planner": (L * T, L * T * K),
        "coder": (0, L * T * K),  # most plans bring their cells
        "debugger": (0, D * scripts),
        "ensemble planner": (min(R - 1, 1), R - 1),
        "ensembler": (0, R - 1),
        "finaliser": (1, L + 2),  # where somebody is named for it; others are finished only where the best fails
    }  # fmt: skip


def _mergers(size: Breadths) -> int:
    """Mergers that a branch may try: the best candidate with each of the others."""
    return size.candidates - 1 if size.mergers is None else min(size.candidates - 1, size.mergers)


def _variants(size: Breadths) -> int:
    """Cells that one ablation may take away; so few that nothing follows from them are none."""
    return size.variants if size.variants >= FEWEST_VARIANTS else 0


def jobs(settings: Settings) -> tuple[Stage, ...]:
    """Jobs by part of the method. With a time budget the first job's seconds decide how many folds there are."""
    size, folds = settings.breadths, settings.judging.folds
    M, L, T, K, R, D = size.candidates, size.abreast, size.outer, size.inner, size.rounds, size.debug
    few, many = (folds, folds) if folds else (1 if settings.budget else FOLDS, FOLDS)
    script = many + D  # folds and repairs of one script
    start = Stage("start", (few + 1, many + D + 1))
    if settings.brain == "none":
        return (start,)
    pieces = FOLDS if few == 1 else many  # a single hold-out is cut into blocks
    views = 2 if settings.judging.seal else 1
    return (
        start,
        Stage("looks at the data", (0, (1 + L * T) * size.looks)),
        Stage("candidates", (M * few, L * M * script)),
        Stage("mergers", (0, L * _mergers(size) * script)),
        Stage("checks, and the initial solution on the real files", (0, L * (2 * script + 1))),
        Stage("ablations", (0, L * T * _variants(size) * 2)),  # a second fold where the first does not settle it
        Stage("variants without a cell that are better", (0, L * T * _variants(size) * script)),
        Stage("plans", (0, L * T * K * script)),
        Stage("ensemble", (0, (R - 1) * (pieces + 1))),
        Stage("finish", (1, views * (1 + L + 1))),  # others are finished only where the best fails
    )
