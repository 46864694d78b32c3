"""The systems to compare with: which there are, the environments they run in, and one run of one of them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from mlestar import config
from mlestar.bench.handing import SPEC, Terms, hand, take
from mlestar.bench.records import OURS, Cell, Competitor
from mlestar.errors import Interrupted, SettingsError, Unreachable
from mlestar.executors import command
from mlestar.executors.uv import Uv, find_uv
from mlestar.executors.walls.wall import SPINS
from mlestar.plain import word
from mlestar.tasks.cutfile import save
from mlestar.tasks.source import Source

RUNNERS = Path(__file__).with_name("runners")
COMPETITORS = {
    "autogluon": Competitor(
        "autogluon", RUNNERS / "with_autogluon.py", ("autogluon.tabular[all]>=1.4,<2",), "autogluon.tabular"
    ),
    "flaml": Competitor("flaml", RUNNERS / "with_flaml.py", ("flaml[automl]>=2.3,<3",), "flaml"),
}
INSTALLING = 3600.0  # seconds that one step of making an environment may take
PATIENCE, GRACE = 2.0, 60.0  # a competitor is killed after so many times the budget, and so many seconds
READY, LOG, SUBMISSION = "ready.json", "log.txt", "submission.csv"
_MOST = 400  # characters of a reason
Stopped = Callable[[], bool]


def named(name: str) -> Competitor:
    """A competitor by its name, or a runner script of the user's own by its path. Raises SettingsError."""
    if name in COMPETITORS:
        return COMPETITORS[name]
    script = Path(name)
    if script.suffix != ".py":
        known = ", ".join(COMPETITORS)
        raise SettingsError(f"--against {name}: known are {known}, and runner scripts by their path (docs/bench.md)")
    if not script.is_file() or script.stem in (OURS, *COMPETITORS):
        raise SettingsError(f"--against {name}: there is no such script, or its name is taken")
    return Competitor(script.stem, script.resolve())


@dataclass(frozen=True)
class Environment:
    """The interpreter that a competitor runs in, and the version of what it runs."""

    python: str
    version: str = ""


def environment(other: Competitor, home: Path, uv: str, stopped: Stopped) -> Environment | str:
    """The competitor's own virtual environment in `home`, made by `uv` if it is not there; or why it cannot be."""
    if not other.requirements:
        return Environment(sys.executable)
    python, wanted = home / "bin" / "python", list(other.requirements)
    kept = _kept(home / READY)
    if kept is not None and kept.get("requirements") == wanted:
        return Environment(str(python), str(kept["version"]))
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        reason = _installed(wanted, home, python, uv, stopped)
    except (SettingsError, Unreachable) as error:
        reason = str(error).partition("; --set")[0]
    if stopped():
        raise Interrupted("stopped")
    if reason:
        return f"its environment cannot be made: {word(reason, _MOST)}"
    places = [str(place) for place in home.glob("lib/*/site-packages")]
    version = next((d.version for d in metadata.distributions(name=other.package, path=places)), "")
    save(home / READY, {"requirements": wanted, "version": f"{other.package} {version}"})
    return Environment(str(python), f"{other.package} {version}")


def _installed(wanted: list[str], home: Path, python: Path, uv: str, stopped: Stopped) -> str:
    """Make it, without any key of the user's; what went wrong."""
    tool = Uv(find_uv(uv), config.installing(), sys.executable, INSTALLING)
    venv = ("venv", str(home), "--no-project", "--python", sys.executable)
    return tool.run(*venv, folder=home.parent, stopped=stopped) or tool.pip(
        "install", "--python", str(python), *wanted, folder=home.parent, stopped=stopped
    )


def _kept(place: Path) -> dict[str, object] | None:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def run(
    other: Competitor, found: Environment, source: Source, folder: Path, cell: Cell, terms: Terms, stopped: Stopped
) -> Cell:
    """One run of a competitor in the cell's `folder`, which gets submission.csv and log.txt; the cell, filled in.

    Raises TaskError where a table alone does not make the task.
    """
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)  # of a call that was killed
    work.mkdir(parents=True)
    cell = replace(cell, metric=source.metric, direction=source.direction, version=found.version)
    hand(source, work, terms)
    most = PATIENCE * terms.seconds + GRACE
    argv = (found.python, "-c", command.LIFE, str(other.runner), SPEC)
    with tempfile.TemporaryDirectory(prefix="ms-") as short:  # ray's sockets have no room for a long path
        ended = command.call(argv, work, folder / LOG, _surroundings(work, short, terms), most, stopped)
    cell = replace(cell, seconds=ended.seconds)
    if ended.code is None:
        return replace(cell, state="failed", reason=f"killed: no submission after {most:.0f} s")
    if ended.code != 0:
        said = word(command.last_line(folder / LOG), _MOST)
        return replace(cell, state="failed", reason=f"its runner ended with status {ended.code}: {said}")
    submission = take(source, work)
    if isinstance(submission, str):
        return replace(cell, state="failed", reason=word(submission, _MOST))
    (folder / SUBMISSION).write_bytes(submission)
    shutil.rmtree(work, ignore_errors=True)
    return cell


def _surroundings(work: Path, temporary: str, terms: Terms) -> dict[str, str]:
    """A short environment: no key of the user's is anybody's business in there."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(terms.cores))
    own = {"PATH": os.defpath, "HOME": str(work), "TMPDIR": temporary, "LANG": "C.UTF-8"}
    return {**given(), **own, **threads, **SPINS}


def given(*names: str) -> dict[str, str]:
    """What a program of the bench gets of the user's environment: the variables named, and OpenBLAS's kernel."""
    return {k: value for k, value in config.installing().items() if k in names or k.startswith("OPENBLAS_")}
