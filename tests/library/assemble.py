"""Puts a whole script together from recipes, as the playbook does, for tests of single recipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mlestar import scripts
from mlestar.records import Recipe
from mlestar.search.library import Library


def assemble(library: Library, skeleton: str, load: str, recipes: list[Recipe], constants: Mapping[str, object]) -> str:
    """The script of a skeleton, a `load` recipe and further recipes; later cells replace earlier ones."""
    used = [library.named(skeleton), library.named(load), *recipes]
    setup = scripts.merge_setup([dict(r.cells).get("setup", "") for r in used])
    setup += "\n" + "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    cells: dict[str, str] = dict(used[0].cells)
    for recipe in used[1:]:
        cells |= dict(recipe.cells)
    fixed = ("setup", "load", "features", "target", "model", "predict", "blend", "post", "submit")
    cells["setup"] = setup
    names = ["setup", "load", *(name for name in cells if name not in fixed), *fixed[2:]]
    return scripts.Notebook("", tuple(scripts.Cell(name, cells[name]) for name in names if name in cells)).text()


def execute(folder: Path, script: str) -> None:
    """Run a script in `folder` on one thread; its printed output stands in the failure message."""
    (folder / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        env=dict(os.environ, OMP_NUM_THREADS="1"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
