"""Every recipe for images makes a whole script that beats a constant on small made images of all sorts."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from mlestar import scripts
from mlestar.brains.playbook.assemble import assemble, changed
from mlestar.brains.playbook.conditions import pixels
from mlestar.brains.playbook.neutral import ablate
from mlestar.brains.playbook.shelf import Shelf
from mlestar.brains.playbook.starting import by_family, quickest
from mlestar.records import Column, Profile
from mlestar.roles import Ablate
from mlestar.search.library import read_recipe, shipped
from mlestar.tasks import samples, samples_held
from mlestar.tasks.prepared import Prepared, prepare

ALL = [read_recipe(path) for path in sorted(shipped().rglob("*.md")) if path.name != "README.md"]
TORCH = importlib.util.find_spec("torch") is not None
INSTALLED = frozenset({"sklearn", "lightgbm", "numpy", "pandas", "pyarrow", "scipy", "PIL", *(["torch"] * TORCH)})
MODELS = sorted({recipe.name for recipe in ALL if recipe.kind == "image" and recipe.cell == "model"})
IMAGES = {sample.name: sample for sample in samples.SAMPLES if sample.about == "image"}
LABELS, CHANCES, VALUES = IMAGES


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    found = {}
    for number, (name, sample) in enumerate(IMAGES.items()):
        folder = tmp_path_factory.mktemp("images") / "task"
        samples.write(sample, folder)
        found[name] = prepare(folder, folder.parent / f"run-{number}", 0)
    return found


def shelf_of(task: Prepared, installed: frozenset[str] = INSTALLED) -> Shelf:
    return Shelf(ALL, installed, task.profile)


def predicted(task: Prepared, text: str, monkeypatch: pytest.MonkeyPatch, view: str = "fold-0") -> np.ndarray:
    """What the script submits for a view; nets are small, and do not go by the clock."""
    monkeypatch.chdir(task.view(view).parent)
    space: dict[str, Any] = {"__name__": "script"}
    exec(compile(text.replace('Path("input")', f'Path("{view}")'), "script.py", "exec"), space)
    space |= {"SECONDS": 10_000, "MOST_ROUNDS": 25, "WIDTH": 8}
    with threadpool_limits(1):
        parts = space["predict"](*space["load"](), 0)
    return np.asarray(space["post"](space["blend"](parts)))


def beats_a_constant(task: Prepared, prediction: np.ndarray, share: float = 0.7) -> bool:
    """Whether the score is so much nearer to the best possible one than a constant's."""
    constant = samples_held.constant(task, "fold-0")
    assert constant is not None
    found, best = task.score("fold-0", prediction), 1.0 if task.profile.direction == "max" else 0.0
    return abs(best - found) < share * abs(best - constant)


