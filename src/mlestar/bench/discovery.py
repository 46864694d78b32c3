"""Finding tasks with answers below a folder, in either of two layouts.

    DIR/<id>/public, private, meta.json    and DIR/grade.py, called `python grade.py <id> <submission>`
    DIR/<id>/prepared/public, private      MLE-bench's data folder; graded by `mlebench`, where it is installed

Without a grader, mle-star's own metric on the private answers stands in.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

from mlestar.bench.records import OURS, BenchTask
from mlestar.errors import TaskError
from mlestar.records import Direction

MEDALS = ("gold", "silver", "bronze")
SUBMISSION = "{submission}"
MLEBENCH, GRADE = "mlebench", "grade.py"


def find(folder: Path) -> list[BenchTask]:
    """The tasks of a folder, by name. Raises TaskError where there are none, or a meta.json cannot be read."""
    if not folder.is_dir():
        raise TaskError(f"{folder}: there is no such folder of tasks")
    root = folder.resolve()
    found = [task for place in sorted(root.iterdir()) if place.is_dir() and (task := _task(place))]
    if not found:
        raise TaskError(
            f"{folder} holds no task with answers: neither <id>/public and <id>/private, nor <id>/prepared/public and "
            "<id>/prepared/private (docs/bench.md)"
        )
    return found


def _task(place: Path) -> BenchTask | None:
    prepared = place / "prepared"
    if (prepared / "public").is_dir() and (prepared / "private").is_dir():
        grader = _mlebench(place)
        by = MLEBENCH if grader else OURS
        return BenchTask(place.name, prepared / "public", prepared / "private", grader, by=by)
    if not ((place / "public").is_dir() and (place / "private").is_dir()):
        return None
    meta = _meta(place / "meta.json")
    direction, grader = _direction(meta), _command(place)
    return BenchTask(
        place.name, place / "public", place / "private", grader, _thresholds(meta, direction), direction,
        GRADE if grader else OURS,
    )  # fmt: skip


def _mlebench(place: Path) -> tuple[str, ...]:
    program = shutil.which(MLEBENCH) or shutil.which(MLEBENCH, path=str(Path(sys.executable).parent))
    if program is None:
        return ()
    return (program, "grade-sample", SUBMISSION, place.name, "--data-dir", str(place.parent))


def _command(place: Path) -> tuple[str, ...]:
    script = place.parent / GRADE
    return (sys.executable, str(script), place.name, SUBMISSION) if script.is_file() else ()


def _meta(path: Path) -> dict[str, Any]:
    """What is told of a task; nothing without a file."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TaskError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise TaskError(f"{path} is no JSON object")
    return found


def _direction(meta: dict[str, Any]) -> Direction | None:
    better = meta.get("higher_is_better")
    return None if not isinstance(better, bool) else "max" if better else "min"


def _thresholds(meta: dict[str, Any], direction: Direction | None) -> tuple[tuple[str, float], ...]:
    """The scores that medals need; none where the test rows are not those that the thresholds were made on."""
    told = meta.get("thresholds")
    if not isinstance(told, dict) or direction is None or meta.get("thresholds_comparable") is False:
        return ()
    return tuple((name, float(told[name])) for name in MEDALS if _is_number(told.get(name)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
