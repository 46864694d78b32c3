"""One recipe on its own: what is wrong with it at a look, and the scripts that show what it does.

The scripts are those that the playbook would make of it: a model's first script, or the first script of the cheapest
model with the recipe's cell in its place.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mlestar import scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.assemble import assemble, changed, load_recipe, skeleton_recipe, with_cells
from mlestar.brains.playbook.conditions import holds, row_files
from mlestar.brains.playbook.shelf import Shelf, setup_of
from mlestar.brains.playbook.starting import quickest
from mlestar.records import Profile, Recipe

# What a cell must define, with its parameters; a cell of any other name is a feature cell.
DEFINES: dict[str, dict[str, tuple[str, ...]]] = {
    "model": {"fit_predict": ("X", "y", "X_test", "seed")},
    "features": {"features": ("train", "test", "files")},
    "predict": {"predict": ("train", "test", "files", "seed")},
    "target": {"target": ("train",), "restore": ("prediction",)},
    "post": {"post": ("prediction",)},
    "load": {"load": ()},
    "blend": {"blend": ("parts",)},
    "learn": {"learn": ("known", "y", "seed")},
    "curves": {"curves": ("past",)},
    "seasons": {"seasons": ("past",)},
    "recordings": {"recordings": ("files",)},
    "normal": {"normal": ("image",)},
}
ALWAYS = frozenset({"numpy", "pandas", "pyarrow", "scipy", "sklearn"})  # every script may rest on these
_FRAME = ("setup", "features", "predict", "blend", "post", "submit")  # what a skeleton brings


@dataclass(frozen=True)
class Fault:
    """What is wrong at a place of a recipe: a `cell` or `neutral` of a name (`row` from 0 in it), or a `key`."""

    role: str
    name: str
    what: str
    row: int = 0


def faults(recipe: Recipe) -> list[Fault]:
    """What a look at the recipe tells: cells that nothing would use, lack their function, or import what is unnamed."""
    cells = [("cell", *cell) for cell in recipe.cells] + [("neutral", *cell) for cell in recipe.neutral]
    if broken := [fault for cell in cells for fault in _uncompiled(*cell)]:
        return broken
    found = list(_place(recipe))
    for role, name, source in cells:
        found += [Fault(role, name, what) for what in (*_missing(recipe, name, source), *_unnamed(recipe, source))]
    for name, source in recipe.neutral:
        others = [text for other, text in recipe.cells if other != name]
        read = set().union(*map(scripts.used, others)) & scripts.defined(dict(recipe.cells)[name])
        if lost := sorted(read - scripts.defined(source)):
            found.append(
                Fault("neutral", name, f"define {', '.join(lost)} here too: other cells of the recipe read it")
            )
    return found


def _uncompiled(role: str, name: str, source: str) -> Iterator[Fault]:
    """What parses and yet is no program: two parameters of one name, a `return` outside of a function, too much."""
    try:
        scripts.parsed(source)
        compile(source, name, "exec")
    except SyntaxError as error:
        yield Fault(role, name, f"this is no program of Python's: {error.msg}", (error.lineno or 1) - 1)


def _place(recipe: Recipe) -> Iterator[Fault]:
    """Whether anything would ever take the recipe up."""
    cell, cells = recipe.cell, dict(recipe.cells)
    if cell in ("setup", "submit", "weights", "learn"):
        yield Fault("key", "cell", f"nothing takes recipes for `{cell}`; name the cell that this is an alternative for")
    if (recipe.kind == "stack") != (cell == "blend"):
        yield Fault(
            "key", "kind", "a blend is of kind `stack` and for the cell `blend`: neither goes without the other"
        )
    if recipe.kind == "stack" and "learn" not in cells:
        yield Fault("key", "cell", "a blend needs a cell `learn` beside it, with learn(known, y, seed) -> WEIGHTS")
    if not cell.isidentifier():
        yield Fault("key", "cell", f"{cell!r} must be a name of Python's, for the cell's function is called so")
    if cell == "skeleton" and (lost := [name for name in _FRAME if name not in cells]):
        yield Fault("key", "cell", f"a skeleton needs the cells {', '.join(_FRAME)}; it lacks {', '.join(lost)}")


def _missing(recipe: Recipe, name: str, source: str) -> Iterator[str]:
    """Functions that the cell must define and does not, or with other parameters."""
    wanted = DEFINES.get(name, {})
    if name == "target" and recipe.cell != name:  # a skeleton for classes restores nothing
        wanted = {"target": wanted["target"]}
    if name == recipe.cell and name not in (*DEFINES, "skeleton", "setup", "submit", "weights"):
        wanted = {name: ("train", "test", "files")}
    functions = {n.name: n.args for n in scripts.parsed(source).body if isinstance(n, ast.FunctionDef)}
    for function, parameters in wanted.items():
        call = f"{function}({', '.join(parameters)})"
        if function not in scripts.defined(source):
            yield f"define {call} here"
        elif function in functions and not _takes(functions[function], len(parameters)):
            yield f"{function} must take {len(parameters)} arguments: {call}"


def _takes(args: ast.arguments, count: int) -> bool:
    """Whether a function can be called with `count` positional arguments."""
    known = len(args.posonlyargs) + len(args.args)
    needed = known - len(args.defaults)
    required_words = any(default is None for default in args.kw_defaults)
    return not required_words and needed <= count and (count <= known or args.vararg is not None)


def _unnamed(recipe: Recipe, source: str) -> Iterator[str]:
    """Imports that neither `needs` nor every script has."""
    known = {need.partition(".")[0] for need in recipe.needs} | ALWAYS | sys.stdlib_module_names
    for node in ast.walk(scripts.parsed(source)):
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in sorted({m.partition(".")[0] for m in modules} - known - {""}):
            yield f"it imports {module}, which is not in `needs`: name it there, so that it is tried before it is used"


def unmet(recipe: Recipe, profile: Profile) -> tuple[str, ...]:
    """The conditions of `when` that do not hold on such data."""
    return tuple(condition for condition in recipe.when if not holds(replace(recipe, when=(condition,)), profile))


def script(recipe: Recipe, others: Sequence[Recipe], installed: frozenset[str], profile: Profile) -> str:
    """The script that the recipe is tried in, whether its conditions hold or not.

    Empty where the playbook would not use it for such a task.
    """
    mine = replace(recipe, when=())
    shelf = Shelf((mine, *others), installed, profile)
    framed = (skeleton_recipe(profile, recipe.kind), load_recipe(profile, files=bool(row_files(profile))))
    if recipe.name not in framed if recipe.cell in ("skeleton", "load") else mine not in shelf.usable:
        return ""
    if recipe.cell == "model":
        return assemble(shelf, mine)
    model = quickest(shelf, recipe.kind)
    if recipe.cell in ("skeleton", "load"):
        return assemble(shelf, model)
    kind = recipe.kind if recipe.kind in ("series", "image") else None
    alike = sorted((r for r in shelf.models if r.kind == kind), key=lambda r: (r.cost, r.name))
    readers = (r for r in alike if recipe.cell in scripts.parse(assemble(shelf, r)))  # not all read every helper
    text = changed(shelf, assemble(shelf, next(readers, model)), recipe.cell, mine)
    return text if recipe.cell in scripts.parse(text) else ""  # a feature cell that the model's features do not join


def faults_of(text: str, recipe: Recipe) -> list[Fault]:
    """Why the script that was made with the recipe cannot be composed with others, told by the recipe's cells."""
    cells = dict(recipe.cells)
    found: list[Fault] = []
    for problem in scripts.problems(text):
        name = next((n for n in cells if problem.startswith(f"cell `{n}`")), "")
        found.append(Fault("cell", name, problem.removeprefix(f"cell `{name}` ")))
    for unknown in sorted(spots.unknown_names(text)):
        name = next((n for n, source in cells.items() if unknown in scripts.used(source)), "")
        what = f"{unknown} is read here and defined nowhere: import it in the cell `setup`, or define it"
        found.append(Fault("cell", name, what))
    return found


def neutralised(profile: Profile, text: str, recipe: Recipe) -> Mapping[str, str]:
    """The script with each neutral form of the recipe in turn, by cell; cells that the script lacks are left out."""
    book = scripts.parse(text)
    setups = [book["setup"], setup_of(recipe)]
    return {n: with_cells(profile, text, {n: form}, setups) for n, form in recipe.neutral if n in book}
