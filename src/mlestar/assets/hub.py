"""A model from a hub, by plain GET of its REST API: the files of one revision, each by its commit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from mlestar.assets import web
from mlestar.assets.draft import Draft
from mlestar.errors import SettingsError
from mlestar.plain import word

HUB = "https://huggingface.co"
_SOURCE = re.compile(r"hf:([\w.-]+)/([\w.-]+)(?:@([\w./+-]+))?", re.ASCII)
_MOST_ANSWER = 64 * 1024 * 1024  # bytes
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class _Large(BaseModel):
    sha256: str = ""


class _Sibling(BaseModel):
    rfilename: str
    size: int | None = None
    lfs: _Large | None = None


class _Model(BaseModel):
    """What is used of the hub's answer; it says much more."""

    sha: str
    siblings: list[_Sibling] = []
    cardData: dict[str, Any] | None = None
    tags: list[str] = []


def fill(
    source: str, draft: Draft, hub: str, token: str, only: Sequence[str], tell: Callable[[str], None]
) -> tuple[str, str]:
    """Bring `hf:<organisation>/<model>[@revision]` into a draft; its commit and its licence ("" when not said).

    With `only`, just the files that one of these patterns matches. Raises SettingsError naming the address, and
    when a file is not the one that the hub's list promises.
    """
    found = _SOURCE.fullmatch(source)
    if found is None or {".", ".."} & set(found.groups()):
        raise SettingsError(
            f"{word(source)!r}: write hf:<organisation>/<model> or hf:<organisation>/<model>@<revision>"
        )
    model, base = f"{found[1]}/{found[2]}", hub.rstrip("/")
    with web.client(base) as client:
        info = _info(client, f"{base}/api/models/{model}/revision/{quote(found[3] or 'main', safe='')}", token)
        wanted = [s for s in info.siblings if not only or any(fnmatch(s.rfilename, pattern) for pattern in only)]
        if not wanted:
            raise SettingsError(f"{source}: it has no file{' of those names' if only else ''}")
        for number, file in enumerate(wanted, 1):
            tell(f"{number}/{len(wanted)} {word(file.rfilename)}")
            _fetch(client, f"{base}/{model}/resolve/{info.sha}/{quote(file.rfilename)}", draft, file, token)
    return info.sha, _licence(info)


def _info(client: httpx.Client, url: str, token: str) -> _Model:
    answer = web.text(client, f"{url}?blobs=true", _MOST_ANSWER, token)
    try:
        info = _Model.model_validate_json(answer)
    except ValidationError:
        info = None
    if info is None or not _COMMIT.fullmatch(info.sha):
        raise SettingsError(f"{url} does not answer as a model hub does")
    return info


def _fetch(client: httpx.Client, url: str, draft: Draft, file: _Sibling, token: str) -> None:
    written = web.download(client, url, draft, file.rfilename, token)
    promised = file.lfs.sha256 if file.lfs else ""
    if written.bytes != (written.bytes if file.size is None else file.size) or promised not in ("", written.sha256):
        raise SettingsError(f"{url} is not the file that the hub's list promises; try again")


def _licence(info: _Model) -> str:
    """As the model's card says it, else its tags; several are joined."""
    card = info.cardData or {}
    said = card.get("license")
    parts = said if isinstance(said, list) else [said]
    if said == "other":
        parts = [said, card.get("license_name"), card.get("license_link")]
    parts = parts if said else [tag.removeprefix("license:") for tag in info.tags if tag.startswith("license:")]
    return word(", ".join(str(part) for part in parts if part))
