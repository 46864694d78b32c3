"""Kill a count-bounded run with SIGKILL again and again, resume it, and compare with the unbroken run: crash.md.

    python benchmarks/crash.py [--kills 20] [--seed 0] [--scratch FOLDER]

Moments are spread evenly over the unbroken run's length, each a little off by chance. Launches are counted by the
interpreter itself, in a file that no journal knows. benchmarks/crash.json is the source of the table.
"""

import argparse
import random
import signal
import stat
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import common

PLACE = common.HERE / "crash.json"
COUNTS = ["--jobs", "2", *(x for name, value in {
    "branches": 2, "init.candidates": 2, "refine.outer": 1, "refine.inner": 2, "ensemble.rounds": 3,
    "judging.folds": 2, "bag": 1}.items() for x in ("--set", f"{name}={value}"))]  # fmt: skip
JOBS_AT_ONCE = 2
ABOUT = """**launched** counts starts of the scripts' interpreter. A kill loses at most the jobs that were running (2
side by side), so a run may launch at most 2 more per kill than the unbroken one; a step that was recorded is never
launched again. **same answer**: the scores of all phases, the search score and best/solution.py are equal."""


def counting_python(folder: Path) -> Path:
    """An interpreter that notes each start of a script in `folder/launches`."""
    folder.mkdir(parents=True, exist_ok=True)
    wrapper = folder / "python"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {folder}/launches\nexec {sys.executable} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return wrapper


def launches(folder: Path) -> int:
    """Starts of a script so far; the probe of the installed modules is none."""
    return sum("solution.py" in line for line in (folder / "launches").read_text().splitlines())


def command(task: Path, folder: Path) -> list[str]:
    """Begin the run, or go on with it."""
    run = folder / "run"
    if (run / "journal.db").exists():
        return [str(common.TOOL), "resume", str(run)]
    wrapper = counting_python(folder)
    return [str(common.TOOL), "run", str(task), "--out", str(run), *COUNTS, "--set", f"interpreter={wrapper}"]


def killed(task: Path, folder: Path, kills: int, length: float, seed: int) -> int:
    """Work in sittings of about length / kills seconds each, all ended by SIGKILL, then once to the end."""
    rng, done = random.Random(seed), 0
    for _ in range(kills):
        start_up = 2.5  # of each sitting, before it does anything new
        process = subprocess.Popen(command(task, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(start_up + length / kills * rng.uniform(0.5, 1.5))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            done += 1
        process.wait()
    subprocess.run(command(task, folder), check=True, capture_output=True)
    return done


def answer(folder: Path) -> tuple[object, ...]:
    """What must be equal."""
    found = common.shown(folder / "run")
    script = (folder / "run" / "best" / "solution.py").read_text(encoding="utf-8")
    return found["search_score"], found["sealed_score"], tuple(map(tuple, found["phases"])), script


def render(rows: list[common.Row]) -> str:
    """The page."""
    titles = [
        "date",
        "kills",
        "same answer",
        "score",
        "launched, unbroken",
        "launched, killed",
        "allowed",
        "seconds, unbroken",
    ]
    lines = [
        [r["date"], r["kills"], r["same"], r["score"], r["unbroken"], r["launched"], r["allowed"], r["seconds"]]
        for r in rows
    ]
    head = f"# Killed and resumed\n\n`{rows[-1]['command']}`; {rows[-1]['machine']}"
    return f"{head}\n\n{common.table(titles, lines)}\n\n{ABOUT}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, default=common.scratch("crash"))
    options = parser.parse_args()
    task = options.scratch / "task"
    subprocess.run([sys.executable, common.ROOT / "demo" / "make_task.py", task], check=True)
    whole, broken = options.scratch / "whole", options.scratch / "broken"
    begun = time.monotonic()
    subprocess.run(command(task, whole), check=True, capture_output=True)
    seconds = time.monotonic() - begun
    kills = killed(task, broken, options.kills, seconds, options.seed)
    allowed = launches(whole) + JOBS_AT_ONCE * kills
    row = {"key": f"{date.today()} {kills} {options.seed}", "date": str(date.today()), "kills": kills,
           "same": answer(whole) == answer(broken), "score": answer(whole)[0], "unbroken": launches(whole),
           "launched": launches(broken), "allowed": allowed, "seconds": round(seconds, 1),
           "machine": common.machine(), "command": f"python benchmarks/crash.py --kills {options.kills}"}  # fmt: skip
    common.write(PLACE, [row], "key", render)
    sys.exit(0 if row["same"] and launches(broken) <= allowed else 1)


if __name__ == "__main__":
    main()
