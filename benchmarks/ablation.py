"""What each part of the method is worth: the same runs with one part left out, in equal time: benchmarks/ablation.md.

    python benchmarks/ablation.py --budget 5m [--only "no merging"]... [--task ID]... [--seed 0]... [--scratch FOLDER]

Without --task: four of the tables and texts among the tasks; without --seed: 0 and 1. Nothing is graded. A row that is
there is not run again; benchmarks/ablation.json is the source of the table.
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from datetime import date
from math import isclose
from pathlib import Path

import common
import numpy as np

from mlestar.journal import queries

WHOLE = "whole"
VARIANTS = {
    WHOLE: (),
    "random target cell": ("roles.target_chooser=random", "refine.variants=0"),
    "no merging": ("init.mergers=0",),
    "no ensembling": ("ensemble.most=1", "ensemble.rounds=1", "refine.until=0.85"),
    "no racing": ("judging.race=0",),
}
KEPT = ("metric", "direction", "split", "folds", "search_score", "search_stderr", "sealed_score", "sealed_stderr",
        "jobs", "state")  # fmt: skip
ABOUT = """Each variant is the whole method with one part switched off by settings, run one after the other on the same
machine, with the playbook, the same split and the same wall time; the time that a part would have taken goes to the
others. Without ablation-guided targeting no study is run (so no variant without a cell can win either), and the cell is
drawn. Without ensembling the best single script is delivered; it may be a merger.

- **score**: on the sealed rows, ± standard error; the search score where nothing is sealed.
- **difference**: to the whole method on the same task, seed and budget, positive where the variant is *better*. Its
  error is a paired bootstrap over the sealed rows; for search scores it is √(SE² + SE²), which is too large. It tells
  nothing of other seeds: see how the seeds differ.
- **mean rank**: 1 is the best, over the tasks and seeds that all variants have. **better**, **worse**: than the whole
  method, by more than one standard error; a run without a score is worse. **in SEs**: the mean of difference / error.
