"""The playbook against a brain that draws recipes at random, in equal time: benchmarks/playbook.md.

    python benchmarks/playbook.py --budget 5m [--task ID]... [--seed 0]... [--grade] [--scratch FOLDER]

Without --task: four of the tables and texts among the tasks. Both brains get the same first solution, split and budget,
one after the other. benchmarks/playbook.json is the source of the table.
"""

import argparse
from datetime import date
from pathlib import Path

import common

BRAINS = ("playbook", "random")
KEPT = (
    "metric",
    "direction",
    "split",
    "folds",
    "search_score",
    "search_stderr",
    "sealed_score",
    "sealed_stderr",
    "jobs",
)
ABOUT = """Same split, same quick first solution, same budget, one run after the other on the same machine. The random
brain writes and debugs as the playbook does, but draws models, cells, changes and blends uniformly. **ahead**: by the
sealed score (the search score where nothing is sealed); differences below the standard errors say little by
themselves."""


def measure(name: str, brain: str, seed: int, options: argparse.Namespace) -> common.Row:
    """One run of one brain."""
    folder = common.task_folder(name, options.tasks)
    arguments = ["--brain", brain, "--budget", options.budget, "--seed", str(seed)]
    ran = common.run(folder / "public", options.scratch / f"{name}-{brain}-{seed}", *arguments)
    found = common.shown(ran.folder)
    row: common.Row = {"key": f"{name} {brain} {seed}", "task": name, "brain": brain, "seed": seed}
    row |= {"date": str(date.today()), "machine": common.machine(), "budget": options.budget, "exit": ran.code}
    row |= {key: found[key] for key in KEPT} | {"seconds": round(ran.seconds, 1), "test": None}
    submission = ran.folder / "best" / "submission.csv"
    if options.grade and submission.exists():
        row["test"] = common.grade(name, submission, options.tasks, f"playbook.md, {brain}, seed {seed}")["score"]
    return row


def pairs(rows: list[common.Row]) -> list[tuple[common.Row, common.Row]]:
    """Runs of both brains on the same task, seed and budget."""
    found = {(r["task"], r["seed"], r["budget"], r["brain"]): r for r in rows}
    return [(r, other) for key, r in found.items() if r["brain"] == BRAINS[0]
            for other in [found.get((*key[:3], BRAINS[1]))] if other is not None]  # fmt: skip


def ahead(ours: common.Row, theirs: common.Row) -> str:
    """Which brain is ahead."""
    kind = "search" if ours["sealed_score"] is None or theirs["sealed_score"] is None else "sealed"
    a, b = ours[f"{kind}_score"], theirs[f"{kind}_score"]
    if a == b:
        return "neither"
    if a is None or b is None:
        return BRAINS[a is None]
    return BRAINS[(a > b) != (ours["direction"] == "max")]


def render(rows: list[common.Row]) -> str:
    """The page."""
    both = pairs(rows)
    scored = [f"{kind}, {brain}" for kind in ("search", "sealed", "test") for brain in BRAINS]
    titles = ["task", "metric", "seed", "budget", *scored, "jobs", "ahead"]
    lines = []
    for pair in both:
        scores = [
            common.with_error(r[f"{kind}_score"], r[f"{kind}_stderr"]) for kind in ("search", "sealed") for r in pair
        ]
        first, jobs = pair[0], " / ".join(str(r["jobs"]) for r in pair)
        metric = f"{first['metric']} {'↑' if first['direction'] == 'max' else '↓'}"
        tests = [r["test"] for r in pair]
        lines.append([first["task"], metric, first["seed"], first["budget"], *scores, *tests, jobs, ahead(*pair)])
    wins = sum(ahead(*pair) == BRAINS[0] for pair in both)
    machines = sorted({f"{r['date']}: {r['machine']}" for pair in both for r in pair})
    parts = [
        "# The playbook against random choice",
        "Made by `benchmarks/playbook.py`; every number was measured by it.",
    ]
    parts += [
        ABOUT,
        common.table(titles, lines),
        f"The playbook is ahead in {wins} of {len(both)}.",
        "\n".join(machines),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", action="append", help="a folder's name; repeat for several")
    parser.add_argument("--tasks", type=Path, default=common.TASKS, help="where the measuring tasks are")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--grade", action="store_true", help="grade each run once")
    parser.add_argument("--scratch", type=Path, default=common.scratch("playbook"), help="where the runs go")
    parser.add_argument(
        "--table", type=Path, default=common.HERE / "playbook.json", help="the JSON source of the table"
    )
    parser.add_argument("--render", action="store_true", help="only write the table again")
    options = parser.parse_args()
    if options.render:
        return common.write(options.table, [], "key", render)
    for name in options.task or common.tables_and_texts(options.tasks)[:4]:
        for seed in options.seed or [0]:
            rows = [measure(name, brain, seed, options) for brain in BRAINS]
            common.write(options.table, rows, "key", render)


if __name__ == "__main__":
    main()
