"""Joining what is in the bank: greedy weights, and blends that the brain proposes (DESIGN.md §4, §5).

A blend is judged on predictions that were made without the piece they are judged on: its members,
its weights and, in `choose`, the round itself. A piece is a fold; on a hold-out, a block of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from typing import Any

import numpy as np

from mlestar import composing, leveltwo, pooling, roles, scripts, votes
from mlestar.errors import NoSolution
from mlestar.evaluating import folds
from mlestar.memo import Execution
from mlestar.plain import word
from mlestar.ports import Array, Piece
from mlestar.records import Blend, Blended, Judged, Score, Scored, Solution
from mlestar.workbench import Workbench

UNLIMITED = 1e9  # seconds
MOST_BRACKETS = 10_000  # in what a blend learned
MOST_LABEL = 30  # characters of a part's label, which all names of its cells carry
_SHORT = re.compile(r",| with | \+ ")


def pieces(bench: Workbench) -> list[Piece]:
    """What the bank's predictions are cut into: the folds, or blocks of the only one."""
    if bench.rules.folds > 1:
        return [(f"fold-{k}", None) for k in range(bench.rules.folds)]
    return [("fold-0", rows) for rows in bench.task.blocks("fold-0", 5)]


def select_greedily(bench: Workbench, found: Mapping[str, Scored]) -> Blend:
    """Round 0: greedy selection with replacement (Caruana et al. 2004), no more than the finish can afford."""

    def play() -> Blend:
        bench.tell("choosing members")
        cut = pieces(bench)
        limit = bench.timetable.affordable(joining=True)
        chosen = bench.bank.select(bench.task.score, cut, bench.rules.most_members, limit)
        judged = _judge(bench, cut, chosen.predictions)
        without = tuple(tuple(sorted(weights)) for weights in chosen.without)
        weights = tuple(sorted(chosen.weights.items()))
        score, pools = bench.bank.join(judged), pooling.pools(bench, found, [*without, tuple(chosen.weights)], limit)
        cells = (("blend", composing.WEIGHTED_VOTE),) if bench.task.profile.predicts == "text" else ()
        left_out = pooling.left_out(bench.bank.keys(), found, pools[-1], limit)
        return Blend("greedy weights", "greedy", weights, score, judged, without, cells, "", pools, left_out)

    if not bench.bank.keys():
        raise NoSolution("no script of this run could be scored", budget=bench.rules.budget is not None)
    blend = bench.journal.step(f"{bench.address}/greedy", "decide", {"keys": bench.bank.keys()}, Blend, play)
    bench.timetable.keep_for_blend(pooling.seconds(blend.pools[-1], found))
    return blend


def planned(
    bench: Workbench, blends: Sequence[Blend], found: Mapping[str, Scored], known: Mapping[str, Any]
) -> roles.BlendPlan:
    """Ask how the members may be joined besides the ways of earlier rounds, the greedy one first."""
    greedy, proposed = blends[0], [blend for blend in blends if blend.code]
    members = greedy.pools[-1]
    best = reduce(lambda one, other: other if other.score.beats(one.score) else one, proposed or [greedy])
    about = {
        "members": members, "chosen": greedy.weights, "scores": pooling.member_scores(members, found),
        "left_out": tuple((found[address].solution.name, address, why) for address, why in greedy.left_out),
        "tried": tuple((b.name, b.source, b.score.value) for b in blends), "code": best.code,
    }  # fmt: skip
    return bench.ask(roles.PlanBlend, roles.BlendPlan, **about, **known)


