"""A brain writes its own cells; the library's frame makes a whole script of them (docs/recipes.md).

The frame brings what is the same for every model of a task (load, target, predict, blend, post, submit, plain
feature cells). Tasks that the library has no skeleton for have no frame: there the brain writes every cell.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mlestar import scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.assemble import Frame, finished, frame, live, load_recipe, put_together, title
from mlestar.brains.playbook.conditions import row_files
from mlestar.brains.playbook.setup import GIVEN, without_empty
from mlestar.brains.playbook.shelf import FIXED, Shelf, brought, setup_of
from mlestar.brains.spoken.blocks import BadAnswer
from mlestar.errors import SettingsError
from mlestar.records import Profile, Recipe
from mlestar.scripts import Cell, Notebook

PLAIN = 'from pathlib import Path\n\nimport numpy as np\nimport pandas as pd\n\nINPUT = Path("input")'
THREADS = 'import os\n\nTHREADS = int(os.environ.get("OMP_NUM_THREADS", "0")) or -1'
OURS = ("load", "submit")  # cells that a brain never writes where there is a frame
_NOISE = re.compile(r"(warnings\.(filterwarnings|simplefilter)|(np|numpy)\.random\.seed|random\.seed)\(.*\)")

_NAMED = '''

def named(found):
    """A model's predictions by name: `fit_predict` returns one array, or {member: array}."""
    return found if isinstance(found, dict) else {"model": found}'''
_CLASSES = '''def predict(train, test, files, seed):
    """Every member's probability per class, for every test row."""
    X, X_test = features(train, test, files)
    return named(fit_predict(X, target(train), X_test, seed))
'''
_PROBABILITY = '''def predict(train, test, files, seed):
    """Every member's probability of the last class, for every test row."""
    X, X_test = features(train, test, files)
    found = named(fit_predict(X, target(train), X_test, seed))
    return {name: part[:, -1:] for name, part in found.items()}
'''
_LABELS = '''def predict(train, test, files, seed):
    """Every member's probability of each label, for every test row; one model per label."""
    X, X_test = features(train, test, files)
    found = [fit_label(X, y.astype(int), X_test, seed) for y in target(train).T]
    names = [name for name in max(found, key=len) if all(name in one or len(one) == 1 for one in found)]
    return {name: np.column_stack([one.get(name, next(iter(one.values()))) for one in found]) for name in names}


def fit_label(X, y, X_test, seed):
    """The probability of one label by member; a label that never changes is predicted as it is."""
    if y.min() == y.max():
        return {"model": np.full(len(X_test), float(y[0]))}
    return {name: part[:, 1] for name, part in named(fit_predict(X, y, X_test, seed)).items()}
'''
_VALUES = '''def predict(train, test, files, seed):
    """Every member's value per target for every test row, one model each, within the range seen in training."""
    X, X_test = features(train, test, files)
    found = [(named(fit_predict(X, y, X_test, seed)), y.min(), y.max()) for y in target(train).T]
    names = found[0][0]
    return {name: restore(np.column_stack([np.clip(one[name], a, b) for one, a, b in found])) for name in names}
