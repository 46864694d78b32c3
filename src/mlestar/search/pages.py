"""Searches outside the library: papers at arXiv, models at the hub, the web by ddgs or Tavily.

Each is a `gather.PageSearch`: at most `limit` pages, best first, and OSError when the service cannot be reached
or answers nonsense. What a page says is passed on as it came; `gather.Pages` makes it short and plain. A page
whose service gives no date has `seen` and the day in its place; `today` returns that day.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from mlestar.errors import SettingsError
from mlestar.plain import word
from mlestar.records import Page
from mlestar.search.fetch import fetch, parsed, within

Today = Callable[[], str]

_ATOM = "{http://www.w3.org/2005/Atom}"
# Learning papers only: any field has papers on its own words, and they propose no models.
_FIELDS = "cat:cs.LG OR cat:stat.ML OR cat:cs.CL OR cat:cs.CV OR cat:cs.SD OR cat:cs.NE OR cat:eess.AS OR cat:eess.IV"
# How a query begins -> what the hub calls models of the kind.
_PIPELINES = {
    "text classification": "text-classification",
    "text regression": "text-classification",
    "text to text generation": "text2text-generation",
    "image classification": "image-classification",
    "image regression": "image-classification",
    "image to image": "image-to-image",
    "audio classification": "audio-classification",
    "audio regression": "audio-classification",
    "time series forecasting": "time-series-forecasting",
    "tabular classification": "tabular-classification",
    "tabular regression": "tabular-regression",
}
_MODEL = re.compile(r"[\w.-]+(?:/[\w.-]+)?")


class Arxiv:
    """Papers whose abstracts hold some of the words, by relevance. `seconds` bound the answer."""

    name = "arxiv"

    def __init__(self, today: Today, base_url: str = "https://export.arxiv.org", seconds: float = 15.0) -> None:
        self._today, self._base, self._seconds = today, base_url.rstrip("/"), seconds

    def find(self, query: str, limit: int) -> Sequence[Page]:
        """Abstracts of at most `limit` papers, with the day each was published."""
        some = " OR ".join(f"all:{each}" for each in _words(query)[:16])
        if not some or limit < 1:
            return ()
        asked = {"search_query": f"({_FIELDS}) AND ({some})", "sortBy": "relevance", "sortOrder": "descending",
                 "start": "0", "max_results": str(limit)}  # fmt: skip
        feed = _feed(fetch(self.name, f"{self._base}/api/query", self._seconds, params=asked))
        return [self._page(entry) for entry in feed.findall(f"{_ATOM}entry")[:limit]]

    def _page(self, entry: ElementTree.Element) -> Page:
        title, address, day, text = (
            " ".join(entry.findtext(_ATOM + part, "").split()) for part in ("title", "id", "published", "summary")
        )
        if "/api/errors" in address:  # how this service says that it did not understand
            raise OSError(f"arxiv refused the query: {word(text, 100)}")
        address = re.sub(r"^http://arxiv\.org/", "https://arxiv.org/", address)
        return Page(title, address, day[:10] or f"seen {self._today()}", text, self.name)


class Hub:
    """Models of the Hugging Face hub, the most downloaded first. `seconds` bound each answer."""

    name = "hub"

    def __init__(self, today: Today, base_url: str = "https://huggingface.co", seconds: float = 15.0) -> None:
        self._today, self._base, self._seconds = today, base_url.rstrip("/"), seconds

    def find(self, query: str, limit: int) -> Sequence[Page]:
        """At most `limit` models: those whose name holds a word of the query first, then any of the kind.

        The hub compares the whole text that it is asked for with names of models, so words are asked for one by one.
        """
        found: dict[str, Page] = {}
        for asked in _asks(query):
            if len(found) >= limit:
                break
            for page in self._models(asked, limit):
                found.setdefault(page.address, page)
        return list(found.values())[: max(0, limit)]

    def _models(self, asked: Mapping[str, str], limit: int) -> Iterator[Page]:
        some = {**asked, "sort": "downloads", "limit": str(limit),
                "expand": ["pipeline_tag", "tags", "downloads", "lastModified"]}  # fmt: skip
        models = parsed(self.name, fetch(self.name, f"{self._base}/api/models", self._seconds, params=some))
        for model in _records(self.name, models):
            name = _said(model, "id")
            if not _MODEL.fullmatch(name):
                continue
            tags = [tag for tag in model.get("tags") or () if isinstance(tag, str)]
            licences = [tag.removeprefix("license:") for tag in tags if tag.startswith("license:")]
            others = [tag for tag in tags if not tag.startswith("license:")]
            day, count = _said(model, "lastModified")[:10], model.get("downloads")
            text = "; ".join((
                f"task: {_said(model, 'pipeline_tag') or 'not given'}",
                f"licence: {', '.join(licences) or 'not given'}",
                f"downloads: {count if isinstance(count, int) else 'not given'}",
                f"last modified: {day or 'not given'}", f"tags: {', '.join(others) or 'none'}",
            ))  # fmt: skip
            yield Page(name, f"{self._base}/{name}", day or f"seen {self._today()}", text, self.name)


class Duck:
    """The web by the library `ddgs`, an extra. `seconds` bound the answer; `module` is for tests.

    Raises SettingsError when the library is not installed.
    """

    name = "ddgs"

    def __init__(self, today: Today, seconds: float = 20.0, module: Any = None) -> None:
        self._today, self._seconds = today, seconds
        try:
            self._module = module or importlib.import_module("ddgs")
        except ImportError:
            raise SettingsError(
                'search.providers names ddgs, whose library is not installed: pip install "mle-star[search]"'
            ) from None

    def find(self, query: str, limit: int) -> Sequence[Page]:
        """Titles and excerpts of at most `limit` pages."""

        def act() -> Any:
            return self._module.DDGS(timeout=max(1, int(self._seconds / 2))).text(query, max_results=limit)

        try:
            found = within(self.name, self._seconds, act)
        except OSError:
            raise
        except Exception as error:  # it reads pages of many services, and anything may come out of that
            if "no results" in str(error).lower():
                return ()
            raise OSError(f"ddgs found nothing: {word(error, 100) or type(error).__name__}") from None
        return [
            Page(_said(each, "title"), _said(each, "href"), f"seen {self._today()}", _said(each, "body"), self.name)
            for each in _records(self.name, found)[:limit]
        ]


class Tavily:
    """The web by Tavily, which needs a key. `seconds` bound the answer. Raises SettingsError for a key that is none."""

    name = "tavily"

    def __init__(self, today: Today, key: str, base_url: str = "https://api.tavily.com", seconds: float = 20.0) -> None:
        if not re.fullmatch(r"[!-~]+", key):
            raise SettingsError("search.providers names tavily, which needs its key: set TAVILY_API_KEY")
        self._today, self._base, self._seconds = today, base_url.rstrip("/"), seconds
        self._headers = {"Authorization": f"Bearer {key}"}

    def find(self, query: str, limit: int) -> Sequence[Page]:
        """Titles and excerpts of at most `limit` pages; 20 at most."""
        asked = {"query": query, "max_results": min(limit, 20), "search_depth": "basic"}
        text = fetch(self.name, f"{self._base}/search", self._seconds, body=asked, headers=self._headers)
        found = parsed(self.name, text)
        return [
            Page(
                _said(each, "title"), _said(each, "url"),
                _said(each, "published_date") or f"seen {self._today()}", _said(each, "content"), self.name,
            )
            for each in _records(self.name, found.get("results") if isinstance(found, dict) else None)[:limit]
        ]  # fmt: skip


def _words(query: str) -> list[str]:
    """The words of a query, each once; nothing that a service could take for an operator."""
    return list(dict.fromkeys(re.findall(r"[^\W_]{2,}", query.lower())))


def _asks(query: str) -> list[dict[str, str]]:
    """What to ask the hub for, in turn."""
    query = " ".join(query.lower().split())
    begins = next((each for each in _PIPELINES if query.startswith(each)), "")
    rest = _words(query.removeprefix(begins))[:3]
    if begins:
        kind = {"pipeline_tag": _PIPELINES[begins]}
        return [*({**kind, "search": each} for each in rest), kind]
    return [{"search": each} for each in dict.fromkeys((query, *rest)) if each]


def _feed(text: str) -> ElementTree.Element:
    """The root of an Atom feed. Raises OSError when it is none, or declares what could blow it up."""
    if re.search(r"<!\s*(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise OSError("arxiv answered with declarations of its own, which are refused")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        raise OSError("arxiv answered something that is no feed") from None
    if root.tag != f"{_ATOM}feed":
        raise OSError("arxiv answered something that is no feed")
    return root


def _records(who: str, found: object) -> list[dict[str, Any]]:
    """The list of records in an answer. Raises OSError when it is none."""
    if not isinstance(found, list):
        raise OSError(f"{who} answered something else than a list of results")
    return [each for each in found if isinstance(each, dict)]


def _said(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""
