"""What a delimited text file is made of: its encoding, its separator, and where it breaks."""

from __future__ import annotations

import contextlib
import csv
import re
import sys
from collections.abc import Iterator

from mlestar.errors import TaskError

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def decode(data: bytes, name: str) -> tuple[str, str]:
    """The text and the encoding to write it back with; raises TaskError naming the line that breaks.

    A file is cp1252 (latin-1 with more marks) only when none of its non-ASCII bytes form UTF-8: one
    that mixes both was damaged on its way.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise TaskError(f"{name}: not valid {encoding} although it begins so ({error.reason})") from None
    if b"\0" in data:
        raise TaskError(f"{name}: {_line(data, data.index(0))} holds a NUL byte; this is not a text file in UTF-8")
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        broken = error
    lenient = data.decode("utf-8", errors="surrogateescape")
    mixed = any(ord(char) > 127 and not 0xDC80 <= ord(char) <= 0xDCFF for char in set(lenient))
    if not mixed:
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("cp1252"), "cp1252"
    raise TaskError(f"{name}: {_line(data, broken.start)} is not valid UTF-8; save the file as UTF-8")


def _line(data: bytes, offset: int) -> str:
    return "line " + str(data.count(b"\n", 0, offset) + 1)


def first_record(text: str, separator: str) -> list[str]:
    """The cells of the first record."""
    _limit()
    return next(csv.reader(_lines(text), delimiter=separator), [])


def _lines(text: str) -> Iterator[str]:
    """The text's lines with their ends, without a copy of it."""
    return (found[0] for found in re.finditer(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text))


def sniff(text: str, usual: str) -> str:
    """The separator of `,` `;` tab: most cells in the header, and as many in the first row of data."""

    def fit(separator: str) -> tuple[bool, int, bool]:
        records = csv.reader(_lines(text[:1_000_000]), delimiter=separator)
        head, first = next(records, []), next(records, [])
        return len(head) > 1 and len(head) == len(first), len(head), separator == usual

    _limit()
    return max((",", ";", "\t"), key=fit)


def ragged_line(text: str, separator: str) -> str | None:
    """Where a record has not as many cells as the header, or a quoted cell never ends; None if nowhere."""
    _limit()
    records = csv.reader(_lines(text), delimiter=separator, strict=True)
    width, begin = 0, 1
    try:
        for record in records:
            width = width or len(record)
            if record and len(record) != width:
                return f"line {begin} has {len(record)} cells where the header has {width}"
            begin = records.line_num + 1
    except csv.Error as error:
        return f"the record that begins in line {begin} is broken ({error})"
    return None


def _limit() -> None:
    csv.field_size_limit(sys.maxsize)
