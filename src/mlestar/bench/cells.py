"""The bench's folder: what was asked for first, and a folder for each cell with the record of what came of it.

plan.json, env/<competitor>/, cells/<task>/<system>/seed-<n>/{cell.json, submission.csv, run/ or log.txt}
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mlestar.bench.records import Cell
from mlestar.config import SECTIONS, Settings
from mlestar.errors import RunError, SettingsError
from mlestar.plain import called, word
from mlestar.tasks.cutfile import save

CELL = TypeAdapter(Cell)
PLAN, RECORD = "plan.json", "cell.json"


def place(out: Path, task: str, system: str, seed: int) -> Path:
    """The folder of a cell."""
    return out / "cells" / task / system / f"seed-{seed}"


def read(folder: Path) -> Cell | None:
    """What was recorded of a cell; None where nothing was. Raises RunError for a damaged record."""
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        return CELL.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise RunError(f"{path} cannot be read; remove {folder} to have that cell done again") from None


def keep(folder: Path, cell: Cell) -> None:
    """Record a cell, whole or not at all."""
    save(folder / RECORD, asdict(cell))


def recorded(out: Path) -> list[Cell]:
    """All cells that were recorded so far."""
    folders = sorted(path.parent for path in out.glob(f"cells/*/*/*/{RECORD}"))
    return [cell for cell in map(read, folders) if cell is not None]


def agree(out: Path, folder: Path, settings: Settings) -> None:
    """Hold this call to what the bench began with: cells under unlike terms are no comparison.

    Raises SettingsError naming what is different. Seeds, tasks and competitors may be added.
    """
    told = settings.model_dump(mode="json", exclude={"seed"})
    wanted: dict[str, Any] = {"tasks": str(folder.resolve()), "settings": told}
    path = out / PLAN
    if not path.exists():
        save(path, wanted)
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        known = {"tasks": before["tasks"], **_whole(before["settings"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(f"{path} cannot be read; name another folder with --out") from None
    now = {"tasks": wanted["tasks"], **told}
    other = sorted(name for name in known.keys() | now.keys() if known.get(name) != now.get(name))
    if other:
        raise SettingsError(
            f"{out} was begun with {', '.join(f'{name} = {_shown(known.get(name))}' for name in other)}: all its cells "
            "need the same; name another folder with --out"
        )


def jobs(out: Path) -> int | None:
    """The jobs of each run of a bench that was begun; None where there is no record of it."""
    try:
        return int(json.loads((out / PLAN).read_text(encoding="utf-8"))["settings"]["jobs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _whole(settings: dict[str, Any]) -> dict[str, Any]:
    """Recorded settings, with what mle-star had no setting for yet at its default."""
    defaults = Settings.model_construct().model_dump(mode="json", exclude={"seed"})
    sections = {name: {**defaults[name], **settings.get(name, {})} for name in SECTIONS}
    return {**defaults, **settings, **sections}


def _shown(value: Any) -> str:
    return word(called(value) if isinstance(value, str) else value)
