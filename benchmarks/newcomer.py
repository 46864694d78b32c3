"""A newcomer's path, timed: clone, demo, page, an own table, predictions for new rows: benchmarks/newcomer.md.

    python benchmarks/newcomer.py [--budget 60s]

All of it happens in a new clone of the last commit with a virtual environment of its own, and leaves nothing behind.
The own table is scikit-learn's diabetes patients; some of them, kept back, are the new rows.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import common
import pandas as pd
from playwright.sync_api import sync_playwright
from sklearn.datasets import load_diabetes

PLACE = common.HERE / "newcomer.json"
TARGET, NEW = "target", 42
ABOUT = """Each line is one command, in a new clone with a new virtual environment; **seconds** are wall time on the
machine below, downloads from the package index included. The own table is scikit-learn's diabetes patients (442, ten
numbers, predict the disease's progression), of which 42 are kept back as new rows."""


def commanded(command: str, place: Path) -> common.Row:
    """Run one command as it would be typed; leaves with its output when it fails."""
    begun = time.monotonic()
    done = subprocess.run(command, shell=True, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    print(f"{time.monotonic() - begun:6.1f} s  {command}", flush=True)
    return {"command": command.replace(str(common.ROOT), "REPOSITORY"), "seconds": round(time.monotonic() - begun, 1)}


def opened(page: Path) -> common.Row:
    """Open a report in Chromium; leaves when it is empty or its console has an error."""
    begun, errors = time.monotonic(), []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page()
        shown.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        shown.goto(page.as_uri())
        words = len(shown.inner_text("body").split())
        browser.close()
    if errors or not words:
        sys.exit(f"{page}: {words} words, {errors}")
    return {
        "command": f"*open {page.name} in a browser* ({words} words)",
        "seconds": round(time.monotonic() - begun, 1),
    }


def walk(place: Path, budget: str) -> list[common.Row]:
    """All steps."""
    clone = place / "mle-star"
    steps = [commanded(f"git clone --quiet {common.ROOT} {clone.name}", place), commanded("make demo", clone)]
    steps += [opened(clone / "demo" / "run" / "report.html")]
    rows = load_diabetes(as_frame=True, scaled=False).frame.sample(frac=1, random_state=0)
    rows[NEW:].to_csv(clone / "patients.csv", index=False)
    rows[:NEW].drop(columns=TARGET).to_csv(clone / "new.csv", index=False)
    tool = ".venv/bin/mle-star"
    steps += [
        commanded(f"{tool} new patients.csv --target {TARGET}", clone),
        commanded(f"{tool} run patients-task --budget {budget} --out run", clone),
        commanded(f"{tool} predict run new.csv --out new-predicted.csv", clone),
    ]
    assert len(pd.read_csv(clone / "new-predicted.csv")) == NEW
    return steps


def render(rows: list[common.Row]) -> str:
    """The page."""
    lines = [(f"`{r['command']}`" if not r["command"].startswith("*") else r["command"], r["seconds"]) for r in rows]
    lines.append(("together", round(sum(row["seconds"] for row in rows), 1)))
    notes = (common.HERE / "newcomer-notes.md").read_text(encoding="utf-8").strip()
    parts = [
        "# A newcomer's path",
        "Made by `benchmarks/newcomer.py`.",
        ABOUT,
        common.table(["step", "seconds"], lines),
    ]
    return "\n\n".join([*parts, *filter(None, [notes]), f"{rows[0]['date']}, {rows[0]['machine']}"]) + "\n"


def main() -> None:
    """Walk the path, write what each step took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--budget", default="60s", help="time for the own table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        steps = walk(Path(place), options.budget)
    about = {"date": str(date.today()), "machine": common.machine()}
    common.write(PLACE, [{"key": f"{n}", **step, **about} for n, step in enumerate(steps)], "key", render)


if __name__ == "__main__":
    main()
