"""Systems against each other, from the cells' records alone: means over seeds, ranks, differences on the same rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlestar.bank.comparison import chance
from mlestar.bench.records import Cell
from mlestar.records import Direction


@dataclass(frozen=True)
class Line:
    """One system on one task over its seeds. `rank` 1 is the best; None where it cannot be said yet."""

    task: str
    system: str
    direction: Direction
    cells: tuple[Cell, ...]
    rank: float | None = None

    @property
    def tests(self) -> list[float]:
        """The graded scores."""
        return [cell.test for cell in self.cells if cell.test is not None]

    @property
    def fell(self) -> bool:
        """Whether it tried, and nothing of it counts."""
        tried = [cell.fell for cell in self.cells if cell.state != "missing"]
        return bool(tried) and all(tried)

    def mean(self, name: str) -> float | None:
        """The mean of a cell's number over the seeds that have it."""
        known = [value for cell in self.cells if (value := getattr(cell, name)) is not None]
        return float(np.mean(known)) if known else None


@dataclass(frozen=True)
class Standing:
    """A system over all tasks on which every system has a rank."""

    system: str
    rank: float | None
    tasks: int
    medals: tuple[str, ...]
    done: int
    failed: int
    missing: int


@dataclass(frozen=True)
class Pair:
    """`first` less `second` on the same test rows, positive where `first` is better.

    The scores are means over the seeds that both have; `stderr` and `p` (the chance that `first` is better) come from a
    paired bootstrap over test rows: they tell nothing of other seeds.
    """

    task: str
    first: str
    second: str
    seeds: int
    difference: float
    stderr: float
    p: float


def lines(cells: Sequence[Cell], systems: Sequence[str], directions: dict[str, Direction]) -> list[Line]:
    """The cells by task and system, with ranks; systems in the order given."""
    found = []
    for task in sorted({cell.task for cell in cells}):
        mine = [cell for cell in cells if cell.task == task]
        known = next((cell.direction for cell in mine if cell.direction), None)
        direction = directions.get(task) or known or "max"
        rows = [Line(task, s, direction, tuple(c for c in mine if c.system == s)) for s in systems]
        found += _ranked([row for row in rows if row.cells])
    return found


def _ranked(rows: list[Line]) -> list[Line]:
    """Ties share a rank; who failed comes last; who was not there has none."""
    sign = -1.0 if rows and rows[0].direction == "max" else 1.0
    keys = [sign * mean if (mean := row.mean("test")) is not None else np.inf if row.fell else None for row in rows]
    if not any(row.tests for row in rows):
        return rows
    there = [key for key in keys if key is not None]
    ranks = [
        None if key is None else sum(o < key for o in there) + (sum(o == key for o in there) + 1) / 2 for key in keys
    ]
    return [Line(r.task, r.system, r.direction, r.cells, rank) for r, rank in zip(rows, ranks, strict=True)]


def standings(rows: Sequence[Line], systems: Sequence[str]) -> list[Standing]:
    """Mean ranks, the best first; systems without one last."""
    ranks = {(row.task, row.system): row.rank for row in rows if row.rank is not None}
    common = [task for task in sorted({r.task for r in rows}) if all((task, system) in ranks for system in systems)]
    found = []
    for system in systems:
        cells = [cell for row in rows if row.system == system for cell in row.cells]
        states = [cell.state for cell in cells]
        medals = tuple(cell.grade.medal for cell in cells if cell.grade and cell.grade.medal)
        mean = float(np.mean([ranks[task, system] for task in common])) if common else None
        counts = (states.count("done"), states.count("failed"), states.count("missing"))
        found.append(Standing(system, mean, len(common), medals, *counts))
    return sorted(found, key=lambda standing: (standing.rank is None, standing.rank or 0.0))


def pairs(rows: Sequence[Line]) -> list[Pair]:
    """Every two systems of a task for which resamples of the same rows are known."""
    return [
        pair
        for one, other in itertools.combinations(rows, 2)
        if one.task == other.task and (pair := _pair(one, other)) is not None
    ]


def _pair(one: Line, other: Line) -> Pair | None:
    mine, theirs = _resampled(one), _resampled(other)
    seeds = [seed for seed in mine if seed in theirs and len(mine[seed][1]) == len(theirs[seed][1])]
    if not seeds:
        return None
    sign = 1.0 if one.direction == "max" else -1.0
    difference = sign * float(np.mean([mine[seed][0] - theirs[seed][0] for seed in seeds]))
    spread = sign * np.mean([np.subtract(mine[seed][1], theirs[seed][1]) for seed in seeds], axis=0)
    found = chance(spread)
    if found is None or found[1] is None:
        return None
    return Pair(one.task, one.system, other.system, len(seeds), difference, stderr=found[1], p=found[0])


def _resampled(line: Line) -> dict[int, tuple[float, tuple[float, ...]]]:
    """By seed: the metric and its resamples, where there are at least two."""
    return {
        cell.seed: (cell.grade.own, cell.grade.replicates)
        for cell in line.cells
        if cell.grade is not None and cell.grade.own is not None and len(cell.grade.replicates) > 1
    }
