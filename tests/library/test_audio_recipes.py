"""Every recipe for recordings makes a whole script that hears small made recordings better than a constant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mlestar import scripts
from mlestar.brains.playbook.assemble import assemble, changed
from mlestar.brains.playbook.neutral import ablate
from mlestar.brains.playbook.options import options
from mlestar.brains.playbook.proving import faults
from mlestar.brains.playbook.shelf import Shelf
from mlestar.brains.playbook.starting import by_family, quickest
from mlestar.errors import SettingsError
from mlestar.records import Recipe
from mlestar.roles import Ablate
from mlestar.search.library import read_recipe, shipped
from mlestar.tasks import samples, samples_audio, samples_held
from mlestar.tasks.prepared import Prepared, prepare

ALL = [read_recipe(path) for path in sorted(shipped().rglob("*.md")) if path.name != "README.md"]
INSTALLED = frozenset({"sklearn", "lightgbm", "numpy", "pandas", "pyarrow", "scipy"})
AUDIO = [recipe for recipe in ALL if recipe.kind == "audio"]
MODELS = [
    (r.name, form) for r in AUDIO if r.cell == "model" for form in ("classes", "values") if r.form in (form, "any")
]
SAMPLES = {sample.name: sample for sample in samples.SAMPLES if sample.about == "audio"}
CLASSES, CHANCE, VALUE = SAMPLES
ROWS = 60


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    found = {}
    for number, (name, sample) in enumerate(SAMPLES.items()):
        folder = tmp_path_factory.mktemp("audio") / "task"
        samples.write(replace(sample, rows=ROWS), folder)
        found[name] = prepare(folder, folder.parent / f"run-{number}", 0)
    return found


def shelf_of(task: Prepared, more: frozenset[str] = frozenset()) -> Shelf:
    return Shelf(ALL, INSTALLED | more, task.profile)


def named(shelf: Shelf, name: str, cell: str = "model") -> Recipe:
    found = shelf.named(name, cell)
    assert found is not None, name
    return found


def predicted(task: Prepared, text: str, monkeypatch: pytest.MonkeyPatch, view: str = "fold-0") -> np.ndarray:
    """What the script submits for a view; warnings of numpy are errors."""
    monkeypatch.chdir(task.view(view).parent)
    space: dict[str, Any] = {"__name__": "script"}
    exec(compile(text.replace('Path("input")', f'Path("{view}")'), "script.py", "exec"), space)
    with threadpool_limits(1), np.errstate(divide="raise", invalid="raise"):
        parts = space["predict"](*space["load"](), 0)
    return np.asarray(space["post"](space["blend"](parts)))


def better_than_a_constant(task: Prepared, found: np.ndarray) -> bool:
    constant, score = samples_held.constant(task, "fold-0"), task.score("fold-0", found)
    assert constant is not None
    return score > constant + 0.1 if task.profile.direction == "max" else score < 0.9 * constant


@pytest.mark.parametrize(("name", "form"), MODELS)
def test_models_hear(name: str, form: str, tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = next(r for r in AUDIO if r.name == name and r.form in (form, "any"))
    more = frozenset(need for need in recipe.needs if need == "torch" and pytest.importorskip("torch"))
    task = tasks[CLASSES if form == "classes" else VALUE]
    text = assemble(shelf_of(task, more), named(shelf_of(task, more), name))
    assert "numbers" in scripts.parse(text).names  # the column beside the recordings is learned from as well
    found = predicted(task, text, monkeypatch)
    assert better_than_a_constant(task, found)
    forms = dict(ablate(shelf_of(task, more), Ablate(task.profile, 0, script=text)).forms)
    assert "model" in forms
    other = predicted(task, scripts.replace(text, {"model": forms["model"]}), monkeypatch)
    assert np.isfinite(other).all()
    assert not np.allclose(found, other)


def test_a_chance_is_one_column(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = shelf_of(tasks[CHANCE])
    text = assemble(shelf, quickest(shelf))
    assert better_than_a_constant(tasks[CHANCE], predicted(tasks[CHANCE], text, monkeypatch))


def test_models_of_tables_hear_by_columns(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks[CLASSES]
    text = assemble(shelf_of(task), next(r for r in shelf_of(task).models if (r.kind, r.name) == ("table", "logistic")))
    assert {"sounds", "numbers"} <= set(scripts.parse(text).names)
    assert better_than_a_constant(task, predicted(task, text, monkeypatch))
    assert predicted(task, text, monkeypatch, "real").shape == (task.rows("real"), 3)


def test_recordings_alone_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples.write(replace(SAMPLES[CLASSES], rows=ROWS), tmp_path / "task")
    for name in ("train.csv", "test.csv"):
        table = (tmp_path / "task" / name).read_text().splitlines()
        kept = [[cells[0], *cells[2:]] for cells in (line.split(",") for line in table)]
        (tmp_path / "task" / name).write_text("\n".join(map(",".join, kept)) + "\n")
    task = prepare(tmp_path / "task", tmp_path / "run", 0)
    for recipe in (quickest(shelf_of(task)), next(r for r in shelf_of(task).models if r.name == "quick")):
        assert better_than_a_constant(task, predicted(task, assemble(shelf_of(task), recipe), monkeypatch))


def test_other_cells_take_their_place(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks[CLASSES]
    shelf = shelf_of(task)
    text = assemble(shelf, quickest(shelf))
    first = predicted(task, text, monkeypatch)
    for recipe in (r for r in AUDIO if r.cell == "normal"):
        found = predicted(task, changed(shelf, text, recipe.cell, recipe), monkeypatch)
        assert better_than_a_constant(task, found)
        assert not np.allclose(found, first)


def test_any_model_may_follow_any_other_of_recordings(tasks: dict[str, Prepared]) -> None:
    """The other columns stay joined; models of tables are not offered in the middle, nor texts' or series' cells."""
    shelf = shelf_of(tasks[CLASSES])
    text = assemble(shelf, quickest(shelf))
    for recipe in (r for r in shelf.models if r.kind == "audio"):
        text = changed(shelf, text, "model", recipe)
        assert not scripts.problems(text)
        assert "FEATURES = [numbers]" in text
        offered = [
            o.recipe for o in options(shelf, text, (), ()) if o.recipe is not None and o.cell in ("model", "normal")
        ]
        assert {r.kind for r in offered} == {"audio"}


def test_recordings_begin_with_models_of_recordings(tasks: dict[str, Prepared]) -> None:
    shelf = shelf_of(tasks[CLASSES])
    assert quickest(shelf).name == "audio-quick"
    assert [r.kind for r in by_family(shelf, 0, 0)][:2] == ["audio", "audio"]


def test_cells_of_one_name_are_the_same_in_all_recipes() -> None:
    """So that a blend holds them once."""
    alike = [recipe for recipe in ALL if recipe.cell == "sounds" or (recipe in AUDIO and recipe.cell == "model")]
    for cell in ("recordings", "spectra", "images", "normal", "distorted", "features", "cepstra", "copies", "patches"):
        assert len({dict(recipe.cells)[cell] for recipe in alike if cell in dict(recipe.cells)}) == 1, cell
    assert not [fault for recipe in alike for fault in faults(recipe)]


def test_other_formats_need_soundfile_and_say_so(tasks: dict[str, Prepared]) -> None:
    profile = tasks[CLASSES].profile
    flac = replace(profile.assets[0], train="train/{id}.flac", test="test/{id}.flac", suffix=".flac")
    profile = replace(profile, assets=(flac,))
    with pytest.raises(SettingsError, match=r"\.flac, which soundfile reads: install it"):
        quickest(Shelf(ALL, INSTALLED, profile))
    shelf = Shelf(ALL, INSTALLED | {"soundfile"}, profile)
    for recipe in (quickest(shelf), next(r for r in shelf.models if (r.kind, r.name) == ("table", "logistic"))):
        text = assemble(shelf, recipe)
        assert "import soundfile" in text
        assert "wavfile" not in text
        assert '"soundfile"' in text.partition('# ///\n"')[0]
    assert not Shelf(ALL, INSTALLED | {"soundfile"}, tasks[CLASSES].profile).alternatives("recordings")


def test_soundfile_reads_what_it_knows(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
    for name in ("a.flac", "b.ogg"):
        soundfile.write(tmp_path / name, np.column_stack([tone, tone]), 16000)
    space: dict[str, Any] = {"np": np}
    for cell in ("setup", "recordings"):
        exec(dict(next(r for r in AUDIO if r.name == "recordings-soundfile").cells)[cell], space)
    found, rate = space["recordings"]([tmp_path / "a.flac", tmp_path / "b.ogg"])
    assert rate == 16000
    assert np.abs(found[0] - tone).max() < 0.001
    assert abs(len(found[1]) - 8000) < 1000


def cells(*names: str) -> dict[str, Any]:
    """What some cells of the audio recipes define."""
    recipe = next(r for r in AUDIO if r.name == "audio-forest")
    space: dict[str, Any] = {"np": np}
    exec(dict(recipe.cells)["setup"], space)
    for name in names:
        exec(dict(recipe.cells)[name], space)
    return space


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_files_of_all_sorts_sound_alike(rate: int, channels: int, width: int, tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)
    samples_audio.save(tmp_path / "a.wav", tone, rate, width, channels)
    for name in ("b.wav", "c.wav"):
        samples_audio.save(tmp_path / name, 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000), 16000)
    found, common = cells("recordings")["recordings"]([tmp_path / f"{name}.wav" for name in "abcd"])
    assert common == 16000
    assert found[0].dtype == np.float32
    assert abs(len(found[0]) - 8000) <= 1
    middle = slice(1000, 7000)  # a filter rings at the ends
    assert np.abs(found[0][middle] - found[1][middle]).max() < (0.02 if width == 1 else 0.01)
    assert found[3].tolist() == [0.0]  # there is no such file


def test_high_rates_are_halved_and_empty_files_are_silence(tmp_path: Path) -> None:
    samples_audio.save(tmp_path / "a.wav", np.zeros(0), 48000)
    samples_audio.save(tmp_path / "b.wav", np.random.default_rng(0).normal(0, 0.1, 4800), 48000)
    found, common = cells("recordings")["recordings"]([tmp_path / "a.wav", tmp_path / "b.wav"])
    assert (common, len(found[0]), len(found[1])) == (24000, 1, 2400)
    space = cells("recordings", "spectra", "normal", "images", "distorted")
    both = space["spectra"]([tmp_path / "a.wav", tmp_path / "b.wav"])
    with np.errstate(all="raise"):
        made = space["images"](both, 32), space["distorted"](both, 32, np.random.default_rng(0))
    assert all(one.shape == (2, 32, 32) and np.isfinite(one).all() for one in made)


def test_long_recordings_keep_their_course() -> None:
    space = cells("spectra")
    rows = np.arange(5000, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)
    found = space["stretched"](rows, 0, 1, 10)
    assert np.allclose(found[:, 0], np.arange(10) * 500 + 249.5, atol=1)
    assert np.allclose(space["stretched"](rows, 0.5, 1, 4)[0], 2812, atol=2)
    assert space["stretched"](rows[:1], 0, 1, 6).shape == (6, 3)