def propose(bench: Workbench, plan: roles.BlendPlan, greedy: Blend) -> Blend | None:
    """Let the brain's blend learn on the other pieces and predict each piece; None when it fails."""
    if plan.cells:
        reply = roles.RewrittenCells(plan.cells, word(plan.text, 60))
    else:
        reply = bench.ask(roles.WriteBlend, roles.RewrittenCells, plan=plan)
    cells = {name: source for name, source in reply.cells if name in ("setup", "learn", "blend")}
    if not {"learn", "blend"} <= set(cells) or any(map(scripts.complaint, cells.values())):
        return None
    profile = bench.task.profile
    script = leveltwo.script(cells, profile.sample, profile.prediction_columns)
    cut = pieces(bench)
    weights = dict(greedy.weights)
    members = greedy.pools if plan.every else (*greedy.without, tuple(weights))
    pieces_of = [*range(len(cut)), None]
    calls = [partial(_piece, bench, script, cut, i, keys) for i, keys in zip(pieces_of, members, strict=True)]
    *done, last = bench.side_by_side(calls)
    if any(e.judged.reason is not None for e in [*done, last]) or not is_learned(last.note):
        return None
    judged = _judge(bench, cut, tuple(bench.array(e.judged.members[0].blob) for e in done))
    name = f"{reply.name or word(plan.text, 80)}{leveltwo.ALL_MEMBERS * plan.every}"
    joined, score = tuple((key, weights.get(key, 0.0)) for key in members[-1]), bench.bank.join(judged)
    bench.journal.publish(bench.address, Blended(name, plan.recipe or "brain", joined, score))
    return Blend(
        name, plan.recipe or "brain", joined, score, judged, members[:-1],
        tuple((name, cells[name]) for name in cells if name != "learn"), last.note, code=tuple(cells.items()),
    )  # fmt: skip


def is_learned(text: str) -> bool:
    """Whether what a blend left as its weights is JSON of a few levels, which a script can hold as a constant."""
    if max(text.count("["), text.count("{")) > MOST_BRACKETS:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _piece(bench: Workbench, script: str, cut: list[Piece], i: int | None, keys: tuple[str, ...]) -> Execution:
    """Run a blend on a level-two view: learn on all pieces but i, predict piece i (None: learn on all)."""
    name = "all" if i is None else f"piece-{i}"
    whole = [(view, np.arange(bench.task.rows(view)) if rows is None else rows) for view, rows in cut]
    train = [piece for j, piece in enumerate(whole) if j != i]
    test = [whole[0 if i is None else i]]
    columns = {key: {view: bench.array(bench.bank.blob(key, view)) for view, _ in cut} for key in keys}
    view = bench.at(name).address
    return bench.execution(name, script, view, lambda: bench.task.level_two(view, train, test, columns), "weights.json")


def _judge(bench: Workbench, cut: list[Piece], predictions: Sequence[Array]) -> tuple[tuple[int, Judged], ...]:
    """Judge cross-fitted predictions view by view, blocks of a hold-out put together again."""
    whole: dict[str, Array] = {}
    for (view, rows), prediction in zip(cut, predictions, strict=True):
        spot = whole.setdefault(view, np.zeros((bench.task.rows(view), *prediction.shape[1:]), prediction.dtype))
        spot[slice(None) if rows is None else rows] = prediction
    return tuple((int(view.removeprefix("fold-")), bench.task.judged(view, array)) for view, array in whole.items())


def choose(bench: Workbench, ranked: Sequence[Scored], blends: Sequence[Blend]) -> Blend:
    """The best round, or the best solution alone where no round is better than choosing one would be.

    Its own score is flattered by having been chosen; so a blend is compared with what choosing a single
    member gives on pieces that the choice has not seen, and that is also what is reported of it.
    """
    scored = [one for one in ranked if one.score is not None and not one.dropped]
    if not scored:
        raise NoSolution("no script of this run produced a valid submission", budget=bench.rules.budget is not None)
    cut = pieces(bench)
    limit = bench.decide("affordable", float, lambda: bench.timetable.affordable() or UNLIMITED)
    found = bench.bank.select(bench.task.score, cut, 1, limit if limit < UNLIMITED else None)
    alone = _judge(bench, cut, found.predictions)
    best, *others = blends
    for rival in others:
        best = rival if bench.bank.better(rival.results, best.results) >= bench.rules.accept else best
    cheapest = min(scored, key=lambda one: one.seconds)
    affordable = next((s for s in scored if s.seconds <= limit or bench.delivered(s.solution.script)), cheapest)
    blended = len(best.weights) > 1 and bench.bank.better(best.results, alone) >= 0.5
    if blended and not (affordable.seconds > limit and _beats(bench, affordable, best)):
        return replace(best, score=honest(bench, blends, best))
    chosen = {key.partition("::")[0] for key in found.weights}
    return (
        replace(single(affordable), score=bench.bank.join(alone))
        if affordable.address in chosen
        else single(affordable)
    )


def _beats(bench: Workbench, one: Scored, blend: Blend) -> bool:
    """Whether a solution that no blend could afford, but that has been handed in before, is better than the blend."""
    return bench.bank.better(folds(one), blend.results) >= bench.rules.accept


