"""Any task folder is understood, or one message says what is wrong; nothing hangs, nothing is left behind."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from effort import refusals, texts, trying
from hypothesis import given
from hypothesis import strategies as st

from mlestar import plain
from mlestar.errors import MleStarError, TaskError
from mlestar.plain import clean
from mlestar.tasks.check import check
from mlestar.tasks.new import new
from mlestar.tasks.prepared import prepare
from mlestar.tasks.tables import read

TRAIN = "id,a,b,y\n" + "".join(f"{i},{i % 7},{'xy'[i % 2]},{'no' if i % 3 else 'yes'}\n" for i in range(60))
TEST = "id,a,b\n" + "".join(f"{i},{i % 5},x\n" for i in range(100, 120))
SAMPLE = "id,y\n" + "".join(f"{i},no\n" for i in range(100, 120))
WORDS = "# Task\n\n## Metric\n\nClassification accuracy, higher is better.\n"
WHOLE = {"train.csv": TRAIN, "test.csv": TEST, "sample_submission.csv": SAMPLE, "description.md": WORDS}


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name or "x"), data)
    return buffer.getvalue()


def fifo(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def loop(path: Path, outside: Path) -> None:
    path.symlink_to(path)


def link(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def folder(path: Path, outside: Path) -> None:
    (path / path.name).mkdir(parents=True)
    (path / path.name / path.name).write_text("id,y\n1,2\n")


def holding(make: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    def put(path: Path, outside: Path) -> None:
        path.write_bytes(make(WHOLE.get(path.name.split(".")[0] + ".csv", TRAIN).encode()))

    return put


WAYS = [
    fifo,
    loop,
    link,
    folder,
    *map(
        holding,
        [
            lambda data: b"",
            lambda data: b"\n\n",
            lambda data: data[: len(data) // 2],
            lambda data: data.replace(b",", b";"),
            lambda data: b"\xef\xbb\xbf" + data,
            lambda data: data.decode().encode("utf-16"),
            lambda data: data.replace(b"a", b"\0"),
            lambda data: data.replace(b"\n", b"\r"),
            lambda data: data.replace(b"\n", b"\r\n"),
            lambda data: data + b'"',
            lambda data: data.replace(b"yes", "j\u00e4 \u202e\u2028".encode()),
            lambda data: data.replace(b"y", b"\xff"),
            lambda data: data.replace(b"id,", b"id,id,", 1),
            lambda data: data.splitlines()[0],
            lambda data: data + b"1" * 300_000,
            lambda data: b"," * 5000 + b"\n" + b"," * 5000,
            gzip.compress,
            lambda data: gzip.compress(data)[:-9],
            lambda data: zipped("train.csv", data),
            lambda data: zipped("../../x.csv", data),
            lambda data: zipped("a.zip", zipped("a.csv", data)),
            lambda data: zipped("x.csv", data)[:-30],
            lambda data: b"PK\x03\x04",
            lambda data: b"PAR1" + data,
            lambda data: b"[" * 100_000,
            lambda data: b'[{"id": 1, "y": NaN}]',
            lambda data: b'{"id": ' + b"9" * 5000 + b"}",
            lambda data: b'[{"id": {"a": [1]}, "y": null}]',
            lambda data: b"\n".join(b'{"id": %d, "a": "\\ud800", "y": %d}' % (n, n % 2) for n in range(40)),
            lambda data: data.replace(b"no", b"\x1b[31m"),
        ],
    ),
]
NAMES = [
    "train.csv",
    "test.csv",
    "sample_submission.csv",
    "description.md",
    "task.toml",
    "train.json",
    "train.jsonl",
    "train.parquet",
    "train.csv.gz",
    "train.zip",
    "test.zip",
    "train",
    "images",
    "notes.txt",
    "a\nwarnings\n  ! owned.csv",
    "\x1b[31m.txt",
    "labels.csv",
    "x" * 250,
    os.fsdecode(b"\xff.csv"),
    "train/train.csv",
    "metric.py",
    ".hidden",
    "README",
]


def build(root: Path, changes: list[tuple[str, Callable[[Path, Path], None]]]) -> Path:
    shutil.rmtree(root / "task", ignore_errors=True)
    task = root / "task"
    task.mkdir()
    outside = root / "outside"
    outside.write_text("id,y\n1,secret\n")
    for name, content in WHOLE.items():
        (task / name).write_text(content)
    for name, put in changes:
        path = task / name
        if path.parent.is_file() or path.parent.is_symlink() or (path.parent.exists() and not path.parent.is_dir()):
            continue
        path.parent.mkdir(exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        put(path, outside)
    return task


@trying(90)
@given(changes=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(WAYS)), min_size=1, max_size=3))
def test_any_folder_is_understood_or_refused(tmp_path, changes):
    task = build(tmp_path, changes)
    with refusals(MleStarError):
        told = check(task)
        assert clean(told.encode("utf-8", "replace").decode()) == told.encode("utf-8", "replace").decode()
        assert "  ! owned" not in told
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        prepare(task, run, 0).view("fold-0")


CELLS = st.one_of(texts, st.sampled_from(["1", "2.5", "NA", "nan", "1e400", "2020-01-01", "9" * 25, "True"]))


@trying(100)
@given(
    head=st.lists(CELLS, min_size=1, max_size=4),
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=30),
    name=st.sampled_from(["t.csv", "t.tsv", "t.csv.gz", "t.json", "t.jsonl", "t.parquet"]),
    metric=st.none() | texts,
    target=CELLS,
)
def test_any_table_makes_a_task_or_a_message(tmp_path, head, rows, name, metric, target):
    text = "\n".join(",".join(row) for row in [head, *rows]).encode("utf-8", "surrogatepass")
    if name.endswith("gz"):
        text = gzip.compress(text)
    (tmp_path / name).write_bytes(text)
    out = tmp_path / "made"
    shutil.rmtree(out, ignore_errors=True)
    for wanted in (target, head[-1]):
        with refusals(MleStarError):
            new(tmp_path / name, wanted, out, metric)
            check(out)
            shutil.rmtree(out)
        assert {path.name for path in tmp_path.iterdir() if path.name.startswith((".", "made"))} == set()
        (tmp_path / name).exists()
    (tmp_path / name).unlink()


FRAME = st.sampled_from(
    [
        "int64",
        "str",
        "category",
        "datetime64[ns]",
        "timedelta64[ns]",
        "bool",
        "float32",
        "complex128",
        "list",
        "dict",
        "bytes",
    ]
)


@trying(60)
@given(
    kinds=st.lists(FRAME, min_size=1, max_size=4),
    names=st.lists(st.text(max_size=5) | st.integers(), min_size=4, max_size=4, unique_by=str),
)
def test_any_parquet_is_read_or_refused(tmp_path, kinds, names):
    made = {
        "list": [[1], [2]],
        "dict": [{"a": 1}, {"b": 2}],
        "bytes": [b"\xff", b""],
        "category": pd.Categorical(["a", None]),
    }
    frame = pd.DataFrame(
        {n: made.get(k) if k in made else pd.Series([0, 1]).astype(k) for n, k in zip(names, kinds, strict=False)}
    )
    try:
        frame.to_parquet(tmp_path / "t.parquet")
    except Exception:
        return  # not a file that anybody can write
    with refusals(TaskError):
        assert len(read(tmp_path / "t.parquet", tmp_path).frame) == 2
        new(tmp_path / "t.parquet", str(names[0]), tmp_path / "made")


def test_a_packed_bomb_is_refused(tmp_path):
    bomb = gzip.compress(b"1,2\n" * 2**24)
    (tmp_path / "train.csv.gz").write_bytes(bomb * 20)
    with pytest.raises(TaskError, match=r"train\.csv\.gz unpacks to more than"):
        read(tmp_path / "train.csv.gz", tmp_path)


def test_a_folder_deeper_than_a_path(tmp_path):
    task = build(tmp_path, [])
    here = os.open(task, os.O_RDONLY)
    for _ in range(2500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        with pytest.raises(TaskError, match="cannot be read: File name too long"):
            prepare(task, tmp_path / "run", 0)
    finally:
        plain.remove(task)  # pytest could not
