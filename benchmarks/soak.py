"""Thousands of tiny jobs in a row through one executor: does anything grow? benchmarks/soak.md.

    python benchmarks/soak.py [--jobs 2000] [--wall auto]

benchmarks/soak.json is the source of the table.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import common
import psutil

from mlestar.executors.local import LocalExecutor
from mlestar.records import Job, Limits

PLACE = common.HERE / "soak.json"
SCRIPTS = ("print(1)", "raise ValueError", "import os; os.fork()", "open('x', 'w').write('x' * 9999)")
KINDS = ("memory", "handles", "zombies", "threads", "files")
ABOUT = """**memory**: resident MiB of the driver; **handles**: its open descriptors; **zombies**: dead children that
were not taken in; **files**: entries of the driver's temporary folder, of the run's folder and of the control groups,
together. Each after the first tenth of the jobs (by then everything is imported and cached) and after the last."""


def counted(work: Path) -> dict[str, float]:
    """What might grow."""
    me = psutil.Process()
    groups = [*Path("/sys/fs/cgroup").glob("mle-star-*"), *Path("/sys/fs/cgroup").glob("*/mle-star-*")]
    files = len(os.listdir(work / "tmp")) + len(os.listdir(work)) + len(groups)
    return {"memory": me.memory_info().rss / 2**20, "handles": me.num_fds(), "zombies": len(me.children()),
            "threads": me.num_threads(), "files": files}  # fmt: skip


def soak(work: Path, jobs: int, wall: str) -> common.Row:
    """Run the jobs; what was there after a tenth of them and at the end."""
    for name in ("view", "tmp"):
        (work / name).mkdir()
    (work / "view").chmod(0o755)
    tempfile.tempdir = str(work / "tmp")
    executor, seconds, before = LocalExecutor(sys.executable, 1, wall), [], {}
    for number in range(jobs):
        if number == jobs // 10:
            before = counted(work)
        begun = time.perf_counter()
        script = SCRIPTS[number % len(SCRIPTS)]
        executor.run(Job("soak", script, str(work / "view"), str(work / "job"), Limits(20, 500)))
        seconds.append(time.perf_counter() - begun)
    first, last = statistics.median(seconds[: jobs // 10]), statistics.median(seconds[-(jobs // 10) :])
    return {"key": f"{executor.wall} {jobs}", "wall": executor.wall, "jobs": jobs, "before": before,
            "after": counted(work), "first": first, "last": last, "date": str(date.today()),
            "machine": common.machine()}  # fmt: skip


def render(rows: list[common.Row]) -> str:
    """The page."""
    titles = ["wall", "jobs", *KINDS, "s a job, first tenth", "s a job, last tenth", "date"]
    lines = []
    for r in rows:
        grown = [f"{r['before'][kind]:.0f} → {r['after'][kind]:.0f}" for kind in KINDS]
        lines.append([r["wall"], r["jobs"], *grown, r["first"], r["last"], r["date"]])
    return f"# Soak\n\n`make bench-soak`; {rows[-1]['machine']}\n\n{common.table(titles, lines)}\n\n{ABOUT}\n"


def main() -> None:
    """Run, write, and say whether anything grew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--wall", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        row = soak(Path(work), options.jobs, options.wall)
    common.write(PLACE, [row], "key", render)
    before, after = row["before"], row["after"]
    grown = [kind for kind in KINDS if after[kind] > before[kind] + (20 if kind == "memory" else 0)]
    if grown:
        sys.exit(f"grew: {', '.join(grown)}")


if __name__ == "__main__":
    main()
