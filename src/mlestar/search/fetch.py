"""One bounded exchange with a service outside: nothing that it does can hang us, fill memory or lead us elsewhere.

Everything that goes wrong is an OSError of one sentence. It names the service and its host, and never what was
sent: a key must not come out in a note.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

T = TypeVar("T")
MOST = 2_000_000  # bytes of one answer
_REDIRECTS = 3
_HINTS = {
    401: "the key is missing or wrong",
    403: "it refuses to serve us",
    429: "it asks for fewer requests",
    432: "the key's plan is used up",
}
# Unpacked sizes are unknown until they are in memory, so nothing packed is asked for, or taken.
_HEADERS = {"User-Agent": "mle-star", "Accept-Encoding": "identity"}


def fetch(
    who: str,
    url: str,
    seconds: float,
    *,
    params: Mapping[str, str | Sequence[str]] | None = None,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> str:
    """The text of an answer of at most 2 MB within `seconds` in all: a GET, or a POST of `body` as JSON.

    Raises OSError when there is none. A GET follows redirects within the same host only, a POST none.
    """

    def act() -> str:
        where, query = url, params
        with httpx.Client(timeout=seconds, headers=_HEADERS, follow_redirects=False) as client:
            for _ in range(_REDIRECTS + 1):
                method = "GET" if body is None else "POST"
                with client.stream(method, where, params=query, json=body, headers=headers) as response:
                    if response.is_redirect and body is None:
                        where, query = _onwards(who, response), None
                        continue
                    return _text(who, response)
        raise OSError(f"{who} sends us from one address to the next")

    host = urlsplit(url).hostname
    try:
        return within(who, seconds, act)
    # What an exception of the client says may quote the request, so only its kind is told.
    except httpx.TimeoutException:
        raise OSError(f"{who} ({host}) did not answer within {seconds:g} s") from None
    except httpx.ConnectError:
        raise OSError(f"{who} ({host}) cannot be reached") from None
    except UnicodeDecodeError:
        raise OSError(f"{who} ({host}) answered something that is no text") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError, ImportError) as error:
        raise OSError(f"the exchange with {who} ({host}) broke off: {type(error).__name__}") from None


def within(who: str, seconds: float, act: Callable[[], T]) -> T:
    """What `act` returns or raises, if it does so within `seconds`. Raises OSError else, and leaves it behind.

    A service that sends a byte now and then never meets a time-out between bytes, hence the thread.
    """
    answers: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(act())
        except BaseException as error:  # handed over to the thread that waits
            errors.append(error)

    thread = threading.Thread(target=work, name=f"search {who}", daemon=True)
    thread.start()
    thread.join(seconds)
    if answers:
        return answers[0]
    if errors:
        raise errors[0]
    raise OSError(f"{who} did not answer within {seconds:g} s")


def parsed(who: str, text: str) -> Any:
    """JSON as Python values. Raises OSError when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise OSError(f"{who} answered something that is no JSON") from None


def _onwards(who: str, response: httpx.Response) -> str:
    """Where a redirect leads. Raises OSError for another host, another kind of address, or from https to http."""
    old = response.request.url
    new = old.join(response.headers["location"])
    if new.scheme not in ("http", "https") or new.host != old.host or (old.scheme, new.scheme) == ("https", "http"):
        raise OSError(f"{who} ({old.host}) sends us somewhere else; not followed")
    return str(new)


def _text(who: str, response: httpx.Response) -> str:
    host, status = response.request.url.host, response.status_code
    if status != 200:
        hint = _HINTS.get(status, "try again later" if status >= 500 else "")
        raise OSError(f"{who} ({host}) answered {status}" + (f": {hint}" if hint else ""))
    if response.headers.get("content-encoding", "identity") != "identity":
        raise OSError(f"{who} ({host}) sent packed data, which was not asked for")
    data = bytearray()
    for piece in response.iter_raw():
        data += piece
        if len(data) > MOST:
            raise OSError(f"{who} ({host}) sent more than {MOST} bytes")
    return data.decode("utf-8")
