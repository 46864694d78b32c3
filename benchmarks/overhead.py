"""What the harness itself costs, in a run and in a job: benchmarks/overhead.md.

    python benchmarks/overhead.py [--run RUN]... [--budget 2m] [--repeats 10] [--scratch FOLDER]

Without --run: a run of the demo task, with one job at a time. benchmarks/overhead.json is the source of the table.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import common

from mlestar.config import Settings
from mlestar.executors import walls
from mlestar.executors.local import LocalExecutor
from mlestar.executors.walls.interpreter import ask
from mlestar.executors.walls.wall import environment
from mlestar.journal import queries
from mlestar.journal.queries import StepRow
from mlestar.records import Job, Limits

WALLS = ("none", "landlock", "bubblewrap")
SCRIPTS = {
    "trivial": "import shutil\nshutil.copy('input/sample_submission.csv', 'submission.csv')\n",
    "pandas": "import pandas as pd\ntest = pd.read_csv('input/test.csv')\n"
    "sample = pd.read_csv('input/sample_submission.csv')\n"
    "sample.assign(rows=len(test)).drop(columns='rows').to_csv('submission.csv', index=False)\n",
}
ABOUT = """**In a run.** *scripts*: seconds that jobs ran, added up. *own* is the wall time that neither a script nor
the brain used: cutting, building views, judging, choosing members, journal, starting Python. It is exact with one job
at a time; with several the scripts overlap, so there it is the wall time in which no step of a script or the brain
was open, which leaves out the judging (part of a script's step). The brain answers for one branch while another's
script runs, so *own* may come out below zero; *own* and *brain* together are an upper bound.
**In a job.** Medians: the same script as a bare
process with the same environment, and through the local executor behind each wall, in turn.
**Starting.** Medians of what a job pays before its first line, taken apart; and of what a run pays once, to choose
its wall."""


def of_run(run: Path) -> common.Row:
    """The harness's own share of a finished run, from its journal."""
    steps = [s for s in queries.steps(run) if s.state == "ok" and s.verb in ("execute", "brain")]
    jobs = int(queries.facts(run)["settings"]["jobs"])
    wall, brain = queries.spent(run), sum(s.seconds or 0.0 for s in steps if s.verb == "brain")
    ran = sum(job_seconds(s) for s in steps if s.verb == "execute")
    own = wall - ran - brain if jobs == 1 else wall - covered([(s.started, s.finished or s.started) for s in steps])
    count = sum(s.verb == "execute" for s in steps)
    return {"key": f"run {run.name}", "what": run.name, "slots": jobs, "wall": wall, "scripts": ran, "brain": brain,
            "own": own, "share": own / wall if wall else None, "jobs": count} | origin()  # fmt: skip


def job_seconds(step: StepRow) -> float:
    """How long the script of an execute step ran: no time when the step took over another's answer."""
    answer = json.loads(step.result or "{}")  # an outcome, or a judged execution that holds one
    return min(float(answer.get("outcome", answer)["seconds"]), step.seconds or 0.0)


def covered(intervals: list[tuple[float, float]]) -> float:
    """The length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def of_job(name: str, script: str, view: Path, folder: Path, repeats: int) -> common.Row:
    """Seconds of one script, bare and behind each wall, in turn; medians."""
    given = Settings().limits
    limits = Limits(given.seconds, given.memory_mb, given.processes, given.disk_mb, given.output_kb)
    executors = {wall: LocalExecutor(sys.executable, 1, wall) for wall in WALLS}
    seconds: dict[str, list[float]] = {"bare": [], **{wall: [] for wall in WALLS}}
    for _ in range(repeats + 1):  # the first of each only warms the disk's cache
        seconds["bare"].append(bare(script, view, folder / "bare"))
        for wall, executor in executors.items():
            begun = time.perf_counter()
            outcome = executor.run(Job(name, script, str(view), str(folder / "job"), limits))
            seconds[wall].append(time.perf_counter() - begun)
            if not outcome.ok:
                sys.exit(f"the {name} script failed behind {wall}: {outcome.error}")
    medians = {kind: statistics.median(values[1:]) for kind, values in seconds.items()}
    return {"key": f"job {name}", "what": name, **medians, "repeats": repeats} | origin()


def of_start(repeats: int) -> list[common.Row]:
    """What starting costs: the interpreter, the imports of a usual recipe, each wall with nothing in it, the choice."""
    python, places = ask(sys.executable), Path(tempfile.mkdtemp(prefix="mle-star-overhead-"))
    parts: dict[str, Callable[[], object]] = {
        "interpreter": lambda: subprocess.run([python.path, "-c", "pass"], check=True),
        "interpreter and imports (pandas, sklearn, lightgbm)": lambda: subprocess.run(
            [python.path, "-c", "import pandas, sklearn.ensemble, lightgbm"], check=True
        ),
        "choosing the wall, once a run": lambda: walls.choose(python, ()),
    }
    for name in WALLS:
        parts[f"wall alone: {name}"] = partial(enter, walls.choose(python, (), name), places / name)
    return [
        {"key": f"start {name}", "what": name, "seconds": median_of(part, repeats), "repeats": repeats} | origin()
        for name, part in parts.items()
    ]


def enter(wall: walls.Wall, folder: Path) -> None:
    """Start `true` behind a wall, Landlock's stage and its interpreter included."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "job" / "tmp").mkdir(parents=True)
    (folder / "view").mkdir()
    place = walls.Place(folder / "job", folder / "view", Limits(60, 1000))
    wall.lay(place)
    nothing = ["/bin/true"] if wall.name != "landlock" else [sys.executable, os.devnull]
    launch = wall.launch(nothing, place, {})
    done = subprocess.run(
        launch.argv, env=launch.environment, pass_fds=launch.descriptors, cwd=place.folder, check=False
    )
    for number in launch.descriptors:
        os.close(number)
    if done.returncode:
        sys.exit(f"the wall {wall.name} could not be entered: {done.returncode}")


def median_of(part: Callable[[], object], repeats: int) -> float:
    """The median seconds of a call; the first one only warms."""
    seconds = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        part()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


def bare(script: str, view: Path, folder: Path) -> float:
    """Seconds of the script as a plain child process."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "input").symlink_to(view, target_is_directory=True)
    (folder / "solution.py").write_text(script)
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "solution.py"], cwd=folder, check=True, env=environment(sys.executable, str(folder), 1)
    )
    return time.perf_counter() - begun


def origin() -> common.Row:
    """When and where."""
    return {"date": str(date.today()), "machine": common.machine()}


def render(rows: list[common.Row]) -> str:
    """The page."""
    runs, jobs = ([r for r in rows if r["key"].startswith(kind)] for kind in ("run ", "job "))
    keys = ("what", "slots", "jobs", "wall", "scripts", "brain", "own")
    shares = [[*(r[key] for key in keys), f"{r['share']:.1%}", r["date"]] for r in runs]
    titles = ["run", "slots", "jobs", "wall s", "scripts s", "brain s", "own s", "own share", "date"]
    cost = [[r["what"], r["bare"], *(r[w] for w in WALLS), r[WALLS[-1]] - r["bare"], r["date"]] for r in jobs]
    starts = [[r["what"], r["seconds"], r["date"]] for r in rows if r["key"].startswith("start ")]
    parts = ["# Overhead", "Made by `benchmarks/overhead.py`; every number was measured by it.", ABOUT]
    parts += ["## In a run", common.table(titles, shares), "## In a job"]
    behind = [f"{wall} s" for wall in WALLS]
    parts += [common.table(["script", "bare s", *behind, f"added by {WALLS[-1]} s", "date"], cost)]
    parts += ["## Starting", common.table(["what", "s", "date"], starts)]
    return "\n\n".join([*parts, "\n".join(sorted({r["machine"] for r in rows}))]) + "\n"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", action="append", type=Path, help="a finished run; repeat for several")
    parser.add_argument("--budget", default="2m", help="of the demo's run")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--scratch", type=Path, default=common.scratch("overhead"), help="where the run goes")
    parser.add_argument(
        "--table", type=Path, default=common.HERE / "overhead.json", help="the JSON source of the table"
    )
    parser.add_argument("--render", action="store_true", help="only write the table again")
    options = parser.parse_args()
    if options.render:
        return common.write(options.table, [], "key", render)
    view = (options.scratch / "task").resolve()
    subprocess.run([sys.executable, common.ROOT / "demo" / "make_task.py", view], check=True)
    rows = [of_job(name, script, view, options.scratch, options.repeats) for name, script in SCRIPTS.items()]
    rows += of_start(options.repeats)
    finished = options.run or [
        common.run(view, options.scratch / "demo", "--budget", options.budget, "--jobs", "1").folder
    ]
    common.write(options.table, [*rows, *map(of_run, finished)], "key", render)


if __name__ == "__main__":
    main()
