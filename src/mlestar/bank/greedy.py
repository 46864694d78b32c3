"""Which banked members to blend, and with what weights: greedy selection with replacement.

After Caruana et al. 2004, "Ensemble selection from libraries of models" (start from the best few,
then add, again and again, the member that helps the mean most), with a cap on distinct members and
on the cost of the scripts behind them. Nothing is retrained, so forty solutions take seconds.

Predictions: `members[key][view]` is an array (rows, columns). `score(view, prediction, rows)` is the
metric on all rows of the view or on some. The objective is the mean of the scores of the parts that
may be looked at, weighted by rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlestar.bank.comparison import better
from mlestar.bank.predictions import script_of
from mlestar.ports import Array, Rows
from mlestar.records import Direction

Members = Mapping[str, Mapping[str, Array]]
ScoreOf = Callable[[str, Array, Rows | None], float]
Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class Part:
    """A view, or some rows of it. Two selections that share the object share its scores."""

    view: str
    rows: Rows | None = None


@dataclass(frozen=True)
class Rules:
    """`most` distinct members; `budget` caps the summed `cost` of distinct scripts (by address);

    `rounds` additions at most; `library` members survive the first pruning; of two members that
    correlate above `twins` only the better stays.
    """

    direction: Direction
    most: int = 12
    cost: Mapping[str, float] = field(default_factory=dict)
    budget: float | None = None
    rounds: int = 25
    patience: int = 5
    library: int = 25
    twins: float = 0.9999

    def affordable(self, keys: Sequence[str]) -> bool:
        """Whether a blend of these members keeps to the caps."""
        distinct = set(keys)
        spent = sum(self.cost.get(script, 1.0) for script in {script_of(key) for key in distinct})
        return len(distinct) <= self.most and (self.budget is None or spent <= self.budget)


class Trials:
    """Scores of mean blends, each computed once per part: folds of a cross-fit share most of them."""

    def __init__(self, members: Members, score: ScoreOf) -> None:
        self.members = members
        self._score = score
        self._known: dict[tuple[Counts, Part], float] = {}
        self._kinship: dict[tuple[str, str], float] = {}

    def value(self, counts: Counts, total: Mapping[str, Array], extra: str | None, parts: Sequence[Part]) -> float:
        """The objective of the blend `counts`, whose sum is `total[view]` plus the member `extra`."""
        number = sum(count for _, count in counts)
        values = []
        for part in parts:
            if (counts, part) not in self._known:
                blend = total[part.view] if extra is None else total[part.view] + self.members[extra][part.view]
                self._known[counts, part] = float(self._score(part.view, blend / number, part.rows))
            values.append(self._known[counts, part])
        weights = [len(total[part.view]) if part.rows is None else len(part.rows) for part in parts]
        return float(np.average(values, weights=weights))

    def alone(self, key: str, parts: Sequence[Part]) -> float:
        """The objective of one member."""
        return self.value(((key, 1),), self.members[key], None, parts)

    def kinship(self, a: str, b: str) -> float:
        """How alike two members' predictions are: correlation over a sample of rows of all views."""
        if not self._kinship:
            keys = list(self.members)
            table = correlations([self.members[key] for key in keys])
            self._kinship = {(k, m): float(table[i, j]) for i, k in enumerate(keys) for j, m in enumerate(keys)}
        return self._kinship[a, b]


def correlations(members: Sequence[Mapping[str, Array]], most: int = 20_000) -> Array:
    """Correlations of predictions, each column brought to the same spread first; up to `most` values each."""
    views = sorted(members[0])
    step = max(1, sum(members[0][view].size for view in views) // most)
    stack = np.stack([np.concatenate([m[view][::step] for view in views]) for m in members]).astype(np.float64)
    spread = stack.std(axis=(0, 1), keepdims=True)
    stack = (stack - stack.mean(axis=(0, 1), keepdims=True)) / np.where(spread > 0, spread, 1.0)
    flat = stack.reshape(len(stack), -1)
    norms = np.linalg.norm(flat - flat.mean(axis=1, keepdims=True), axis=1, keepdims=True)
    flat = (flat - flat.mean(axis=1, keepdims=True)) / np.where(norms > 0, norms, 1.0)
    return np.asarray(flat @ flat.T)


def greedy(members: Members, score: ScoreOf, parts: Sequence[Part], rules: Rules) -> dict[str, float]:
    """Weights that sum to one, by key; {} when no member is affordable or there are none."""
    return select(Trials(members, score), parts, rules)


def select(trials: Trials, parts: Sequence[Part], rules: Rules) -> dict[str, float]:
    """`greedy` over trials that may be shared with other selections."""
    library = _prune(trials, parts, rules)
    chosen, best = _start(trials, library, parts, rules)
    if not chosen:
        return {}
    kept, waited = list(chosen), 0
    total = _sum(trials, chosen, parts)
    while len(chosen) < rules.rounds and waited < rules.patience:
        step = _next(trials, library, chosen, total, parts, rules)
        if step is None:
            break
        key, value = step
        chosen.append(key)
        total = {view: array + trials.members[key][view] for view, array in total.items()}
        waited += 1
        if better(value, best, rules.direction):
            best, kept, waited = value, list(chosen), 0
    return {key: count / len(kept) for key, count in _counts(kept)}


def _prune(trials: Trials, parts: Sequence[Part], rules: Rules) -> list[str]:
    """The members worth trying, best first: the affordable, without twins; ties go to the cheaper."""
    sign = -1.0 if rules.direction == "max" else 1.0
    values = {key: trials.alone(key, parts) for key in trials.members if rules.affordable([key])}
    order = sorted(
        (key for key in values if not np.isnan(values[key])),
        key=lambda key: (sign * values[key], rules.cost.get(script_of(key), 1.0), key),
    )
    kept: list[str] = []
    for key in order:
        if len(kept) < rules.library and all(trials.kinship(key, other) < rules.twins for other in kept):
            kept.append(key)
    return kept


def _start(trials: Trials, library: Sequence[str], parts: Sequence[Part], rules: Rules) -> tuple[list[str], float]:
    """Sorted initialisation: the n best members, for the n whose mean is best."""
    chosen: list[str] = []
    best: tuple[list[str], float] = ([], float("nan"))
    for key in library:
        if not rules.affordable([*chosen, key]):
            continue
        total = _sum(trials, chosen, parts)
        value = trials.value(_counts([*chosen, key]), total, key, parts)
        chosen.append(key)
        if better(value, best[1], rules.direction):
            best = list(chosen), value
    return best


def _next(
    trials: Trials,
    library: Sequence[str],
    chosen: Sequence[str],
    total: Mapping[str, Array],
    parts: Sequence[Part],
    rules: Rules,
) -> tuple[str, float] | None:
    """The member whose addition gives the best blend, better or not than before; the first of equals."""
    best: tuple[str, float] | None = None
    for key in library:
        if rules.affordable([*chosen, key]):
            value = trials.value(_counts([*chosen, key]), total, key, parts)
            if best is None or better(value, best[1], rules.direction):
                best = key, value
    return best


def _sum(trials: Trials, chosen: Sequence[str], parts: Sequence[Part]) -> dict[str, Array]:
    """The sum of the chosen members' predictions, per view."""
    total = {}
    for part in parts:
        total[part.view] = np.zeros(next(iter(trials.members.values()))[part.view].shape)
        for key in chosen:
            total[part.view] += trials.members[key][part.view]
    return total


def _counts(chosen: Sequence[str]) -> Counts:
    return tuple((key, chosen.count(key)) for key in sorted(set(chosen)))
