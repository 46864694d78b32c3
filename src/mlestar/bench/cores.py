"""The processor cores of a bench, the same for all systems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mlestar.errors import SettingsError


@contextmanager
def pinned(cores: int) -> Iterator[None]:
    """This process, and all that it starts, on so many of its processors. Raises SettingsError where it has fewer."""
    before = os.sched_getaffinity(0)
    if cores > len(before):
        raise SettingsError(f"--jobs {cores}: it is the core count of all systems, and this process has {len(before)}")
    _pin(set(sorted(before)[:cores]))
    try:
        yield
    finally:
        _pin(before)


def _pin(cores: set[int]) -> None:
    for thread in os.listdir("/proc/self/task"):  # libraries may have begun threads already
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cores)
