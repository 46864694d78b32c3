"""What a caller of the Python API gives: a task, as a folder, a file or a frame; and settings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from mlestar import runs
from mlestar.config import Settings
from mlestar.errors import RunError, SettingsError, TaskError
from mlestar.tasks import frames, tables
from mlestar.tasks.new import new


def known(
    task: str | Path | pd.DataFrame, target: str | None, test: object, metric: str | None
) -> tuple[Path | None, str]:
    """The task's folder, None where it is yet to be made; and a name for the run."""
    if isinstance(task, pd.DataFrame):
        if target is None:
            raise SettingsError('which column of the frame is to be predicted? Say solve(frame, target="…")')
        return None, "table"
    place = Path(task)
    if place.is_file():
        if target is None:
            raise SettingsError(f'which column of {place} is to be predicted? Say solve({str(task)!r}, target="…")')
        return None, tables.stem(place.name)
    if not place.exists():
        raise TaskError(f"{place}: there is no such task folder or table file")
    for name, value in (("target", target), ("test", test), ("metric", metric)):
        if value is not None:
            raise SettingsError(f"{name}= is for a single table; {place} is a task folder, whose task.toml says it")
    return place, runs.name_of(place)


def free(run: Path) -> None:
    """Raise RunError where another run is."""
    if (run / "journal.db").exists():
        raise RunError(f"{run} holds a run already: mlestar.open({str(run)!r}) opens it; or name another with out=")


def laid(
    task: str | Path | pd.DataFrame, target: str, test: str | Path | pd.DataFrame | None, out: Path,
    metric: str | None, settings: Settings,
) -> Path:  # fmt: skip
    """A task folder of a table; what was made of it is taken away again where it cannot be one."""
    if out.parent.exists():
        raise TaskError(f"{out.parent} exists already: name another run with out=, or remove it")
    rows = frames.load(Path(test)) if isinstance(test, str | Path) else test
    out.parent.mkdir(parents=True)
    try:
        if rows is None and not isinstance(task, pd.DataFrame):
            return new(Path(task), target, out, metric, seed=settings.seed)
        frame = task if isinstance(task, pd.DataFrame) else frames.load(Path(task))
        return frames.folder(frame, target, out, rows, metric, settings.seed)
    except BaseException:
        shutil.rmtree(out.parent, ignore_errors=True)
        raise


def nested(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as sections: `{"refine.outer": 4}` is `{"refine": {"outer": 4}}`; what is None is not said."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if value is None:
            continue
        *sections, last = name.split(".")
        spot = found
        for section in sections:
            spot = spot.setdefault(section, {})
        spot[last] = {**spot.get(last, {}), **value} if isinstance(value, dict) else value
    return found
