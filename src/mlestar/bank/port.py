"""The bank as the rest of the house sees it (`ports.Bank`): members in, scores and selections out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mlestar.bank import comparison, correction, crossfit, greedy
from mlestar.bank.predictions import Bank
from mlestar.ports import Array, Blocks, Measure, Piece, Rows, Selection
from mlestar.records import Direction, Judged, Score, Scored
from mlestar.votes import Ballots

SUBMISSION = "submission"
MOST_CANDIDATES = 25


class PredictionBank:
    """Implements `ports.Bank` for one run. Safe from many threads."""

    def __init__(self, direction: Direction, load: Callable[[str], bytes]) -> None:
        self._direction = direction
        self._bank = Bank(load)

    def join(self, results: Sequence[tuple[int, Judged]]) -> Score:
        """See `comparison.join`."""
        return comparison.join(results, self._direction)

    def better(self, challenger: Sequence[tuple[int, Judged]], incumbent: Sequence[tuple[int, Judged]]) -> float:
        """See `comparison.probability_better`."""
        return comparison.probability_better(challenger, incumbent, self._direction)

    def outlook(self, challenger: Sequence[Judged], incumbent: Sequence[Judged], more: float) -> float:
        """See `comparison.outlook`."""
        return comparison.outlook(challenger, incumbent, self._direction, more)

    def add(self, scored: Scored) -> None:
        """Bank a solution's members.

        The submission itself is banked only where a script names no members: a blend of members can
        be composed of functions, a finished submission cannot.
        """
        members: dict[str, dict[str, str]] = {}
        for result in scored.results:
            for member in result.judged.members:
                members.setdefault(member.name, {})[f"fold-{result.fold}"] = member.blob
        if len(members) > 1:
            members.pop(SUBMISSION, None)
        self._bank.add(scored.address, scored.solution.cost, scored.seconds, members)

    def keys(self) -> tuple[str, ...]:
        """All members' keys, sorted."""
        return tuple(member.key for member in self._bank.members())

    def blob(self, key: str, view: str) -> str:
        """The digest of a member's predictions on a view."""
        return self._bank.blob(key, view)

    def bias(self, measure: Measure, blocks: Blocks, seed: int) -> float:
        """The bootstrap bias correction (see `correction`), over the 25 best members; positive = flattery."""
        views = list(blocks)
        rows = {view: sum(len(block) for block in blocks[view]) for view in views}
        found = []
        for member in self._bank.members(views):
            arrays = {view: self._bank.array(member.key, view) for view in views}
            value = np.average([measure(v, a, None) for v, a in arrays.items()], weights=[rows[v] for v in views])
            found.append((float(value), member.key, arrays))
        found.sort(key=lambda one: (one[0], one[1]), reverse=self._direction == "max")
        candidates = {key: arrays for _, key, arrays in found[:MOST_CANDIDATES]}
        honest, _ = correction.bias_corrected(candidates, measure, blocks, self._direction, seed)
        return max(0.0, comparison.optimism(found[0][0], honest, self._direction))

    def select(self, measure: Measure, pieces: Sequence[Piece], most: int, seconds: float | None) -> Selection:
        """Greedy selection over all members that have predicted every piece (see `greedy`, `crossfit`).

        `seconds` caps what the chosen scripts' slowest folds took together; when not even the cheapest
        script keeps to it, that one alone is chosen. Raises ValueError when the bank is empty.
        """
        views = list(dict.fromkeys(view for view, _ in pieces))
        known = self._bank.members(views)
        # Without a limit no measured second may decide anything: a replay must choose the same twins.
        cost = {m.address: m.cost if seconds is None else m.seconds for m in known}
        limit = None if seconds is None else max(seconds, min(cost.values(), default=0.0))
        rules = greedy.Rules(self._direction, most=most, cost=cost, budget=limit)
        blocks = [rows for _, rows in pieces if rows is not None]
        arrays = self._bank.arrays([member.key for member in known], views)
        ballots = _ballots(arrays, views)
        if ballots:
            arrays = {key: {view: ballots[view].arrays[key] for view in views} for key in arrays}
        found = crossfit.crossfit(arrays, _of_texts(measure, ballots), views, rules, blocks)
        if found is None:
            raise ValueError("the bank is empty")
        whole = [found.predictions[view] for view, _ in pieces]
        if ballots:
            whole = [ballots[view].counted(array) for array, (view, _) in zip(whole, pieces, strict=True)]
        parts = [array if rows is None else array[rows] for array, (_, rows) in zip(whole, pieces, strict=True)]
        return Selection(found.weights, found.without, tuple(parts))


def _ballots(arrays: Mapping[str, Mapping[str, Array]], views: Sequence[str]) -> dict[str, Ballots]:
    """For predictions that are texts: ballots by view (see `votes`); {} for numbers."""
    if any(member[view].dtype != object for member in arrays.values() for view in views):
        return {}
    return {view: Ballots({key: member[view] for key, member in arrays.items()}) for view in views if arrays}


def _of_texts(measure: Measure, ballots: Mapping[str, Ballots]) -> Measure:
    """The measure for shares of votes; the measure itself where there are no ballots."""

    def score(view: str, shares: Array, rows: Rows | None) -> float:
        return measure(view, ballots[view].counted(shares), rows)

    return score if ballots else measure
