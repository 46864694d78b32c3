"""Tables keep every cell's text, and broken files are named with their line."""

import gzip
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlestar.errors import TaskError
from mlestar.tasks.tables import read, stem, texts, write

ODD = ["007", "1.10", "NA", "", "null", 'say "hi"', "a,b", "two\nlines", "é – 漢", " padded ", "True", "-0", "1e5"]


def put(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.csv.zip", "t.zip", "t.tsv.gz"])
def test_a_delimited_table_comes_back_with_the_same_texts(tmp_path: Path, name: str) -> None:
    first = put(tmp_path, "first.csv", "a,b\n1,2\n")
    frame = pd.DataFrame({"x": ODD, "y": ODD[::-1]}, dtype="str")
    like = read(first, tmp_path)
    if "tsv" in name:
        like = read(put(tmp_path, "first.tsv", "a\tb\n1\t2\n"), tmp_path)
    write(like, frame, tmp_path / name)
    again = read(tmp_path / name, tmp_path)
    assert again.name == name
    assert again.frame.to_dict("list") == frame.to_dict("list")
    assert {str(kind) for kind in again.frame.dtypes} == {"str"}


@settings(max_examples=60)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6)] * 2),
        min_size=1,
        max_size=6,
    ),
    separator=st.sampled_from([",", ";", "\t"]),
)
def test_any_text_survives(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], separator: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    like = read(put(folder, "a.csv", f"a{separator}b\n1{separator}2\n"), folder)
    assert like.separator == separator
    frame = pd.DataFrame(rows, columns=["first", "second"], dtype="str")
    write(like, frame, folder / "b.csv")
    assert read(folder / "b.csv", folder).frame.to_numpy().tolist() == [list(row) for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_the_encoding_is_kept(tmp_path: Path, encoding: str) -> None:
    text = "Straße;Größe\nMünchen;“1,5”\n"
    path = put(tmp_path, "t.csv", text.encode(encoding))
    table = read(path, tmp_path)
    assert (table.encoding, table.separator) == (encoding, ";")
    write(table, table.frame, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


def test_two_tables_of_one_old_program_have_one_encoding(tmp_path: Path) -> None:
    """Only one of them holds a character that cp1252 has and latin-1 has not: rows of it come to stand in the other."""
    plain, rich = (put(tmp_path, name, f"a,b\n{text},1\n".encode("cp1252")) for name, text in [("t", "ä"), ("r", "€")])
    like, other = read(plain.rename(tmp_path / "t.csv"), tmp_path), read(rich.rename(tmp_path / "r.csv"), tmp_path)
    write(like, other.frame, tmp_path / "again.csv")
    assert read(tmp_path / "again.csv", tmp_path).frame["a"].tolist() == ["€"]


def test_a_character_that_the_encoding_has_not_is_named(tmp_path: Path) -> None:
    table = read(put(tmp_path, "t.csv", "a,b\nä,1\n".encode("cp1252")), tmp_path)
    with pytest.raises(TaskError, match=r"t\.csv is in cp1252, which has no 'ł'.*UTF-8"):
        write(table, table.frame.assign(a="ł"), tmp_path / "again.csv")


def test_json_keeps_values_lists_and_absent_keys(tmp_path: Path) -> None:
    records = [{"id": 1, "tags": ["a", "b"], "ok": True, "n": None}, {"id": 2, "tags": [], "ok": False}]
    for name, text in [("t.json", json.dumps(records)), ("t.jsonl", "\n".join(map(json.dumps, records)))]:
        table = read(put(tmp_path, name, text), tmp_path)
        write(table, table.frame, tmp_path / f"again-{name}")
        data = (tmp_path / f"again-{name}").read_text()
        assert records == (json.loads(data) if name == "t.json" else [json.loads(x) for x in data.splitlines()])
        assert texts(table.frame["tags"]).tolist() == ['["a", "b"]', "[]"]
        assert texts(table.frame["ok"]).tolist() == ["True", "False"]


def test_parquet_keeps_values(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["NA", ""], "c": [0.5, 1.5]})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet", tmp_path)
    write(table, table.frame, tmp_path / "again.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "again.parquet"), frame)


def test_packed_bytes_depend_on_the_cells_only(tmp_path: Path) -> None:
    table = read(put(tmp_path, "t.csv", "a,b\n1,2\n"), tmp_path)
    for suffix in ("gz", "zip"):
        write(table, table.frame, tmp_path / "one" / f"t.csv.{suffix}")
        write(table, table.frame, tmp_path / "two" / f"t.csv.{suffix}")
        assert (tmp_path / f"one/t.csv.{suffix}").read_bytes() == (tmp_path / f"two/t.csv.{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv", "a,b\n", "no rows"),
        ("t.csv", "a,b\n1,2\n3\n", "line 3 has 1 cells"),
        ("t.csv", "a,b\n1,2\n3,4,5\n", "line 3 has 3 cells"),
        ("t.csv", 'a,b\n"x\ny",2\n3\n', "line 4 has 1 cells"),
        ("t.csv", 'a,b\n1,2\n3,"x\n4,5\n', "begins in line 3"),
        ("t.csv", "a,b,a\n1,2,3\n", "'a' stands twice"),
        ("t.csv", b"a,b\n1,\xc3\xa9\n2,\xe9\n", "line 3 is not valid UTF-8"),
        ("t.csv", b"a,b\n1,\0\n", "line 2 holds a NUL"),
        ("t.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 5000, mtime=0)[:40], "truncated"),
        ("t.csv.zip", b"PK\x03\x04 nonsense", "truncated or damaged"),
        ("t.json", '[{"a": 1},\n {"a": ', "line 2"),
        ("t.json", '{"a": 1}', "list of records"),
        ("t.jsonl", '{"a": 1}\n{"a": \n', "line 2"),
        ("t.parquet", b"PAR1 nonsense", "truncated or damaged"),
    ],
)
def test_a_broken_file_is_one_clear_message(tmp_path: Path, name: str, data: bytes | str, words: str) -> None:
    with pytest.raises(TaskError, match=words) as caught:
        read(put(tmp_path, name, data), tmp_path)
    assert name in str(caught.value)


def test_a_zip_of_many_files_is_no_table(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("b.csv", "a\n1\n")
    with pytest.raises(TaskError, match="not a table"):
        read(tmp_path / "t.zip", tmp_path)


def test_stem() -> None:
    assert [stem(n) for n in ("train.csv.gz", "my.data.tsv", "x.parquet", "a.zip")] == ["train", "my.data", "x", "a"]