@pytest.mark.parametrize("data", [LABELS, VALUES])
@pytest.mark.parametrize("name", MODELS)
def test_models_see_shapes(name: str, data: str, tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks[data]
    recipe = shelf_of(task).named(name, "model")
    if recipe is None:
        assert "convnet" in name
        assert not TORCH
        pytest.skip("torch is not installed")
    text = assemble(shelf_of(task), recipe)
    assert not scripts.problems(text)
    assert beats_a_constant(task, predicted(task, text, monkeypatch))


def test_probabilities_and_real_rows(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks[CHANCES]
    text = assemble(shelf_of(task), quickest(shelf_of(task)))
    assert beats_a_constant(task, predicted(task, text, monkeypatch))
    real = predicted(task, text, monkeypatch, "real")
    assert real.shape == (samples.ROWS // 3, 3)
    assert np.isfinite(real).all()


@pytest.mark.skipif(not TORCH, reason="torch is not installed")
def test_mirrored_copies_take_the_place_of_others(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks[LABELS]
    shelf = shelf_of(task)
    model, mirror = shelf.named("image-convnet", "model"), shelf.named("moved-mirrored", "moved")
    assert model is not None
    assert mirror is not None
    text = changed(shelf, assemble(shelf, model), "moved", mirror)
    assert "mirrored" in scripts.parse(text)["moved"]
    assert beats_a_constant(task, predicted(task, text, monkeypatch))


def test_any_model_may_follow_any_other(tasks: dict[str, Prepared]) -> None:
    """A script drops what its model does not read; the next model brings it back."""
    shelf = shelf_of(tasks[LABELS], INSTALLED | {"torch"})
    text = assemble(shelf, quickest(shelf))
    for name in [*MODELS, *reversed(MODELS)]:
        recipe = shelf.named(name, "model")
        assert recipe is not None
        text = changed(shelf, text, "model", recipe)
        assert not scripts.problems(text)
        assert text.count("def images(") == 1
        assert "IMAGES = {" in scripts.parse(text)["setup"]


def test_the_column_beside_the_images_is_read(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks[LABELS]
    text = assemble(shelf_of(task), quickest(shelf_of(task)))
    assert "FEATURES = [categories]" in text
    monkeypatch.chdir(task.view("fold-0").parent)
    space: dict[str, Any] = {"__name__": "script"}
    exec(compile(text.replace('Path("input")', 'Path("fold-0")'), "script.py", "exec"), space)
    train, test, files = space["load"]()
    X, X_test = space["features"](train, test, files)
    assert X["columns"].shape == (len(train), 4)
    assert X_test["columns"].shape == (len(test), 4)
    assert X["images"].shape == (len(train), 32, 32, 3)
    assert X["images"].dtype == np.uint8


def test_models_of_tables_see_the_images_too(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks[LABELS]
    shelf = shelf_of(task)
    text = assemble(shelf, next(r for r in shelf.models if r.name == "quick" and r.kind == "table"))
    assert "pictures" in scripts.parse(text).names
    assert beats_a_constant(task, predicted(task, text, monkeypatch))


@pytest.mark.parametrize("name", MODELS)
def test_neutral_forms_are_found(name: str, tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks[LABELS]
    shelf = shelf_of(task, INSTALLED | {"torch"})
    recipe = shelf.named(name, "model")
    assert recipe is not None
    text = assemble(shelf, recipe)
    forms = dict(ablate(shelf, Ablate(shelf.profile, 0, script=text)).forms)
    wanted = "moved" if "convnet" in name else "model"
    assert wanted in forms
    if wanted == "model":
        found = predicted(task, scripts.replace(text, {"model": forms["model"]}), monkeypatch)
        assert np.isfinite(found).all()
        assert not np.allclose(found, predicted(task, text, monkeypatch))


def test_images_begin_with_models_of_images(tasks: dict[str, Prepared]) -> None:
    shelf = shelf_of(tasks[LABELS])
    assert quickest(shelf).name == "image-quick"
    assert by_family(shelf, 0, 0)[0].name == "image-kernel"
    assert shelf.named("image-members") in by_family(shelf, 0, 0)[:4]
    with_torch = shelf_of(tasks[LABELS], INSTALLED | {"torch"})
    assert with_torch.named("image-convnet") in by_family(with_torch, 0, 0)[:2]
    many = Shelf(ALL, INSTALLED | {"torch"}, replace(tasks[LABELS].profile, rows=40_000))
    assert by_family(many, 0, 0)[0].name == "image-convnet"


def images_cell(tmp_path: Path) -> dict[str, Any]:
    recipe = next(r for r in ALL if r.name == "image-features")
    space: dict[str, Any] = {"np": np, "pd": pd, "Image": Image, "INPUT": tmp_path}
    exec(dict(recipe.cells)["images"], space)
    return space


def test_images_of_any_mode_and_size_become_alike(tmp_path: Path) -> None:
    space = images_cell(tmp_path)
    ramp = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (40, 1))
    gray = Image.fromarray(ramp)
    made = {
        "L.png": gray,
        "RGB.png": gray.convert("RGB"),
        "P.png": gray.convert("P"),
        "CMYK.jpg": gray.convert("RGB").convert("CMYK"),
        "large.jpg": gray.resize((700, 700)),
        "deep.png": Image.fromarray(ramp.astype(np.uint16) * 257),
        "float.tif": Image.fromarray(ramp.astype(np.float32) / 255),
        "one.bmp": gray.convert("RGB").resize((20, 20)),
    }
    for name, image in made.items():
        image.save(tmp_path / name)
    found = space["images"](pd.DataFrame({"f": list(made)}), ["{f}"])
    assert found.shape == (len(made), 32, 32, 3)
    for name, image in zip(made, found, strict=True):
        assert np.abs(image.astype(float) - found[0]).mean() < 6, name


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    space = images_cell(tmp_path)
    Image.new("RGBA", (9, 9), (200, 0, 0, 0)).save(tmp_path / "a.png")
    assert (space["images"](pd.DataFrame({"f": ["a"]}), ["{f}.png"]) == 255).all()


def test_broken_images_are_named_and_gray(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = images_cell(tmp_path)
    Image.new("L", (9, 9), 3).save(tmp_path / "0.png")
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[:45])
    (tmp_path / "2.png").write_text("no image")
    found = space["images"](pd.DataFrame({"id": ["0", "1", "2", "3"]}), ["{id}.png"])
    assert (found[0] == 3).all()
    assert (found[1:] == 128).all()
    said = capsys.readouterr().out
    assert "3 images cannot be read" in said
    assert "1.png" in said
    with pytest.raises(ValueError, match="not one image can be read"):
        space["images"](pd.DataFrame({"id": ["1", "3"]}), ["{id}.png"])


def test_several_images_of_a_row_stand_side_by_side(tmp_path: Path) -> None:
    space = images_cell(tmp_path)
    for name, shade in (("a", 10), ("b", 200)):
        (tmp_path / name).mkdir()
        Image.new("L", (50, 30), shade).save(tmp_path / name / "7.png")
    found = space["images"](pd.DataFrame({"id": ["7"]}), ["a/{id}.png", "b/{id}.png"])
    assert found.shape == (1, 32, 64, 3)
    assert (found[0, :, :32] == 10).all()
    assert (found[0, :, 32:] == 200).all()


def test_left_out_rows_are_foretold_without_them() -> None:
    """The closed form of `ridge` is what a fit without the row says."""
    recipe = next(r for r in ALL if r.name == "image-features")
    space: dict[str, Any] = {}
    exec(
        "import numpy as np\nfrom scipy.linalg import cho_solve, cholesky, solve_triangular\n"
        + dict(recipe.cells)["ridge"],
        space,
    )
    rng = np.random.default_rng(0)
    A, Y = rng.normal(size=(30, 6)), rng.normal(size=(30, 2))
    alone, _ = space["ridge"](A, Y, A)
    gaps = []
    for penalty in space["PENALTIES"]:
        size = penalty * np.trace((A - A.mean(0)).T @ (A - A.mean(0))) / 6 + 1e-9
        C = np.hstack([A, np.ones((30, 1))])
        expected = []
        for i in range(30):
            rest = np.arange(30) != i
            gram = C[rest].T @ C[rest] + size * np.diag([1.0] * 6 + [0.0])
            expected.append(C[i] @ np.linalg.solve(gram, C[rest].T @ Y[rest]))
        gaps.append(np.abs(alone - np.array(expected)).max())
    assert min(gaps) < 1e-8


def test_pixels_in_columns_are_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As digits are often handed out: a table with a column for each pixel."""
    folder, rng = tmp_path / "task", np.random.default_rng(0)
    folder.mkdir()
    label = rng.integers(0, 2, 160)
    shades = rng.integers(0, 60, (160, 12, 12))
    for row, kind in enumerate(label):  # a bar, upright or lying
        at = rng.integers(2, 9)
        shades[row][(slice(2, 10), slice(at, at + 2)) if kind else (slice(at, at + 2), slice(2, 10))] += 150
    table = pd.DataFrame(shades.reshape(160, -1), columns=[f"pixel{i}" for i in range(144)])
    table.insert(0, "id", range(160))
    table.assign(label=label)[:120].to_csv(folder / "train.csv", index=False)
    table[120:].to_csv(folder / "test.csv", index=False)
    table[["id"]][120:].assign(label=0).to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text("# Bars\n\n## Metric\n\nClassification accuracy.\n")
    task = prepare(folder, tmp_path / "run", 0)
    shelf = shelf_of(task)
    assert quickest(shelf).name == "image-quick"
    text = assemble(shelf, quickest(shelf))
    assert 'IMAGES = {"train": ["pixel*"], "test": ["pixel*"]}' in text
    assert "pixel7" not in text
    prediction = predicted(task, text, monkeypatch)
    assert task.score("fold-0", prediction) > 0.9


def test_numbered_columns_of_other_things_are_no_pixels() -> None:
    columns = tuple(Column(f"reading_{i}", "number", 0.0, 9, (), 0, 200) for i in range(64))
    pixel = tuple(replace(column, name=f"px_{i}") for i, column in enumerate(columns))
    assert pixels(profile_of(columns)) == ("", frozenset())
    assert pixels(profile_of(pixel)) == ("px_", frozenset(column.name for column in pixel))
    assert pixels(profile_of(pixel[1:])) == ("", frozenset())
    assert pixels(profile_of((*pixel[1:], replace(pixel[0], maximum=256)))) == ("", frozenset())


def profile_of(columns: tuple[Column, ...]) -> Profile:
    return Profile(
        "a", "table", "", "train.csv", "test.csv", "sample.csv", (), ("y",), "label", ("y",), ("0", "1"), "accuracy",
        "max", "random", 100, 50, columns,
    )  # fmt: skip
