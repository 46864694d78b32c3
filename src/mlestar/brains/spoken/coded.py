"""The answers that hold code: candidate writer, planner, coder, debugger, ablation, ensemble planner, ensembler."""

from __future__ import annotations

from mlestar import leveltwo, plain, roles, scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.options import carried_out, suits_part
from mlestar.brains.spoken import checks
from mlestar.brains.spoken.blocks import Answer, BadAnswer
from mlestar.brains.spoken.cells import cells_of
from mlestar.brains.spoken.changing import Cells, cells_in, changed, writable
from mlestar.brains.spoken.fields import cost, line, recipe, words
from mlestar.brains.spoken.framing import Ground, same, written
from mlestar.errors import SettingsError
from mlestar.records import Plan

Packages = tuple[str, ...]
BLEND = ("setup", "learn", "blend")


def candidate(request: roles.WriteCandidate, answer: Answer, ground: Ground, packages: Packages) -> roles.WrittenScript:
    """A whole script of the brain's cells and the frame."""
    fields = answer.fields()
    name = line(fields, "name") or plain.word(request.idea.name, 60) or "script"
    own = cells_in(answer, fields, ground, alone="model")
    if not own:
        raise BadAnswer("There is no code: send one python block with your cells, each begun with `# %% name`.")
    checks.refuse(checks.unfit(own))
    script = written(ground, own, name)
    checks.refuse(checks.complaints(script, packages))
    return roles.WrittenScript(name, script, cost(fields, request.idea.cost))


def plan(request: roles.MakePlan, answer: Answer, ground: Ground, packages: Packages) -> Plan:
    """The plan, with its cells where they came with it, or the recipe that it names."""
    fields, book = answer.fields(), scripts.parse(request.script)
    if fields.get("stop") is True:
        return Plan("", request.target.cell)
    text, name = words(fields, "plan"), line(fields, "name")
    if not text:
        raise BadAnswer('Say in `"plan"` of a json block what is changed and why it should help.')
    own = cells_in(answer, fields, ground, request.script, request.target.cell)
    if not own:
        return _without_code(request, fields, text, ground)
    cell = _chosen(line(fields, "cell").strip("`"), own, book, request.target.cell)
    cells, _ = changed(ground, request.script, own, {cell} & writable(ground, request.script), packages)
    return Plan(text, cell, "", cost(fields, 1.0), cells, name)


def _without_code(request: roles.MakePlan, fields: dict[str, object], text: str, ground: Ground) -> Plan:
    """A plan that the library carries out, or the coder."""
    book, named = scripts.parse(request.script), recipe(fields, ground.shelf, "", "The plan")
    cell = line(fields, "cell").strip("`") or request.target.cell
    if named is None:
        if cell not in book:
            raise BadAnswer(f"There is no cell {cell!r}; the cells are {', '.join(book.names)}.")
        return Plan(text, cell, "", cost(fields, 1.0), name=line(fields, "name"))
    if spots.base(cell) != named.cell:
        cell = next((n for n in book.names if spots.base(n) == named.cell), named.cell)
    made = Plan(text, cell, named.name, named.cost)
    try:
        after = carried_out(ground.shelf, request.script, made)
    except (SettingsError, KeyError):
        after = request.script
    if after == request.script or not suits_part(ground.shelf, spots.part(book, cell), named):
        told = "changes nothing in this script, or is for scripts of another kind"
        raise BadAnswer(f"The recipe {named.name!r} {told}: write the cells yourself.")
    before = checks.complaints(request.script)
    wrong = [text for text in checks.complaints(after) if text not in before]
    if wrong:
        told = f"{named.name!r} cannot take the place of `{cell}` in this script"
        raise BadAnswer(f"The recipe {told} ({wrong[0]}): write the cells yourself, or name another.")
    return made


def _chosen(wanted: str, own: dict[str, str], book: scripts.Notebook, target: str) -> str:
    """The cell that a plan is about: the one it names, else the target, else what it changes."""
    if wanted and wanted not in book and wanted not in own:
        raise BadAnswer(f"There is no cell {wanted!r}; the cells are {', '.join(book.names)}.")
    rest = [n for n in own if n != "setup" and not (n in book and same(own[n], book[n]))]
    return wanted or (target if target in rest or not rest else rest[0])


def rewritten(request: roles.WriteCell, answer: Answer, ground: Ground, packages: Packages) -> roles.RewrittenCells:
    """The cells that carry a plan out."""
    fields = answer.fields()
    own = cells_in(answer, fields, ground, request.script, request.plan.cell)
    if not own:
        raise BadAnswer(f"There is no code: send one python block with the cell `{request.plan.cell}`.")
    cells, _ = changed(ground, request.script, own, {request.plan.cell} & writable(ground, request.script), packages)
    return roles.RewrittenCells(cells, line(fields, "name"), cost(fields, request.plan.cost))


def mended(request: roles.Debug, answer: Answer, ground: Ground, packages: Packages) -> roles.RewrittenCells:
    """The cells that mend a failure; none where the brain gives up. The model family stays."""
    fields, book = answer.fields(), scripts.parse(request.script)
    if fields.get("give_up") is True:
        return roles.RewrittenCells(())
    own = cells_in(answer, fields, ground, request.script, request.cell)
    if not own:
        raise BadAnswer('There is no code: send one python block with the mended cells, or `{"give_up": true}`.')
    may = writable(ground, request.script)
    models = {name for name in may if spots.base(name) == "model"}  # too slow or too large is mended there
    allowed = {request.cell, *models} if request.cell in may else may
    cells, whole = changed(ground, request.script, own, allowed, packages)
    if not any(checks.broken(cell.source) for cell in book.cells):
        _same_family(request.script, whole)
    return roles.RewrittenCells(cells, line(fields, "name") or "mended")


