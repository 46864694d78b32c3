"""From a request record to what is said to a voice: a stable part for the run, and what is asked now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlestar import roles, scripts
from mlestar.brains.playbook import joining, spots
from mlestar.brains.playbook.families import quick
from mlestar.brains.playbook.options import suits_part
from mlestar.brains.playbook.shelf import FIXED, Shelf, form
from mlestar.brains.playbook.starting import by_family
from mlestar.brains.spoken import examples, telling
from mlestar.brains.spoken.facts import members, stable
from mlestar.brains.spoken.framing import Ground
from mlestar.brains.spoken.quoting import code, duration, fenced, fill, script, section
from mlestar.brains.spoken.voice import Past, Prompt
from mlestar.records import NEW_PART, Left, Recipe, Surroundings
from mlestar.roles import Request

MOST_ERROR, MOST_REFUSED = 6_000, 20_000
Values = dict[str, str]
Teller = Callable[[Any, Ground, Surroundings, Left], Values]


def render(request: Request[Any], here: Surroundings, left: Left, ground: Ground) -> Prompt:
    """What a request says. `left` may differ between a run and its replay; all else follows from the request."""
    values = _TELLERS[type(request)](request, ground, here, left)
    pace = telling.pace(here, request.standing)
    known = (telling.budget(here, left), pace, telling.standing(request.standing), telling.elsewhere(request.elsewhere))
    values |= {"left": "\n\n".join(filter(None, known)), "hints": telling.hints(request.hints)}
    return Prompt(stable(ground, here), fill(request.role.replace(" ", "-"), **values))


def markdown(prompt: Prompt, past: Past) -> str:
    """One self-contained document for somebody who answers by hand or by a command.

    What is the same in all questions of a run comes first, so that a reader of several can skip it.
    """
    parts = [prompt.stable, "---", NEW_PART, prompt.asked]
    for answer, complaint in past:
        parts += [
            "---\n\n# An earlier answer was refused",
            fenced(answer, "", MOST_REFUSED),
            f"What was wrong with it:\n\n{fenced(complaint)}\n\nAnswer the request above again, whole and mended.",
        ]
    return "\n\n".join(parts) + "\n"


def _retrieve(request: roles.Retrieve, ground: Ground, here: Surroundings, left: Left) -> Values:
    known = [r for r in by_family(ground.shelf, 0, request.branch) if not quick(r)]
    branch = "Other branches of this search are asked the same: " + (
        "take the way that you believe in most."
        if request.branch % 2 == 0
        else "they take the obvious way, so begin with another that promises as much."
    )
    return {
        "count": str(request.count),
        "findings": telling.findings(request.findings),
        "pages": telling.pages(request.pages),
        "library": telling.recipes(known, "Models of the library", request.found),
        "branch": branch,
        "recipe": next((r.name for r in known), "name"),
    }


def _candidate(request: roles.WriteCandidate, ground: Ground, here: Surroundings, left: Left) -> Values:
    idea = request.idea
    text = "\n".join(filter(None, (f"{idea.name}: {idea.why}", idea.code, idea.source and f"(from {idea.source})")))
    return {
        "idea": fenced(text, most=6_000),
        "sample": telling.sample(ground.shelf, f"{idea.name} {idea.why}"),
        "example": examples.candidate(ground),
    }


def _data_usage(request: roles.CheckDataUsage, ground: Ground, here: Surroundings, left: Left) -> Values:
    return {
        "unread": fenced("\n".join(request.unread[:60]), most=4_000),
        "script": script(request.script),
        "example": examples.change(ground, request.script, '{"finding": "the files of rows were not read"}'),
    }


def _leakage(request: roles.CheckLeakage, ground: Ground, here: Surroundings, left: Left) -> Values:
    return {
        "suspicions": fenced("\n".join(request.suspicions[:40]) or "nothing in particular", most=6_000),
        "script": script(request.script),
        "example": examples.rewrite("features", '{"finding": "… is known only after the fact; taken out"}'),
    }


def _ablation(request: roles.Ablate, ground: Ground, here: Surroundings, left: Left) -> Values:
    return {
        "script": script(request.script),
        "most": str(request.most),
    }


def _started(request: Any) -> str:
    """The script that is to be changed, and whose it is."""
    return telling.start(request.start) + script(request.script)


def _target(request: roles.ChooseTarget, ground: Ground, here: Surroundings, left: Left) -> Values:
    return {
        "effects": telling.effects(request.effects, "What each cell is worth"),
        "ledger": telling.ledger(request.ledger),
        "script": _started(request),
    }


def _look(request: roles.Look, ground: Ground, here: Surroundings, left: Left) -> Values:
    profile = ground.profile
    known = bool(request.script)
    columns = profile.classes if profile.predicts in ("label", "ranking") else profile.prediction_columns
    listed = ", ".join(code(f"oof:{name}") for name in columns[:6]) + (" …" if len(columns) > 6 else "")
    made = profile.rows * min(left.folds, 5) // 5
    oof = f"The incumbent's out-of-fold predictions stand beside them in {listed}, for about {made} rows."
    lent = ", ".join(code(f"input/files/{asset.train}") for asset in profile.assets)
    return {
        "purpose": "the next plans are made" if known else "the first models are chosen",
        "rows": str(profile.rows),
        "targets": ", ".join(map(code, profile.target[:10])),
        "oof": oof if known else "There is no incumbent yet.",
        "files": f"- The rows' own files: {lent}." if lent else "",
        "threads": f"{max(1, here.cores // max(1, here.jobs))} threads",
        "seconds": duration(telling.advised(here, left)),
        "findings": telling.findings(request.findings),
        "ledger": telling.ledger(request.ledger),
        "script": section("The incumbent's script", _started(request)) if known else "",
        "sample": f"print(rows[{list(profile.target[:3])!r}].describe())",
    }


def _plan(request: roles.MakePlan, ground: Ground, here: Surroundings, left: Left) -> Values:
    return {
        "cell": request.target.cell,
        "why": telling.reason(request.target.why),
        "findings": telling.findings(request.findings),
        "ledger": telling.ledger(request.ledger),
        "library": telling.recipes(_fitting(request, ground.shelf), "Recipes of the library for it"),
        "script": _started(request),
        "example": examples.change(
            ground, request.script, '{"name": "gaps as features", "plan": "…, because …", "cell": "gaps", "cost": 3}'
        ),
    }


def _fitting(request: roles.MakePlan, shelf: Shelf) -> list[Recipe]:
    """The recipes that can take the place of the target cell, or join it, in a script like this one."""
    base = spots.base(request.target.cell)
    near = [r for r in shelf.alternatives(base) if base not in ("load", "submit")]
    if base == "features":  # what it joins are cells of their own
        near += [r for r in shelf.usable if r.cell not in FIXED and r.kind != "stack"]
    here = spots.part(scripts.parse(request.script), request.target.cell)
    return [recipe for recipe in near if suits_part(shelf, here, recipe)]


def _code(request: roles.WriteCell, ground: Ground, here: Surroundings, left: Left) -> Values:
    return {
        "cell": request.plan.cell,
        "plan": fenced(request.plan.text),
        "script": _started(request),
        "example": examples.rewrite(request.plan.cell, '{"name": "two losses", "cost": 3}'),
    }


def _debug(request: roles.Debug, ground: Ground, here: Surroundings, left: Left) -> Values:
    cures = {
        "timeout": "It took too long: find what grows with rows or columns, compute it once, use fewer rounds.",
        "memory": "It took too much memory: smaller types, sparse matrices, fewer columns, no copies.",
        "submission": "It ran, but what it handed in is not valid: see the reason.",
    }
    return {
        "state": request.state,
        "where": f", in the cell {code(request.cell)}" if request.cell else "",
        "error": fenced(request.error, most=MOST_ERROR),
        "advice": cures.get(request.state, "Look at shapes, types and gaps before you look at settings."),
        "script": script(request.script),
        "example": examples.rewrite(request.cell or "model", ""),
    }


def _plan_blend(request: roles.PlanBlend, ground: Ground, here: Surroundings, left: Left) -> Values:
    return {
        "members": telling.members(request.members, request.scores, request.chosen, request.profile.direction == "max"),
        "left_out": telling.left_out(request.left_out),
        "tried": telling.tried(request.tried),
        "turn": telling.turn(len(request.tried), here.rounds),
        "library": telling.recipes(ground.shelf.stacks, "Blends of the library"),
        "code": _known_blend(request, ground.shelf),
        "blend": _blend(ground),
        "example": examples.blend('{"plan": "…, because …"}'),
    }


def _known_blend(request: roles.PlanBlend, shelf: Shelf) -> str:
    """Code to build on: that of the best blend so far, else of the library's first for such a task."""
    if request.code:
        return telling.built("The code of the best blend so far, the greedy one aside", request.code)
    recipe = next(iter(joining.ranked(shelf)), None)
    return telling.built(f"The code of `{recipe.name}`, to build on", joining.blend_cells(recipe)) if recipe else ""


