"""What a provider's response says, in our words: text, tokens, price, sources; or what went wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
from pydantic_ai import exceptions
from pydantic_ai.messages import Citation, ModelResponse, NativeToolReturnPart, TextPart, WebCitationSource

from mlestar import plain
from mlestar.records import Page

LONGEST = 1_000_000  # characters of an answer; what is longer is no answer to anything we ask
SNIPPET = 500  # characters of a page
WORDS = 300  # characters of what a provider says about an error
PAGES = 50  # of one answer

Kind = Literal["again", "crowd", "quota", "key", "model", "context", "content", "request"]
TOO_LONG = re.compile(r"context.?(length|window)|(prompt|input|request|payload)\b.{0,40}\btoo (long|large)", re.I)
UNWANTED = re.compile(r"moderat|flagged|content.?(filter|polic|management)|usage polic|safety", re.I)
MENDABLE = frozenset({408, 409, 425, 429})  # of the 4xx, those that another try may mend


@dataclass(frozen=True)
class Reading:
    """One answer. `cost_usd` is None where the price is unknown; `measured` is whether anybody counted its tokens."""

    text: str
    pages: tuple[Page, ...]
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float | None
    measured: bool


@dataclass(frozen=True)
class Fault:
    """Why there is no answer: `again` and `crowd` are worth another try. Holds no exception: those carry headers.

    `words` are the provider's, redacted and bounded; `after` are the seconds it asked to wait, `status` is 0 for none.
    """

    kind: Kind
    words: str
    status: int = 0
    after: float = 0.0


@dataclass(frozen=True)
class Tried:
    """What one try gave: all that was answered and billed, and the fault where that is no whole answer."""

    readings: tuple[Reading, ...]
    fault: Fault | None
    requests: int


def read(response: ModelResponse, provider: str, hide: Callable[[str], str], barred: Callable[[str], bool]) -> Reading:
    """Read a response; every text of it passes `hide`, pages that are `barred` are left out."""
    usage = response.usage
    # Hidden before anything is cut: of a key that is cut in two, the first half would be left.
    text, refusal = hide(response.text or "").strip(), plain.word(hide(_refusal(response)), WORDS)
    if refusal:
        text = f"The provider refused to answer: {refusal}" + (f"\n\n{text}" if text else "")
    elif not text and response.finish_reason == "length":
        text = "There is no answer: all of max_tokens was used up before it began."
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}\n[cut: the answer has {len(text)} characters]"
    return Reading(
        text=text,
        pages=tuple(_pages(response, provider, hide, barred))[:PAGES],
        input_tokens=max(usage.input_tokens, 0),
        cached_tokens=max(usage.cache_read_tokens, 0),
        output_tokens=max(usage.output_tokens, 0),
        cost_usd=_cost(response),
        measured=not usage.unmeasured_requests and usage.has_values(),
    )


def fault(error: Exception, hide: Callable[[str], str]) -> Fault:
    """Say in plain data what an exception of a request means."""
    status = error.status_code if isinstance(error, exceptions.ModelHTTPError) else 0
    words = plain.word(hide(_words(error)), WORDS)
    after = (error.retry_after or 0.0) if isinstance(error, exceptions.ModelAPIError) else 0.0
    kind = _kind(error, status)
    if kind == "request" and "api key" in words.lower():  # Gemini calls a wrong key a bad request
        kind = "key"
    if kind == "request" and (status == 413 or TOO_LONG.search(words)):
        kind = "context"
    if (kind == "request" or status == 403) and UNWANTED.search(words):  # OpenRouter says 403 where it moderates
        kind = "content"
    return Fault(kind, words, status, after)


def _kind(error: Exception, status: int) -> Kind:
    match error:
        case exceptions.ModelQuotaExceededError():
            return "quota"
        case exceptions.ModelRateLimitError():
            return "crowd"
        case exceptions.ModelContextWindowExceededError():
            return "context"
        case exceptions.UserError():
            return "request"
    if status in (401, 403) or isinstance(error, exceptions.ModelAuthenticationError):
        return "key"
    if status == 404 or isinstance(error, exceptions.ModelNotFoundError):
        return "model"
    rejected = isinstance(error, exceptions.ModelRequestRejectedError) or 300 <= status < 500
    return "request" if rejected and status not in MENDABLE else "again"


def _words(error: Exception) -> str:
    """What the provider says, without the wrapping; for an error without a body, what the client says."""
    if isinstance(error, exceptions.ModelHTTPError):
        body: Any = error.body
        for _ in range(4):  # {"error": {"message": …}}, {"detail": …}, [{…}]
            if isinstance(body, list) and body:
                body = body[0]
            if not isinstance(body, Mapping):
                break
            body = next((body[key] for key in ("error", "message", "detail") if body.get(key)), str(body))
        return str(body or "no words")
    said = f"{type(error).__name__}: {str(error).strip()}".split("\n")[0]
    if isinstance(error, exceptions.AgentRunError | exceptions.UserError | OSError | httpx2.HTTPError):
        return str(error).strip() or said
    return f"an answer of another shape than this provider's ({said})"


def _refusal(response: ModelResponse) -> str:
    """The words of a refusal; empty where there is none."""
    details = response.provider_details or {}
    said = details.get("refusal") or details.get("block_reason_message")
    if response.finish_reason != "content_filter" and not said:
        return ""
    why = said or details.get("block_reason") or details.get("finish_reason") or "content filter"
    return str(why)


def _cost(response: ModelResponse) -> float | None:
    """US dollars, as the provider reports them or by the price table that is installed; None where neither knows."""
    reported = (response.provider_details or {}).get("cost")
    if isinstance(reported, int | float) and reported >= 0:
        return float(reported)
    if not (response.model_name and response.usage.has_values()):
        return None
    try:
        return float(response.cost().total_price)
    except (LookupError, ValueError):  # a model that is not in the table; counts that contradict one another
        return None


def _pages(
    response: ModelResponse, provider: str, hide: Callable[[str], str], barred: Callable[[str], bool]
) -> Iterator[Page]:
    """The sources of an answer, once each: those that it cites with what they say, then those found only."""
    date = response.timestamp.date().isoformat()
    found: dict[str, tuple[str, str]] = {}
    for title, address, text in (*_cited(response), *_found(response)):
        old_title, old_text = found.get(address, ("", ""))
        found[address] = (old_title or title, f"{old_text} {text}".strip())
    for address, (title, text) in found.items():
        if address.startswith(("http://", "https://")) and not barred(f"{address} {title}"):
            yield Page(
                plain.word(hide(title or address)),
                plain.word(hide(address), 2000),
                date,
                _snippet(hide(text)),
                provider,
            )


def _snippet(text: str) -> str:
    return plain.word(text, SNIPPET)


def _cited(response: ModelResponse) -> Iterator[tuple[str, str, str]]:
    for part in response.parts:
        if isinstance(part, TextPart):
            for citation in part.citations or ():
                for source in citation.sources:
                    if isinstance(source, WebCitationSource):
                        text = " ".join(source.excerpts) or _said(part.content, citation)
                        yield source.title or "", source.url, text


def _said(text: str, citation: Citation) -> str:
    """What the answer says where it cites; for a marker such as `[1]`, what is before it."""
    anchor = citation.anchor
    if anchor is None:
        return ""
    if anchor.kind == "content":
        return text[anchor.start : anchor.end]
    before = text[max(anchor.start - SNIPPET, 0) : anchor.start]
    return before if anchor.start <= SNIPPET else before.partition(" ")[2]  # no half word: it might be half a key


def _found(response: ModelResponse) -> Iterator[tuple[str, str, str]]:
    for part in response.parts:
        if isinstance(part, NativeToolReturnPart):
            for entry in _entries(part.content):
                address = entry.get("url") or entry.get("uri")
                if isinstance(address, str):
                    yield str(entry.get("title") or ""), address, str(entry.get("snippet") or entry.get("text") or "")


def _entries(content: Any, depth: int = 4) -> Iterable[Mapping[str, Any]]:
    """Every mapping in a tool's result: each provider nests them in its own way."""
    if isinstance(content, Mapping):
        yield content
    if depth and isinstance(content, Mapping | list | tuple):
        for inner in content.values() if isinstance(content, Mapping) else content:
            yield from _entries(inner, depth - 1)
