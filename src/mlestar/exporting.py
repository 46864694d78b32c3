"""Taking a run's solution elsewhere: as a notebook, an installable package, or a kernel."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from mlestar import config, runs, scripts
from mlestar.errors import SettingsError
from mlestar.journal import queries
from mlestar.keepsakes import intro
from mlestar.overview import FINAL
from mlestar.predicting import solution
from mlestar.products import kernel as kernels
from mlestar.products import package as packages
from mlestar.records import Final
from mlestar.report.card import interval
from mlestar.report.notebook import notebook as made_notebook
from mlestar.tasks.infer_files import heads
from mlestar.tasks.newrows import refuse, training_files
from mlestar.tasks.prepared import Prepared, reopen
from mlestar.tasks.tables import texts


def notebook(run: Path) -> str:
    """The solution in `best/` as a notebook. Raises RunError where there is none."""
    return _notebook(run, solution(run))


def kernel(run: Path, folder: Path) -> None:
    """Fill a new folder with a kernel; raises SettingsError where the folder is there and not empty."""
    name = queries.facts(run).get("name", "task")
    script = kernels.adapted(solution(run), f"../input/{kernels.slug(name)}")
    _fill(folder, {kernels.CODE_FILE: _notebook(run, script), "kernel-metadata.json": kernels.metadata(name)})


def package(run: Path, folder: Path, with_data: bool = False) -> str:
    """Fill a new folder with an installable package; returns the name of its module.

    Raises TaskError where a task has no rows that could be predicted one by one.
    """
    script, facts = solution(run), queries.facts(run)
    task = reopen(run, partial(runs.serve, config.changed(facts.get("settings", {}), {})))
    refuse(task.source)
    name, needs = facts.get("name", "task"), scripts.dependencies(script)
    if not any(need.partition("=")[0] == "pandas" for need in needs):
        needs = ("pandas", *needs)
    files = packages.files(name, script, _shape(task), needs, _score(facts), with_data)
    card = run / "best" / "card.md"
    if card.is_file():
        files["card.md"] = card.read_text(encoding="utf-8")
    _fill(folder, files)
    module = packages.module_name(name)
    if with_data:
        for origin, target in training_files(task):
            place = folder / "src" / module / "data" / target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, place)
    return module


def _shape(task: Prepared) -> packages.Shape:
    source = task.source
    sample = source.sample.frame
    fill = {str(column): texts(sample[column].iloc[:1]).iloc[0] for column in sample}
    names = (source.train.name, source.test.name, source.sample.name)
    dialects = {name: {"sep": mark, "encoding": code} for name, mark, code in task.profile.dialects}
    columns = tuple(heads(source.test)), tuple(heads(source.sample))
    return packages.Shape(*names, source.id, *columns, fill, dialects, source.commas)


def _notebook(run: Path, script: str) -> str:
    facts = queries.facts(run)
    about = facts.get("task_facts", {})
    return made_notebook(script, intro(facts.get("name", ""), about.get("metric", ""), _final(facts)))


def _final(facts: dict[str, Any]) -> Final | None:
    return FINAL.validate_python(facts["final"]) if facts.get("final") else None


def _score(facts: dict[str, Any]) -> str:
    final = _final(facts)
    metric = facts.get("task_facts", {}).get("metric", "score")
    return f"Expect {metric} {interval(metric, final.estimate)} on rows like those of the test." if final else ""


def _fill(folder: Path, files: dict[str, str]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder} is there and not empty: name a new folder")
    try:
        for name, text in files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{folder}: it cannot be written ({error.strerror})") from None