def _write_blend(request: roles.WriteBlend, ground: Ground, here: Surroundings, left: Left) -> Values:
    return {"plan": fenced(request.plan.text), "blend": _blend(ground), "example": examples.blend()}


def _blend(ground: Ground) -> str:
    single = form(ground.profile) == "classes" and bool(ground.profile.classes)
    truth = "class numbers (rows,)" if single else f"floats (rows, {len(ground.profile.target)})"
    return fill("blend", members=members(ground.profile), truth=truth)


def _finalise(request: roles.Finalise, ground: Ground, here: Surroundings, left: Left) -> Values:
    return {
        "script": script(request.script),
        "example": examples.rewrite("post", '{"finding": "values below zero could come out"}'),
    }


_TELLERS: dict[type[Request[Any]], Teller] = {
    roles.Retrieve: _retrieve,
    roles.WriteCandidate: _candidate,
    roles.CheckDataUsage: _data_usage,
    roles.CheckLeakage: _leakage,
    roles.Ablate: _ablation,
    roles.ChooseTarget: _target,
    roles.Look: _look,
    roles.MakePlan: _plan,
    roles.WriteCell: _code,
    roles.Debug: _debug,
    roles.PlanBlend: _plan_blend,
    roles.WriteBlend: _write_blend,
    roles.Finalise: _finalise,
}
