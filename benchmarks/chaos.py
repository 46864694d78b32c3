"""Kill a count-bounded run at random moments and at exact ones, resume each time, compare with the unbroken run.

    python benchmarks/chaos.py [--kills 100] [--seed 0] [--scratch FOLDER] [--task FOLDER] [--set NAME=VALUE] [--check]

After each kill the killed state is copied; the copy is resumed to its end and compared, while the killed run itself
goes on to be killed again. What is paid for is counted by the drivers (mlestar.testing.driver) in a file that no
journal knows. benchmarks/chaos.json is the source of the table; --check writes no table.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import common
import numpy as np
import pandas as pd
import psutil

from mlestar import overview
from mlestar.journal import queries

PLACE = common.HERE / "chaos.json"
JOBS = 2
SIDE_BY_SIDE = 2  # runs that are killed at the same time
COUNTS = ["--jobs", str(JOBS), *(x for name, value in {
    "branches": 1, "init.candidates": 1, "refine.outer": 1, "refine.inner": 1, "refine.looks": 0, "ensemble.rounds": 2,
    "judging.folds": 1, "bag": 1}.items() for x in ("--set", f"{name}={value}"))]  # fmt: skip
KINDS = ("ended", "driver", "group", "job", "blob", "driver", "begun", "driver", "recorded", "driver")
ABOUT = f"""A kill is a SIGKILL: of the **driver** at a random moment, of the **group** of the driver and all its jobs,
of a single **job**; or of the driver exactly when a job has **ended** and nothing of it is stored, when a **blob** is
on disk and the row that names it is not, when a step has **begun**, and when it was **recorded**. After each, the run
is resumed to its end. **same answer**: search score, sealed score, the scores of all phases, best/solution.py and
best/submission.csv byte for byte. **lost**: the most jobs that one kill made be launched again; {JOBS} run side by
side, so {JOBS} are allowed. **paid again**: recorded steps that a resume paid for again; none may be."""


@dataclass
class State:
    """A run that may be killed: its folder, and the log of what was paid for."""

    folder: Path
    run: Path = field(init=False)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.run, self.log = self.folder / "run", self.folder / "log"
        self.folder.mkdir(parents=True, exist_ok=True)

    def drive(self, task: Path, moment: str = "-") -> "subprocess.Popen[bytes]":
        """Begin the run, or go on with it."""
        begun = (self.run / "journal.db").exists()
        words = ["resume", self.run] if begun else ["run", task, "--out", self.run, *COUNTS]
        with (self.folder / "said").open("wb") as said:
            command = [sys.executable, "-m", "mlestar.testing.driver", self.log, moment, *words]
            return subprocess.Popen(command, stdout=said, stderr=said)

    def finish(self, task: Path) -> None:
        """To the end; leaves with what the driver said when there is none."""
        if self.drive(task).wait():
            sys.exit(f"{self.run} did not come to its end:\n{(self.folder / 'said').read_text()}")

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def recorded(self) -> set[str]:
        """Addresses of the steps that have an answer."""
        known = queries.steps(self.run) if (self.run / "journal.db").exists() else []
        return {row.address for row in known if row.state == "ok"}

    def answer(self) -> tuple[object, ...]:
        """What must be equal."""
        found, best = overview.show(self.run), self.run / "best"
        files = [(best / name).read_bytes() for name in ("solution.py", "submission.csv")]
        return found.state, found.search_score, found.sealed_score, found.phases, found.sealed_seen, *files


def launched(lines: list[str]) -> list[str]:
    """Addresses of the jobs that were started; the probe of the modules is no step."""
    return [line.removeprefix("launch ") for line in lines if line.startswith("launch ") and "/" in line]


def jobs_of(driver: psutil.Process) -> list[psutil.Process]:
    """The processes of the jobs that are under way."""
    found = []
    for process in driver.children(recursive=True):
        with suppress(psutil.Error):
            found += [process] * ("solution.py" in process.cmdline())
    return found


def strike(kind: str, process: "subprocess.Popen[bytes]", pause: float, rng: random.Random) -> bool:
    """Kill after `pause` seconds what `kind` says; False when the run had ended before."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(None if kind in ("ended", "blob", "begun", "recorded") else pause)
        return process.returncode == -signal.SIGKILL
    driver = psutil.Process(process.pid)
    victims = [driver] if kind == "driver" else [driver, *driver.children(recursive=True)]
    if kind == "job":
        while not (victims := [rng.choice(found)] if (found := jobs_of(driver)) else []) and process.poll() is None:
            time.sleep(0.01)
    for victim in victims:
        with suppress(psutil.Error):
            victim.kill()
    process.wait()
    return bool(victims)


def judged(state: State, before: int, copy: State, task: Path, whole: tuple[object, ...]) -> common.Row:
    """Resume a copy of a killed state to its end: the answer, and what was paid for twice."""
    recorded, lines = state.recorded(), len(state.lines())
    lost = set(launched(state.lines()[before:])) - recorded
    shutil.rmtree(copy.folder)
    subprocess.run(["cp", "-a", "--reflink=auto", state.folder, copy.folder], check=True)
    copy.finish(task)
    later = copy.lines()[lines:]
    again = [line for line in later if line.partition(" ")[2] in recorded]
    return {"same": copy.answer() == whole, "lost": len(lost), "again": len(again)}


