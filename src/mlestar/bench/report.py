"""The bench's pages: bench.md to read, bench.json to compute with, bench.svg to look at."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlestar.bench import cells, plot
from mlestar.bench.comparing import Line, Pair, Standing, lines, pairs, standings
from mlestar.bench.cores import each
from mlestar.bench.records import Asked, BenchTask, Cell
from mlestar.config import Settings
from mlestar.plain import called, word
from mlestar.report import costs

PAGE, DATA, PLOT = "bench.md", "bench.json", "bench.svg"
NOTHING = "-"
NOT_YET = "not run yet"
HOW = """- **test**: the graded score, a mean over seeds ± their standard deviation. **search**, **sealed**: what
  mle-star itself expected (docs/scores.md); competitors tell no such number.
- **rank**: 1 is the best mean test score; a system whose cells all failed is last; a missing one has no rank. The mean
  rank is over tasks on which all systems have one.
- **seconds**: wall time of the run or the runner, of which each was given the budget. **calls**: paid calls to a model.
- **difference**: mle-star's metric on the private answers, positive where the first system is better; its standard
  error and p come from a paired bootstrap over the test rows. Left out where that metric is not the grader's.
- `-`: not known, or a cell that is missing: below stands why."""


def write(out: Path, settings: Settings, asked: Asked, tasks: Sequence[BenchTask]) -> None:
    """Write the three pages anew from the records in `out`, with a gap for each cell that is not there."""
    known = cells.recorded(out)
    there = {(cell.task, cell.system, cell.seed) for cell in known}
    names = [task.name for task in tasks if asked.wants(task.name)]
    wanted = [(name, system, seed) for name in names for system in asked.systems for seed in asked.seeds]
    gaps = [Cell(*key, "missing", NOT_YET) for key in wanted if key not in there]
    every = sorted([*known, *gaps], key=lambda cell: (cell.task, cell.system, cell.seed))
    systems = list(dict.fromkeys([*asked.systems, *(cell.system for cell in every)]))
    rows = lines(every, systems, {task.name: task.direction for task in tasks if task.direction})
    found, compared = standings(rows, systems), pairs(rows)
    limits = {task.name: task.thresholds for task in tasks}
    data = {
        "terms": _terms(settings, every), "standings": [asdict(one) for one in found],
        "lines": [_told(row) for row in rows], "pairs": [asdict(pair) for pair in compared],
        "cells": [_plain(cell) for cell in every],
    }  # fmt: skip
    _put(out / DATA, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    _put(out / PLOT, plot.svg(rows, systems, limits))
    _put(out / PAGE, page(_terms(settings, every), found, rows, compared))


def _put(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.building")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def _terms(settings: Settings, every: Sequence[Cell]) -> dict[str, Any]:
    return {
        "budget": settings.budget, "cores": each(settings), "brain": called(settings.brain),
        "executor": settings.executor,
        "machines": sorted({cell.machine for cell in every if cell.machine}),
        "versions": sorted({cell.version for cell in every if cell.version}),
        "dates": sorted({cell.date for cell in every if cell.date}),
    }  # fmt: skip


def _plain(cell: Cell) -> dict[str, Any]:
    """The cell's record without its resamples, which cell.json keeps."""
    return asdict(cell if cell.grade is None else replace(cell, grade=replace(cell.grade, replicates=())))


def _told(row: Line) -> dict[str, Any]:
    numbers = {name: row.mean(name) for name in ("test", "search", "sealed", "seconds")}
    return {"task": row.task, "system": row.system, "direction": row.direction, "rank": row.rank, **numbers}


def page(terms: dict[str, Any], found: list[Standing], rows: list[Line], compared: list[Pair]) -> str:
    """bench.md."""
    every = [cell for row in rows for cell in row.cells]
    states = Counter(cell.state for cell in every)
    days = " to ".join(dict.fromkeys([*terms["dates"][:1], *terms["dates"][-1:]])) or "no day yet"
    there = ", its jobs on a Ray cluster" if terms["executor"] == "ray" else ""
    about = (
        f"Budget {terms['budget']:g} s and {terms['cores']} cores for every system; mle-star's brain: {terms['brain']}"
        f"{there}."
        f" {len(every)} cells: {states['done']} done, {states['failed']} failed, {states['missing']} missing. {days}. "
        f"{'; '.join([*terms['machines'], *terms['versions']])}."
    )
    parts = ["# Bench", about, f"![test scores by task, better to the right]({PLOT})", "## Systems", _systems(found)]
    parts += ["## Tasks", _tasks(rows)]
    if compared:
        parts += ["## Paired differences on the same test rows", _pairs(compared)]
    parts += ["## Cells", _cells(every), "## How to read it", HOW]
    return "\n\n".join(parts) + "\n"


