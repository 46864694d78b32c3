"""The roles of algorithm 3: ensemble planner and ensembler."""

from __future__ import annotations

import re

from mlestar import bans, scripts
from mlestar.brains.playbook.setup import imports
from mlestar.brains.playbook.shelf import Shelf, brought, setup_of
from mlestar.records import Recipe
from mlestar.roles import BlendPlan, PlanBlend, RewrittenCells, WriteBlend


def plan_blend(shelf: Shelf, request: PlanBlend) -> BlendPlan:
    """The next blend of the library that was not tried: those for this metric first, then the cheaper ones."""
    done = {source for _, source, _ in request.tried} | {name for name, _, _ in request.tried}
    never = bans.told(request.hints)
    left = [r for r in shelf.stacks if r.name not in done and not bans.broken(never, r.name, named(r).text)]
    words = set(re.findall(r"[a-z0-9]+", shelf.profile.metric))
    left.sort(key=lambda r: (-len(words & set(r.tags)), r.cost, r.name))
    return named(left[0]) if left and len(request.members) > 1 else BlendPlan("")


def named(recipe: Recipe) -> BlendPlan:
    """A blend recipe as the planner names it."""
    return BlendPlan(f"{recipe.name}: {recipe.why.partition('. ')[0]}", recipe.name)


def write_blend(shelf: Shelf, request: WriteBlend) -> RewrittenCells:
    """The cells of the blend recipe, with the imports that they use."""
    recipe = next((r for r in shelf.stacks if r.name == request.plan.recipe), None)
    return RewrittenCells(()) if recipe is None else RewrittenCells(blend_cells(recipe), recipe.name, recipe.cost)


def blend_cells(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """The cells of a blend recipe, its `setup` cut to the imports that they use."""
    cells = brought(recipe)
    needed = set().union(*map(scripts.used, cells.values()))
    setup = "\n\n".join(imports([setup_of(recipe)], needed))
    whole = ({"setup": setup} if setup else {}) | cells
    return tuple(whole.items())
