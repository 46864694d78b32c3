"""A brain that draws recipes uniformly at random: what the playbook must beat (DESIGN.md §8)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mlestar import roles
from mlestar.brains.playbook.brain import PLAYS, Playbook, Plays
from mlestar.brains.playbook.joining import named
from mlestar.brains.playbook.options import options, works
from mlestar.brains.playbook.shelf import Shelf
from mlestar.brains.playbook.starting import idea, quickest
from mlestar.records import Plan, Target


def retrieve(shelf: Shelf, request: roles.Retrieve) -> roles.Ideas:
    """The same cheap first model as the playbook's, so that a submission exists; then any models."""
    first = quickest(shelf)
    rest = [r for r in shelf.models if r.name != first.name]
    order = np.random.default_rng(request.seed).permutation(len(rest))
    return roles.Ideas(tuple(idea(r) for r in [first, *(rest[i] for i in order)][: request.count]))


def choose_target(shelf: Shelf, request: roles.ChooseTarget) -> Target:
    """Any cell for which something is untried."""
    cells = sorted({o.cell for o in options(shelf, request.script, request.ledger, ())})
    return Target(cells[np.random.default_rng(request.seed).integers(len(cells))] if cells else "model", "drawn")


def plan(shelf: Shelf, request: roles.MakePlan) -> Plan:
    """Any untried option of the target cell; of another where it has none."""
    left = options(shelf, request.script, request.ledger, ())
    order = np.random.default_rng(request.seed).permutation(len(left))
    drawn = sorted((left[i] for i in order), key=lambda o: o.cell != request.target.cell)
    chosen = next((o for o in drawn if works(shelf, request.script, o)), None)
    return chosen.plan() if chosen else Plan("", request.target.cell)


def plan_blend(shelf: Shelf, request: roles.PlanBlend) -> roles.BlendPlan:
    """Any blend that was not tried."""
    done = {source for _, source, _ in request.tried}
    left = [r for r in shelf.stacks if r.name not in done]
    if not left or len(request.chosen) < 2:
        return roles.BlendPlan("")
    return named(left[np.random.default_rng(request.seed).integers(len(left))])


class Random(Playbook):
    """The playbook's craft without its judgement."""

    name = "random"
    plays: ClassVar[Plays] = {
        **PLAYS,
        roles.Retrieve: retrieve,
        roles.ChooseTarget: choose_target,
        roles.MakePlan: plan,
        roles.PlanBlend: plan_blend,
    }
