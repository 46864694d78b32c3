"""Runs that were answered through the relay, as a table: calls, time and scores, from their own journals.

    python benchmarks/relay.py RUN [RUN…] [--graded RUN=SCORE …] [--answered "by whom"]

Starts nothing: the runs are made with `mle-star run TASK --brain relay …` and answered meanwhile. Runs that relay.json
knows from before stay in the table.
"""

import argparse
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from common import HERE, machine

from mlestar import overview
from mlestar.journal import queries
from mlestar.records import Exchange


def row(run: Path, graded: dict[str, str]) -> dict[str, Any]:
    """What one run's journal says."""
    found, calls = overview.show(run), [r for r in queries.steps(run) if r.verb == "call" and r.state == "ok"]
    phases = dict(found.phases)
    init = [v for k, v in phases.items() if k.endswith("init") and v is not None]
    best = min if found.direction == "min" else max
    refused = sum("was refused" in note.text for note in queries.notes(run))
    return {
        "run": run.name, "task": found.task, "folds": found.folds, "calls": len(calls), "refused": refused,
        "answerers": len({c.read(Exchange).by for c in calls}), "thinking_s": round(sum(c.seconds or 0 for c in calls)),
        "wall_s": round(found.seconds), "jobs": found.jobs, "init": best(init) if init else None,
        "refine": phases.get("refine"), "ensemble": phases.get("ensemble"), "sealed": found.sealed_score,
        "sealed_se": found.sealed_stderr, "test": graded.get(run.name, "not graded"),
        "roles": dict(Counter(c.address.split("/")[-2] for c in calls)),
    }  # fmt: skip


def shown(value: Any) -> str:
    """A cell of the table."""
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Write relay.md and relay.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--graded", nargs="*", default=[], help="RUN=SCORE, as the grader said, once")
    parser.add_argument("--answered", default="", help="who answered")
    options = parser.parse_args()
    graded = dict(text.split("=", 1) for text in options.graded)
    known = {row["run"]: row for row in json.loads((HERE / "relay.json").read_text(encoding="utf-8"))}
    rows = [*(known | {run.name: row(run, graded) for run in options.runs}).values()]
    names = [n for n in rows[0] if n != "roles"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(shown(r[n]) for n in names) + " |" for r in rows]
    roles = [f"- {r['run']}: " + ", ".join(f"{k} {v}" for k, v in sorted(r["roles"].items())) for r in rows]
    command = f"python benchmarks/relay.py {' '.join(row['run'] for row in rows)}"
    head = f"# Answered through the relay\n\n{date.today()}, {machine()}. `{command}`\n\n{options.answered}"
    text = "\n".join([head, "", *lines, "", "Calls by role:", "", *roles, ""])
    (HERE / "relay.md").write_text(text, encoding="utf-8")
    (HERE / "relay.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
