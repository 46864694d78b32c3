"""Compare the demo's estimate with the answers that no run has seen."""

import csv
import json
import subprocess
import sys
from pathlib import Path


def column(path: Path) -> dict[str, str]:
    """id -> survived."""
    with path.open(newline="") as file:
        return {row["id"]: row["survived"] for row in csv.DictReader(file)}


def main(task: Path, run: Path) -> None:
    answers, submission = column(task.with_name("answers.csv")), column(run / "best" / "submission.csv")
    right = sum(submission[number] == answer for number, answer in answers.items())
    tool = Path(sys.executable).with_name("mle-star")
    told = json.loads(subprocess.run([tool, "show", run, "--json"], capture_output=True, check=True).stdout)
    test, error = right / len(answers), (right / len(answers) * (1 - right / len(answers)) / len(answers)) ** 0.5
    print(f"\nOn the {len(answers)} passengers that were kept from it: accuracy {test:.4f} ± {error:.4f}.")
    estimate, spread = told["estimate"], told["estimate_stderr"] or 0.0
    print(f"What it said to expect:                       accuracy {estimate:.4f} ± {spread:.4f}.")
    print(f"What it did: open {run}/report.html, and {run}/best/solution.py.")
    print(f"Your own table: `{tool} new FILE.csv --target COLUMN`.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
