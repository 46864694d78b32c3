"""Taking an archive apart: plain files only, names that stay inside, sizes by what really comes out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from mlestar.assets.draft import Draft
from mlestar.assets.store import CHUNK
from mlestar.errors import SettingsError
from mlestar.plain import word

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, struct.error,
    NotImplementedError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip
_Opened = IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile


class Readable(Protocol):
    """What `chunks` reads from."""

    def read(self, size: int = ..., /) -> bytes: ...


def is_archive(name: str) -> bool:
    """Whether a file is to be taken apart. By its name: .pt, .npz and .keras are zip files too, but wanted whole."""
    return name.lower().endswith((".zip", *_TARS))


def unpack(path: Path, draft: Draft) -> None:
    """Write the files of an archive into a draft.

    Raises SettingsError for a link or a device in it, a name that leads out, a broken or encrypted archive,
    and when more comes out than the draft may hold.
    """
    try:
        (_unzip if path.name.lower().endswith(".zip") else _untar)(path, draft)
    except _BROKEN as error:
        raise SettingsError(f"it is no archive that can be read ({word(error or type(error).__name__)})") from None


def chunks(file: Readable) -> Iterator[bytes]:
    """What a file holds, a piece at a time."""
    while piece := file.read(CHUNK):
        yield piece


def _unzip(path: Path, draft: Draft) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise SettingsError(f"{word(member.filename)!r} in it is a link or no plain file")
            if not member.is_dir():
                with archive.open(member) as file:
                    draft.write(member.filename, chunks(file))


def _untar(path: Path, draft: Draft) -> None:
    count = 0
    with _opened(path) as file, tarfile.TarFile(fileobj=_Wary(file)) as archive:  # type: ignore[arg-type]  # the part it uses
        for member in archive:
            count += 1
            if count > 2 * draft.most_files:
                raise SettingsError(f"it has more than {draft.most_files} files")
            if member.isdir():
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise SettingsError(f"{word(member.name)!r} in it is a link or no plain file")
            with content:
                draft.write(member.name, chunks(content))


def _opened(path: Path) -> _Opened:
    """The bare tar inside its compression."""
    name = path.name.lower()
    if name.endswith((".gz", ".tgz")):
        return gzip.open(path)
    if name.endswith((".bz2", ".tbz2")):
        return bz2.open(path)
    return lzma.open(path) if name.endswith((".xz", ".txz")) else path.open("rb")


class _Wary:
    """A file that is never read in one large piece: tarfile takes a header in at once, however long it claims to be."""

    def __init__(self, file: _Opened) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= CHUNK:
            raise tarfile.ReadError("a header is too long")
        return self._file.read(size)
