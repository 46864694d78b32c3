"""How the cells of a bench share a cluster: so many of them side by side, each with the same share of its places.

A run never has more jobs under way than its share, so that none can fill Ray's queue. All the rest is Ray's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TypeVar

from mlestar.errors import SettingsError
from mlestar.housekeeping import Stopping

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """`lanes` runs side by side, each with at most `jobs` jobs under way, on a cluster of so many places."""

    lanes: int
    jobs: int
    places: int


def share(places: int, runs: int, least: int, lanes: int | None, jobs: int | None) -> Share:
    """Divide the places of a cluster among `runs`, whose `lanes` and `jobs` may be fixed.

    Where neither is, as many go side by side as leave each at least `least` places. Raises SettingsError where what is
    fixed does not fit.
    """
    if lanes is None:
        lanes = max(1, min(runs, places // (jobs or least)))
    if jobs is None:
        jobs = max(1, places // lanes)
    if lanes * jobs > places:
        raise SettingsError(
            f"{lanes} cells side by side with {jobs} jobs each need {lanes * jobs} places, and the cluster has "
            f"{places}: name fewer with --side-by-side or --jobs (a bench keeps the jobs that it began with)"
        )
    return Share(lanes, jobs, places)


def side_by_side(calls: Sequence[Callable[[], T]], use: Callable[[int, T], None], lanes: int, stop: Stopping) -> None:
    """Make calls in threads, so many at a time, and use here what each gives, with its number, as they end.

    When one fails, or its use does, the others are asked to stop, and waited for.
    """
    with ThreadPoolExecutor(lanes) as pool:
        futures = {pool.submit(call): i for i, call in enumerate(calls)}
        try:
            for future in as_completed(futures):
                use(futures[future], future.result())
        except BaseException:
            stop.asked.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
