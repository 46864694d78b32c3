"""Calling uv, outside the wall: with the index settings of pip's and of its own, and with nothing else of ours."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mlestar.errors import SettingsError, Unreachable
from mlestar.plain import word

# Index settings only: some of uv's other variables run code, write elsewhere, or hold keys that it needs not have.
_KEPT = frozenset((
    "PATH", "HOME", "XDG_CACHE_HOME", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY",
    "ALL_PROXY", "NO_PROXY", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
    "UV_INDEX_STRATEGY", "UV_OFFLINE", "UV_CACHE_DIR", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "UV_HTTP_TIMEOUT",
    "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER",
))  # fmt: skip
_PASSWORDS = re.compile(r"UV_INDEX_\w+_(USERNAME|PASSWORD)")  # of named indexes
_PIP = {  # pip's settings and how uv calls them, with what it puts between several
    "index-url": ("UV_DEFAULT_INDEX", " "), "extra-index-url": ("UV_INDEX", " "), "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", " "), "trusted-host": ("UV_INSECURE_HOST", " "),
}  # fmt: skip
_TRUE = ("1", "true", "yes", "on")
_TICK = 0.2
_ADDRESS = re.compile(r"\b[a-z][a-z+.-]*://\S+", re.IGNORECASE)
_MOST_SAID = 600
_AWAY = re.compile(  # in uv's words; that an index lacks a package is another matter
    r"error sending request|HTTP status server error|timed out|HTTP status client error \(40[17]|"
    r"lack of valid authentication",
    re.IGNORECASE,
)


def find_uv(name: str) -> str:
    """The path of uv: by name or path, else beside our interpreter; SettingsError when there is none."""
    found = shutil.which(os.path.expanduser(name)) or shutil.which(name, path=os.path.dirname(sys.executable))
    if found is None:
        raise SettingsError(f"packages are resolved by uv, and there is no {name!r}: `pip install uv` mends it")
    return os.path.abspath(found)


def settings(given: Mapping[str, str], pip: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment and the flags for uv, from variables that the caller hands over and pip's configuration.

    Variables named UV_* go before PIP_*, and those before what pip's files say.
    """
    named = {key[4:].lower().replace("_", "-"): value for key, value in given.items() if key.startswith("PIP_")}
    asked = {**pip, **named}
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}
    for key, (name, between) in _PIP.items():
        if asked.get(key, "").strip():
            environment[name] = between.join(asked[key].split())
    if "UV_INDEX" in environment:  # pip trusts its indexes alike; uv would stop at the first that knows a name
        environment["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    kept = {key: value for key, value in given.items() if key.upper() in _KEPT or _PASSWORDS.fullmatch(key)}
    none = (given.get("UV_NO_INDEX") or asked.get("no-index", "")).lower() in _TRUE
    return {**environment, **kept}, ["--no-index"] if none else []


def pip_settings(python: str, given: Mapping[str, str]) -> dict[str, str]:
    """What pip's configuration files say, which uv does not read; nothing where that interpreter has no pip."""
    environment = {key: value for key, value in given.items() if key in ("PATH", "HOME", "PIP_CONFIG_FILE")}
    try:
        done = subprocess.run(
            [python, "-I", "-m", "pip", "config", "list"], env=environment, capture_output=True, text=True,
            errors="replace", timeout=60, check=False, start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for line in done.stdout.splitlines():
        name, sign, value = line.partition("=")
        section, _, key = name.partition(".")
        if sign and section in found:
            found[section][key] = _literal(value)
    return {**found["global"], **found["install"]}


def _literal(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


class Uv:
    """uv with its settings; each call ends within `seconds`."""

    def __init__(self, program: str, given: Mapping[str, str], python: str, seconds: float) -> None:
        self.program, self.seconds = program, seconds
        self.environment, self.flags = settings(given, pip_settings(python, given))

    def pip(self, *arguments: str, folder: Path, stopped: Callable[[], bool]) -> str:
        """`uv pip …` with the index settings, as `run`; only wheels, for building runs what the package says."""
        wheels = ("--only-binary", ":all:", *self.flags)
        return self.run("pip", *arguments, *wheels, folder=folder, stopped=stopped)

    def run(self, *arguments: str, folder: Path, stopped: Callable[[], bool]) -> str:
        """Call it in `folder`: what went wrong, in one line without addresses; empty when all is well.

        Raises Unreachable where an index does not answer, which is no fault of the script's.
        """
        process = subprocess.Popen(
            [self.program, *arguments, "--no-config", "--no-python-downloads"], cwd=folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True, umask=0o022,
        )  # fmt: skip
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                output, _ = process.communicate(timeout=_TICK)
                if process.returncode and _AWAY.search(output):
                    raise _away(_told(output))
                return "" if process.returncode == 0 else _told(output) or f"uv ended with {process.returncode}"
            except subprocess.TimeoutExpired:
                late = time.monotonic() > deadline
                if late or stopped():
                    os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()
                    if late:
                        raise _away(f"uv took more than {self.seconds:g} seconds") from None
                    return "the run was stopped"


def _away(what: str) -> Unreachable:
    return Unreachable(
        f"the packages that a script names cannot be fetched now ({what}); --set packages.resolve=false does without"
    )


def _told(output: str) -> str:
    """uv's error without addresses: they may hold passwords, and say where this machine gets its packages."""
    start = max(output.find("error:"), 0)
    return word(_ADDRESS.sub("an index", output[start:]).removeprefix("error:"), _MOST_SAID)
