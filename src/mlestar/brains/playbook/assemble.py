"""Recipes and a profile become a script, and a script is changed by a recipe (docs/recipes.md).

Both ways end in `finished`, so that whatever happened to the cells, `setup` holds what they use and
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlestar import scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.conditions import pixels, row_files
from mlestar.brains.playbook.setup import setup_cell, without_empty
from mlestar.brains.playbook.shelf import BASIC, FIXED, Shelf, brought, setup_of
from mlestar.composing import distributions
from mlestar.errors import SettingsError
from mlestar.records import Profile, Recipe
from mlestar.scripts import Cell, Notebook

RELATIVE = ("rmsle", "rmse_log", "log_rmse", "mape", "smape")  # metrics that measure ratios


OWN_FEATURES = {
    "audio": "sounds",
    "image": "pictures",
}  # what tells tables of files, that models of a kind see themselves


@dataclass(frozen=True)
class Frame:
    """What the library gives a script besides its model: cells in order (no `setup`), and the imports they need.

    `ready` are the plain feature cells that the profile warrants; the cell `features` joins them.
    """

    cells: Mapping[str, str]
    ready: tuple[str, ...]
    setups: tuple[str, ...]


def frame(shelf: Shelf, kind: str = "") -> Frame:
    """The frame for a profile and models of a kind; raises SettingsError where the library has no skeleton for it."""
    profile = shelf.profile
    skeleton = shelf.skeleton(skeleton_recipe(profile, kind))
    load = shelf.skeleton(load_recipe(profile, files=bool(row_files(profile))))
    plain = {name: shelf.plain(name) for name in shelf.feature_cells if name in BASIC}
    plain = {k: v for k, v in plain.items() if kind not in ("series", "pixels") and k != OWN_FEATURES.get(kind)}
    goal = None if kind == "series" else _target(shelf)  # series have curves of their own
    chosen = [recipe for recipe in (*plain.values(), goal, _post(shelf)) if recipe is not None]
    chosen += [shelf.skeleton("image-features")] if kind == "image" else []
    chosen += [shelf.skeleton("images-columns")] if pixels(profile)[1] else []
    cells: dict[str, str] = brought(skeleton) | brought(load)
    cells["load"] = without_empty(profile, cells["load"])
    for recipe in chosen:
        cells |= brought(recipe)
    names = tuple(name for name in plain if name in cells)
    cells["features"] = spots.joining(cells["features"], list(names))
    return Frame(in_order(cells), names, tuple(setup_of(recipe) for recipe in (skeleton, load, *chosen)))


def assemble(shelf: Shelf, model: Recipe) -> str:
    """The first script of a model: the skeleton, the plain features that the profile warrants, the model."""
    made = frame(shelf, model.kind)
    cells = dict(made.cells)
    companions = {k: v for k, v in brought(model).items() if k == "model" or k in cells or k == "predict"}
    own = _needed(model, companions)
    own["features"] = spots.joining((cells | own)["features"], list(made.ready))  # a model's own may join them too
    return put_together(shelf.profile, cells, own, [*made.setups, setup_of(model)], title(shelf, model.name))


def put_together(
    profile: Profile, given: Mapping[str, str], own: Mapping[str, str], setups: Sequence[str], head: str
) -> str:
    """A whole script of given cells and one's own, of which some may be read by none: in order, with its setup."""
    clear = in_order(spots.without_clashes(beside(given, own)))
    return finished(profile, Notebook("", tuple(Cell(n, s) for n, s in clear.items())), setups, head)


