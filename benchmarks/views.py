"""What understanding, cutting, views and judging cost by the size of a task: benchmarks/views.md.

    python benchmarks/views.py [--only TASK]... [--scratch FOLDER]

Makes its own tasks. Every stage runs in a fresh process. benchmarks/views.json is the source of the table.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import common
import numpy as np
import pandas as pd

from mlestar.tasks.cutfile import checksums
from mlestar.tasks.prepared import Prepared, prepare, reopen
from mlestar.tasks.views import NAMES

FOLDS = NAMES[:5]
TASKS = {"10 rows": (10, False), "10,000 rows": (10_000, False), "1,000,000 rows": (1_000_000, False),
         "50,000 row files": (50_000, True)}  # fmt: skip
STAGES = ("prepare", "checksums", "reopen", "one fold", "five folds", "real", "judge", "whole run")
ABOUT = """Wall seconds, and in brackets those of the processor (other work may have shared the machine) and the peak
resident memory of the process in MB, which counts Python and its imports. *prepare*: understanding the folder and
cutting it. *checksums*: those of all files of the task, a part of *prepare* and of *reopen*, which a resumed run begins
with. *one fold*, *five folds*, *real*: building views, without opening the task; *again*: asking for the five and the
real one that are there. *judge*: one submission on a fold. *whole run*: all of it in one process. *disk* is what the
views of the whole run take, hard links counted once; *apparent* counts every name."""
WORDS = np.array(["river", "stone", "quiet", "light", "garden", "winter", "letter", "'odd'", "naïve,", "over"])


def make(folder: Path, rows: int, files: bool) -> None:
    """Write a task: numbers, categories, texts with quotes and line breaks, missing cells; or a file for each row."""
    rng, count = np.random.default_rng(0), rows + max(5, rows // 5)
    frame = pd.DataFrame({"id": [f"r{i:07d}" for i in rng.permutation(count)]})
    hidden = rng.normal(size=count)
    for place in range(2 if files else 9):
        values = np.round(hidden * (place % 3) + rng.normal(size=count), 4).astype(str)
        frame[f"n{place}"] = np.where(rng.random(count) < 0.05, "", values)
    for place in range(1 if files else 6):
        names = np.array([f"c{number}" for number in range(3 * 4**place)])
        frame[f"k{place}"] = names[rng.integers(len(names), size=count)]
    for place in range(0 if files else 2):
        chosen = WORDS[rng.integers(len(WORDS), size=(count, 6))]
        said = [" ".join(line) for line in chosen.tolist()]
        frame[f"t{place}"] = [f'{text} "x"\n' if i % 50 == 0 else text for i, text in enumerate(said)]
    frame["y"] = (hidden + rng.normal(size=count) > 0).astype(int)
    folder.mkdir(parents=True)
    train, test = frame.iloc[:rows], frame.iloc[rows:].drop(columns="y")
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    test[["id"]].assign(y=0).to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text("Predict `y`. Submissions are evaluated on accuracy.\n")
    for part, side in (("train", train), ("test", test)) if files else ():
        (folder / part).mkdir()
        for name in side["id"]:
            (folder / part / f"{name}.png").write_bytes(rng.bytes(3000))


def opened(task: Path, run: Path, again: bool = False) -> Prepared:
    """The task as a resumed run has it, with no view built; the cut is the first stage's."""
    if not again:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(run.with_name("prepare") / "task", run / "task")
    return reopen(run)


def stage(name: str, task: Path, run: Path) -> common.Row:
    """Do one stage in this process: seconds, megabytes, and bytes of views."""
    timed: Callable[[], object]
    if name == "prepare":
        timed = lambda: prepare(task, run, 1)  # noqa: E731
    elif name == "checksums":
        timed = lambda: checksums(task)  # noqa: E731
    elif name == "whole run":
        timed = lambda: whole(task, run)  # noqa: E731
    else:
        timed = work(name, opened(task, run), run)
    begun, worked = time.perf_counter(), time.process_time()
    timed()
    found: common.Row = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - worked, "peak": peak()}
    if name == "whole run":
        found |= disk(run / "views")
        ready = reopen(run)
        begun = time.perf_counter()
        for view in (*FOLDS, "real"):
            ready.view(view)
        found["again"] = time.perf_counter() - begun
    return found


