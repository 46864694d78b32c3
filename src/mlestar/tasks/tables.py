"""Table files, read and written without changing the text of a single cell.

csv and tsv are read by pyarrow with every column as text; json, jsonl and parquet keep their native
values. Compression (`.gz`, `.zip` with one table inside) follows from the name.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from mlestar.errors import TaskError
from mlestar.tasks.source import Table
from mlestar.tasks.tables_text import decode, first_record, ragged_line, sniff

Format = Literal["csv", "tsv", "json", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_PACKED = (".gz", ".zip")


def format_of(path: Path) -> Format | None:
    """The table format that a file's name promises; None when it is no table. Looks into a `.zip`."""
    name = path.name.lower()
    if name.endswith(".zip"):
        inner = _inner_name(path)
        return FORMATS.get(PurePosixPath(inner).suffix.lower()) if inner else None
    return FORMATS.get(PurePosixPath(name.removesuffix(".gz")).suffix)


def stem(name: str) -> str:
    """`train.csv.gz` -> `train`: the file name without any table or compression suffix."""
    path = PurePosixPath(name)
    while path.suffix.lower() in (*_PACKED, *FORMATS):
        path = path.with_suffix("")
    return path.name


def read(path: Path, root: Path) -> Table:
    """Read one table file; `root` is the task folder, from which its name is written.

    Raises TaskError for a file that is empty, header-only, mis-encoded, truncated (naming the line),
    or that names a column twice.
    """
    name = path.relative_to(root).as_posix()
    format = format_of(path)
    if format is None:
        raise TaskError(f"{name}: not a table; csv, tsv, json, jsonl and parquet are read (also .gz and .zip)")
    data = _bytes(path, name)
    if not data.strip():
        raise TaskError(f"{name} is empty")
    if format in ("csv", "tsv"):
        table = _read_delimited(data, name, format)
    else:
        frame = _parquet(data, name) if format == "parquet" else _records(data, name, format)
        table = Table(name, frame, format)
    if table.frame.empty:
        raise TaskError(f"{name} has a header but no rows")
    return table


def write(table: Table, frame: pd.DataFrame, path: Path) -> None:
    """Write `frame` in the format, separator, encoding and compression of `table` to `path`.

    The bytes depend on nothing but the cells: packed files carry neither a name nor a time.
    """
    if table.format in ("csv", "tsv"):
        data = _delimited(table, frame)
    elif table.format == "parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        data = buffer.getvalue()
    else:
        data = _json(table, frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    if suffix == ".gz":
        data = gzip.compress(data, compresslevel=1, mtime=0)
    if suffix == ".zip":
        inner = path.stem if PurePosixPath(path.stem).suffix else f"{path.stem}.{table.format}"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(inner), data, zipfile.ZIP_DEFLATED)
    else:
        path.write_bytes(data)


def texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """Every cell as text: missing is ``, lists and dicts are JSON, all else is `str(value)`."""
    if isinstance(column.dtype, pd.StringDtype) and not column.isna().any():
        return column
    return pd.Series([_text(value) for value in column], index=column.index, name=column.name, dtype="str")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None or value is pd.NaT or value is pd.NA or value != value else str(value)


def _inner_name(path: Path) -> str | None:
    """The only table inside a zip; None when there is none, or several."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX")]
    except (zipfile.BadZipFile, OSError):
        return PurePosixPath(path.name).stem  # damaged: `read` says so, if the name promises a table
    return inside[0] if len(inside) == 1 else None


def _bytes(path: Path, name: str) -> bytes:
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.read(_inner_name(path) or "")
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                return stream.read()
        return path.read_bytes()
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise TaskError(f"{name} is truncated or damaged: {error}; copy it again") from None
    except OSError as error:
        raise TaskError(f"{name} cannot be read: {error.strerror or error}") from None


def _read_delimited(data: bytes, name: str, format: Literal["csv", "tsv"]) -> Table:
    text, encoding = decode(data, name)
    text = text.lstrip("\r\n")
    separator = sniff(text, "\t" if format == "tsv" else ",")
    header = first_record(text, separator)
    columns = [column or f"Unnamed: {place}" for place, column in enumerate(header)]  # as pandas names them
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise TaskError(f"{name}: the column {twice[0]!r} stands twice in the header; rename one")
    frame = _arrow(text, columns, separator, name)
    return Table(name, frame, format, separator, encoding)


def _arrow(text: str, columns: list[str], separator: str, name: str) -> pd.DataFrame:
    data = text.encode()
    try:
        table = pacsv.read_csv(
            io.BytesIO(data),
            pacsv.ReadOptions(
                column_names=columns, skip_rows_after_names=1, block_size=min(len(data) + 1, 1 << 28), use_threads=False
            ),
            pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
            pacsv.ConvertOptions(column_types=dict.fromkeys(columns, pa.large_string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        why = ragged_line(text, separator) or str(error)
        raise TaskError(f"{name}: {why}; the file is truncated or a cell lacks its quotes") from None
    if text.count('"') % 2:  # an odd number of quotes: perhaps a quoted cell that never ends
        where = ragged_line(text, separator)
        if where:
            raise TaskError(f"{name}: {where}; the file is truncated or a cell lacks its quotes")
    frame: pd.DataFrame = table.to_pandas()
    return frame.astype("str")


def _records(data: bytes, name: str, format: Format) -> pd.DataFrame:
    text, _ = decode(data, name)
    parts = [text] if format == "json" else text.split("\n")
    records: Any = []
    for number, part in enumerate(parts, 1):
        try:
            records += [json.loads(part)] if part.strip() else []
        except json.JSONDecodeError as error:
            line = error.lineno + number - 1
            raise TaskError(f"{name}, line {line}: not valid JSON ({error.msg}); the file may be truncated") from None
    records = records[0] if format == "json" else records
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise TaskError(f'{name}: not a table; write a list of records, [{{"id": 1, …}}, …]')
    return pd.DataFrame(records, dtype=object)


def _parquet(data: bytes, name: str) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise TaskError(f"{name} is truncated or damaged: {str(error).splitlines()[0]}") from None


def _delimited(table: Table, frame: pd.DataFrame) -> bytes:
    """Quotes only where some cell needs them: pyarrow either quotes no text or all of it."""
    names = [str(column) for column in frame.columns]
    arrays = [pa.array(texts(frame[column]), type=pa.large_string()) for column in frame.columns]
    content = pa.table(arrays, names=names)
    head = io.StringIO()
    csv.writer(head, delimiter=table.separator, lineterminator="\n").writerow(names)
    for style in ("none", "needed") if len(names) > 1 else ("needed",):
        buffer = io.BytesIO()
        try:
            pacsv.write_csv(
                content,
                buffer,
                pacsv.WriteOptions(include_header=False, delimiter=table.separator, quoting_style=style),
            )
            break
        except pa.ArrowInvalid:
            continue
    data = head.getvalue().encode() + buffer.getvalue()
    return data if table.encoding == "utf-8" else data.decode().encode(table.encoding)


def _json(table: Table, frame: pd.DataFrame) -> bytes:
    """A key that a record lacks reads as NaN, so NaN is written as no key; null stays null."""
    names = [str(column) for column in frame.columns]
    columns = [frame[column].astype(object).tolist() for column in frame.columns]
    lines = [
        json.dumps({n: v for n, v in zip(names, row, strict=True) if v == v}, ensure_ascii=False)
        for row in zip(*columns, strict=True)
    ]
    text = "[\n" + ",\n".join(lines) + "\n]\n" if table.format == "json" else "\n".join(lines) + "\n"
    return text.encode(table.encoding)