- A part pays where leaving it out is worse."""


def measure(name: str, variant: str, seed: int, options: argparse.Namespace) -> common.Row:
    """One run of one variant."""
    folder = common.task_folder(name, options.tasks)
    given = [part for setting in VARIANTS[variant] for part in ("--set", setting)]
    arguments = ["--budget", options.budget, "--seed", str(seed), *given]
    out = options.scratch / f"{name}-{variant.replace(' ', '-')}-{seed}"
    shutil.rmtree(out, ignore_errors=True)  # left by a call that was stopped
    ran = common.run(folder / "public", out, *arguments)
    found = common.shown(ran.folder)
    row: common.Row = {"key": key(name, variant, seed, options.budget), "task": name, "variant": variant, "seed": seed}
    row |= {"budget": options.budget, "date": str(date.today()), "machine": common.machine(), "exit": ran.code}
    row |= {"command": f"mle-star run {name}/public {' '.join(arguments)}", "seconds": round(ran.seconds, 1)}
    row |= {name: found[name] for name in KEPT}
    return row | {"replicates": " ".join(f"{value:.7g}" for value in replicates(ran.folder, row["sealed_score"]))}


def key(name: str, variant: str, seed: int, budget: str) -> str:
    """What a row is known by."""
    return f"{name}, {variant}, seed {seed}, {budget}"


def replicates(run: Path, sealed: float | None) -> list[float]:
    """The sealed score on resamples of the sealed rows, the same resamples for all runs of a seed."""
    steps = [step for step in queries.steps(run, "finalise") if step.address.endswith("/rehearsal") and step.result]
    judged = [json.loads(step.result or "{}")["judged"] for step in steps]
    scored = [found for found in judged if sealed is not None and found["reason"] is None]
    return next((found["replicates"] for found in scored if isclose(found["value"], sealed, rel_tol=1e-9)), [])


# --- the page -------------------------------------------------------------------------------------------


def score(row: common.Row) -> tuple[float | None, float | None]:
    """What a row is compared by, with its error."""
    kind = "search" if row["sealed_score"] is None else "sealed"
    return row[f"{kind}_score"], row[f"{kind}_stderr"]


def difference(row: common.Row, whole: common.Row) -> tuple[float | None, float | None]:
    """How much better the variant is than the whole, and the error of that."""
    (mine, my_error), (theirs, their_error) = score(row), score(whole)
    if mine is None or theirs is None or (row["sealed_score"] is None) != (whole["sealed_score"] is None):
        return None, None
    sign = 1.0 if row["direction"] == "max" else -1.0
    a, b = (np.array(r["replicates"].split(), float) for r in (row, whole))
    if len(a) == len(b) > 1:
        return sign * (mine - theirs), float(np.std(a - b, ddof=1))
    unpaired = None if my_error is None or their_error is None else (my_error**2 + their_error**2) ** 0.5
    return sign * (mine - theirs), unpaired


def groups(rows: list[common.Row]) -> dict[tuple[str, int, str], dict[str, common.Row]]:
    """The variants of each task, seed and budget."""
    found: dict[tuple[str, int, str], dict[str, common.Row]] = {}
    for row in sorted(rows, key=lambda r: (r["task"], r["seed"], r["budget"], list(VARIANTS).index(r["variant"]))):
        found.setdefault((row["task"], row["seed"], row["budget"]), {})[row["variant"]] = row
    return found


def ranks(group: dict[str, common.Row]) -> dict[str, float]:
    """1 is the best; equals share a rank; who has no score comes last."""
    sign = {name: -1.0 if row["direction"] == "max" else 1.0 for name, row in group.items()}
    worth = {name: np.inf if (s := score(row)[0]) is None else sign[name] * s for name, row in group.items()}
    known = list(worth.values())
    return {name: sum(o < w for o in known) + (known.count(w) + 1) / 2 for name, w in worth.items()}


def verdict(row: common.Row, whole: common.Row) -> str:
    """Whether a variant is better or worse than the whole, by more than one standard error."""
    gain, error = difference(row, whole)
    if gain is None:
        there = [score(r)[0] is not None for r in (row, whole)]
        return "worse" if there == [False, True] else "better" if there == [True, False] else ""
    return "" if abs(gain) <= (error or 0.0) else "better" if gain > 0 else "worse"


def summary(found: list[dict[str, common.Row]]) -> Iterator[list[object]]:
    """A line per variant."""
    complete = [ranks(group) for group in found if len(group) == len(VARIANTS)]
    for name, settings in VARIANTS.items():
        mine = [(group[name], group[WHOLE]) for group in found if name in group and WHOLE in group]
        told = [verdict(*pair) for pair in mine]
        sizes = [gain / error for gain, error in (difference(*pair) for pair in mine) if gain is not None and error]
        rank = float(np.mean([place[name] for place in complete])) if complete else None
        against = (told.count("better"), told.count("worse"), float(np.mean(sizes)) if sizes else None)
        shown = ", ".join(f"`{setting}`" for setting in settings) or "–"
        yield [name, shown, len(mine), rank, *((None, None, None) if name == WHOLE else against)]


def render(rows: list[common.Row]) -> str:
    """The page."""
    found = groups(rows)
    lines = []
    for group in found.values():
        for name, row in group.items():
            gain, error = difference(row, group[WHOLE]) if WHOLE in group and name != WHOLE else (None, None)
            metric = f"{row['metric']} {'↑' if row['direction'] == 'max' else '↓'}"
            kind = "search" if row["sealed_score"] is None else "sealed"
            apart = None if gain is None else f"{gain:+.5f}" + ("" if error is None else f" ± {error:.5f}")
            told = verdict(row, group[WHOLE]) if WHOLE in group and name != WHOLE else ""
            lines.append([row["task"], metric, row["seed"], row["budget"], name, kind, common.with_error(*score(row)),
                          apart, told, row["folds"], row["jobs"], row["seconds"]])  # fmt: skip
    titles = ["task", "metric", "seed", "budget", "variant", "rows", "score", "difference", "verdict", "folds", "jobs",
              "seconds"]  # fmt: skip
    heads = ["variant", "settings", "runs", "mean rank", "better", "worse", "in SEs"]
    origins = sorted({(r["date"], r["budget"], r["machine"]) for r in rows})
    told = [f"- {day}: `mle-star run TASK/public --budget {budget} --seed SEED` with the settings above; {machine}"
            for day, budget, machine in origins]  # fmt: skip
    parts = ["# What each part is worth", "Made by `benchmarks/ablation.py`; every number was measured by it.", ABOUT]
    parts += ["## By variant", common.table(heads, list(summary(list(found.values()))))]
    parts += [(common.HERE / "ablation-notes.md").read_text(encoding="utf-8").strip()]
    parts += ["## Runs", common.table(titles, lines), "## Where from", "\n".join(told)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure what is not there yet, and write the page after each run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=VARIANTS, help="a variant; repeat for several")
    parser.add_argument("--task", action="append", help="a folder's name; repeat for several")
    parser.add_argument("--tasks", type=Path, default=common.TASKS, help="where the measuring tasks are")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--scratch", type=Path, default=common.scratch("ablation"), help="where the runs go")
    parser.add_argument("--table", type=Path, default=common.HERE / "ablation.json", help="the source of the table")
    parser.add_argument("--render", action="store_true", help="only write the table again")
    options = parser.parse_args()
    if options.render:
        return common.write(options.table, [], "key", render)
    known = {row["key"] for row in json.loads(options.table.read_text())} if options.table.exists() else set()
    for seed in options.seed or [0, 1]:  # all variants of a task side by side: what is there early can be compared
        for name in options.task or common.tables_and_texts(options.tasks)[:4]:
            for variant in options.only or VARIANTS:
                if key(name, variant, seed, options.budget) not in known:
                    common.write(options.table, [measure(name, variant, seed, options)], "key", render)


if __name__ == "__main__":
    main()
