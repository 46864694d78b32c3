"""What a job says: its printed output, kept at both ends, and the prelude's report."""

from __future__ import annotations

import os

from mlestar.plain import clean
from mlestar.records import OutcomeState

HEAD, TAIL = 16_384, 49_152
_CHUNK = 65_536
_MAX_PATHS = 200_000
_MAX_STACK = 8_000


def shorten(text: str, limit: int) -> str:
    """`text`, or its first quarter and last three quarters with a mark between."""
    if len(text) <= limit:
        return text
    return f"{text[: limit // 4]}\n... {len(text) - limit} characters left out ...\n{text[-(limit - limit // 4) :]}"


class Stream:
    """The reading end of a pipe that never blocks."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor

    def read(self) -> bool:
        """Take in what is there, at most one chunk; False at the end of the pipe."""
        try:
            data = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return True
        self.feed(data)
        return bool(data)

    def drain(self, rounds: int = 64) -> None:
        """Take in what is left, without waiting for whoever still holds the other end."""
        for _ in range(rounds):
            try:
                data = os.read(self.descriptor, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                return
            self.feed(data)

    def feed(self, data: bytes) -> None:
        raise NotImplementedError


class Output(Stream):
    """Printed output: `total` bytes came, the first `HEAD` and the last `TAIL` of them are kept."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.total = 0
        self.head = bytearray()
        self.tail = bytearray()

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        room = HEAD - len(self.head)
        self.head += data[:room] if room > 0 else b""
        self.tail += data[max(room, 0) :]
        if len(self.tail) > 2 * TAIL:
            del self.tail[:-TAIL]

    def text(self) -> str:
        """Clean text; says how much was left out."""
        tail = bytes(self.tail[-TAIL:])
        lost = self.total - len(self.head) - len(tail)
        gap = f"\n... {lost} bytes left out ...\n".encode() if lost > 0 else b""
        return clean((bytes(self.head) + gap + tail).decode("utf-8", "replace"))


class Report(Stream):
    """The prelude's lines (its docstring has the format); a script may forge them, so all is bounded."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.opened: set[str] = set()
        self.peak_kib = 0
        self.started = self.finished = False
        self.error = ""
        self.state: OutcomeState = "exception"
        self.stack = ""
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:_CHUNK]
        for line in lines:
            self._take(line.decode("utf-8", "replace"))

    def _take(self, line: str) -> None:
        tag, tab, rest = line.partition("\t")
        if tab and tag == "o":
            if len(self.opened) < _MAX_PATHS:
                self.opened.add(clean(rest))
        elif tab and tag == "s":
            self.started = True
        elif tab and tag == "p":
            self.finished = True
            self.peak_kib = max(self.peak_kib, int(rest) if rest.isdecimal() and len(rest) < 12 else 0)
        elif tab and tag == "e":
            kind, _, text = rest.partition("\t")
            self.state = "disk" if kind == "disk" else "memory" if kind == "memory" else "exception"
            self.error = clean(text.replace("\x1f", "\n"))
        elif len(self.stack) < _MAX_STACK:
            self.stack += clean(line) + "\n"
