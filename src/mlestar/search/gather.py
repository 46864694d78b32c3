"""The search outside as a run uses it: what is asked, and what of the answers is passed on (`ports.Outside`)."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Protocol
from urllib.parse import urlsplit

from mlestar.plain import word
from mlestar.records import Page, Profile
from mlestar.search.barring import apart, called, ordinary, title, tokens

Bars = Callable[[Profile], Callable[[Page], bool]]
_TITLE, _TEXT, _ADDRESS, _DATE = 200, 1500, 500, 40  # characters
_WORDS = 16  # of a query
_PREDICTS = {"label": "classification", "ranking": "classification", "probability": "classification"}
_KINDS = {
    "number": "numeric",
    "category": "categorical",
    "date": "dates",
    "text": "text",
    "list": "sets",
    "code": "codes",
}


class PageSearch(Protocol):
    """Finds pages outside: papers, models, the web."""

    name: str

    def find(self, query: str, limit: int) -> Sequence[Page]:
        """Return at most `limit` pages, best first. Raises OSError when the service cannot be reached."""
        ...


class Pages:
    """Several searches as one: side by side, each with its share, bounded and without what is barred.

    `barred` makes a judge of pages for a task (`barring.bars`); None lets every page through. `most` pages come
    back at most. Branches of a run that ask the same get the same answer: it is asked for once.
    """

    def __init__(self, providers: Sequence[PageSearch], barred: Bars | None = None, most: int = 8) -> None:
        self._providers, self._barred, self._most = tuple(providers), barred, most
        self._known: dict[tuple[str, int], list[list[Page]]] = {}
        self._lock = threading.Lock()

    def find(self, profile: Profile, limit: int) -> tuple[tuple[Page, ...], str]:
        """At most `limit` pages for such a task, and a word on what was left out or could not be reached."""
        limit = min(limit, self._most)
        if limit < 1 or not self._providers:
            return (), ""
        with self._lock:
            shares, troubles = self._ask(query(profile), 2 * limit)  # twice: some may be barred or found by others
        distinct: dict[str, Page] = {}
        for page in chain.from_iterable(zip_longest(*shares)):
            if page is not None and (plain := _plain(page)) is not None:
                distinct.setdefault(_place(plain.address), plain)
        judge = self._barred(profile) if self._barred else lambda page: False
        kept = [page for page in distinct.values() if not judge(page)]
        if left := len(distinct) - len(kept):
            pages = "1 page that seems" if left == 1 else f"{left} pages that seem"
            troubles = [f"left out {pages} to hold a solution of this very task", *troubles]
        return tuple(kept[:limit]), word("; ".join(troubles), 600)

    def _ask(self, text: str, limit: int) -> tuple[list[list[Page]], list[str]]:
        """What each search brings, in their order, and what went wrong; an answer without trouble is remembered."""
        if (text, limit) in self._known:
            return self._known[text, limit], []
        shares: list[list[Page]] = []
        troubles: list[str] = []
        with ThreadPoolExecutor(len(self._providers)) as pool:
            futures: list[Future[Sequence[Page]]] = [pool.submit(each.find, text, limit) for each in self._providers]
            for future in futures:
                try:
                    shares.append(list(future.result())[:limit])
                except OSError as error:
                    shares.append([])
                    troubles.append(word(error, 200))
        if not troubles:
            self._known[text, limit] = shares
        return shares, troubles


def query(profile: Profile) -> str:
    """A few words for a search: the kind of task, what is predicted, what it is about, the metric, the data.

    Never the competition's name: a word that would complete it is left out, and so is a word of it that the description
    uses as a name only. The same task gives the same words.
    """
    names, chosen = called(profile), _head(profile).split()
    stems = {_stem(each) for each in chosen}
    for each in (*_targets(profile), *_telling(profile), *_metric(profile), *_data(profile)):
        stem = _stem(each)
        if stem and stem not in stems and not any(name.told({*stems, stem}) for name in names):
            stems.add(stem)
            chosen.append(each)
    return " ".join(chosen[:_WORDS])


def _head(profile: Profile) -> str:
    """What kind of task it is, as the words by which `pages.Hub` knows it."""
    if profile.kind == "forecast":
        return "time series forecasting"
    if profile.kind == "pixels":
        return "image to image"
    if profile.predicts == "text":
        return "text to text generation"
    return f"{_stuff(profile)} {_PREDICTS.get(profile.predicts, 'regression')}"


def _stuff(profile: Profile) -> str:
    """What a row mainly is. A column of text among many others, or files that go with a wide table, make no text."""
    files = [asset.kind for asset in profile.assets]
    texts = sum(column.kind == "text" for column in profile.columns)
    if "image" in files or "audio" in files:
        return "image" if "image" in files else "audio"
    return "text" if 4 * texts > len(profile.columns) or ("text" in files and len(profile.columns) < 4) else "tabular"


def _targets(profile: Profile) -> list[str]:
    words = (each for name in profile.target for each in re.findall(r"[^\W\d_]{3,}", apart(name)))
    return list(dict.fromkeys(each.lower() for each in words if not ordinary(_stem(each))))[:4]


def _metric(profile: Profile) -> list[str]:
    return [] if ":" in profile.metric else re.findall(r"[^\W_]{2,}", profile.metric)[:4]


def _data(profile: Profile) -> Iterator[str]:
    """Kinds of columns, the most frequent first, and of files."""
    kinds = Counter(_KINDS[column.kind] for column in profile.columns if column.kind in _KINDS)
    yield from sorted(kinds, key=lambda kind: (-kinds[kind], kind))[:3]
    yield from (each for asset in profile.assets for each in re.findall(r"[^\W_]{2,}", asset.suffix.lower()))


def _telling(profile: Profile) -> list[str]:
    """The most telling words of the description: no ordinary ones, often used, in its introduction, no proper names."""
    body = re.sub(r"```.*?```|`[^`\n]*`|https?://\S+|<[^<>\n]*>", " ", profile.description, flags=re.DOTALL)
    body = body.lstrip().partition("\n")[2] if title(profile.description) else body
    introduction = len(re.split(r"^#", body.lstrip("\n"), maxsplit=1, flags=re.MULTILINE)[0])
    named = {each for name in called(profile) for each in name.telling}
    scores: Counter[str] = Counter()
    written: dict[str, str] = {}
    for found in re.finditer(r"[^\W\d_]{4,}", body):
        small, stem = found[0].islower(), _stem(found[0])
        if ordinary(stem) or (stem in named and not small):
            continue
        scores[stem] += (2 if found.start() < introduction else 1) * (2 if small else 1)
        written.setdefault(stem, found[0].lower())
    return [written[stem] for stem, _ in scores.most_common(6)]  # equal ones in the order of the text


def _stem(each: str) -> str:
    return next(iter(tokens(each)), "")  # some letters are nothing but marks


def _plain(page: Page) -> Page | None:
    """The page in plain, bounded texts of one line each; None when its address is none that can be noted."""
    address = word(page.address, _ADDRESS + 1)
    try:
        url = urlsplit(address)
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.hostname or len(address) > _ADDRESS or " " in address:
        return None
    return replace(
        page, title=word(page.title, _TITLE) or address[:_TITLE], address=address, date=word(page.date, _DATE),
        text=word(page.text, _TEXT), provider=word(page.provider, _DATE),
    )  # fmt: skip


def _place(address: str) -> str:
    """An address as what tells pages apart: no scheme, no `www.`, no fragment, no slash at its end."""
    url = urlsplit(address)
    return f"{url.netloc.lower().removeprefix('www.')}{url.path.rstrip('/')}?{url.query}"