def make_task(folder: Path) -> None:
    """A table of 2,200 rows: enough for a sealed part, small enough for jobs of two seconds."""
    rng, count = np.random.default_rng(0), 2300
    frame = pd.DataFrame({"id": range(count), "a": rng.normal(size=count).round(3), "b": rng.integers(9, size=count)})
    frame["c"] = rng.choice(["red", "green", "blue"], count)
    frame["y"] = np.where(frame.a + (frame.c == "red") + rng.normal(0, 0.6, count) > 0.4, "yes", "no")
    folder.mkdir(parents=True, exist_ok=True)
    frame[:2200].to_csv(folder / "train.csv", index=False)
    frame[2200:].drop(columns="y").to_csv(folder / "test.csv", index=False)
    frame[2200:][["id"]].assign(y="no").to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text("# Who?\n\n## Metric\n\nClassification accuracy, higher is better.\n")


def chaos(
    task: Path, scratch: Path, kills: int, seed: int, whole: tuple[object, ...], seconds: float
) -> list[common.Row]:
    """One row per kill, on a run of its own in `scratch`; `whole` is the unbroken run's answer, after `seconds`."""
    rng = random.Random(seed)
    rows: list[common.Row] = []
    life, copy = State(scratch / "life-0"), State(scratch / "copy")
    while len(rows) < kills:
        kind, before = KINDS[len(rows) % len(KINDS)], len(life.lines())
        moment = f"{kind}:{rng.randint(1, 4)}" if kind in ("ended", "blob", "begun", "recorded") else "-"
        process = life.drive(task, moment)
        struck = strike(kind, process, rng.uniform(0.3, 0.6 * seconds), rng)
        if struck and process.returncode == -signal.SIGKILL:
            found = judged(life, before, copy, task, whole)
        elif struck and process.returncode == 0:  # a job was killed: the driver went on to the end
            launches = Counter(launched(life.lines()[before:]))
            found = {"same": life.answer() == whole, "lost": sum(launches.values()) - len(launches), "again": 0}
        if process.returncode != -signal.SIGKILL:
            if process.returncode:
                sys.exit(f"the driver failed:\n{(life.folder / 'said').read_text()}")
            life = State(scratch / f"life-{rng.getrandbits(48)}")
        if struck:
            rows.append({"kind": kind, **found})
            print(f"{len(rows):4} {moment if moment != '-' else kind:12} {found}", flush=True)
    return rows


def render(rows: list[common.Row]) -> str:
    """The page."""
    titles = ["date", "kills", *dict.fromkeys(KINDS), "same answer", "lost", "paid again", "jobs", "seconds, unbroken"]
    lines = [[r["date"], r["kills"], *(r["kinds"].get(k, 0) for k in dict.fromkeys(KINDS)), r["same"], r["lost"],
              r["again"], r["launched"], r["seconds"]] for r in rows]  # fmt: skip
    head = f"# Killed and resumed\n\n`{rows[-1]['command']}`; {rows[-1]['machine']}"
    return f"{head}\n\n{common.table(titles, lines)}\n\n{ABOUT}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, default=common.scratch("chaos"))
    parser.add_argument("--task", type=Path, help="a task folder; default: one of 2,200 rows")
    parser.add_argument("--set", action="append", default=[], help="a setting of the run, as for mle-star")
    parser.add_argument("--check", action="store_true", help="only the exit code, no table")
    options = parser.parse_args()
    COUNTS.extend(word for setting in options.set for word in ("--set", setting))
    task = options.task or options.scratch / "task"
    if options.task is None:
        make_task(task)
    unbroken, begun = State(options.scratch / "whole"), time.monotonic()
    unbroken.finish(task)
    seconds, whole = time.monotonic() - begun, unbroken.answer()
    print(f"unbroken: {seconds:.0f} s, {len(launched(unbroken.lines()))} jobs", flush=True)
    shares = [len(range(place, options.kills, SIDE_BY_SIDE)) for place in range(SIDE_BY_SIDE)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        lives = [
            pool.submit(chaos, task, options.scratch / str(place), share, options.seed + place, whole, seconds)
            for place, share in enumerate(shares)
        ]
        rows = [row for life in lives for row in life.result()]
    same, lost = sum(row["same"] for row in rows), max(row["lost"] for row in rows)
    again = sum(row["again"] for row in rows)
    if not options.check:
        kinds = dict(Counter(row["kind"] for row in rows))
        row = {"key": f"{date.today()} {options.kills} {options.seed}", "date": str(date.today()), "kills": len(rows),
               "kinds": kinds, "same": f"{same} of {len(rows)}", "lost": lost, "again": again,
               "launched": len(launched(unbroken.lines())), "seconds": round(seconds, 1), "machine": common.machine(),
               "command": f"python benchmarks/chaos.py --kills {options.kills}"}  # fmt: skip
        common.write(PLACE, [row], "key", render)
    shutil.rmtree(options.scratch, ignore_errors=True)
    sys.exit(0 if same == len(rows) and lost <= JOBS and not again else 1)


if __name__ == "__main__":
    main()
