"""The main job on the measuring tasks, one after another, each graded once: benchmarks/tasks.md.

    python benchmarks/tasks.py --budget 15m [--task ID]... [--seed 0] [--scratch FOLDER]

Without --task: the tables and texts among the tasks. Rows are added to the table or replace those of the same task;
benchmarks/tasks.json is its source, or another file with `--table`: torch.json holds runs with torch installed, which
scripts then use. `--render` only writes the table again.
"""

import argparse
import csv
import json
from datetime import date
from pathlib import Path

import common

from mlestar.journal import queries

PLACE = common.HERE / "tasks.json"
SHOWN = ("metric", "direction", "split", "split_evidence", "folds", "search_score", "search_stderr", "sealed_score",
         "sealed_stderr", "estimate", "estimate_stderr", "optimism", "jobs", "phases", "state", "sandbox")  # fmt: skip
ABOUT = """- **start**, **init**, **refine**, **ensemble**: the search score of the quick first solution and after each
  phase (of the best branch), on the run's own folds.
- **search**, **sealed**: `mle-star show`, ± standard error. **test**: graded once, after the run.
- **optimism**: search against sealed, positive when the search promised too much.
- **expect**: the sealed score, else the search score less the bootstrap correction.
- **within 2 SE**: |expect − test| ≤ 2·√(SE² + SE_test²); SE_test is the SE of expect scaled to the test's size,
  SE·√(rows behind it / test rows).
- **first**: seconds from the start until a valid submission lay in `best/`.
- **quick baseline**: the task's own, from its meta.json."""


def measure(name: str, options: argparse.Namespace) -> common.Row:
    """One run of one task and what came of it, as plain values."""
    folder = common.task_folder(name, options.tasks)
    arguments = ["--budget", options.budget, "--seed", str(options.seed), *(options.jobs and ["--jobs", options.jobs])]
    ran = common.run(folder / "public", options.scratch / name, *arguments)
    found, known = common.shown(ran.folder), common.meta(folder)
    submission = ran.folder / "best" / "submission.csv"
    row: common.Row = {"task": name, "date": str(date.today()), "machine": common.machine()}
    row |= {"command": f"mle-star run {name}/public {' '.join(arguments)}", "exit": ran.code}
    row |= {key: found[key] for key in SHOWN} | {"phases": {"start": start(ran.folder), **dict(found["phases"])}}
    row |= {"seconds": round(ran.seconds, 1), "first": ran.first and round(ran.first, 1)}
    row["baseline"] = known.get("quick_baseline", {}).get("score")
    row["test"] = row["medal"] = None
    if submission.exists() and not options.no_grade:
        graded = common.grade(name, submission, options.tasks, f"tasks.md, budget {options.budget}")
        row |= {"test": graded["score"], "medal": graded.get("medal"), "error": graded.get("error")}
    row["test_stderr"] = test_error(row, ran.folder, submission)
    return row | {"within": within(row)}


def start(run: Path) -> float | None:
    """The score of the quick first solution: its folds, weighted by rows."""
    steps = [
        s for s in queries.steps(run, "start") if s.verb == "execute" and s.state == "ok" and "/fold-" in s.address
    ]
    judged = [json.loads(step.result or "{}")["judged"] for step in steps]
    valid = [(found["value"], found["rows"]) for found in judged if found["reason"] is None]
    return sum(value * rows for value, rows in valid) / sum(rows for _, rows in valid) if valid else None


def test_error(row: common.Row, run: Path, submission: Path) -> float | None:
    """The estimate's standard error, scaled to the size of the test; None when unknown."""
    if row["test"] is None or row["estimate_stderr"] is None:
        return None
    cut = json.loads((run / "task" / "cut.json").read_text(encoding="utf-8"))
    rows = len(cut["sealed"]) or sum(len(fold) for fold in cut["folds"][: row["folds"]])
    with submission.open(newline="", encoding="utf-8") as file:
        test_rows = sum(1 for _ in csv.reader(file)) - 1
    return float(row["estimate_stderr"] * (rows / test_rows) ** 0.5)


def within(row: common.Row) -> bool | None:
    """Whether estimate and test agree within two standard errors of their difference; None when unknown."""
    if row["test_stderr"] is None:
        return None
    apart = (row["estimate_stderr"] ** 2 + row["test_stderr"] ** 2) ** 0.5
    return bool(abs(row["estimate"] - row["test"]) <= 2 * apart)


def phase(row: common.Row, word: str) -> float | None:
    """The best score that a phase ended with, over branches."""
    values = [value for name, value in row["phases"].items() if name.split()[-1] == word and value is not None]
    if not values:
        return None
    return float(max(values) if row["direction"] == "max" else min(values))


def line(row: common.Row) -> list[object]:
    """A row of the scores' table."""
    arrow = "↑" if row["direction"] == "max" else "↓"
    phases = [phase(row, word) for word in ("start", "init", "refine", "ensemble")]
    test = row["test"] if row["test"] is None or not row["medal"] else f"{row['test']} ({row['medal']})"
    scores = [common.with_error(row[f"{kind}_score"], row[f"{kind}_stderr"]) for kind in ("search", "sealed")]
    scores.append(common.with_error(row["estimate"], row["estimate_stderr"]))
    rest = [row[key] for key in ("optimism", "within", "jobs", "seconds", "first", "baseline")]
    return [row["task"], f"{row['metric']} {arrow}", *phases, *scores, test, *rest]


def render(rows: list[common.Row]) -> str:
    """The page."""
    titles = ["task", "metric", "start", "init", "refine", "ensemble", "search", "sealed", "expect", "test", "optimism",
              "within 2 SE", "jobs", "seconds", "first", "quick baseline"]  # fmt: skip
    splits = [[r["task"], f"`{r['split']}`", r["split_evidence"], r["folds"]] for r in rows]
    origins = [[r["task"], r["date"], f"`{r['command']}`", f"{r['exit']}, {r['state']}", r["machine"]] for r in rows]
    title = "# The measuring tasks" + ", with torch" * all(" torch " in row["machine"] for row in rows)
    parts = [title, "Made by `benchmarks/tasks.py`; every number was measured by it.", ABOUT]
    parts += ["## Scores", common.table(titles, [line(row) for row in rows])]
    parts += ["## Splits", common.table(["task", "split", "evidence", "folds evaluated"], splits)]
    parts += ["## Where from", common.table(["task", "date", "command", "exit, state", "machine"], origins)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", action="append", help="a folder's name; repeat for several")
    parser.add_argument("--tasks", type=Path, default=common.TASKS, help="where the measuring tasks are")
    parser.add_argument("--budget", default="15m")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", default="")
    parser.add_argument("--scratch", type=Path, default=common.scratch("tasks"), help="where the runs go")
    parser.add_argument("--no-grade", action="store_true", help="leave the column `test` empty")
    parser.add_argument("--table", type=Path, default=PLACE, help="the JSON source of the table")
    parser.add_argument("--render", action="store_true", help="only write the table again")
    options = parser.parse_args()
    if options.render:
        return common.write(options.table, [], "task", render)
    for name in options.task or common.tables_and_texts(options.tasks):
        common.write(options.table, [measure(name, options)], "task", render)


if __name__ == "__main__":
    main()