def honest(bench: Workbench, options: Sequence[Blend], best: Blend) -> Score:
    """The score of choosing a round: on each fold, what would have been chosen without that fold."""
    if len(best.results) < 2:
        return best.score
    picked = []
    for i in range(len(best.results)):
        chosen, score = best, _without(bench, best, i)
        for option in options:
            rival = _without(bench, option, i)
            chosen, score = (option, rival) if rival.beats(score) else (chosen, score)
        picked.append(chosen.results[i])
    return bench.bank.join(picked)


def _without(bench: Workbench, blend: Blend, i: int) -> Score:
    return bench.bank.join([result for j, result in enumerate(blend.results) if j != i])


def single(scored: Scored) -> Blend:
    """A solution by itself, in a blend's clothes."""
    assert scored.score is not None
    return Blend(
        scored.solution.name, "single", ((f"{scored.address}::submission", 1.0),), scored.score, tuple(folds(scored))
    )


def merge(bench: Workbench, best: Scored, other: Scored) -> Solution | None:
    """The merger of two solutions: a plain average of all their members, or a vote of texts; None without a gain.

    The bank holds what each would predict, so a merger that does not help costs no run.
    """
    keys = [f"{s.address}::{m.name}" for s in (best, other) for m in s.results[0].judged.members]
    banked = set(bench.bank.keys())
    keys = [key for key in keys if key in banked]
    if not keys:
        return None
    cut: list[Piece] = [(f"fold-{r.fold}", None) for r in best.results]
    texts = bench.task.profile.predicts == "text"
    parts = [[bench.array(bench.bank.blob(key, view)) for key in keys] for view, _ in cut]
    joined = [votes.elected(each, [1.0] * len(keys)) if texts else np.mean(each, axis=0) for each in parts]
    judged = _judge(bench, cut, joined)
    if bench.bank.better(judged, folds(best)) < bench.rules.accept:
        return None
    name = f"{best.solution.name} + {other.solution.name}"
    weights = tuple((key, 1 / len(keys)) for key in keys)
    cells = (("blend", composing.WEIGHTED_VOTE if texts else composing.PLAIN_MEAN),)
    mean = Blend(name, "merger", weights, bench.bank.join(judged), judged, cells=cells)
    script = compose(mean, {best.address: best, other.address: other}, f"{name}, {'voting' if texts else 'averaged'}.")
    cost = best.solution.cost + other.solution.cost
    return Solution(name, script, "merger", cost, (best.address, other.address))


def compose(blend: Blend, found: Mapping[str, Scored], title: str) -> str:
    """One readable script of a blend: the members' functions side by side, the blend in the last cells."""
    names = readable_names(blend, found)
    parts = []
    for address in dict.fromkeys(key.partition("::")[0] for key in names):
        own = {key.partition("::")[2]: name for key, name in names.items() if key.startswith(f"{address}::")}
        label = next(iter(own.values())).partition("/")[0]
        parts.append(composing.Part(label, found[address].solution.script, own))
    learned = json.loads(blend.learned) if blend.learned else dict(blend.weights)
    cells = {"blend": composing.WEIGHTED_MEAN, **dict(blend.cells)}
    if "WEIGHTS" in scripts.used(cells["blend"]):
        cells["weights"] = composing.weights_cell(_renamed(learned, names))
    return composing.compose(parts, cells, title)


def readable_names(blend: Blend, found: Mapping[str, Scored]) -> dict[str, str]:
    """Short unique names for a blend's members: `catboost`, `n-grams/nb`; two of a name are numbered."""
    labels: dict[str, str] = {}
    names: dict[str, str] = {}
    for key, _ in blend.weights:
        address, _, member = key.partition("::")
        if address not in labels:
            name = _SHORT.split(found[address].solution.name, maxsplit=1)[0][:MOST_LABEL].strip()
            taken = sum(1 for label in labels.values() if label == name or label.startswith(f"{name} #"))
            labels[address] = name if not taken else f"{name} #{taken + 1}"
        alone = sum(1 for m in found[address].results[0].judged.members if m.name != "submission") == 1
        names[key] = labels[address] if alone else f"{labels[address]}/{member}"
    return names


def _renamed(value: object, names: dict[str, str]) -> object:
    """Member keys replaced by readable names, wherever they stand in learned weights."""
    if isinstance(value, dict):
        return {names.get(k, k): _renamed(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [_renamed(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value