def beside(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """New cells in the place of old ones of the same name, and beside the others that something still reads.

    Cells that belong together keep reading each other: where both sides define a name, the new ones' gets another.
    """
    rest = {name: source for name, source in old.items() if name not in new}
    while True:
        read = live({**rest, **spots.apart(rest, new)})
        if read.keys() >= rest.keys():
            return {name: read[name] for name in {**old, **new} if name in read}
        rest = {name: source for name, source in rest.items() if name in read}


def changed(shelf: Shelf, script: str, cell: str, recipe: Recipe) -> str:
    """The script with the recipe's cell at `cell`, a cell name of the script or a feature cell to add."""
    book = scripts.parse(script)
    here = spots.part(book, cell)
    new = _needed(recipe, {k: v for k, v in brought(recipe).items() if k == recipe.cell or k in here})
    setups = [book["setup"], setup_of(recipe)]
    if recipe.kind in ("series", "image"):
        named = "image-features" if recipe.kind == "image" else skeleton_recipe(shelf.profile, recipe.kind)
        helpers = shelf.skeleton(named)
        new = _needed(helpers, here | new, new)
        setups.insert(0, setup_of(helpers))  # where the script or the recipe says otherwise, that counts
    if "features" in new:
        new["features"] = spots.joining(new["features"], spots.joined(here["features"]))
    if recipe.cell == "model":
        own = {word for source in new.values() for word in scripts.defined(source)}
        for name, fallback in _lost_companions(shelf, here, recipe).items():
            if not own & scripts.defined(dict(fallback.cells)[name]):
                new[name] = dict(fallback.cells)[name]
                setups.append(setup_of(fallback))
    elif recipe.cell not in here and recipe.cell not in FIXED:
        new["features"] = spots.joining(here["features"], [*spots.joined(here["features"]), recipe.cell])
    whole = beside(here, new)
    gone = {name: "" for name in here if name not in whole and name + spots.label(cell) in book}
    cells = {k: whole[k] for k in new if k in whole} | gone
    return with_cells(shelf.profile, script, {_spot(book, cell, k): v for k, v in cells.items()}, setups)


def with_cells(profile: Profile, script: str, cells: Mapping[str, str], setups: Sequence[str] = ()) -> str:
    """The script with plain `cells` at the named places, `setup` mended accordingly. An empty source removes a cell."""
    book = scripts.parse(script)
    fitted = {name: spots.suited(book, name, source, cells) if source else "" for name, source in cells.items()}
    before = next((c.name for c in book.cells if spots.base(c.name) == "features"), "features")
    new = scripts.parse(scripts.replace(script, fitted, before))
    return finished(profile, new, setups or [book["setup"]], book.head)


def finished(profile: Profile, book: Notebook, setups: Sequence[str], head: str) -> str:
    """The script with a setup of what its cells use, and a head that names its distributions."""
    cells = {cell.name: cell.source for cell in book.cells if cell.name != "setup"}
    setup = setup_cell(profile, cells, setups)
    title = head.split('"""')[1] if '"""' in head else head
    whole = (Cell("setup", setup), *(cell for cell in book.cells if cell.name != "setup"))
    needs = distributions({"setup": setup, **cells})
    return Notebook(scripts.head(needs, title), whole).text()


def _spot(book: Notebook, cell: str, name: str) -> str:
    """Where a plain cell stands in the part of `cell`: under the part's label, or shared."""
    own = name + spots.label(cell)
    return own if own in book or name not in book else name


def _needed(recipe: Recipe, there: dict[str, str], new: dict[str, str] | None = None) -> dict[str, str]:
    """The new cells (by default those that are there), and the recipe's other cells that those read, and so on."""
    found = dict(there if new is None else new)
    while True:
        reads = set().union(*map(scripts.used, found.values()))
        others = {k: v for k, v in brought(recipe).items() if k not in there and k not in found}
        more = {k: v for k, v in others.items() if scripts.defined(v) & reads}
        if not more:
            return found
        found |= more


def live(cells: Mapping[str, str]) -> dict[str, str]:
    """The cells without feature cells that nothing reads."""
    reads = {name: spots.read_elsewhere(source) for name, source in cells.items()}

    def read(name: str) -> bool:
        own = scripts.defined(cells[name])
        return any(own & words for other, words in reads.items() if other != name)

    return {name: source for name, source in cells.items() if name in FIXED or read(name)}


def _lost_companions(shelf: Shelf, here: Mapping[str, str], model: Recipe) -> dict[str, Recipe]:
    """Cells in a form that only the former model could work with, and the recipes of their plain forms."""
    found: dict[str, Recipe] = {}
    for name, source in here.items():
        origin = shelf.origin(name, source)
        plain = shelf.plain(name) if name not in FIXED else None
        special = origin is not None and (origin.cell == "model" or "native" in origin.tags)
        if special and plain is not None and name not in dict(model.cells):
            found[name] = plain
    skeleton = shelf.skeleton(skeleton_recipe(shelf.profile, model.kind))
    if "predict" in here and "predict" not in dict(model.cells):
        found["predict"] = skeleton
    joined = shelf.origin("blend", here["blend"]) if "blend" in here else None
    if joined is not None and joined.cell == "model" and "blend" not in dict(model.cells):
        found["blend"] = skeleton  # the former model's way to join its members
    return found


def in_order(cells: Mapping[str, str]) -> dict[str, str]:
    """Cells in reading order: `setup` and `load`, the feature cells, the rest."""
    first, last = FIXED[:2], FIXED[2:]
    middle = [name for name in cells if name not in FIXED]
    return {name: cells[name] for name in (*first, *middle, *last) if name in cells}


def skeleton_recipe(profile: Profile, kind: str = "") -> str:
    """The name of the skeleton for what the task submits and models of a kind; raises SettingsError without one."""
    if profile.pixels:
        return "pixels-values"
    if kind == "series" and profile.predicts == "value":
        return "series-values"
    if profile.predicts == "probability":
        several = bool(profile.classes) and len(profile.prediction_columns) > 1
        return "table-probabilities" if several else "table-probability" if profile.classes else "table-multilabel"
    names = {"label": "table-label", "ranking": "table-ranking", "value": "table-values", "text": "table-text"}
    if profile.predicts not in names:
        raise SettingsError(f"the playbook has no recipes for tasks that ask for {profile.predicts}; try an LLM brain")
    return names[profile.predicts]


def load_recipe(profile: Profile, files: bool) -> str:
    """The name of the `load` recipe for the task's tables, with the files of rows or without."""
    if profile.pixels:
        return "load-pixels"
    if profile.dialects:
        return f"load-csv-dialects{'-files' if files else ''}"
    words = profile.train.lower().split(".")
    known = [word for word in words if word in ("csv", "tsv", "json", "jsonl", "parquet")]
    return f"load-{known[-1] if known else 'csv'}{'-files' if files else ''}"


def _target(shelf: Shelf) -> Recipe | None:
    """The logarithm, where the metric measures ratios or a positive target has a long tail."""
    profile = shelf.profile
    if profile.predicts != "value" or profile.target_minimum is None or profile.target_minimum < 0:
        return None
    tailed = profile.target_skew is not None and profile.target_skew > 1
    relative = any(word in profile.metric for word in RELATIVE)
    return shelf.named("target-log", "target") if relative or tailed else None


def _post(shelf: Shelf) -> Recipe | None:
    """The post-processing that the metric calls for."""
    words = set(shelf.profile.metric.split("_"))
    if shelf.profile.predicts not in ("label", "value"):
        return None
    fitting = [r for r in shelf.alternatives("post") if any(c.startswith("metric:") for c in r.when)]
    fitting += [r for r in shelf.alternatives("post") if words & set(r.tags)]
    return fitting[0] if fitting else None


def title(shelf: Shelf, model: str) -> str:
    """What a script is, in one line."""
    profile = shelf.profile
    goal = "images" if profile.pixels else ", ".join(profile.target[:3]) + (", …" if len(profile.target) > 3 else "")
    text = f"Predict {goal} with {model}, judged by {profile.metric}."
    return text.replace("\\", "/").replace('"', "'")
