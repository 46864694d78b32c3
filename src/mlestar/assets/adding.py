"""Bringing an asset in: from a folder or file here, an address, or a model hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from mlestar import plain
from mlestar.assets import hub as hubs
from mlestar.assets import web
from mlestar.assets.draft import MOST_BYTES, Draft
from mlestar.assets.hub import HUB
from mlestar.assets.store import UNKNOWN, Entry, checked, locked, publish, shelf, together
from mlestar.assets.unpack import chunks, is_archive, unpack
from mlestar.errors import SettingsError

__all__ = ["HUB", "add"]


def add(
    store: Path,
    source: str,
    name: str,
    licence: str = "",
    *,
    hub: str = HUB,
    token: str = "",
    only: Sequence[str] = (),
    most_bytes: int = MOST_BYTES,
    tell: Callable[[str], None] = lambda text: None,
) -> Entry:
    """Add `source` to the store as `name`, whole or not at all.

    `source` is a folder or file, an `https://` address of a file, or `hf:<organisation>/<model>[@revision]` on the
    hub at `hub`; a .zip or .tar is taken apart. `only` are patterns of the hub's files; `tell` hears what goes on.
    A `licence` that is given goes before the one that the hub states. Raises SettingsError with one clear message.
    """
    checked(name)
    try:
        with locked(store) as drafts:
            if (shelf(store) / name).exists():
                raise SettingsError("there is one already; remove it first, or take another name")
            try:
                draft = Draft(drafts / name, most_bytes)
                come = _fill(store, source, draft, drafts, hub=hub, token=token, only=only, tell=tell)
                entry = _entry(name, draft, come, licence)
                publish(store, draft.folder, entry)
            finally:
                for left in drafts.iterdir():
                    plain.remove(left)
            return entry
    except OSError as error:
        raise SettingsError(f"asset {name!r}: {error.filename or store}: {error.strerror or error}") from None
    except SettingsError as error:
        raise SettingsError(f"asset {name!r}: {error}") from None


def _entry(name: str, draft: Draft, come: tuple[str, str, str], licence: str) -> Entry:
    source, revision, stated = come
    if not draft.files:
        raise SettingsError(f"{source} holds no file")
    files = tuple(sorted(draft.files, key=lambda file: file.path))
    said, date = plain.word(licence or stated or UNKNOWN), datetime.now(UTC).isoformat(timespec="seconds")
    return Entry(name, source, revision, said, date, together(files), files)


def _fill(
    store: Path, source: str, draft: Draft, drafts: Path, *, hub: str, token: str, only: Sequence[str],
    tell: Callable[[str], None],
) -> tuple[str, str, str]:  # fmt: skip
    """Fill the draft; where it came from as it may be written down, its revision, the licence that was stated."""
    if source.startswith("hf:"):
        return plain.word(source), *hubs.fill(source, draft, hub, token, only, tell)
    if "://" in source:
        return _from_web(source, draft, drafts / "archive", tell), "", ""
    path = Path(os.path.expanduser(source)).resolve()
    if path.is_dir():
        _from_folder(store, path, draft)
    elif path.is_file():
        _from_file(path, draft)
    else:
        raise SettingsError(f"{plain.word(source)}: there is no such folder or file")
    return plain.word(path, 1000), "", ""


def _from_web(source: str, draft: Draft, aside: Path, tell: Callable[[str], None]) -> str:
    """The file at an address; an archive is first put aside, whole."""
    url = web.address(source)
    kept, name = web.shown(url), unquote(url.path).rpartition("/")[2] or "file"
    tell(kept)
    with web.client(source) as client:
        if not is_archive(name):
            web.download(client, source, draft, name)
            return kept
        whole = Draft(aside, draft.most_bytes)
        web.download(client, source, whole, name)
    unpack(whole.folder / name, draft)
    return kept


def _from_file(path: Path, draft: Draft) -> None:
    if is_archive(path.name):
        unpack(path, draft)
    else:
        _copy(path, path.name, draft)


def _from_folder(store: Path, folder: Path, draft: Draft) -> None:
    """All files of a folder. Links to files are followed: the caches of model hubs consist of them."""
    if store.resolve().is_relative_to(folder):
        raise SettingsError(f"{folder} holds the store itself")
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {".git"})  # a clone's history would double it
        for name in [*sorted(names), *(f for f in folders if Path(parent, f).is_symlink())]:
            path = Path(parent, name)
            if not path.is_file():
                raise SettingsError(f"{path} is a link to a folder, or no plain file")
            _copy(path, path.relative_to(folder).as_posix(), draft)


def _copy(path: Path, name: str, draft: Draft) -> None:
    with path.open("rb") as file:
        draft.write(name, chunks(file))
