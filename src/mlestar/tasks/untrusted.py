"""Opening the files of code that nobody trusts: plain files only (no links, no pipes), bounded, never unpickled.

Whatever is wrong with a file is a reason (`str`), never an exception.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

CELL_BYTES = 4096  # generous for a number, a label or a sentence


def exists(path: Path) -> bool:
    return os.path.lexists(path)


def plain(path: Path, most: int) -> bytes | str:
    """The bytes of a regular file (unpacked for .gz) of at most `most` bytes, or what is wrong with it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return f"{path.name} is not a plain file that can be read ({error.strerror})"
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode):
        os.close(handle)
        return f"{path.name} is not a plain file"
    with os.fdopen(handle, "rb") as file:
        if state.st_size > most:
            return f"{path.name} is {state.st_size} bytes long; a submission of this task has at most {most}"
        try:
            data = _unpacked(file, most + 1) if path.suffix == ".gz" else file.read(most + 1)
        except (OSError, EOFError, zlib.error) as error:
            return f"{path.name} cannot be read: {error}"
    return data if len(data) <= most else f"{path.name} unpacks to more than {most} bytes"


def _unpacked(file: BinaryIO, most: int) -> bytes:
    with gzip.GzipFile(fileobj=file) as packed:
        return packed.read(most)


def csv(data: bytes, name: str) -> pd.DataFrame | str:
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
    data = plain(path, most)
    if isinstance(data, str):
        return data
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        if file.metadata.num_columns > columns or sum(group.total_byte_size for group in groups) > most:
            return f"{path.name} is larger than this task can need"
        if file.metadata.num_rows != rows:
            return f"{path.name} has {file.metadata.num_rows} rows, but {rows} are asked for"
        if any(pa.types.is_nested(kind) for kind in file.schema_arrow.types):
            return f"{path.name} has nested columns"
        # Texts stay coded: a few bytes can stand for a long text in every row.
        worded = [field.name for field in file.schema_arrow if _is_text(field.type)]
        table = pq.ParquetFile(io.BytesIO(data), read_dictionary=worded).read()
        return _checked(table, path.name)
    except Exception as error:  # a parser over bytes that nobody trusts, as above
        return f"{path.name} cannot be read as parquet: {str(error).strip()}"


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_dictionary(kind)
    )


def _checked(table: pa.Table, name: str) -> pa.Table | str:
    for column in table.columns:
        for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
            if (
                _is_text(chunk.dictionary.type)
                and (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0) > CELL_BYTES
            ):
                return f"{name} has a cell of more than {CELL_BYTES} bytes"
    return table


def as_texts(table: pa.Table) -> pd.DataFrame:
    cells = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in table.columns]
    return pd.DataFrame(dict(enumerate(cells)), dtype=str).set_axis(list(table.column_names), axis=1)
