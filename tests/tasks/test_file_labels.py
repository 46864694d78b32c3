"""Labels in the names of files or folders and no training table: what is inferred, refused, and never told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlestar.errors import TaskError
from mlestar.tasks import newrows
from mlestar.tasks.check import check
from mlestar.tasks.infer import understand
from mlestar.tasks.patterns import read
from mlestar.tasks.prepared import prepare
from mlestar.tasks.splits import cut
from mlestar.tasks.views import Views

ACCURACY = "# Pets\n\n## Metric\n\nClassification accuracy.\n"
IDS = [f"{number:04d}" for number in range(12)]
PETS = [f"train/{pet}/{number:03d}.png" for pet in ("cat", "dog") for number in range(20)]
DIGITS = [f"train/{d}_{who}_{take}.wav" for d in range(4) for who in ("ann", "bob", "cy") for take in range(6)]
LOTS = [f"train/{name}.{number}.jpg" for name in ("cat", "dog") for number in range(20)]
DIGITS_SAID = "Spoken digits from 0 to 3.\n\n## Metric\n\nAccuracy.\n"
SAYS = "Files are called `{digit}_{speaker}_{take}.wav`. The test has new speakers.\n\n## Metric\n\nAccuracy.\n"


def task(
    folder: Path,
    train: Iterable[str],
    test: Iterable[str],
    sample: Mapping[str, Any],
    description: str = ACCURACY,
    toml: str = "",
) -> Path:
    """A folder with a file of unlike bytes and time at each path, a sample, a description."""
    for number, name in enumerate([*train, *test]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(np.random.default_rng(number).bytes(50 + number % 7))
        os.utime(path, (1_600_000_000 + number, 1_600_000_000 + number))
    folder.mkdir(exist_ok=True)
    pd.DataFrame(sample).to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text(description)
    if toml:
        (folder / "task.toml").write_text(toml)
    return folder


def asked(pattern: str = "test/{}.png") -> list[str]:
    return [pattern.format(id) for id in IDS]


LAYOUTS: dict[str, tuple[list[str], list[str], dict[str, Any], str, str, str, str, set[str]]] = {
    "class folders": (PETS, asked(), {"id": IDS, "label": "cat"}, ACCURACY, "train/{file}", "test/{id}.png", "label",
                      {"cat", "dog"}),
    "a column for each class, deeper, endings in ids": (
        [f"images/train/{c}/{i}.JPG" for c in ("007", "dog hut", "ähm") for i in range(9)],
        asked("images/test/x/{}.JPG"),
        {"image": [f"{id}.JPG" for id in IDS], "ähm": 0.3, "007": 0.3, "dog hut": 0.4}, "Log loss.",
        "images/train/{file}", "images/test/x/{image}", "label", {"007", "dog hut", "ähm"}),
    "folders below classes": (
        [f"train_images/{c}/{p}/{i}.png" for c, p in zip("abababab", "kkllmmnn", strict=True) for i in range(9)],
        asked("test_images/{}.png"), {"id": IDS, "kind": "a"}, ACCURACY, "train_images/{file}", "test_images/{id}.png",
        "kind", {"a", "b"}),
    "classes beside the test": (
        [name.removeprefix("train/") for name in PETS], asked(), {"file": [f"test/{id}.png" for id in IDS], "y": "dog"},
        ACCURACY, "{path}", "{file}", "y", {"cat", "dog"}),
    "the first part of names": (LOTS, asked("test/{}.jpg"), {"id": IDS, "label": "cat"}, ACCURACY, "train/{file}",
                                "test/{id}.jpg", "label", {"cat", "dog"}),
    "the last part of names": (
        [f"train/im-{i}_{c}.png" for c in ("x", "y") for i in range(20)], asked(), {"id": IDS, "x": 0.5, "y": 0.5},
        "Log loss.", "train/{file}", "test/{id}.png", "label", {"x", "y"}),
    "a part that the description names": (
        DIGITS, asked("test/{}.wav"), {"id": IDS, "digit": 0}, DIGITS_SAID, "train/{file}",
        "test/{id}.wav", "digit", {"0", "1", "2", "3"}),
    "classes with marks in them": (
        [f"train/{c}_{i}.jpg" for c in ("new_york", "new_delhi", "rome") for i in range(9)], asked("test/{}.jpg"),
        {"id": IDS, "rome": 0.2, "new_york": 0.4, "new_delhi": 0.4}, "Log loss.", "train/{file}", "test/{id}.jpg",
        "label", {"rome", "new_york", "new_delhi"}),
    "one folder for all": (
        [f"images/photo_{c}_{i}.png" for c in ("cat", "dog") for i in range(20)], asked("images/{}.png"),
        {"id": IDS, "label": "cat"}, ACCURACY, "images/{file}", "images/{id}.png", "label", {"cat", "dog"}),
    "no folder": ([f"{c}_{i}.png" for c in ("cat", "dog") for i in range(20)], asked(), {"id": IDS, "label": "cat"},
                  ACCURACY, "{file}", "test/{id}.png", "label", {"cat", "dog"}),
    "texts": ([name.replace(".png", ".txt") for name in PETS], asked("test/{}.txt"), {"id": IDS, "label": "cat"},
              ACCURACY, "train/{file}", "test/{id}.txt", "label", {"cat", "dog"}),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_tables_are_made_of_names(name: str, tmp_path: Path) -> None:
    train, test, sample, description, mine, theirs, target, labels = LAYOUTS[name]
    found = understand(task(tmp_path / "task", train, test, sample, description))
    assert [(asset.train, asset.test) for asset in found.assets] == [(mine, theirs)]
    assert found.target == (target,)
    assert set(found.classes) == labels == set(found.train.frame[target])
    column = mine[mine.index("{") + 1 : -1]
    rows = found.train.frame
    assert {mine.replace(f"{{{column}}}", cell) for cell in rows[column]} == set(train)
    for file, label in zip(rows[column], rows[target], strict=True):
        assert label in file, "the row's own label"
    assert found.test.frame[found.id[0]].tolist() == list(next(iter(sample.values())))
    assert found.warnings == ()
    assert not set(found.id) & set(rows), "held rows get fresh ids, whatever they look like"


def test_a_pattern_in_the_description_names_the_other_parts_and_so_a_group(tmp_path: Path) -> None:
    found = understand(task(tmp_path / "task", DIGITS, asked("test/{}.wav"), {"id": IDS, "digit": 0}, SAYS))
    assert list(found.train.frame) == ["file", "digit", "speaker", "take"]
    assert found.split == "group:speaker"
    assert found.assets[0].kind == "audio"
    assert found.train_only == ("speaker", "take")


def test_task_toml_says_the_pattern_where_names_do_not(tmp_path: Path) -> None:
    toml = '[[assets]]\ntrain = "train/{digit}_{speaker}_{file}"\ntest = "test/{speaker}_{id}.wav"\n'
    test = [f"test/{who}_{id}.wav" for who, id in zip(["eve", "fay"] * 6, IDS, strict=True)]
    folder = task(tmp_path / "task", DIGITS, test, {"id": IDS, "digit": 0}, toml=toml)
    found = understand(folder)
    assert found.split == "group:speaker", "no speaker is in both"
    assert list(found.train.frame) == ["file", "digit", "speaker"]
    assert found.test.frame["speaker"].tolist() == ["eve", "fay"] * 6
    view = prepare(folder, tmp_path / "run", 0).view("fold-0")
    held = pd.read_csv(view / "test.csv", dtype=str)
    assert {f"{who}_{id}.wav" for who, id in held[["speaker", "id"]].to_numpy()} == set(os.listdir(view / "test"))
    for old, new, words in (
        ("{id}.wav", "{id}.ogg", "is the path of no file"),
        ("{digit}", "{number}", "write {digit} in its place"),
        ("train/{digit}", "train/x{digit}", "training files .* is the path of no file"),
        ("{speaker}_{id}", "{speaker}_{name}", "names no column"),
    ):
        (folder / "task.toml").write_text(toml.replace(old, new))
        with pytest.raises(TaskError, match=words):
            understand(folder)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = task(tmp_path / "task", PETS, asked(), {"id": IDS, "label": "cat"})
    (folder / "train" / "cat" / os.fsdecode(b"\xff.png")).write_bytes(b"1")
    with pytest.raises(TaskError, match="no UTF-8"):
        check(folder)


@pytest.mark.parametrize(
    ("train", "test", "sample", "words"),
    [
        (DIGITS, asked("test/{}.wav"), {"id": IDS, "digit": 0}, ["label 'digit'", "train/{digit}_{file} (4 values",
         "train/{part1}_{digit}_{file} (3 values: 'ann', 'bob', 'cy')", "[[assets]]", 'test = "test/{id}.wav"']),
        ([f"train/{a}/{b}/{i}.png" for a in "uv" for b in "xy" for i in range(6)], asked(), {"id": IDS, "label": "0.5"},
         ["train/{label}/{file}", "train/{part1}/{label}/{file}"]),
        ([f"train/{i}.png" for i in range(20)], asked(), {"id": IDS, "label": "cat"}, ["speaks for itself"]),
        (LOTS, asked("test/{}.jpg"), {"id": IDS, "red": 0.5, "green": 0.5}, ["the sample's columns name (red, green"]),
        (PETS, asked(), {"id": range(12), "label": "cat"}, ["no column of sample_submission.csv", "id = '0'"]),
        ([], asked(), {"id": IDS, "label": "cat"}, ["0 image files beside", "train/<label>/"]),
        (PETS, asked(), {"id": IDS, "label": 0}, ["numbers in 'label'", "'cat', 'dog'", "1 = dog"]),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused_with_what_to_write(
    train: list[str], test: list[str], sample: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(TaskError) as refused:
        understand(task(tmp_path / "task", train, test, sample))
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("column", "description", "dog"),
    [
        ("label", "Log loss of the probability (1 = dog, 0 = cat).", "1"),
        ("label", "A dog (0) or a cat (1)? Log loss.", "0"),
        ("label", "cat (12000 images) and dog (13000 images). Label 1 for dog, log loss.", "1"),
        ("is_cat", "Log loss.", "0"),
    ],
)
def test_numbers_that_the_sample_wants_stand_for_the_labels_that_the_folder_tells(
    column: str, description: str, dog: str, tmp_path: Path
) -> None:
    found = understand(task(tmp_path / "task", PETS, asked(), {"id": IDS, column: 0.5}, description))
    rows = found.train.frame
    assert set(rows[column][rows["file"].str.startswith("dog")]) == {dog}
    assert found.classes == ("0", "1")
    assert any("numbers for labels" in line for line in found.evidence)


def test_check_tells_what_it_rests_on_and_strangers_are_no_rows(tmp_path: Path) -> None:
    names = [name for name in PETS if name != "train/cat/003.png"]
    junk = ["train/cat/.DS_Store", "train/Thumbs.db", "train/cat/003.txt", "boxes.csv", "spare/cat/1.png"]
    folder = task(tmp_path / "task", [*names, *junk], asked(), {"id": IDS, "label": "cat"})
    (folder / "train" / "empty").mkdir()
    (folder / "boxes.csv").write_text("name,area\ncat/001.png,7\n")
    told = check(folder)
    for words in ("train.csv, 39 rows", "train/{label}/{file} (2 values: 'cat', 'dog'), which has the values of the",
                  "39 files of train/, in views as train.csv", "test: the ids of sample_submission.csv",
                  "1 more such files are in no view, as they could tell labels: below spare/cat/"):  # fmt: skip
        assert words in told, told
    view = prepare(folder, tmp_path / "run", 0).view("fold-0")
    assert set(os.listdir(view)) == {
        *("train", "train.csv", "test", "test.csv", "sample_submission.csv", "description.md")
    }
    assert {path.suffix for path in view.rglob("*") if path.is_file()} == {".png", ".csv", ".md"}


def seen(folder: Path) -> list[Any]:
    """All that a script can see of a view: each folder's listing as it comes, each file's bytes, size, time, links."""
    found: list[Any] = []
    for place, _, _ in sorted(os.walk(folder)):
        found.append((os.path.relpath(place, folder), os.listdir(place), os.stat(place).st_mtime_ns))
        for path in sorted(path for path in Path(place).iterdir() if path.is_file()):
            state = path.stat()
            found.append((path.name, path.read_bytes(), state.st_mtime_ns, state.st_mode, state.st_nlink))
    return found


@pytest.mark.parametrize(
    ("train", "test", "id"),
    [(PETS, "test/{}.png", "{}"), (PETS, "test/unknown/{}.PNG", "{}"), (LOTS, "test/{}.jpg", "{}"),
     (LOTS, "test/{}.jpg", "{}.jpg"), (LOTS, "test/cat.{}.jpg", "cat.{}")],
    ids=["folders", "deeper", "names", "endings", "alike"],
)  # fmt: skip
def test_held_labels_and_names_never_reach_a_view(train: list[str], test: str, id: str, tmp_path: Path) -> None:
    """Non-interference (DESIGN.md §4): held files change their paths, label and all, among each other."""
    sample = {"id": [id.format(name) for name in IDS], "label": "cat"}
    task(tmp_path / "one", train, asked(test), sample)
    source = understand(tmp_path / "one")
    made = cut(source, 0)
    held = made.folds[0].tolist()
    old = [f"train/{name}" for name in source.train.frame["file"].iloc[held]]
    new = dict(zip(old, np.random.default_rng(1).permutation(old).tolist(), strict=True))
    assert any(label(one) != label(two) for one, two in new.items())
    task(tmp_path / "two", [new.get(name, name) for name in train], asked(test), sample)
    other = understand(tmp_path / "two")
    assert (other.train.frame["label"].iloc[held] != source.train.frame["label"].iloc[held]).any()

    one, two = (
        Views(from_, made, tmp_path / f"views-{n}", 7).folder("fold-0") for n, from_ in enumerate((source, other))
    )
    assert seen(one) == seen(two)
    place = (one / test).parent
    names = os.listdir(place)
    assert len(names) == len(held)
    assert not set(names) & {os.path.basename(name) for name in train}
    assert all(path.parent == place for path in one.rglob("*") if path.suffix == Path(test).suffix
               and "train" not in path.parts)  # fmt: skip
    assert not [name for name in names if "dog" in name]
    ids = pd.read_csv(one / "test.csv", dtype=str)["id"].tolist()
    assert ids != sorted(ids)
    assert {name if id.endswith(".jpg") else f"{name}{Path(test).suffix}" for name in ids} == set(names)


def label(path: str) -> str:
    return "cat" if "cat" in path else "dog"


def test_every_view_is_laid_out_like_the_real_one(tmp_path: Path) -> None:
    folder = task(tmp_path / "task", PETS, asked(), {"id": IDS, "cat": 0.5, "dog": 0.5}, "Log loss.")
    before = seen(folder)
    prepared = prepare(folder, tmp_path / "run", 0)
    fold, real = (prepared.view(name) for name in ("fold-0", "real"))
    assert sorted(os.listdir(fold)) == sorted(os.listdir(real))
    assert sorted(os.listdir(real / "test")) == [f"{id}.png" for id in IDS]
    assert (real / "sample_submission.csv").read_text() == (folder / "sample_submission.csv").read_text()
    for view, count in ((fold, len(prepared.cut.train(0))), (real, len(PETS))):
        rows = pd.read_csv(view / "train.csv", dtype=str)
        assert len(rows) == count
        assert all((view / "train" / name).is_file() for name in rows["file"])
        assert {f"{name}.png" for name in pd.read_csv(view / "test.csv", dtype=str)["id"]} == set(
            os.listdir(view / "test")
        )
    assert seen(folder) == before
    assert not {path.stat().st_ino for path in folder.rglob("*.png")} & {
        path.stat().st_ino for path in real.rglob("*.png")
    }


def test_new_files_can_be_predicted(tmp_path: Path) -> None:
    prepared = prepare(task(tmp_path / "task", PETS, asked(), {"id": IDS, "label": "cat"}), tmp_path / "run", 0)
    (tmp_path / "new" / "test").mkdir(parents=True)
    (tmp_path / "new" / "test" / "mine.png").write_bytes(b"new")
    (tmp_path / "view").mkdir()
    laid = newrows.lay(prepared, tmp_path / "new", tmp_path / "view")
    assert laid.sample.frame["id"].tolist() == ["mine"]
    assert len(pd.read_csv(tmp_path / "view" / "train.csv")) == len(PETS)
    assert (tmp_path / "view" / "test" / "mine.png").read_bytes() == b"new"


def test_fresh_names_keep_the_endings_of_files(tmp_path: Path) -> None:
    ids = [f"{id}.{'JPG' if place % 2 else 'png'}" for place, id in enumerate(IDS)]
    folder = task(tmp_path / "task", PETS, [f"test/{id}" for id in ids], {"id": ids, "label": "cat"})
    view = prepare(folder, tmp_path / "run", 0).view("fold-0")
    assert {path.suffix for path in (view / "test").iterdir()} == {".png", ".JPG"}


def test_files_that_rows_share_are_named_in_task_toml(tmp_path: Path) -> None:
    folder = task(tmp_path / "task", [*PETS, "atlas.bin"], asked(), {"id": IDS, "label": "cat"})
    assert not (prepare(folder, tmp_path / "without", 0).view("fold-0") / "atlas.bin").exists()
    (folder / "task.toml").write_text('[task]\nshared = "atlas.bin"\n')
    task_ = prepare(folder, tmp_path / "with", 0)
    assert all((task_.view(name) / "atlas.bin").is_file() for name in ("fold-0", "real"))


def test_the_description_is_no_row_where_any_name_could_be_one(tmp_path: Path) -> None:
    train, test, sample, *_ = LAYOUTS["no folder"]
    view = prepare(task(tmp_path / "task", train, test, sample), tmp_path / "run", 0).view("fold-0")
    assert (view / "description.md").is_file()


@pytest.mark.parametrize(
    ("pattern", "path", "cells"),
    [
        ("train/{label}/{file}", "train/a b/c/d.png", ("a b", "c/d.png")),
        ("{label}.{file}", "cat.0.x.jpg", ("cat", "0.x.jpg")),
        ("{file}_{label}.png", "a_b_c.png", ("a_b", "c")),
        ("{who}_{label}_{file}", "ann_3_x_y.wav", ("ann", "3", "x_y.wav")),
        ("{label}_{id}.png", "cat_00_1.png", ("cat_00", "1")),
        ("{label}/{label}-{id}.png", "a/a-1.png", ("a", "1")),
        ("{label}/{label}-{id}.png", "a/b-1.png", None),
        ("{label}/{id}.png", "a/b/1.png", None),
        ("x.y/{id}", "xzy/1", None),
    ],
)
def test_patterns_are_read_backwards(pattern: str, path: str, cells: tuple[str, ...] | None) -> None:
    assert read(pattern, [path]) == [cells]
