"""New rows as a view: every kind of table, rows with files, side tables; and what cannot be told of them."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from mlestar.errors import TaskError
from mlestar.tasks import samples
from mlestar.tasks.newrows import lay
from mlestar.tasks.prepared import Prepared, prepare

ROWS = 60


def written(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def notes(tmp_path) -> Prepared:
    """A text file for each row, a table of more rows per id, and a file that all share."""
    home = tmp_path / "task"
    for part, count in (("train", ROWS), ("test", 20)):
        ids = [f"{part[:2]}{i:03}" for i in range(count)]
        table = [{"id": x, "size": i, **({"y": i % 2} if part == "train" else {})} for i, x in enumerate(ids)]
        written(home / f"{part}.csv", table)
        for name in ids:
            (home / part).mkdir(exist_ok=True)
            (home / part / f"{name}.txt").write_text(f"note {name}")
    both = [f"tr{i:03}" for i in range(ROWS)] + [f"te{i:03}" for i in range(20)]
    written(home / "visits.csv", [{"id": x, "day": d} for x in both for d in (1, 2)])
    written(home / "sample_submission.csv", [{"id": f"te{i:03}", "y": 0} for i in range(20)])
    (home / "words.txt").write_text("shared")
    (home / "description.md").write_text("# y?\n\n## Metric\n\nAccuracy\n")
    return prepare(home, tmp_path / "run", 0)


def folder(place: Path, ids: list[str]) -> Path:
    written(place / "test.csv", [{"size": 7, "id": x} for x in ids])
    for name in ids:
        (place / "test").mkdir(exist_ok=True)
        (place / "test" / f"{name}.txt").write_text(f"new {name}")
    written(place / "visits.csv", [{"id": x, "day": 9} for x in ids])
    return place


def laid(task: Prepared, new: Path, tmp_path: Path):
    view = tmp_path / "run" / "views" / ".new"
    view.mkdir(parents=True)
    return view, lay(task, new, view)


def test_rows_with_files_bring_them_and_the_training_rows_keep_theirs(notes, tmp_path):
    view, found = laid(notes, folder(tmp_path / "new", ["b", "a"]), tmp_path)
    assert found.notes == ()
    assert (view / "test.csv").read_text() == "id,size\nb,7\na,7\n"
    assert (view / "sample_submission.csv").read_text() == "id,y\nb,0\na,0\n"
    assert sorted(path.name for path in (view / "test").iterdir()) == ["a.txt", "b.txt"]
    assert (view / "test" / "a.txt").read_text() == "new a"
    assert len(list((view / "train").iterdir())) == ROWS
    assert (view / "train" / "tr007.txt").read_text() == "note tr007"
    assert (view / "train.csv").read_bytes() == (notes.source.folder / "train.csv").read_bytes()
    assert (view / "words.txt").read_text() == "shared"
    visits = pd.read_csv(view / "visits.csv")
    assert set(visits["id"]) == {*(f"tr{i:03}" for i in range(ROWS)), "a", "b"}
    assert visits["day"].tolist()[-2:] == [9, 9]
    job = tmp_path / "job"
    job.mkdir()
    (job / "submission.csv").write_text("id,y\na,1\nb,0\n")
    assert found.deliver(job) == b"id,y\nb,0\na,1\n"


def test_a_table_alone_is_not_enough_where_rows_have_files(notes, tmp_path):
    new = folder(tmp_path / "new", ["a"])
    with pytest.raises(TaskError, match="give a folder that holds the table"):
        laid(notes, new / "test.csv", tmp_path)


def test_rows_of_which_none_has_its_file_are_refused(notes, tmp_path):
    new = folder(tmp_path / "new", ["a"])
    (new / "test" / "a.txt").rename(new / "test" / "z.txt")
    with pytest.raises(TaskError, match="none of the new rows has its file"):
        laid(notes, new, tmp_path)


def test_a_row_outside_of_the_folder_is_refused(notes, tmp_path):
    new = folder(tmp_path / "new", ["a"])
    written(new / "test.csv", [{"size": 7, "id": "../../train/tr001"}])
    with pytest.raises(TaskError, match="outside of the task folder"):
        laid(notes, new, tmp_path)


def test_text_becomes_what_the_tasks_json_has(tmp_path):
    home = tmp_path / "task"
    home.mkdir()
    rows = [{"id": i, "price": i / 2, "tags": ["a", "b"][: i % 3], "name": f"n{i}"} for i in range(80)]
    (home / "train.json").write_text(json.dumps([{**row, "y": i % 2} for i, row in enumerate(rows[:60])]))
    (home / "test.json").write_text(json.dumps(rows[60:]))
    written(home / "sample_submission.csv", [{"id": i, "y": 0} for i in range(60, 80)])
    (home / "description.md").write_text("Accuracy")
    task = prepare(home, tmp_path / "run", 0)
    written(tmp_path / "new.csv", [{"name": "007", "price": "1.5", "tags": '["x"]', "id": "3"}])
    view, _ = laid(task, tmp_path / "new.csv", tmp_path)
    assert json.loads((view / "test.json").read_text()) == [{"id": 3, "price": 1.5, "tags": ["x"], "name": "007"}]
    written(tmp_path / "bad.csv", [{"name": "n", "price": "dear", "tags": "[]", "id": "3"}])
    with pytest.raises(TaskError, match="'price'"):
        lay(task, tmp_path / "bad.csv", tmp_path / "elsewhere")


@pytest.mark.parametrize(("about", "said"), [("pixels", "images in, images out"), ("series", "a forecast")])
def test_tasks_without_rows_of_their_own_say_so(about, said, tmp_path):
    sample = next(s for s in samples.SAMPLES if s.about == about)
    samples.write(sample, tmp_path / "task")
    task = prepare(tmp_path / "task", tmp_path / "run", 0)
    with pytest.raises(TaskError, match=said):
        laid(task, tmp_path / "task" / "sample_submission.csv", tmp_path)