'''


@dataclass(frozen=True)
class Ground:
    """What a task's answers stand on: the usable library, and the frame (None: every cell is the brain's own)."""

    shelf: Shelf
    frame: Frame | None

    @property
    def profile(self) -> Profile:
        return self.shelf.profile

    @property
    def setups(self) -> tuple[str, ...]:
        """Imports and constants that any cell may use; those that none uses are left out of a script."""
        return (
            self.frame.setups
            if self.frame
            else (
                PLAIN,
                THREADS,
            )
        )

    def cell_names(self, script: str = "") -> tuple[str, ...]:
        """The names after `# %%` that mean something here."""
        own = scripts.parse(script).names if script else ()
        return (*own, *(self.frame.cells if self.frame and not script else ()), "setup", "model")


def ground(recipes: Sequence[Recipe], installed: Collection[str], profile: Profile) -> Ground:
    """The ground for a profile."""
    shelf = Shelf(recipes, installed, profile)
    if profile.kind != "table":
        return Ground(shelf, None)
    try:
        made = frame(shelf)
    except SettingsError:
        return Ground(shelf, None)
    cells = {**made.cells, "predict": _predict(profile) + _NAMED}
    setups = (*made.setups, THREADS)
    if profile.assets and not row_files(profile):  # images, sound: no recipe reads them, a brain may
        load = shelf.skeleton(load_recipe(profile, files=True))
        patterns = {"train": profile.assets[0].train, "test": profile.assets[0].test}
        loading = {name: without_empty(profile, source) for name, source in brought(load).items()}
        cells, setups = {**cells, **loading}, (*setups, setup_of(load), f"ROW_FILES = {json.dumps(patterns)}")
    return Ground(shelf, Frame(cells, made.ready, setups))


def _predict(profile: Profile) -> str:
    if profile.predicts == "value":
        return _VALUES
    if profile.predicts == "probability" and not (profile.classes and len(profile.prediction_columns) > 1):
        return _PROBABILITY if profile.classes else _LABELS
    return _CLASSES


def written(here: Ground, own: Mapping[str, str], name: str) -> str:
    """A whole script of a brain's cells. Raises BadAnswer where they cannot be set into the frame."""
    cells = {k: v for k, v in own.items() if k != "setup" and v}
    setup = own_setup(here.profile, own.get("setup", ""))
    if here.frame is None:
        book = Notebook("", tuple(Cell(k, v) for k, v in cells.items()))
        return finished(here.profile, book, [*here.setups, setup], title(here.shelf, name))
    given = here.frame.cells
    cells = {k: v for k, v in cells.items() if k not in OURS or not same(v, given[k])}
    ours = [name for name in OURS if name in cells]
    if ours:
        raise BadAnswer(f"The cell `{ours[0]}` is written by the harness: leave it out.")
    wanted = cells.get("features", "")
    if "features" not in _defined(wanted):
        names = spots.joined(wanted) or [*here.frame.ready, *(n for n in feature_cells(cells) if n not in given)]
        cells["features"] = spots.joining(given["features"], names)
    return put_together(here.profile, given, cells, [*here.frame.setups, setup], title(here.shelf, name))


def revised(here: Ground, script: str, own: Mapping[str, str]) -> str:
    """A script with a brain's cells in it: `setup` added to, new feature cells joined, dead ones gone."""
    book = scripts.parse(script)
    cells = {k: v for k, v in own.items() if k != "setup" and not (k in book and same(v, book[k]))}
    fronts = [c.name for c in book.cells if spots.base(c.name) == "features"]
    front = fronts[0] if len(fronts) == 1 else ""
    if front and "features" not in _defined(cells.get(front, "")) and cells.get(front) != "":
        names = _joined(book[front], cells, spots.joined(cells.pop(front, "")))
        if names and names != spots.joined(book[front]):
            cells[front] = spots.joining(book[front], names)
    after = scripts.parse(_without_dead(scripts.replace(script, cells, front or "features"), cells))
    mine = own_setup(here.profile, own.get("setup", ""))
    if not mine and not _unknown(after.text()) - _unknown(script):
        return after.text()  # `setup` stays as it is
    old = {c.name: c.source for c in book.cells}.get("setup", "")
    return finished(here.profile, after, [*here.setups, old, mine], book.head)


def _joined(front: str, cells: Mapping[str, str], chosen: list[str]) -> list[str]:
    """What the cell `features` joins after a change: what was `chosen`, else what it did, less and more."""
    if chosen:
        return chosen
    before = spots.joined(front)
    kept = [name for name in before if cells.get(name) != ""]
    return [*kept, *(name for name in feature_cells(cells) if name not in before)] if before else []


def _unknown(script: str) -> set[str]:
    """Names that nothing defines; nothing is said of a script that cannot be parsed."""
    return set() if scripts.complaint(script) else spots.unknown_names(script)


def _without_dead(text: str, changed: Mapping[str, str]) -> str:
    """The script without the cells that a change left with no reader."""
    cells = {c.name: c.source for c in scripts.parse(text).cells}
    if any(scripts.complaint(source) for source in cells.values()):
        return text  # the checks say what is wrong
    dead = set(cells) - set(live(cells))
    return scripts.replace(text, {k: "" for k in dead if k not in changed})


def own_setup(profile: Profile, source: str) -> str:
    """A brain's `setup`: without what the harness defines, and without calls that only hush or seed.

    Raises BadAnswer for a constant of the task with another value.
    """
    if not source or scripts.complaint(source):
        return source
    fixed = {"ID": list(profile.id), "TARGET": list(profile.target), "OUTPUT": list(profile.prediction_columns)}
    fixed |= {"CLASSES": list(profile.classes), "TRAIN": [profile.train], "TEST": [profile.test]}
    lines, gone = source.split("\n"), set[int]()
    for node in scripts.parsed(source).body:
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        if isinstance(node, ast.Expr) and _NOISE.fullmatch(ast.unparse(node)):
            gone |= set(range(node.lineno - 1, node.end_lineno or node.lineno))
        elif isinstance(node, ast.Assign) and names and names <= set(GIVEN):
            _compare(node, fixed)
            gone |= set(range(node.lineno - 1, node.end_lineno or node.lineno))
    return "\n".join(line for i, line in enumerate(lines) if i not in gone).strip("\n")


def _compare(node: ast.Assign, fixed: Mapping[str, list[str]]) -> None:
    target = node.targets[0]
    if not isinstance(target, ast.Name) or target.id not in fixed:
        return
    try:
        value = ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return
    wanted = fixed[target.id]
    if value != wanted and not (target.id in ("TRAIN", "TEST") and [value] == wanted):
        raise BadAnswer(f"`{target.id}` is given and is {wanted!r}: leave it out of `setup`, and use it as it is.")


def feature_cells(cells: Mapping[str, str]) -> list[str]:
    """The names of the cells that are feature cells: a function of their own name over (train, test, files)."""
    return [n for n, s in cells.items() if n not in FIXED and s and not scripts.complaint(s) and _joins(n, s)]


def _joins(name: str, source: str) -> bool:
    return spots.feature_function(name, source)


def same(a: str, b: str) -> bool:
    """Whether two sources are one program, comments and layout aside."""
    if a.strip() == b.strip():
        return True
    if scripts.complaint(a) or scripts.complaint(b) or not a or not b:
        return False
    return ast.dump(scripts.parsed(a)) == ast.dump(scripts.parsed(b))


def _defined(source: str) -> set[str]:
    return set() if scripts.complaint(source) else scripts.defined(source)