def work(name: str, ready: Prepared, run: Path) -> Callable[[], object]:
    """What a stage does to a task that is open."""
    views = {"one fold": FOLDS[:1], "five folds": FOLDS, "real": ("real",)}.get(name, ())
    if name == "judge":
        submit(ready, "fold-0", run / "job")
        return lambda: judged(ready, "fold-0", run / "job")
    return (lambda: reopen(run)) if name == "reopen" else (lambda: [ready.view(view) for view in views])


def whole(task: Path, run: Path) -> None:
    """Prepare, all views, one judgement per fold."""
    shutil.rmtree(run, ignore_errors=True)
    ready = prepare(task, run, 1)
    for view in (*FOLDS, *(("rehearsal",) if ready.has_sealed else ()), "real"):
        submit(ready, view, run / "job")
        judged(ready, view, run / "job")


def submit(ready: Prepared, view: str, job: Path) -> None:
    """Hand in the view's sample."""
    job.mkdir(exist_ok=True)
    shutil.copyfile(ready.view(view) / "sample_submission.csv", job / "submission.csv")


def judged(ready: Prepared, view: str, job: Path) -> None:
    """Judge it; a refusal would make the measurement worthless."""
    found = ready.judge(view, job, lambda data: str(len(data)))
    if found.reason:
        sys.exit(f"the sample was refused: {found.reason}")


def peak() -> float:
    """The most resident memory of this process so far, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def disk(folder: Path) -> common.Row:
    """Bytes below a folder: as `ls` adds them, and as the disk has them, hard links once."""
    states = [os.stat(Path(place) / name) for place, _, names in os.walk(folder) for name in names]
    blocks = {state.st_ino: state.st_blocks * 512 for state in states}
    return {"apparent": sum(state.st_size for state in states), "disk": sum(blocks.values()), "names": len(states),
            "inodes": len(blocks)}  # fmt: skip


def measure(name: str, scratch: Path) -> common.Row:
    """All stages of one task, each in its own process."""
    folder = scratch / name.replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    make(folder / "task", *TASKS[name])
    size = sum(path.stat().st_size for path in (folder / "task").rglob("*") if path.is_file())
    row: common.Row = {"task": name, "bytes": size}
    for what in STAGES:
        run = folder / what.replace(" ", "-")
        command = [sys.executable, __file__, "--stage", what, "--task", str(folder / "task"), "--out", str(run)]
        row[what] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{name}: {what}: {row[what]}", flush=True)
    return row | {"date": str(date.today()), "machine": common.machine()}


def render(rows: list[common.Row]) -> str:
    """The page."""

    def cost(row: common.Row, what: str) -> str:
        return f"{row[what]['seconds']:.2f} ({row[what]['cpu']:.2f}, {row[what]['peak']:.0f})"

    rows = sorted(rows, key=lambda row: list(TASKS).index(row["task"]))
    times = [[row["task"], *(cost(row, what) for what in STAGES), row["whole run"]["again"]] for row in rows]
    sizes = [[row["task"], *(f"{size / 1e6:.1f}" for size in (row["bytes"], row["whole run"]["apparent"],
              row["whole run"]["disk"])), row["whole run"]["names"], row["whole run"]["inodes"], row["date"]]
             for row in rows]  # fmt: skip
    parts = ["# Views", "Made by `benchmarks/views.py` (`make bench-views`); every number was measured by it.", ABOUT]
    parts += [common.table(["task", *STAGES, "again"], times)]
    parts += [common.table(["task", "MB of the task", "MB apparent", "MB disk", "files", "inodes", "date"], sizes)]
    return "\n\n".join([*parts, "\n".join(sorted({row["machine"] for row in rows}))]) + "\n"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=list(TASKS), help="a task; repeat for several")
    parser.add_argument("--scratch", type=Path, default=common.scratch("views"), help="where tasks and views go")
    parser.add_argument("--table", type=Path, default=common.HERE / "views.json", help="the JSON source of the table")
    parser.add_argument("--render", action="store_true", help="only write the table again")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        return print(json.dumps(stage(options.stage, options.task, options.out)))
    if options.render:
        return common.write(options.table, [], "task", render)
    for name in options.only or TASKS:
        common.write(options.table, [measure(name, options.scratch)], "task", render)
        shutil.rmtree(options.scratch)  # only now: ext4 makes files slowly for minutes after many were deleted


if __name__ == "__main__":
    main()
