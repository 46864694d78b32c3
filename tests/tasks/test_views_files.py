"""Views of many files and of texts with marks: what is shared, what stays inside, which bytes are written."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlestar.errors import TaskError
from mlestar.tasks import names, tables
from mlestar.tasks.splits import FOLDS, cut, deal
from mlestar.tasks.views import Views


def identities(folder: Path) -> dict[str, int]:
    return {p.relative_to(folder).as_posix(): p.stat().st_ino for p in folder.rglob("*") if p.is_file()}


def test_later_views_link_what_the_run_owns_and_the_users_files_stay_the_users(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40)
    task = folders.source(tmp_path / "task", train, test)
    task = replace(task, assets=folders.row_files(tmp_path / "task", train, test))
    (tmp_path / "task" / "lookup.bin").write_bytes(b"the same everywhere")
    views = Views(task, cut(task, 0), tmp_path / "views", 0)
    one, two, real = (identities(views.folder(name)) for name in ("fold-0", "fold-1", "real"))
    for files in (two, real):
        assert files["lookup.bin"] == one["lookup.bin"]
        shared = [name for name in files if name.startswith("train/") and name in one]
        assert len(shared) >= 40 - 2 * 8
        assert all(files[name] == one[name] for name in shared)
        assert not [path for path in files if "/." in f"/{path}"]
    for path in views.folder("real").rglob("*"):  # a wall mounts them read-only, for another user
        assert path.stat().st_mode & 0o7777 == (0o755 if path.is_dir() else 0o444), path
    order = [real[f"train/{name}/note.txt"] for name in train["id"]]
    assert order != sorted(order)  # nor does the place on the disk tell a row's
    assert set(real) == set(identities(tmp_path / "task"))
    assert not {*one.values(), *two.values(), *real.values()} & set(identities(tmp_path / "task").values())


def test_the_real_view_has_the_row_files_of_a_folder_that_is_a_link(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40)
    task = folders.source(tmp_path / "task", train, test)
    task = replace(task, assets=folders.row_files(tmp_path / "task", train, test))
    for part in ("train", "test"):
        (tmp_path / "task" / part).rename(tmp_path / part)
        (tmp_path / "task" / part).symlink_to(tmp_path / part)
    real = Views(task, cut(task, 0), tmp_path / "views", 0).folder("real")
    assert {path.name for path in (real / "test").iterdir()} == set(test["id"])
    assert {path.name for path in (real / "train").iterdir()} == set(train["id"])
    assert not (real / "test").is_symlink()


@pytest.mark.parametrize("cell", ["../../outside", "/outside", "a/../../../outside"])
@pytest.mark.parametrize("side", ["train", "test"])
def test_a_row_whose_file_would_lie_outside_of_the_folder_is_refused(
    folders: Any, tmp_path: Path, cell: str, side: str
) -> None:
    train, test = folders.frames(40)
    task = folders.source(tmp_path / "task", train, test)
    assets = tuple(replace(a, train="{file}", test="{file}") for a in folders.row_files(tmp_path / "task", train, test))
    cells = [[f"{part}/{name}/note.txt" for name in frame["id"]] for part, frame in (("train", train), ("test", test))]
    cells[side == "test"][3] = f"{tmp_path}{cell}" if cell.startswith("/") else cell
    (tmp_path / "outside").write_text("a secret")
    tables_ = {part: replace(getattr(task, part), frame=getattr(task, part).frame.assign(file=cells[place]))
               for place, part in enumerate(("train", "test"))}  # fmt: skip
    views = Views(replace(task, assets=assets, **tables_), cut(task, 0), tmp_path / "run" / "views", 0)
    with pytest.raises(TaskError, match="outside"):
        views.folder("real")
    assert not list((tmp_path / "run").rglob("outside*"))


@settings(max_examples=60)
@given(
    rows=st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6), min_size=3,
                 max_size=3), min_size=1, max_size=8),
    width=st.integers(1, 3), separator=st.sampled_from([",", ";", "\t"]),
)  # fmt: skip
def test_a_table_with_quotes_only_where_they_are_needed_comes_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], width: int, separator: str
) -> None:
    folder, text = tmp_path_factory.mktemp("bytes"), io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    head = ["first", "second", "third"][:width]
    writer.writerows([head, *(row[:width] for row in rows)])
    table = tables.read(written(folder / "a.csv", f"{separator.join(head)}\n{separator.join('x' * width)}\n"), folder)
    frame = table.frame.iloc[[0] * len(rows)].reset_index(drop=True)
    for place, name in enumerate(head):
        frame[name] = [row[place] for row in rows]
    tables.write(replace(table, separator=separator), frame, folder / "b.csv")
    assert (folder / "b.csv").read_bytes() == text.getvalue().encode()


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 2**20))
def test_rows_that_stand_alone_are_dealt_as_owners_of_any_size_are(strata: list[int], seed: int) -> None:
    rows = np.arange(len(strata), dtype=np.intp)
    fold = deal(rows, np.array(strata, np.intp), np.random.default_rng(seed))
    order = np.lexsort((np.random.default_rng(seed).random(len(rows)), -np.ones(len(rows)), np.array(strata)))
    total, mine = [0] * FOLDS, {(stratum, k): 0 for stratum in range(4) for k in range(FOLDS)}
    for row in order.tolist():
        best = min(range(FOLDS), key=lambda k: (mine[strata[row], k], total[k], k))
        assert fold[row] == best
        mine[strata[row], best] += 1
        total[best] += 1


def test_fresh_hexadecimal_names_cost_the_same_for_the_last_as_for_the_first() -> None:
    rng = np.random.default_rng(0)
    like = [rng.bytes(16).hex() for _ in range(4000)]
    made = names.fresh(like, 4000, set(like), rng)
    assert len(set(made) - set(like)) == 4000
    assert set("".join(made)) == set("0123456789abcdef")
