"""Table files, read and written without changing the text of a single cell.

csv and tsv are read by pyarrow with every column as text; json, jsonl and parquet keep their native
values. Compression (`.gz`, `.zip` with one table inside) follows from the name.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from mlestar.errors import TaskError
from mlestar.plain import word
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
_HALF = re.compile(r"\\ud[89a-f]", re.IGNORECASE)
_MOST_RATIO = 100  # of what is packed
_PACKED = (".gz", ".zip")
_PART = 1 << 26  # bytes of a table that are written at a time


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
    Raises TaskError for a character that the encoding has not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _packing(path, table.format) as stream:
        if table.format == "parquet":
            frame.to_parquet(stream, index=False)
        elif table.format in ("csv", "tsv"):
            encode = codecs.getincrementalencoder(table.encoding)().encode
            for lines in delimited(table, frame):
                try:
                    stream.write(lines if table.encoding == "utf-8" else encode(lines.decode()))
                except UnicodeEncodeError as error:
                    raise TaskError(f"{table.name} is in {table.encoding}, which has no {error.object[error.start]!r}, "
                                    "but rows beside it have: save the tables as UTF-8") from None  # fmt: skip
        else:
            stream.write(_json(table, frame))


@contextlib.contextmanager
def _packing(path: Path, format: Format) -> Iterator[Any]:
    suffix = path.suffix.lower()
    with contextlib.ExitStack() as stack:
        if suffix == ".gz":
            plain = stack.enter_context(path.open("wb"))
            yield stack.enter_context(gzip.GzipFile("", "wb", 1, plain, mtime=0))
        elif suffix == ".zip":
            inner = zipfile.ZipInfo(path.stem if PurePosixPath(path.stem).suffix else f"{path.stem}.{format}")
            inner.compress_type = zipfile.ZIP_DEFLATED
            archive = stack.enter_context(zipfile.ZipFile(path, "w"))
            yield stack.enter_context(archive.open(inner, "w", force_zip64=True))
        else:
            yield stack.enter_context(path.open("wb"))


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
            with zipfile.ZipFile(path) as archive, archive.open(_inner_name(path) or "") as stream:
                return _unpacked(stream, path, name)
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                return _unpacked(stream, path, name)
        return path.read_bytes()
    # RuntimeError: a zip is locked, or packed in an unknown way; KeyError: it lies about its names
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, RuntimeError, KeyError) as error:
        raise TaskError(f"{name} is truncated or damaged: {error}; copy it again") from None
    except OSError as error:
        raise TaskError(f"{name} cannot be read: {error.strerror or error}") from None


def _unpacked(stream: IO[bytes] | gzip.GzipFile, path: Path, name: str) -> bytes:
    """A packed table; a gigabyte or more that packs better than tables do is a bomb."""
    most = max(_MOST_RATIO * path.stat().st_size, 2**30)
    data = stream.read(most + 1)
    if len(data) > most:
        raise TaskError(f"{name} unpacks to more than {most} bytes, {_MOST_RATIO} times its size; unpack it yourself")
    return data


def _read_delimited(data: bytes, name: str, format: Literal["csv", "tsv"]) -> Table:
    text, encoding = decode(data, name)
    text = text.lstrip("\r\n")
    separator = sniff(text, "\t" if format == "tsv" else ",")
    header = first_record(text, separator)
    data = data.lstrip(b"\r\n") if encoding == "utf-8" else text.encode()
    del text  # up to four times the file's size
    columns = [column or f"Unnamed: {place}" for place, column in enumerate(header)]  # as pandas names them
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise TaskError(f"{name}: the column {twice[0]!r} stands twice in the header; rename one")
    frame = _arrow(data, columns, separator, name)
    return Table(name, frame, format, separator, encoding)


def _arrow(data: bytes, columns: list[str], separator: str, name: str) -> pd.DataFrame:
    pa.enable_signal_handlers(False)  # else Ctrl-C while a table is read is answered by pyarrow, with a traceback
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            pacsv.ReadOptions(
                column_names=columns, skip_rows_after_names=1, block_size=min(len(data) + 1, 1 << 28), use_threads=False
            ),
            pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
            pacsv.ConvertOptions(column_types=dict.fromkeys(columns, pa.large_string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        why = ragged_line(data.decode(), separator) or str(error)
        raise TaskError(f"{name}: {why}; the file is truncated or a cell lacks its quotes") from None
    if data.count(b'"') % 2:  # an odd number of quotes: perhaps a quoted cell that never ends
        where = ragged_line(data.decode(), separator)
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
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
            raise TaskError(f"{name}, line {number}: cannot be read: {error}") from None
    records = records[0] if format == "json" else records
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise TaskError(f'{name}: not a table; write a list of records, [{{"id": 1, …}}, …]')
    if _HALF.search(text) and not _is_text(json.dumps(records, ensure_ascii=False)):
        raise TaskError(f"{name}: a text holds half of a character (\\ud800 to \\udfff), which no file can hold")
    return pd.DataFrame(records, dtype=object)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parquet(data: bytes, name: str) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except Exception as error:  # what a parser raises over a damaged file is anybody's guess
        why = word(error) or type(error).__name__
        raise TaskError(f"{name} is truncated or damaged, or holds what pandas cannot read: {why}") from None
    frame.columns = pd.Index([str(column) for column in frame.columns], dtype=object)
    if not frame.columns.is_unique:
        raise TaskError(f"{name}: the column {frame.columns[frame.columns.duplicated()][0]!r} stands twice; rename one")
    return frame


def delimited(table: Table, frame: pd.DataFrame) -> Iterator[bytes]:
    """Header and lines, a bounded part at a time."""
    names = [str(column) for column in frame.columns]
    head = io.StringIO()
    csv.writer(head, delimiter=table.separator, lineterminator="\n").writerow(names)
    yield head.getvalue().encode()
    content = pa.table([pa.array(texts(frame[column]), type=pa.large_string()) for column in frame], names=names)
    step = max(1, len(frame) * _PART // max(1, content.nbytes))
    for start in range(0, len(frame), step):
        yield _lines(content.slice(start, step), table.separator)


def _lines(content: pa.Table, separator: str) -> bytes:
    """Quotes only around cells that need them: pyarrow's writer puts them around all texts, or refuses."""
    alone = content.num_columns == 1  # an empty line is no record
    if not alone:
        buffer = io.BytesIO()
        with contextlib.suppress(pa.ArrowInvalid):
            options = pacsv.WriteOptions(include_header=False, delimiter=separator, quoting_style="none")
            pacsv.write_csv(content, buffer, options)
            return buffer.getvalue()
    needy = f'["\r\n{separator}]' + "|^$" * alone
    cells = [_quoted(column, needy) for column in content.columns]
    rows = pc.binary_join_element_wise(*cells, pa.scalar(separator, pa.large_string()))
    return "".join(f"{row}\n" for row in rows.to_pylist()).encode()


def _quoted(cells: pa.ChunkedArray, needy: str) -> pa.ChunkedArray:
    found = pc.match_substring_regex(cells, needy)
    if not pc.any(found).as_py():
        return cells
    mark, nothing = (pa.scalar(text, pa.large_string()) for text in ('"', ""))
    whole = pc.binary_join_element_wise(mark, pc.replace_substring(cells, '"', '""'), mark, nothing)
    return pc.if_else(found, whole, cells)


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
