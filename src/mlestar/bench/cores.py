"""The processor cores of a bench, the same for all systems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mlestar.config import Settings
from mlestar.errors import SettingsError


def each(settings: Settings) -> int:
    """Processors of every system: on a cluster, those that the jobs of one run ask for."""
    return settings.jobs * (settings.cluster.cpus if settings.executor == "ray" else 1)


@contextmanager
def pinned(cores: int) -> Iterator[None]:
    """This process, and all that it starts, on so many of its processors. Raises SettingsError where it has fewer."""
    before = os.sched_getaffinity(0)
    require(cores)
    _pin(set(sorted(before)[:cores]))
    try:
        yield
    finally:
        _pin(before)


def require(cores: int) -> None:
    """Raise SettingsError where this process has fewer processors."""
    there = len(os.sched_getaffinity(0))
    if cores > there:
        raise SettingsError(
            f"{cores} is the core count of all systems (--jobs; on a cluster times cluster.cpus), and this process has "
            f"{there}"
        )


def _pin(cores: set[int]) -> None:
    for thread in os.listdir("/proc/self/task"):  # libraries may have begun threads already
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cores)
