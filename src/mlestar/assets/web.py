"""Getting files over HTTPS, a piece at a time, with one clear message for whatever goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from mlestar.assets.draft import Draft
from mlestar.assets.store import CHUNK, File
from mlestar.errors import SettingsError
from mlestar.plain import word

_OURSELVES = ("localhost", "127.0.0.1", "::1")
_PATIENCE = httpx.Timeout(30.0, read=90.0)  # seconds: until connected, between two pieces
_WORDS = {
    401: "is private or gated, or the token is wrong",
    403: "is private or gated: accept its terms there and give a token that may read it",
    404: "is not there",
    429: "was asked for too often; try again later",
}


@contextmanager
def client(start: str) -> Iterator[httpx.Client]:
    """An HTTP client that never leaves HTTPS, unless the address `start` is this machine's own.

    Raises SettingsError for an address that is not safe to begin with.
    """
    url = address(start)
    home = url.host in _OURSELVES
    _refuse_plain(url, home)
    if url.userinfo:
        raise SettingsError(f"{shown(url)}: leave name and password out of the address, they would be written down")
    hooks = {"request": [lambda request: _refuse_plain(request.url, home)]}  # redirects come by here too
    asked = {"accept-encoding": "identity"}  # sizes and hashes are those of the file itself
    with httpx.Client(event_hooks=hooks, headers=asked, timeout=_PATIENCE, follow_redirects=True) as found:
        yield found


def address(text: str) -> httpx.URL:
    """The address, parsed; SettingsError for what is none."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        raise SettingsError(f"{word(text.partition('?')[0])!r} is no address") from None
    if not url.host:
        raise SettingsError(f"{word(text.partition('?')[0])!r} is no address")
    return url


def shown(url: httpx.URL) -> str:
    """The address as it may be written down: what stands behind `?` may be a key, and so may a password."""
    return word(url.copy_with(username=None, password=None, query=None, fragment=None), 300)


def download(web: httpx.Client, url: str, draft: Draft, name: str, token: str = "") -> File:
    """One file into a draft. Raises SettingsError saying what went wrong with which address, never the token."""
    with _asked(web, url, token) as response:
        return draft.write(name, response.iter_bytes(CHUNK))


def text(web: httpx.Client, url: str, most: int, token: str = "") -> bytes:
    """A short answer of at most `most` bytes; errors as `download` has them."""
    found = bytearray()
    with _asked(web, url, token) as response:
        for piece in response.iter_bytes(CHUNK):
            found += piece
            if len(found) > most:
                raise SettingsError(f"{shown(address(url))} answers with more than {most} bytes")
    return bytes(found)


@contextmanager
def _asked(web: httpx.Client, url: str, token: str) -> Iterator[httpx.Response]:
    place = shown(address(url))
    if not re.fullmatch(r"[\x21-\x7e]*", token):
        raise SettingsError("the token has characters that no token has")  # else HTTP's own error would quote it
    headers = {"authorization": f"Bearer {token}"} if token else {}  # left out again when redirected elsewhere
    try:
        with web.stream("GET", url, headers=headers) as response:
            if response.status_code != 200:
                said = _WORDS.get(response.status_code, f"cannot be had (HTTP status {response.status_code})")
                raise SettingsError(f"{place} {said}")
            yield response
    except httpx.TimeoutException:
        raise SettingsError(f"{place}: no answer in time") from None
    except httpx.TooManyRedirects:
        raise SettingsError(f"{place} leads in circles") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        told = word(error).replace(token, "…") if token else word(error)
        raise SettingsError(f"{place} cannot be had ({told or type(error).__name__})") from None


def _refuse_plain(url: httpx.URL, home: bool) -> None:
    if url.scheme != "https" and not (home and url.scheme == "http" and url.host in _OURSELVES):
        raise SettingsError(f"{shown(url)} is not https; what comes on other ways can be changed by anybody on them")
