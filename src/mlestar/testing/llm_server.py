"""A fake provider on loopback: real HTTP, faults by request number, and every request kept for assertions.

It speaks OpenAI's `/v1/chat/completions` and `/v1/responses`, Gemini's `/v1beta/models/NAME:generateContent` and
Anthropic's `/v1/messages`. Faults: a status such as `500`, or `429:2` with a Retry-After in seconds; `slow:SECONDS`;
`drop` closes the connection, `cut` does so in the middle of the body; `truncated` and `schema` are bodies that end
too early or are of another shape; `refusal`, `empty`, `huge` (5 MB) are answers; `echo` is a 401 that repeats the key.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from mlestar.testing import llm_dialects
from mlestar.testing.llm_dialects import Reply, Source

__all__ = ["Asked", "LlmServer", "Reply", "Source"]

HUGE = 5_000_000  # characters
JSON = "application/json"


@dataclass(frozen=True)
class Asked:
    """One request. `key` is what it brought to prove itself, `digest` is of its body, `at` in seconds."""

    number: int
    path: str
    body: Mapping[str, Any]
    key: str
    digest: str
    at: float

    @property
    def text(self) -> str:
        """All texts of the request, one a line."""
        return "\n".join(llm_dialects.texts(dict(self.body)))


class LlmServer:
    """The server, as a context manager. `answer` is given all texts of a request and its number, from 1.

    `faults` are by request number; `always` is the fault of all others.
    """

    def __init__(
        self,
        answer: Callable[[str, int], Reply] = lambda text, number: Reply("fine"),
        faults: Mapping[int, str] | None = None,
        always: str = "",
        port: int = 0,
    ) -> None:
        self.answer, self.faults, self.always = answer, dict(faults or {}), always
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"house": self}))
        self._http.daemon_threads, self._http.block_on_close = True, False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.openai = f"{self.url}/v1"

    def __enter__(self) -> LlmServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def digests(self) -> Counter[str]:
        """How often each body came."""
        return Counter(asked.digest for asked in self.asked)

    def arrive(self, path: str, raw: bytes, key: str) -> tuple[Asked, str]:
        """Note a request; it and the fault that is planned for it."""
        with self._lock:
            number = len(self.asked) + 1
            asked = Asked(number, path, json.loads(raw), key, hashlib.sha256(raw).hexdigest(), time.monotonic())
            self.asked.append(asked)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            return asked, self.faults.get(number, self.always)

    def depart(self) -> None:
        """A request is answered."""
        with self._lock:
            self._now -= 1


class _Handler(BaseHTTPRequestHandler):
    house: LlmServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        names = ("Authorization", "x-goog-api-key", "x-api-key")
        key = next((value for name in names if (value := self.headers.get(name))), "")
        asked, fault = self.house.arrive(self.path, raw, key)
        try:
            self._answer(asked, fault)
        except ConnectionError:  # who asked has gone
            self.close_connection = True
        finally:
            self.house.depart()

    def _answer(self, asked: Asked, fault: str) -> None:
        kind, _, number = fault.partition(":")
        if kind == "slow":
            time.sleep(float(number))
        if kind.isdigit():
            headers = {"Retry-After": number} if number else {}
            return self._send(int(kind), _error(f"the server says {kind}"), headers)
        if kind == "echo":
            return self._send(401, _error(f"Incorrect API key provided: {asked.key}"))
        if kind == "drop":
            self.close_connection = True
            return None
        if kind == "schema":
            return self._send(200, b'{"result": [1, 2, 3], "choices": "none", "candidates": 5, "output": 7}')
        body, form = self._body(asked, _bent(self.house.answer(asked.text, asked.number), kind))
        if kind == "truncated":
            body = body[: len(body) // 2]
        self._send(200, body, {"Content-Type": form}, cut=kind == "cut")
        return None

    def _body(self, asked: Asked, reply: Reply) -> tuple[bytes, str]:
        """The reply in the dialect of the path, and its content type."""
        path, model = self.path.partition("?")[0], str(asked.body.get("model", ""))
        if path.endswith("/messages"):
            message = llm_dialects.anthropic(reply, model)
            if asked.body.get("stream"):
                return llm_dialects.events(message), "text/event-stream"
            return json.dumps(message).encode(), JSON
        if path.endswith(":generateContent"):
            said = llm_dialects.gemini(reply, path.rpartition("/")[2].partition(":")[0])
        elif path.endswith("/responses"):
            said = llm_dialects.responses(reply, model)
        else:
            said = llm_dialects.chat(reply, model)
        return json.dumps(said).encode(), JSON

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": JSON} | dict(headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _bent(reply: Reply, kind: str) -> Reply:
    if kind == "refusal":
        return replace(reply, text="", refusal="I cannot help with that.")
    return replace(reply, text={"empty": "", "huge": "x" * HUGE}.get(kind, reply.text))


def _error(message: str) -> bytes:
    """An error in a form that each of the clients reads."""
    return json.dumps({"type": "error", "error": {"type": "error", "message": message}}).encode()


def main() -> None:
    """Serve until stopped; `--answers` is a JSON list of [words, text]: the first whose words are asked about."""
    parser = argparse.ArgumentParser(prog="python -m mlestar.testing.llm_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answers", type=Path)
    options = parser.parse_args()
    known: list[tuple[str, str]] = json.loads(options.answers.read_text("utf-8")) if options.answers else []

    def answer(text: str, number: int) -> Reply:
        return Reply(next((said for words, said in known if words in text), "fine"))

    with LlmServer(answer, port=options.port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
