"""What an attack is after: secrets, files, sockets and processes of the driver's, and whether they are as they were."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

_VARIABLE = "MLE_STAR_HOSTILE_SECRET"


class World:
    """A driver's surroundings in `folder`. `view` is what jobs may read, `hidden` what they may not.

    `judge` says why the judge refuses what lies in `job`, or nothing where it takes it. As a context:
    sockets and processes are open while it lasts.
    """

    def __init__(self, folder: Path, view: Path, hidden: list[Path], judge: Callable[[Path], str]) -> None:
        self.folder, self.view, self._hidden, self._judge = folder.resolve(), view.resolve(), hidden, judge
        self.home, self.job, self.outside = self.folder / "home", self.folder / "run" / "job", self.folder / "outside"
        self.secret, self.word, self.token = self.home / ".ssh" / "id_rsa", secrets.token_hex(16), ""
        for place in (self.secret.parent, self.outside, self.job.parent):
            place.mkdir(parents=True)
        self.secret.write_text(self.word)
        self.secret.chmod(0o600)
        self._heard: list[bytes] = []
        self._before: dict[str, Any] = {}

    def __enter__(self) -> World:
        os.environ[_VARIABLE] = self.word
        self._open = contextlib.ExitStack()
        self._open.callback(os.environ.pop, _VARIABLE)
        self._tcp = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._udp = self._open.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._udp.bind(("127.0.0.1", 0))
        self._abstract = self._open.enter_context(socket.socket(socket.AF_UNIX))
        self._name = f"mle-star-{secrets.token_hex(6)}"
        self._abstract.bind(f"\0{self._name}")
        self._path = self._open.enter_context(socket.socket(socket.AF_UNIX))
        self._path.bind(str(self.folder / "s"))
        for listening in (self._abstract, self._path):
            listening.listen()
        self._shared = Path("/dev/shm", self._name)
        self._shared.write_text(self.word)
        self._open.callback(self._shared.unlink, missing_ok=True)
        self.neighbour = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        self._open.callback(self._end)
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def facts(self) -> dict[str, Any]:
        """What a script is told, so that it need not search: an attacker may know where things are."""
        return {
            "secret": str(self.secret), "home": str(self.home), "outside": str(self.outside),
            "hidden": [str(path) for path in self._hidden], "view": str(self.view), "driver": os.getpid(),
            "neighbour": self.neighbour.pid, "tcp": self._tcp.getsockname()[1], "udp": self._udp.getsockname()[1],
            "abstract": self._name, "path": str(self.folder / "s"), "shared": str(self._shared), "token": self.token,
            "digest": hashlib.sha256(self.word.encode()).hexdigest(), "length": len(self.word),
            "package": str(Path(__file__).resolve().parents[2]), "python": sys.executable, "prefix": sys.prefix,
        }  # fmt: skip

    def settle(self) -> None:
        """Remember how everything is now, and start from a clean sheet."""
        for process in self._alive():
            process.kill()
        self.token = f"pulse-{secrets.token_hex(6)}"
        self._heard.clear()
        self._before = self._state()

    def broken(self) -> str:
        """What is no longer as it was, or nothing."""
        now = self._state()
        changed = [name for name in now if now[name] != self._before[name]]
        if changed:
            return f"changed: {', '.join(changed)}"
        if self._heard:
            return "a datagram was heard"
        end = time.monotonic() + 0.5
        while self._alive() and time.monotonic() < end:
            time.sleep(0.02)
        return "a process outlived its job" if self._alive() else ""

    def judge(self) -> str:
        """Why what lies in the job's folder is refused."""
        return self._judge(self.job)

    def names(self) -> set[str]:
        """All that a job can really open in its view, folders with a slash."""
        return {f"{p.relative_to(self.view)}{'/' * p.is_dir()}" for p in self.view.rglob("*")}

    def memory_mb(self) -> float:
        """Resident memory of the driver, in MB."""
        return float(psutil.Process().memory_info().rss / 1e6)

    def _state(self) -> dict[str, Any]:
        watched = {"the home": self.home, "files outside": self.outside, "the input": self.view}
        prefix = Path(sys.prefix)
        libraries = next(prefix.glob("lib/python*/site-packages"), prefix)
        found: dict[str, Any] = {name: _snapshot(folder) for name, folder in watched.items()}
        found["hidden files"] = [path.stat().st_mtime_ns for path in self._hidden if path.is_file()]
        found["the folder above"] = sorted(p.name for p in self.job.parent.iterdir() if p.name != "job")
        found["the interpreter's libraries"] = sorted(p.name for p in libraries.iterdir() if p.name != "__pycache__")
        found["mle-star itself"] = _snapshot(Path(__file__).resolve().parents[2] / "executors")
        found["the neighbour"] = (self.neighbour.poll(), psutil.Process(self.neighbour.pid).nice())
        return found

    def _alive(self) -> list[psutil.Process]:
        """Processes of the last attack that are still there."""
        everybody = psutil.process_iter(["cmdline"])
        return [p for p in everybody if self.token and self.token in " ".join(p.info["cmdline"] or ())]

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._heard.append(self._udp.recv(100))

    def _end(self) -> None:
        self.neighbour.kill()
        self.neighbour.wait()


def _snapshot(folder: Path) -> list[tuple[str, int, int, int]]:
    found = []
    for path in sorted(p for p in folder.rglob("*") if "__pycache__" not in p.parts):
        state = path.lstat()
        found.append((str(path), state.st_mode, state.st_size, state.st_mtime_ns))
    return found
