"""The numbers that a run's decisions rest on."""

from __future__ import annotations

from dataclasses import dataclass

from mlestar.records import Breadths, Limits


@dataclass(frozen=True)
class Ends:
    """When phases end, as shares of the budget (DESIGN.md §5, docs/decisions/0014-ends.md)."""

    init: float
    refine: float
    ensemble: float


@dataclass(frozen=True)
class Rules:
    """The numbers that decisions rest on; all are settings (config.py)."""

    size: Breadths
    seed: int
    jobs: int
    limits: Limits
    budget: float | None
    folds: int
    accept: float
    race: float
    most_members: int
    bag: int
    ends: Ends
    keep_models: bool = False
    abreast: int = 1  # evaluations of a branch that share its slots
    closing: bool = False  # nobody is asked any more
    spoken: bool = False  # somebody is asked in words, who can make use of what other branches found