def _systems(found: list[Standing]) -> str:
    rows = [
        [one.system, _number(one.rank, 2), one.tasks, *(one.medals.count(m) for m in ("gold", "silver", "bronze")),
         one.done, one.failed, one.missing]
        for one in found
    ]  # fmt: skip
    titles = ["system", "mean rank", "over tasks", "gold", "silver", "bronze", "done", "failed", "missing"]
    return table(titles, rows)


def _tasks(rows: list[Line]) -> str:
    shown = []
    for row in rows:
        metric = next((cell.metric for cell in row.cells if cell.metric), NOTHING)
        medals = Counter(cell.grade.medal for cell in row.cells if cell.grade and cell.grade.medal)
        tests = _number(row.mean("test"))
        if len(row.tests) > 1:
            tests += f" ± {np.std(row.tests, ddof=1):.5f}"
        done = sum(cell.state == "done" for cell in row.cells)
        tried = [cell for cell in row.cells if cell.state != "missing"]
        shown.append([
            row.task, f"{metric} {'↑' if row.direction == 'max' else '↓'}", row.system,
            f"{done}/{len(row.cells)}", tests, ", ".join(f"{n} {m}" for m, n in medals.items()) or NOTHING,
            _number(row.rank, 1), _number(row.mean("search")), _number(row.mean("sealed")),
            _number(row.mean("seconds"), 0), sum(cell.calls for cell in tried) if tried else NOTHING,
            _money([cell.cost_usd for cell in tried]),
        ])  # fmt: skip
    titles = ["task", "metric", "system", "seeds done", "test", "medals", "rank", "search", "sealed", "seconds",
              "calls", "money"]  # fmt: skip
    return table(titles, shown)


def _pairs(compared: list[Pair]) -> str:
    rows = [
        [pair.task, pair.first, pair.second, pair.seeds, f"{pair.difference:+.5f} ± {pair.stderr:.5f}",
         f"{pair.p:.2f}"]
        for pair in compared
    ]  # fmt: skip
    return table(["task", "first", "second", "seeds", "difference", "p(first is better)"], rows)


def _cells(every: list[Cell]) -> str:
    titles = ["task", "system", "seed", "state", "test", "medal", "search", "sealed", "seconds", "calls", "money",
              "graded by", "remarks"]  # fmt: skip
    return table(titles, [_row(cell) for cell in every])


def _row(cell: Cell) -> list[object]:
    grade = cell.grade
    said = [cell.reason, *([grade.error, grade.note] if grade else [])]
    remarks = "; ".join(dict.fromkeys(word(text, 300) for text in said if text))
    there = cell.state != "missing"
    return [
        cell.task, cell.system, cell.seed, NOTHING if cell.state == "missing" else cell.state, _number(cell.test),
        (grade.medal if grade else "") or NOTHING, _with(cell.search, cell.search_stderr),
        _with(cell.sealed, cell.sealed_stderr), _number(cell.seconds, 0), cell.calls if there else NOTHING,
        _money([cell.cost_usd] if there else []), grade.by if grade else NOTHING, remarks or NOTHING,
    ]  # fmt: skip


def _with(value: float | None, error: float | None) -> str:
    return _number(value) + (f" ± {error:.5f}" if value is not None and error is not None else "")


def _number(value: float | None, digits: int = 5) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _money(amounts: list[float | None]) -> str:
    """US dollars; what nobody knows is no nothing."""
    if not amounts:
        return NOTHING
    known = sum(amount for amount in amounts if amount is not None)
    return costs.dollars(known) if None not in amounts else "unknown"


def table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; a bar would end a cell."""
    shown = [[str(value).replace("|", "\\|").replace("\n", " ") for value in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [list(titles), ["---"] * len(titles), *shown])