def _same_family(before: str, after: str) -> None:
    """Raise BadAnswer where other kinds of model stand in for those that were there."""
    old, new = (checks.families(text, _models(text)) for text in (before, after))
    if old and (new - old or not new):
        raise BadAnswer(
            f"Mending must keep the kind of model ({', '.join(sorted(old))}); the answer uses "
            f"{', '.join(sorted(new)) or 'none'}. Mend the cause: data, shapes, settings, fewer rounds."
        )


def _models(script: str) -> dict[str, str]:
    return {c.name: c.source for c in scripts.parse(script).cells if c.name not in ("setup", "load", "submit")}


def neutral_forms(request: roles.Ablate, answer: Answer, ground: Ground, packages: Packages) -> roles.NeutralForms:
    """Cells as they would be if they did nothing clever, each tried in the script by itself."""
    book = scripts.parse(request.script)
    own = cells_in(answer, answer.fields(), ground, request.script)
    own = {n: s for n, s in own.items() if n != "setup"}
    if not own:
        raise BadAnswer("There is no code: send one python block with the neutral form of at least one cell.")
    wrong = [f"there is no cell `{n}`; the cells are {', '.join(book.names)}" for n in own if n not in book]
    checks.refuse(wrong + [f"cell `{n}`{broken}" for n, s in own.items() if (broken := checks.broken(s))])
    checks.refuse([text for name, source in own.items() for text in _not_neutral(request.script, name, source)])
    return roles.NeutralForms(tuple(own.items())[: request.most])


def _not_neutral(script: str, name: str, source: str) -> list[str]:
    """Why a source cannot stand for a cell in an ablation."""
    book = scripts.parse(script)
    others = set().union(*(scripts.used(c.source) for c in book.cells if c.name != name))
    lost = sorted((scripts.defined(book[name]) & others) - scripts.defined(source))
    if lost:
        return [f"the neutral form of `{name}` must define {', '.join(f'`{n}`' for n in lost)}, as the cell does"]
    if same(source, book[name]):
        return [f"the neutral form of `{name}` is the cell itself"]
    variant = scripts.replace(script, {name: source})
    found = [c for c in checks.complaints(variant) if c not in checks.complaints(script)]
    old, new = checks.families(script, {name: book[name]}), checks.families(variant, {name: source})
    if old and not new <= old:
        found.append(
            f"the neutral form of `{name}` uses {', '.join(sorted(new - old))}: neutral is the same model, plain"
        )
    return [f"in the neutral form of `{name}`: {text}" if name not in text else text for text in found]


def blend_plan(request: roles.PlanBlend, answer: Answer, ground: Ground, packages: Packages) -> roles.BlendPlan:
    """How to join members: cells, or a recipe of kind stack."""
    fields = answer.fields()
    if fields.get("stop") is True:
        return roles.BlendPlan("")
    text = words(fields, "plan")
    if not text:
        raise BadAnswer('Say in `"plan"` of a json block how the members are joined, or send `{"stop": true}`.')
    if answer.codes:
        return roles.BlendPlan(text, cells=_blend(answer, ground, packages), every=True)
    name = line(fields, "recipe").strip("`")
    if name and name not in {r.name for r in ground.shelf.stacks}:
        known = ", ".join(r.name for r in ground.shelf.stacks)
        raise BadAnswer(f"The library has no blend {name!r}: name one of {known}, or write the cells.")
    return roles.BlendPlan(text, name)


def blend_cells(request: roles.WriteBlend, answer: Answer, ground: Ground, packages: Packages) -> roles.RewrittenCells:
    """The cells `learn` and `blend`."""
    fields = answer.fields()
    return roles.RewrittenCells(_blend(answer, ground, packages), line(fields, "name"), cost(fields, 1.0))


def _blend(answer: Answer, ground: Ground, packages: Packages) -> Cells:
    cells = cells_of(answer.codes, BLEND)
    lacking = [n for n in ("learn", "blend") if not cells.get(n)]
    odd = [n for n in cells if n not in BLEND]
    checks.refuse([f"cell `{n}` is missing" for n in lacking])
    checks.refuse([f"there is no place for a cell `{n}`: put its functions into `learn` or `blend`" for n in odd])
    checks.refuse(checks.unfit(cells))
    whole = leveltwo.script(cells, ground.profile.sample, ground.profile.prediction_columns)
    unknown = spots.unknown_names(whole) - {"WEIGHTS"}
    alone = scripts.merge_setup(["import numpy as np\nimport pandas as pd", cells.get("setup", "")])
    later = spots.unknown_names(f"{alone}\n{cells['blend']}") - {"WEIGHTS"} - unknown
    found = [f"`{n}` is used and nothing defines it" for n in sorted(unknown)]
    found += [f"`blend` needs `{n}` of the cell `learn`, which the final script lacks; move it" for n in sorted(later)]
    checks.refuse([*found, *checks.too_early(whole), *checks.rules(whole, packages)])
    return tuple(cells.items())
