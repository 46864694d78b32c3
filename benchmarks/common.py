"""What the benchmark scripts share: tasks, machine, timed runs, tables with their JSON beside them."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Row = dict[str, Any]
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TASKS = ROOT.parent / "shared" / "tasks"
TOOL = Path(sys.executable).with_name("mle-star")
LOG, GRADINGS = ROOT / "dev" / "LOG.md", "### Gradings\n"
ENDINGS = {0: "done", 1: "no valid solution", 3: "a budget ended it"}


@dataclass(frozen=True)
class Ran:
    """A finished `mle-star run`: its folder, exit code, wall seconds, and seconds until the first submission."""

    folder: Path
    code: int
    seconds: float
    first: float | None


def task_folder(name: str, tasks: Path) -> Path:
    """The folder of a measuring task; leaves with a clear message when there is none."""
    if not tasks.is_dir():
        sys.exit(f"{tasks} is missing. The measuring tasks are competition data and no part of this repository.")
    if not (tasks / name / "public").is_dir() or not (tasks / name / "meta.json").is_file():
        sys.exit(f"{tasks / name} is no measuring task: it needs public/ and meta.json.")
    return tasks / name


def tables_and_texts(tasks: Path) -> list[str]:
    """The measuring tasks that are tables or texts, by what their meta.json says."""
    found = [path.parent for path in sorted(tasks.glob("*/meta.json")) if (path.parent / "public").is_dir()]
    fit = [f.name for f in found if any(word in meta(f)["modality"] for word in ("tabular", "text"))]
    return fit or [task_folder("*", tasks).name]


def meta(folder: Path) -> Row:
    """What is known of a measuring task."""
    return dict(json.loads((folder / "meta.json").read_text(encoding="utf-8")))


def run(task: Path, out: Path, *options: str) -> Ran:
    """`mle-star run`, watched for its first submission; leaves with its message when it refuses the task."""
    out.parent.mkdir(parents=True, exist_ok=True)
    begun, first = time.monotonic(), None
    output = out.with_suffix(".log")
    with output.open("w") as log:
        process = subprocess.Popen([TOOL, "run", task, "--out", out, *options], stdout=log, stderr=log)
        while process.poll() is None:
            if first is None and (out / "best" / "submission.csv").exists():
                first = time.monotonic() - begun
            time.sleep(0.2)
    said = output.read_text()
    if not out.exists() or process.returncode not in ENDINGS or "Traceback (most recent call last)" in said:
        sys.exit(f"mle-star run {task} did not come to an end, {process.returncode}:\n{said}")
    return Ran(out, process.returncode, time.monotonic() - begun, first)


def shown(folder: Path) -> Row:
    """What `mle-star show --json` says of a run."""
    said = subprocess.run([TOOL, "show", folder, "--json"], capture_output=True, text=True, check=True).stdout
    return dict(json.loads(said))


def grade(name: str, submission: Path, tasks: Path, where: str) -> Row:
    """Grade once, in a process of its own, and write it into the log. `where` is the table and row."""
    command = [sys.executable, tasks / "grade.py", name, submission]
    found = dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    line = f"- {date.today()}: {name}, {where}: {found['score'] if found['valid'] else found['error']}\n"
    text = LOG.read_text(encoding="utf-8")
    LOG.write_text(text.replace(GRADINGS, f"{GRADINGS}{line}", 1), encoding="utf-8")
    return found


def machine() -> str:
    """The machine and the versions that a measurement rests on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    known = ["scikit-learn", "lightgbm", "xgboost-cpu", "catboost", *(["torch"] if find_spec("torch") else [])]
    names = ", ".join(f"{name} {version(name)}" for name in known)
    return f"{cores} cores, {memory:.0f} GiB, Python {platform.python_version()}, {names}"


def scratch(name: str) -> Path:
    """A new place for runs, outside the repository."""
    return Path(tempfile.gettempdir()) / "mle-star-bench" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def write(place: Path, rows: Sequence[Row], key: str, render: Callable[[list[Row]], str]) -> None:
    """Add rows to the JSON file `place`, or put them in place of those with the same key; write the page beside it."""
    known = json.loads(place.read_text(encoding="utf-8")) if place.exists() else []
    both = list({row[key]: row for row in [*known, *rows]}.values())
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(both, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = place.with_suffix(".md")
    nothing = f"# {place.stem}\n\nNothing was measured yet: run `python benchmarks/{place.stem}.py`.\n"
    page.write_text(render(both) if both else nothing, encoding="utf-8")
    print(f"{page}: {', '.join(str(row[key]) for row in rows) or 'rendered'}", flush=True)


def table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell(value) for value in line) + " |" for line in lines)


def cell(value: object) -> str:
    """A value as the tables show it: nothing known is a dash, a bar would end the cell."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (f"{value:.5g}" if isinstance(value, float) else str(value)).replace("|", "\\|")


def with_error(value: float | None, error: float | None) -> str:
    """A score with its standard error."""
    return "–" if value is None else f"{value:.5f}" + ("" if error is None else f" ± {error:.5f}")
