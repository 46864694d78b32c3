"""Opening the files of code that nobody trusts: plain files only (no links, no pipes), bounded, never unpickled.

Whatever is wrong with a file is a reason (`str`), never an exception.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlestar.plain import read

CELL_BYTES = 4096  # generous for a number, a label or a sentence
HEADER = 2**20  # bytes of a header line, or of one name


def exists(path: Path) -> bool:
    return os.path.lexists(path)


def plain(path: Path, most: int) -> bytes | str:
    """The bytes of a regular file (unpacked for .gz) of at most `most` bytes, or what is wrong with it."""
    data = read(path, most)
    if isinstance(data, str) or path.suffix != ".gz":
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            data = packed.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        return f"{path.name} cannot be read: {error}"
    return data if len(data) <= most else f"{path.name} unpacks to more than {most} bytes"


def csv(data: bytes, name: str, columns: int) -> pd.DataFrame | str:
    """The cells as texts; `columns` is how many a good one has at most (a parser is slow at millions)."""
    if data[:HEADER].partition(b"\n")[0].count(b",") > 2 * columns + 100:
        return f"{name} has far more columns than the sample"
    if b"\0" in data:
        return f"{name} holds a NUL byte"  # the parser would end the cell there
    try:
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(data), header=None, dtype=str, na_filter=False, encoding="utf-8-sig", skip_blank_lines=True
        )
    except UnicodeDecodeError:
        return f"{name} is not UTF-8"
    except pd.errors.EmptyDataError:
        return f"{name} is empty"
    except Exception as error:  # a parser over bytes that nobody trusts: whatever it says, the file is bad
        return f"{name} cannot be read as csv: {str(error).strip()}"
    return frame.iloc[1:].set_axis(frame.iloc[0].tolist(), axis=1).reset_index(drop=True)


def parquet(path: Path, rows: int, columns: int, most: int) -> pa.Table | str:
    """The table, its texts still coded, or what is wrong with it."""
    data = plain(path, most)
    if isinstance(data, str):
        return data
    limits = {"thrift_string_size_limit": HEADER, "thrift_container_size_limit": 4 * columns + 1000}
    try:
        file = pq.ParquetFile(io.BytesIO(data), **limits)
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        if file.metadata.num_columns > columns or sum(group.total_byte_size for group in groups) > most:
            return f"{path.name} is larger than this task can need"
        if file.metadata.num_rows != rows:
            return f"{path.name} has {file.metadata.num_rows} rows, but {rows} are asked for"
        odd = [field for field in file.schema_arrow if not (_is_single(field.type) or _is_text(field.type))]
        if odd:
            return f"{path.name} has columns of the type {odd[0].type}; write numbers, texts, booleans or dates"
        # Texts stay coded: a few bytes can stand for a long text in every row.
        worded = [field.name for field in file.schema_arrow if _is_text(field.type)]
        return _checked(pq.ParquetFile(io.BytesIO(data), read_dictionary=worded, **limits).read(), path.name, most)
    except Exception as error:  # a parser over bytes that nobody trusts, as above
        return f"{path.name} cannot be read as parquet: {str(error).strip()}"


def _is_single(kind: pa.DataType) -> bool:
    """Numbers and dates of a few bytes each: a cell of a fixed width may be as wide as its writer likes."""
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_single(kind.value_type) or _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _checked(table: pa.Table, name: str, most: int) -> pa.Table | str:
    total = 0
    for column in table.columns:
        for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
            if _is_text(chunk.dictionary.type):
                chunk.dictionary.validate(full=True)  # that it is UTF-8
                sizes = pc.binary_length(chunk.dictionary)
                if (pc.max(sizes).as_py() or 0) > CELL_BYTES:
                    return f"{name} has a cell of more than {CELL_BYTES} bytes"
                total += pc.sum(sizes.take(chunk.indices)).as_py() or 0
    return table if total <= most else f"{name} is larger than this task can need"


def as_texts(table: pa.Table) -> pd.DataFrame | str:
    """Every cell as text, missing as ``; or why a cell cannot be told."""
    try:
        cells = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in table.columns]
    except (ValueError, OverflowError) as error:  # a date beyond the calendar
        return f"the submission has a value that cannot be read: {error}"
    return pd.DataFrame(dict(enumerate(cells)), dtype=str).set_axis(list(table.column_names), axis=1)
