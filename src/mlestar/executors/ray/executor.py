"""An executor whose jobs are Ray tasks. The driver alone writes the journal; a worker that is lost means that Ray runs
the job again, and a driver that dies takes its jobs with it."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlestar import plain
from mlestar.errors import SettingsError, Unreachable
from mlestar.executors.ray import cluster, node
from mlestar.executors.ray.node import Facts, Left, Order, Parcel, Reply
from mlestar.executors.ray.parcels import lay, packed
from mlestar.records import Job, Outcome

_TRIES = 3  # how often Ray runs a job again whose worker was lost
_LOOK = 5.0  # seconds after which a job that waits is looked after
_ROAD = 10.0  # seconds that a job and what it tells may be under way, before what ends it must come from here
_LEAVING = 10.0  # seconds that taking leave of the nodes may take
_SLOW = 0.5  # of the fastest node's speed: a job that ran out of time there deserves another node
_ROOM = 1.3  # times the peak of a script's first job is what its others ask for
_MIB = 1024 * 1024
_TORCH = re.compile(r"^\s*(?:import|from)\s+torch\b", re.MULTILINE)
Demand = Mapping[str, float]


@dataclass(frozen=True)
class Needs:
    """What one job asks of a node besides its threads; `gpus` only where the script uses torch."""

    gpus: float
    memory_mb: int
    resources: Mapping[str, float]


class RayExecutor:
    """Runs jobs on the cluster at `address`; at most `slots` of one run at the same time.

    Jobs see what LocalExecutor's see, behind the strongest wall of their node. `interpreter` is that of each node's
    worker unless one is named. With `shared`, nodes read and write the run's folder as it is; else views, assets and
    files travel, each view once per node. Raises SettingsError that names the nodes which cannot take part.
    """

    def __init__(
        self, address: str, slots: int, needs: Needs, interpreter: str = "", wall: str = "auto", unsafe: bool = False,
        assets: Path | None = None, shared: bool = False,
    ) -> None:  # fmt: skip
        self._ray = cluster.connect(address)
        self.interpreter, self._named = interpreter or sys.executable, interpreter
        self._wanted, self._needs, self._shared, self._assets = wall, needs, shared, assets
        self._unwalled, self._terms = unsafe or wall == "none", node.terms(interpreter)
        self._nodes = cluster.looked_at(self._ray, self._terms, interpreter, wall, self._unwalled)
        self._first = cluster.nodes(self._ray)
        self.wall, self.about = _walls([*self._nodes.values()])
        self._work = self._ray.remote(node.work)
        self._run = secrets.token_hex(8)
        self._unfit: dict[str, Reply] = {}
        self._peaks: dict[str, float] = {}
        self._sent: dict[tuple[str, int, int], Parcel] = {}
        self._under_way: set[Any] = set()
        self._lock, self._packing = threading.RLock(), threading.Lock()  # a signal's handler may stop what holds it
        self._slots, self._stopping = threading.BoundedSemaphore(slots), threading.Event()

    def run(self, job: Job) -> Outcome:
        """Execute `job` to its end, on whichever node Ray finds for it; `late` where its time is up before that.

        Raises SettingsError when no node ever had what it asks for, Unreachable when none is left or workers were lost
        again and again, OSError (ENOSPC) when every node that was left had a full disk.
        """
        if not Path(job.view).is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), job.view)
        demand, slow = self._demand(job), frozenset[str]()
        with self._slots:
            sent = time.monotonic()
            while not self._stopping.is_set():
                reply = self._once(job, demand, slow, sent)
                if reply is None:
                    break
                if reply.outcome is not None and reply.outcome.state == "late":
                    return reply.outcome
                if reply.outcome is None:
                    self._unfit[reply.node] = reply
                elif reply.outcome.state == "timeout" and not slow and self._has_faster(reply.node, demand):
                    slow = frozenset([reply.node])
                else:
                    return self._known(job, replace(reply.outcome, node=cluster.called(self._ray, reply.node)))
        return Outcome("stopped", 0.0)

    def stop(self) -> None:
        """End every job; safe from any thread, also twice."""
        self._stopping.set()
        with self._lock:
            under_way = [*self._under_way]
        for stream in under_way:
            self._cancel(stream)

    def close(self) -> None:
        """Take away what this run left on the nodes."""
        with suppress(self._ray.exceptions.RayError, ConnectionError):
            cluster.everywhere(self._ray, _LEAVING, node.leave, self._run)

    def python_for(self, script: str) -> str:
        """The interpreter that runs a script."""
        return self.interpreter

    def devices(self) -> tuple[str, ...]:
        """The graphics processors of the nodes, as Ray knows them."""
        found = [(name, has) for name, has in cluster.nodes(self._ray).items() if has.get("GPU")]
        return tuple(f"{has['GPU']:g} on {cluster.called(self._ray, name)}" for name, has in found)

    def _once(self, job: Job, demand: Demand, besides: frozenset[str], sent: float) -> Reply | None:
        """What one try brought, its files laid; None when it was stopped. `sent` is when the first try was."""
        known = frozenset(self._nodes)
        order = Order(
            job, self._run, self._named, self._wanted, self._unwalled, self._parcels(job), self._terms, known
        )  # fmt: skip
        avoided = {*self._unfit, *besides}
        self._require(demand, avoided)
        stream = self._work.options(**self._options(job, demand, avoided)).remote(order)
        with self._lock:
            self._under_way.add(stream)
        try:
            if self._stopping.is_set():
                self._cancel(stream)
            reply = self._answer(job, stream, sent, lambda: self._require(demand, avoided))
            if reply is None:
                self._cancel(stream)
                waited = time.monotonic() - sent
                return Reply("", Outcome("late", 0.0, error=f"the time was up {waited:.0f} s after it was sent"))
            if reply.outcome is not None and not self._shared:
                self._take(job, reply, stream)
            return reply
        except self._ray.exceptions.RayError as error:
            if self._stopping.is_set():
                return None
            if isinstance(error, self._ray.exceptions.RayTaskError):
                raise  # a mistake of ours
            raise Unreachable(
                f"the cluster lost a job ({job.address}) with its worker, {_TRIES + 1} times over: "
                f"{plain.word(str(error).strip().splitlines()[0], 200)}"
            ) from None
        except (Unreachable, OSError):
            self._cancel(stream)
            raise
        finally:
            with self._lock:
                self._under_way.discard(stream)

    def _answer(self, job: Job, stream: Any, sent: float, look: Callable[[], None]) -> Reply | None:
        """What a node replies; None where the job's time is up before that, while it waits for a place or runs."""
        if not self._comes(stream, sent + job.limits.patience, look):
            return None
        self._ray.get(next(stream))  # node.Begun
        begun = time.monotonic()
        if not self._comes(stream, begun + job.limits.after(begun - sent) + _ROAD, look):
            return None
        reply: Reply = self._ray.get(next(stream))
        return reply

    def _comes(self, stream: Any, until: float, look: Callable[[], None]) -> bool:
        """Whether something more comes from a node in time; `look` now and then whether it is still worth waiting."""
        while not self._ray.wait([stream], timeout=min(_LOOK, max(until - time.monotonic(), 0.0)))[0]:
            if time.monotonic() >= until:
                return False
            look()
        return True

    def _take(self, job: Job, reply: Reply, stream: Any) -> None:
        """Lay what a job left where the harness looks for it."""
        for target in (job.folder, job.keep):
            if target:
                plain.remove(Path(target))
        Path(job.folder).mkdir(parents=True)
        for ref in stream:
            left: Left = self._ray.get(ref)
            if left.attempt != reply.attempt:
                raise Unreachable(f"the cluster lost what a job left ({job.address}) with its worker")
            lay(left.batch, Path(job.keep if left.kept else job.folder))

    def _cancel(self, stream: Any) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.cancel(stream, force=True)

    def _demand(self, job: Job) -> Demand:
        """What a node must have for a job, by Ray's names."""
        alive = cluster.nodes(self._ray) or self._first
        memory = min(self._memory(job) * _MIB, max(each.get("memory", 0) for each in alive.values()))
        graphics = _TORCH.search(job.script) and any(each.get("GPU") for each in alive.values())
        gpus = {"GPU": self._needs.gpus} if graphics and self._needs.gpus else {}
        return {"CPU": job.limits.threads, "memory": memory, **gpus, **self._needs.resources}

    def _options(self, job: Job, demand: Demand, avoided: set[str]) -> dict[str, Any]:
        return {
            "num_cpus": demand["CPU"], "num_gpus": demand.get("GPU", 0), "memory": demand["memory"],
            "resources": dict(self._needs.resources), "max_retries": _TRIES, "name": f"mle-star {job.address}",
            "label_selector": {"ray.io/node-id": f"!in({','.join(sorted(avoided))})"} if avoided else {},
            "num_returns": "streaming",
        }  # fmt: skip

    def _takers(self, demand: Demand, avoided: Collection[str]) -> list[str]:
        """The living nodes that could do it."""
        living = cluster.nodes(self._ray)
        return [name for name, has in living.items() if name not in avoided and cluster.enough(has, demand)]

    def _require(self, demand: Demand, avoided: Collection[str]) -> None:
        """Raise in words where no node can do it: Ray would wait for ever."""
        if self._takers(demand, avoided):
            return
        wanted = ", ".join(f"{name} {amount:g}" for name, amount in demand.items())
        if not any(cluster.enough(has, demand) for has in self._first.values()):
            raise SettingsError(f"no node of the cluster has, all together: {wanted}; see the settings `cluster.*`")
        if self._unfit and all(reply.full for reply in self._unfit.values()):
            raise OSError(errno.ENOSPC, "no room left on any node of the cluster")
        why = "; ".join(f"{cluster.called(self._ray, name)}: {reply.unfit}" for name, reply in self._unfit.items())
        raise Unreachable(f"no node of the cluster is left for a job that needs {wanted} ({why or 'all are gone'})")

    def _has_faster(self, name: str, demand: Demand) -> bool:
        """Whether a much faster node than this could take the job."""
        speeds = [self._nodes[each].speed for each in self._takers(demand, self._unfit) if each in self._nodes]
        return name in self._nodes and self._nodes[name].speed < _SLOW * max(speeds, default=0.0)

    def _memory(self, job: Job) -> float:
        """MiB that a job will need: by the script's first job, else as it is set."""
        known = self._peaks.get(_digest(job.script))
        return min(known * _ROOM if known else self._needs.memory_mb, job.limits.memory_mb)

    def _known(self, job: Job, outcome: Outcome) -> Outcome:
        """An outcome, from which the script's other jobs learn what memory they need."""
        if outcome.ok:
            self._peaks[_digest(job.script)] = max(outcome.peak_mb, self._peaks.get(_digest(job.script), 0.0))
        return outcome

    def _parcels(self, job: Job) -> dict[str, Parcel] | None:
        if self._shared:
            return None
        wanted = {"view": Path(job.view), "models": Path(job.models) if job.models else None, "assets": self._assets}
        return {what: self._parcel(path) for what, path in wanted.items() if path is not None and path.is_dir()}

    def _parcel(self, folder: Path) -> Parcel:
        """A folder in Ray's store, put there once; one that was made anew is another."""
        state = folder.stat()
        key = (str(folder), state.st_ino, state.st_mtime_ns)
        with self._packing:
            if key not in self._sent:
                batches = [self._ray.put(batch) for batch in packed(folder, follow=True)]
                self._sent[key] = (f"{len(self._sent)}-{secrets.token_hex(4)}", batches)
            return self._sent[key]


def _walls(nodes: list[Facts]) -> tuple[str, str]:
    """The weakest wall of all nodes, and how it is made."""
    weakest = max(nodes, key=lambda facts: ("bubblewrap", "landlock", "none").index(facts.wall))
    others = "" if len(nodes) == 1 else f"; the weakest of {len(nodes)} nodes"
    return weakest.wall, f"{weakest.about}, on a Ray cluster{others}"


def _digest(script: str) -> str:
    return hashlib.sha256(script.encode("utf-8", "surrogateescape")).hexdigest()
