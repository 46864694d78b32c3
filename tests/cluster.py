"""A Ray cluster for tests: a head and workers in a network namespace of their own, which nothing outside can reach."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

_UP = (
    "import fcntl, socket, struct, time\n"
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 1 | 64))\n"
    "print('up', flush=True)\ntime.sleep(1e6)"
)
_PORT = 6379
_OBJECTS = 100_000_000


class Cluster:
    """Nodes by name. Commands run inside by `run` or `start`; `close` ends all of it."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # Ray's sockets need a short path
        self.address = f"127.0.0.1:{_PORT}"
        self.env = {
            **os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": self.address, "NODES": str(self.home),
        }  # fmt: skip
        mine = ["--map-root-user"] if os.geteuid() else []
        self._holder = subprocess.Popen(
            ["unshare", *mine, "--net", sys.executable, "-c", _UP], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "up\n", "no network namespace can be made here"
        into = ["--user", "--preserve-credentials"] if os.geteuid() else []
        self._enter = [shutil.which("nsenter") or "nsenter", "--target", str(self._holder.pid), *into, "--net"]
        self._nodes: dict[str, subprocess.Popen[str]] = {}

    def head(self, cpus: int, **resources: float) -> None:
        self._node("head", cpus, resources, "--head", f"--port={_PORT}", "--include-dashboard=false")

    def worker(
        self, name: str, cpus: int, env: dict[str, str] | None = None, gpus: int = 0, **resources: float
    ) -> None:
        """One more node; its graphics processors are declared, not there."""
        self._node(name, cpus, resources, f"--address={self.address}", f"--num-gpus={gpus}", env=env)

    def _node(
        self, name: str, cpus: int, resources: dict[str, float], *how: str, env: dict[str, str] | None = None
    ) -> None:
        custom = "{" + ",".join(f'"{key}":{value}' for key, value in resources.items()) + "}"
        log = self.home / f"{name}.log"
        self._nodes[name] = self.start(
            [str(Path(sys.executable).with_name("ray")), "start", *how, "--block", f"--node-name={name}",
             "--node-ip-address=127.0.0.1",
             f"--num-cpus={cpus}", f"--resources={custom}", f"--object-store-memory={_OBJECTS}",
             *([f"--temp-dir={self.home / 'ray'}"] if name == "head" else [])],
            stdout=log.open("w"), stderr=subprocess.STDOUT,
            env={**self.env, "RAY_ADDRESS": "", "TMPDIR": str(self._own(name)), **(env or {})},
        )  # fmt: skip
        end = time.monotonic() + 600
        while "Ray runtime started" not in log.read_text():
            assert self._nodes[name].poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)

    def _own(self, name: str) -> Path:
        """A node's own temporary folder: nodes of one machine would share what jobs lay there."""
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        return folder

    def kill(self, name: str) -> None:
        """A node that is lost, with all that runs on it."""
        _end(self._nodes.pop(name))

    def start(self, argv: list[str], **how: Any) -> subprocess.Popen[str]:
        return subprocess.Popen([*self._enter, *argv], **{"env": self.env, "text": True, **how})

    def run(self, argv: list[str], seconds: float = 900, **how: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._enter, *argv], capture_output=True, text=True, timeout=seconds, check=False, env=self.env, **how
        )

    def close(self) -> None:
        for node in self._nodes.values():
            _end(node)
        self._holder.kill()
        self._holder.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def _end(process: subprocess.Popen[str]) -> None:
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for each in family:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    psutil.wait_procs(family, 10)
