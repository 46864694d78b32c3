"""Reaching a Ray cluster that somebody else started, and looking at its nodes before the first job.

Nothing here ever starts Ray. Its token authentication is on, its usage statistics are off.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlestar.errors import SettingsError, Unreachable
from mlestar.executors.ray import node
from mlestar.executors.ray.node import Facts, Terms
from mlestar.plain import word

_PATIENCE = 120.0
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def connect(address: str) -> Any:
    """The library ray, connected to a cluster. Raises SettingsError or Unreachable in words that say what to do."""
    wanted = address or os.environ.get("RAY_ADDRESS", "")
    if not wanted:
        raise SettingsError(
            "setting 'cluster.address': which cluster? Name it with --address HOST:PORT (or RAY_ADDRESS); mle-star "
            "starts none: docs/cluster.md says how"
        )
    _require_token()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        ray = import_module("ray")
    except ImportError:
        raise SettingsError(
            "setting 'executor': the library ray is not installed: pip install \"mle-star[ray]\""
        ) from None
    if not ray.is_initialized():
        _join(ray, wanted)
    return ray


def _require_token() -> None:
    if os.environ.get("RAY_AUTH_MODE", "token") != "token":
        raise SettingsError(
            "RAY_AUTH_MODE is not `token`: whoever reaches such a cluster can run code on it. Set it to `token` here "
            "and where the cluster starts (docs/cluster.md)"
        )
    if not any(os.environ.get(name) for name in _TOKENS) and not (Path.home() / ".ray" / "auth_token").is_file():
        raise SettingsError(
            "there is no token for the cluster: copy that of its head to ~/.ray/auth_token, or name it in "
            "RAY_AUTH_TOKEN (docs/cluster.md)"
        )


def _join(ray: Any, address: str) -> None:
    """Connect, and keep our own way of hearing signals: Ray puts handlers of its own in their place."""
    main = threading.current_thread() is threading.main_thread()
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)} if main else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except ray.exceptions.RayError as error:  # of the token, before anything is sent
        raise SettingsError(f"no Ray cluster can be asked: {word(error, 300)}") from None
    except (ConnectionError, RuntimeError, OSError, ValueError) as error:
        raise Unreachable(
            f"no Ray cluster at {address} lets us in: {word(error, 300)}. Is it there, and has it our token?"
        ) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def nodes(ray: Any) -> dict[str, dict[str, float]]:
    """What each living node has, by its id. One without processors is a head or a driver's, and gets no jobs."""
    return {each["NodeID"]: each["Resources"] for each in ray.nodes() if each["Alive"] and each["Resources"].get("CPU")}


def called(ray: Any, name: str) -> str:
    """A node in words: its name, which is its address unless it was given one."""
    known = {each["NodeID"]: each["NodeName"] for each in ray.nodes()}
    return f"{known.get(name, 'gone')} ({name[:8]})"


def everywhere(ray: Any, seconds: float, function: Callable[..., Any], *given: Any) -> dict[str, Any]:
    """What a function returns on each living node within a time, by its id; an exception where it cannot be had."""
    there = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    remote = ray.remote(num_cpus=0, max_retries=1)(function)
    asked = {
        name: remote.options(scheduling_strategy=there(node_id=name, soft=False)).remote(*given) for name in nodes(ray)
    }
    if asked:
        ray.wait([*asked.values()], num_returns=len(asked), timeout=seconds)
    return {name: _got(ray, ref) for name, ref in asked.items()}


def _got(ray: Any, ref: Any) -> Any:
    try:
        return ray.get(ref, timeout=0.1)
    except ray.exceptions.RayError as error:
        return error


def looked_at(ray: Any, mine: Terms, interpreter: str, wall: str, unwalled: bool) -> dict[str, Facts]:
    """All nodes' facts. Raises SettingsError that names each node which cannot do the driver's jobs, and why."""
    found, faults = everywhere(ray, _PATIENCE, node.facts, interpreter, wall), []
    for name, told in found.items():
        wrong = node.differences(mine, told, unwalled) if isinstance(told, Facts) else [_failed(told)]
        faults += [f"{called(ray, name)}: {'; '.join(wrong)}"] if wrong else []
    if faults:
        raise SettingsError("not every node of the cluster can do the jobs of this run: " + " | ".join(faults))
    if not found:
        raise SettingsError("the cluster has no node with processors: start one with `ray start --address=…`")
    return found


def _failed(error: Exception) -> str:
    if "ModuleNotFoundError" in str(error):
        return f'mle-star is not installed in its Python: pip install "mle-star[ray]=={version("mle-star")}"'
    return f"it does not answer ({word(str(error).strip().splitlines()[-1] if str(error).strip() else error, 200)})"


def capacity(ray: Any, cpus: int) -> int:
    """How many jobs of so many processors the cluster can run side by side."""
    return sum(int(each["CPU"] // cpus) for each in nodes(ray).values())


def enough(has: Mapping[str, float], demand: Mapping[str, float]) -> bool:
    """Whether a node that has this could take a job that asks for that."""
    return all(has.get(name, 0) >= amount for name, amount in demand.items())
