"""Every recipe for images makes a whole script that restores small made images better than a constant."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mlestar import composing, scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.assemble import assemble
from mlestar.brains.playbook.neutral import ablate
from mlestar.brains.playbook.shelf import Shelf
from mlestar.brains.playbook.starting import by_family, quickest
from mlestar.roles import Ablate
from mlestar.search.library import read_recipe, shipped
from mlestar.tasks import samples, samples_held
from mlestar.tasks.prepared import Prepared, prepare

ALL = [read_recipe(path) for path in sorted(shipped().rglob("*.md")) if path.name != "README.md"]
TORCH = importlib.util.find_spec("torch") is not None
INSTALLED = frozenset({"sklearn", "lightgbm", "numpy", "pandas", "pyarrow", "scipy", "PIL", *["torch"] * TORCH})
MODELS = [recipe for recipe in ALL if recipe.kind == "pixels" and recipe.cell == "model"]
CHEAP = [recipe.name for recipe in MODELS if "torch" not in recipe.needs]
NETS = [recipe.name for recipe in MODELS if "torch" in recipe.needs]
PIXELS = {sample.name: sample for sample in samples.SAMPLES if sample.about == "pixels"}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    found = {}
    for number, (name, sample) in enumerate(PIXELS.items()):
        folder = tmp_path_factory.mktemp("pixels") / "task"
        samples.write(sample, folder)
        found[name] = prepare(folder, folder.parent / f"run-{number}", 0)
    return found


def shelf_of(task: Prepared) -> Shelf:
    return Shelf(ALL, INSTALLED, task.profile)


def script_of(task: Prepared, name: str) -> str:
    recipe = shelf_of(task).named(name, "model")
    assert recipe is not None
    return assemble(shelf_of(task), recipe)


def run(task: Prepared, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, view: str = "fold-0") -> float:
    """The score of the whole script, run as a job is: it reads input/, and leaves files that are judged."""
    folder.mkdir()
    (folder / "input").symlink_to(task.view(view))
    monkeypatch.chdir(folder)
    with threadpool_limits(1):
        exec(compile(text, "script.py", "exec"), {"__name__": "__main__"})
    judged = task.judge(view, folder, lambda data: "x")
    assert judged.reason is None, judged.reason
    assert judged.value is not None
    assert not judged.notes
    return judged.value


@pytest.mark.filterwarnings("ignore:.*(Optimization|converge)")
@pytest.mark.parametrize("data", list(PIXELS))
@pytest.mark.parametrize("name", CHEAP)
def test_models_restore(
    name: str, data: str, tasks: dict[str, Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = script_of(tasks[data], name)
    assert not scripts.problems(text)
    assert not spots.unknown_names(text)
    best = samples_held.constant(tasks[data], "fold-0")
    assert best is not None
    assert run(tasks[data], text, tmp_path / "job", monkeypatch) < 0.7 * best


@pytest.mark.skipif(not TORCH, reason="torch is not installed")
@pytest.mark.parametrize("data", list(PIXELS))
@pytest.mark.parametrize("name", NETS)
def test_nets_restore(
    name: str, data: str, tasks: dict[str, Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = script_of(tasks[data], name)
    short = text.replace("SECONDS, RATE = 150", "SECONDS, RATE = 15")
    assert short != text
    best = samples_held.constant(tasks[data], "fold-0")
    assert best is not None
    assert run(tasks[data], short, tmp_path / "job", monkeypatch) < 0.8 * best


def test_the_quick_one_comes_first_and_families_are_unlike(tasks: dict[str, Prepared]) -> None:
    shelf = shelf_of(next(iter(tasks.values())))
    assert quickest(shelf).name == "pixels-quick"
    assert len(shelf.families()) >= 3
    assert {recipe.kind for recipe in by_family(shelf, 0, 0)} == {"pixels"}
    assert not shelf.stacks


def test_scripts_of_two_models_are_one_that_blends_them(
    tasks: dict[str, Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks[samples.samples_pixels.PLAIN]
    names = {"pixels-quick": "lookup", "pixels-ridge": "ridge"}
    parts = [composing.Part(name, script_of(task, name), {member: name}) for name, member in names.items()]
    whole = composing.compose(parts, {"blend": composing.PLAIN_MEAN}, "Both, averaged.")
    assert not spots.unknown_names(whole)
    scores = [run(task, part.script, tmp_path / part.label, monkeypatch) for part in parts]
    assert run(task, whole, tmp_path / "both", monkeypatch) < np.mean(scores)


def test_models_are_what_an_ablation_neutralises(tasks: dict[str, Prepared]) -> None:
    for task in tasks.values():
        for recipe in shelf_of(task).models:
            text = assemble(shelf_of(task), recipe)
            assert "model" in dict(ablate(shelf_of(task), Ablate(task.profile, 0, script=text)).forms)
