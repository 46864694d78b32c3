"""Image in, image out: what is inferred, what a view tells, and how a row per pixel is judged."""

from __future__ import annotations

import gzip
import io
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlestar.errors import TaskError
from mlestar.tasks import molten, samples_pixels
from mlestar.tasks.infer import understand
from mlestar.tasks.prepared import Prepared, prepare

PLAIN, ODD = samples_pixels.PLAIN, samples_pixels.ODD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made(tmp_path / "task", PLAIN)


def made(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    samples_pixels.write(name, folder)
    return folder


def sample_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "sampleSubmission.csv.gz", dtype=str)


def rewritten(folder: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(folder / "sampleSubmission.csv.gz", index=False)


def perfect(task: Prepared, view: str) -> pd.DataFrame:
    """The true submission of a view, read from the user's own target files."""
    pixels, rows = task.source.pixels, task.views.held(view)
    assert pixels is not None
    parts = []
    for own, new in zip(rows, task.views.test(view)[molten.IMAGE], strict=True):
        name = task.source.train.frame[molten.IMAGE].iloc[own]
        with Image.open(task.source.folder / pixels.targets.replace("{image}", name)) as file:
            values = np.asarray(file) / 255 * pixels.white
        ids = molten.ids(pixels, [new], [values.shape])
        columns = {c: x.to_pylist() for c, x in zip(pixels.id, ids, strict=True)}
        parts.append(
            pd.DataFrame({**columns, task.source.prediction_columns[0]: values.ravel("F" if pixels.down else "C")})
        )
    return pd.concat(parts, ignore_index=True)


def judged(task: Prepared, view: str, folder: Path, frame: pd.DataFrame, name: str = "submission.parquet") -> object:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    frame.to_parquet(folder / name, index=False) if name.endswith("parquet") else frame.to_csv(
        folder / name, index=False
    )
    return task.judge(view, folder, lambda data: f"{len(data)}")


# --- what is inferred ----------------------------------------------------------------------------------


def test_folders_and_a_molten_sample_are_understood(folder: Path, tmp_path: Path) -> None:
    plain, odd = understand(folder), understand(made(tmp_path / "odd", ODD))
    assert plain.kind == odd.kind == "pixels"
    assert plain.pixels
    assert odd.pixels
    a, b = plain.pixels, odd.pixels
    assert (a.inputs, a.targets, a.tests) == ("train/{image}.png", "train_clean/{image}.png", "test/{image}.png")
    assert (a.patterns, a.first, a.down, a.white, a.channels) == (("{image}_{row}_{column}",), 1, False, 1.0, 1)
    assert (b.inputs, b.targets) == ("in/known/{image}.png", "in/wanted/{image}.clean.png")
    assert (b.id, b.patterns) == (("page", "x", "y"), ("{image}", "{column}", "{row}"))
    assert (b.first, b.down, b.white, b.channels) == (0, True, 255.0, 3)
    assert plain.metric == odd.metric == "rmse"
    assert any("row by row" in line for line in plain.evidence)
    assert any("column by column" in line for line in odd.evidence)


def test_inputs_are_told_from_targets_by_their_looks_where_names_say_nothing(folder: Path) -> None:
    for old, new in (("train", "b"), ("train_clean", "a"), ("test", "c")):
        (folder / old).rename(folder / new)
    found = understand(folder)
    assert found.pixels is not None
    assert (found.pixels.inputs, found.pixels.targets) == (
        "b/{image}.png",
        "a/{image}.png",
    )
    assert any("look like" in line for line in found.evidence)


def test_task_toml_says_what_names_and_looks_do_not(folder: Path) -> None:
    (folder / "task.toml").write_text(
        '[task]\nkind = "pixels"\ntarget = "train/{image}.png"\nwhite = 7\nmetric = "mae"\n'
        '[[assets]]\ntrain = "train_clean/{image}.png"\ntest = "test/{image}.png"\n'
    )
    found = understand(folder)
    assert found.pixels is not None
    assert found.metric == "mae"
    assert found.pixels.white == 7
    assert (found.pixels.inputs, found.pixels.targets) == ("train_clean/{image}.png", "train/{image}.png")


def test_a_sample_in_any_order_of_images_and_with_names_of_files_is_understood(folder: Path) -> None:
    frame = sample_of(folder)
    parts = frame["id"].str.split("_", expand=True)
    frame["id"] = "p/" + parts[0] + ".png:" + parts[1] + "x" + parts[2]
    rewritten(folder, frame[::-1])
    found = understand(folder).pixels
    assert found is not None
    assert found.patterns == ("p/{image}.png:{row}x{column}",)


def test_what_does_not_fit_is_told(folder: Path) -> None:
    whole = sample_of(folder)
    rewritten(folder, whole.drop(index=5))
    with pytest.raises(TaskError, match=r"has no row for the pixel '\d+_1_6'"):
        understand(folder)
    rewritten(folder, whole[~whole["id"].str.endswith("_46")])
    with pytest.raises(TaskError, match=r"rows and 4\d columns"):
        understand(folder)
    rewritten(folder, whole)
    target = next((folder / "train_clean").iterdir())
    Image.new("L", (9, 9)).save(target)
    with pytest.raises(TaskError, match="9 rows and 9 columns"):
        understand(folder)
    target.write_bytes(b"no image")
    with pytest.raises(TaskError, match="is no image"):
        understand(folder)
    shutil.rmtree(folder / "train_clean")
    (folder / "task.toml").write_text('[task]\nkind = "pixels"\n')
    with pytest.raises(TaskError, match="no two folders with images of the same names"):
        understand(folder)


# --- views ---------------------------------------------------------------------------------------------


def told(view: Path, sides: tuple[str, ...]) -> dict[str, tuple[object, ...]]:
    """All that the test side of a view tells: names, texts, orders, times, sizes."""
    found: dict[str, tuple[object, ...]] = {}
    for side in sides:
        place = view / side
        files = [place] if place.is_file() else list(place.iterdir())
        found[side] = tuple(os.listdir(place)) if place.is_dir() else ()
        for path in files:
            status = path.stat()
            found[f"{side}/{path.name}"] = (path.read_bytes(), status.st_size, status.st_mtime_ns, status.st_mode)
    return found


def test_held_targets_never_reach_the_test_side(folder: Path, tmp_path: Path) -> None:
    """Held targets are dealt anew, upside down and brighter: not a byte of the test side changes."""
    first = prepare(folder, tmp_path / "first", 0)
    before = told(first.view("fold-0"), ("test", "sampleSubmission.csv.gz"))
    held = first.source.train.frame[molten.IMAGE].iloc[first.views.held("fold-0")].tolist()
    assert sorted(path.stem for path in (first.view("fold-0") / "test").iterdir()) == sorted(held)
    assert not set(held) & {
        path.stem for part in ("train", "train_clean") for path in (first.view("fold-0") / part).iterdir()
    }
    for name in held:
        path = folder / "train_clean" / f"{name}.png"
        samples_pixels.save(1 - np.asarray(Image.open(path))[::-1, :, None] / 300, path)
    second = prepare(folder, tmp_path / "second", 0)
    assert told(second.view("fold-0"), ("test", "sampleSubmission.csv.gz")) == before
    assert {p.name for p in second.view("fold-0").iterdir()} == {p.name for p in first.view("fold-0").iterdir()}


def test_a_folds_sample_names_exactly_the_held_pixels_and_real_is_the_folder(folder: Path, tmp_path: Path) -> None:
    task = prepare(folder, tmp_path / "run", 0)
    found = pd.read_csv(task.view("fold-1") / "sampleSubmission.csv.gz", dtype=str)
    assert set(found["id"]) == set(perfect(task, "fold-1")["id"])
    assert set(found["value"]) == {"0.5"}
    assert sample_of(task.view("real")).equals(sample_of(folder))
    assert {p.name for p in (task.view("real") / "test").iterdir()} == {p.name for p in (folder / "test").iterdir()}


def test_held_images_are_called_as_test_images_are(folder: Path, tmp_path: Path) -> None:
    for path in [*(folder / "train").iterdir(), *(folder / "train_clean").iterdir()]:
        path.rename(path.with_name(f"known-{path.name}"))
    task = prepare(folder, tmp_path / "run", 0)
    names = [path.stem for path in (task.view("fold-0") / "test").iterdir()]
    assert names
    assert not any(name.startswith("known") for name in names)
    assert task.judge("fold-0", tmp_path, str).reason == "the script wrote no submission.parquet"
    assert judged(task, "fold-0", tmp_path / "job", perfect(task, "fold-0")).value == pytest.approx(0, abs=1e-6)


# --- the judge -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [PLAIN, ODD])
@pytest.mark.parametrize("file", ["submission.parquet", "submission.csv", "submission.csv.gz"])
def test_rows_are_aligned_by_their_ids(name: str, file: str, tmp_path: Path) -> None:
    task = prepare(made(tmp_path / "task", name), tmp_path / "run", 0)
    right = perfect(task, "fold-0")
    column, white = task.source.prediction_columns[0], task.source.pixels.white  # type: ignore[union-attr]
    found = judged(task, "fold-0", tmp_path / "job", right.sample(frac=1, random_state=1), file)
    assert found.reason is None
    assert found.value == pytest.approx(0, abs=1e-4)
    assert found.rows == len(right)
    off = judged(task, "fold-0", tmp_path / "job", right.assign(**{column: right[column] + 0.1 * white}), file)
    assert off.value == pytest.approx(0.1 * white, rel=1e-4)
    assert {image for image, _ in off.groups} == set(task.views.test("fold-0")[molten.IMAGE])


def test_bad_submissions_are_reasons(folder: Path, tmp_path: Path) -> None:
    task = prepare(folder, tmp_path / "run", 0)
    right, job = perfect(task, "fold-0"), tmp_path / "job"

    def reason(frame: pd.DataFrame, name: str = "submission.csv") -> str:
        return str(judged(task, "fold-0", job, frame, name).reason)

    assert "no row for ids" in reason(right.drop(index=3))
    assert "rows, but" in reason(right.drop(index=3), "submission.parquet")
    assert "more than once" in reason(pd.concat([right, right.iloc[:1]]))
    assert "unknown ids: x_1_1" in reason(right.assign(id=["x_1_1", *right["id"][1:]]))
    assert "no finite number" in reason(right.assign(value=np.where(right.index == 2, np.nan, right["value"])))
    assert "cannot be read as csv" in reason(right.assign(value="bright"))
    assert "lacks column value" in reason(right.rename(columns={"value": "shade"}))
    assert "holds no numbers" in reason(right.assign(value="1"), "submission.parquet")


def test_the_bank_keeps_a_share_of_pixels_and_scores_blends_on_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlestar.tasks.pixelwise.KEPT", 4000)
    task = prepare(folder, tmp_path / "run", 0)
    right = perfect(task, "fold-0")
    noisy = right.assign(value=right["value"] + np.random.default_rng(0).normal(0, 0.1, len(right)))
    kept: list[bytes] = []
    shutil.rmtree(tmp_path / "job", ignore_errors=True)
    (tmp_path / "job").mkdir()
    noisy.to_parquet(tmp_path / "job/submission.parquet")
    found = task.judge("fold-0", tmp_path / "job", lambda data: kept.append(data) or "x")  # type: ignore[func-returns-value]
    banked = np.load(io.BytesIO(kept[0]))
    assert len(banked) == task.rows("fold-0") < len(right) / 3
    assert task.score("fold-0", banked) == pytest.approx(found.value, rel=0.15)
    assert [len(rows) > 0 for rows in task.blocks("fold-0", 3)] == [True] * 3


def test_what_is_delivered_is_in_the_samples_order(folder: Path, tmp_path: Path) -> None:
    turned = sample_of(folder)[::-1]
    rewritten(folder, turned)
    task = prepare(folder, tmp_path / "run", 0)
    (tmp_path / "job").mkdir()
    values = pd.DataFrame({"id": sorted(turned["id"])})
    values["value"] = np.arange(len(values)) / len(values)
    values.to_parquet(tmp_path / "job/submission.parquet")
    assert task.judge("real", tmp_path / "job", str).reason is None
    delivered = task.deliver(tmp_path / "job")
    assert delivered.startswith(f"id,value\n{turned['id'].iloc[0]},0.".encode())
    found = pd.read_csv(io.BytesIO(delivered))
    assert found["id"].tolist() == turned["id"].tolist()
    wanted = values.set_index("id")["value"].reindex(found["id"]).to_numpy()
    assert np.allclose(found["value"], wanted, atol=1e-5)


def test_sealed_images_are_in_no_fold_view(folder: Path, tmp_path: Path) -> None:
    assert not prepare(folder, tmp_path / "few", 0).has_sealed
    many = tmp_path / "many"
    many.mkdir()
    samples_pixels.write(PLAIN, many, train=70)
    task = prepare(many, tmp_path / "run", 0)
    sealed = set(task.source.train.frame[molten.IMAGE].iloc[task.cut.sealed])
    assert len(sealed) == 10
    there = {path.stem for path in task.view("fold-0").rglob("*.png")}
    assert there
    assert not sealed & there
    assert {path.stem for path in (task.view("rehearsal") / "test").iterdir()} == sealed


def test_the_sample_is_packed_as_the_real_one(folder: Path, tmp_path: Path) -> None:
    task = prepare(folder, tmp_path / "run", 0)
    with gzip.open(task.view("fold-0") / "sampleSubmission.csv.gz", "rt") as file:
        assert file.readline() == "id,value\n"
