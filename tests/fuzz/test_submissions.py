"""Any change to a valid submission is the same score, worked out here with scikit-learn, or a named reason."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from effort import HOSTILE, texts, trying
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, mean_squared_error

from mlestar.plain import word
from mlestar.tasks.judge import Form, judge_folder, read_members
from mlestar.tasks.metrics import get

IDS = {
    "numbers": ["1", "2", "30", "400", "5", "66"],
    "padded": ["001", "002", "030", "400", "005", "066"],
    "long": [str(2**53 + n) for n in range(6)],
    "words": ["a", "b c", "d,e", 'f"g', "ü", "NA"],
    "fractions": ["0.5", "1.25", "2.0", "-3", "1e3", "0"],
}
LABELS = ("cat", "Dog", "NA")
FORM = Form(
    columns=("id", "y"),
    rows=6,
    output_columns=("y",),
    predicts="value",
    id_columns=("id",),
    ids=(tuple(IDS["numbers"]),),
)
TRUTH = np.array([0.0, 1.5, -2.0, 30.0, 4.0, 5.25])[:, None]
CLASSES = np.array([0, 1, 2, 0, 1, 2])


@dataclass
class Draft:
    """A submission before it is written: what it says, how it is written, and whether it is still a good one."""

    rows: list[list[str]]
    header: list[str] = field(default_factory=lambda: ["id", "y"])
    quote: int = csv.QUOTE_MINIMAL
    end: str = "\n"
    start: bytes = b""
    packed: bool = False
    good: bool = True

    def write(self, folder: Path) -> None:
        for old in folder.iterdir():
            old.unlink()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator=self.end, quoting=self.quote)
        writer.writerows([self.header, *self.rows])
        data = self.start + text.getvalue().encode("utf-8", "surrogatepass")
        (folder / f"submission.csv{'.gz' * self.packed}").write_bytes(gzip.compress(data) if self.packed else data)


def judged(folder: Path, form: Form, truth: np.ndarray, metric: str):
    saved: list[bytes] = []

    def save(data: bytes) -> str:
        saved.append(data)
        return str(len(saved))

    found = judge_folder(folder, form, truth, np.arange(form.rows), get(metric), 0, save)
    for text in (found.reason or "", *found.notes, *(member.name for member in found.members)):
        assert word(text, 1000) == text
    return found


# --- changes that mean nothing, and changes that spoil it ------------------------------------------------


def shuffle(draft: Draft, pick) -> None:
    draft.rows = pick(st.permutations(draft.rows))


def turn(draft: Draft, pick) -> None:
    draft.header, draft.rows = draft.header[::-1], [row[::-1] for row in draft.rows]


def dress(draft: Draft, pick) -> None:
    draft.quote, draft.end = (
        pick(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])),
        pick(st.sampled_from(["\n", "\r\n"])),
    )
    draft.start, draft.packed = pick(st.sampled_from([b"", b"\xef\xbb\xbf"])), pick(st.booleans())


def respell(draft: Draft, pick) -> None:
    """The same numbers in other words, in ids and values."""
    for row in draft.rows:
        for place, cell in enumerate(row):
            try:
                value = Decimal(cell)
            except InvalidOperation:
                continue
            row[place] = pick(
                st.sampled_from([cell, f" {cell}", f"{value:f}", f"{value:e}", f"{value:E}", f"{value:+}"])
            )


def lose(draft: Draft, pick) -> None:
    del draft.rows[pick(st.integers(0, len(draft.rows) - 1))]
    draft.good = False


def double(draft: Draft, pick) -> None:
    draft.rows.append(list(pick(st.sampled_from(draft.rows))))
    draft.good = False


def rename(draft: Draft, pick) -> None:
    draft.header[pick(st.integers(0, len(draft.header) - 1))] = pick(texts.filter(lambda text: text not in ("id", "y")))
    draft.good = False


def widen(draft: Draft, pick) -> None:
    draft.header.append(pick(st.sampled_from(["id", "y", "z", ""])))
    for row in draft.rows:
        row.append("1")
    draft.good = False


def spoil(draft: Draft, pick) -> None:
    words = [
        "",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "1e400",
        "0x10",
        "1_0",
        "1,5",
        "1e39",
        "None",
        "--1",
        "1 2",
        "٣",
        "1\x00",
    ]
    pick(st.sampled_from(draft.rows))[draft.header.index("y") if "y" in draft.header else -1] = pick(
        st.sampled_from(words)
    )
    draft.good = False


def stray(draft: Draft, pick) -> None:
    """An id that is no test row's, or another one's."""
    row = pick(st.sampled_from(draft.rows))
    row[draft.header.index("id") if "id" in draft.header else 0] += pick(
        st.sampled_from(["9", " x", "\nx", "\x00", "_0", "é"])
    )
    draft.good = False


HARMLESS, HARMFUL = [shuffle, turn, dress, respell], [lose, double, rename, widen, spoil, stray]


@trying(150)
@given(data=st.data())
def test_values(tmp_path, data):
    ids = IDS[data.draw(st.sampled_from(list(IDS)))]
    predicted = [data.draw(st.sampled_from(["0", "1.5", "-2", "1e-3", "30.25", "12345678901234567890"])) for _ in ids]
    draft = Draft([list(row) for row in zip(ids, predicted, strict=True)])
    changes = data.draw(st.lists(st.sampled_from(HARMLESS), max_size=3))
    for change in [*changes, *data.draw(st.lists(st.sampled_from(HARMFUL), max_size=1))]:
        change(draft, data.draw)
    draft.write(tmp_path)
    found = judged(tmp_path, replace(FORM, ids=(tuple(ids),)), TRUTH, "rmse")
    if draft.good:
        assert found.reason is None
        expected = mean_squared_error(TRUTH[:, 0], [float(text) for text in predicted]) ** 0.5
        assert found.value == pytest.approx(expected, rel=1e-9)
    else:
        assert found.reason
        assert (found.value, found.members) == (None, ())


@trying(100)
@given(data=st.data())
def test_labels(tmp_path, data):
    """A label that is none of the classes is wrong; the rest counts; cases and blanks are not guessed at."""
    known = data.draw(st.sampled_from([LABELS, ("0", "1", "2"), ("0", "1.5", "x"), ("a", "A", "")]))
    options = [*known, "cat ", "CAT", "dog", "1.0", "00", "nan", *HOSTILE[11:30]]
    predicted = data.draw(
        st.lists(st.sampled_from([t for t in options if "\x00" not in t and "\ud800" not in t]), min_size=6, max_size=6)
    )
    draft = Draft([list(row) for row in zip(IDS["words"], predicted, strict=True)])
    for change in data.draw(st.lists(st.sampled_from([shuffle, turn, dress]), max_size=3)):
        change(draft, data.draw)
    draft.write(tmp_path)
    form = replace(FORM, predicts="label", classes=known, ids=(tuple(IDS["words"]),))
    numbers = [same(text, known) for text in predicted]
    if all(number < 0 for number in numbers) or any(t == "" and n < 0 for t, n in zip(predicted, numbers, strict=True)):
        assert judged(tmp_path, form, CLASSES, "accuracy").reason
    else:
        assert judged(tmp_path, form, CLASSES, "accuracy").value == pytest.approx(accuracy_score(CLASSES, numbers))


def same(text: str, known: tuple[str, ...]) -> int:
    """The class that a text means, worked out the slow way."""
    if text in known:
        return known.index(text)
    for read in (number, {"true": 1, "1": 1, "1.0": 1, "false": 0, "0": 0, "0.0": 0}.get):
        mine = read(text.strip().lower())
        meant = [place for place, label in enumerate(known) if mine is not None and read(label.strip().lower()) == mine]
        if meant:
            return meant[0] if len(meant) == 1 else -1
    return -1


def number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and "_" not in text else None


# --- parquet ---------------------------------------------------------------------------------------------

KINDS = {
    "int64": lambda v: v.astype("int64"),
    "float64": lambda v: v.astype("float64"),
    "text": lambda v: v.astype(str),
    "category": lambda v: v.astype(str).astype("category"),
    "bool": lambda v: v.astype(bool),
    "object": lambda v: v.map(lambda x: [x]),
    "time": lambda v: pd.to_datetime(v.astype("int64")),
    "nothing": lambda v: pd.Series([None] * len(v)),
    "bytes": lambda v: v.map(lambda x: b"\xff\xfe"),
    "decimal": lambda v: v.map(lambda x: Decimal(int(x))),
    "nested": lambda v: v.map(lambda x: {"a": x}),
    "nan": lambda v: v.where(v.index != 2),
}


@trying(80)
@given(id_kind=st.sampled_from(list(KINDS)), kind=st.sampled_from(list(KINDS)), order=st.permutations(range(6)))
def test_parquet(tmp_path, id_kind, kind, order):
    values = pd.Series([0, 1, 0, 1, 1, 0])
    frame = pd.DataFrame({"id": KINDS[id_kind](pd.Series([1, 2, 30, 400, 5, 66])), "y": KINDS[kind](values)})
    frame.iloc[list(order)].to_parquet(tmp_path / "submission.parquet", index=False)
    found = judged(tmp_path, FORM, TRUTH, "rmse")
    good = id_kind in ("int64", "float64", "text", "category", "decimal") and kind in (
        "int64",
        "float64",
        "text",
        "category",
        "bool",
        "decimal",
    )
    expected = mean_squared_error(TRUTH[:, 0], values) ** 0.5 if good else None
    assert found.value == (pytest.approx(expected) if good else None), found.reason


@trying(80)
@given(
    columns=st.dictionaries(
        st.one_of(texts, st.builds("{}::y".format, texts), st.sampled_from(["submission::y", "tree::y", "tree::z"])),
        st.sampled_from(list(KINDS)),
        max_size=5,
    )
)
def test_members(tmp_path, columns):
    usable = {name: kind for name, kind in columns.items() if "\ud800" not in name}
    try:
        pd.DataFrame({n: KINDS[k](pd.Series([1.0] * 6)) for n, k in usable.items()}).to_parquet(
            tmp_path / "members.parquet"
        )
    except (ValueError, UnicodeError):
        return  # not a file that anybody can write
    found = read_members(tmp_path, FORM)
    for name, array in found.arrays.items():
        assert usable[f"{name}::y"] in ("int64", "float64", "bool")
        assert array.tolist() == [[1.0]] * 6
        assert word(name, 80) == name
        assert not set(name) & set("\"'\\{}")
    assert len(found.arrays) + len(found.skipped) <= len({name.partition("::")[0] for name in usable}) + 1


# --- anything at all --------------------------------------------------------------------------------------

CELLS = st.one_of(
    texts, st.sampled_from(["id", "y", "1", "2", "30", "400", "5", "66", "1.0", "0.5", "nan", "1e999", ","])
)


@trying(150)
@given(
    st.lists(st.lists(CELLS, max_size=3), max_size=8),
    st.sampled_from(["submission.csv", "submission.csv.gz", "submission.parquet"]),
)
def test_any_table(tmp_path, rows, name):
    for old in tmp_path.iterdir():
        old.unlink()
    text = "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    found = judged(tmp_path, FORM, TRUTH, "rmse")
    if found.reason is None:
        read = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
        by_id = {Decimal(row["id"].strip()): float(row["y"]) for row in read}
        expected = [by_id[Decimal(key)] for key in IDS["numbers"]]
        assert found.value == pytest.approx(mean_squared_error(TRUTH[:, 0], expected) ** 0.5)
