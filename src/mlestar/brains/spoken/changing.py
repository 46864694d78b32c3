"""A brain's cells go into a script: only where the role may write, and only if the whole is still sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlestar import scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.refining import difference
from mlestar.brains.playbook.shelf import FIXED
from mlestar.brains.spoken import checks
from mlestar.brains.spoken.blocks import Answer, BadAnswer
from mlestar.brains.spoken.cells import cells_of
from mlestar.brains.spoken.framing import OURS, Ground, revised, same

Cells = tuple[tuple[str, str], ...]
JOINTS = ("features", "predict", "blend")  # they join what other cells define, so whoever changes one may mend them


def cells_in(
    answer: Answer, fields: Mapping[str, Any], ground: Ground, script: str = "", alone: str = ""
) -> dict[str, str]:
    """The cells of an answer's Python blocks, or of a JSON object `cells`; `alone` as in `cells_of`."""
    listed = fields.get("cells")
    if not answer.codes and isinstance(listed, dict):
        codes = tuple(f"# %% {name}\n{source}" for name, source in listed.items())
        return cells_of(codes, ground.cell_names(script), alone)
    return cells_of(answer.codes, ground.cell_names(script), alone)


def writable(ground: Ground, script: str) -> set[str]:
    """The cells of a script that a brain may change at all."""
    return {n for n in scripts.parse(script).names if n not in OURS or ground.frame is None}


def changed(
    ground: Ground, script: str, cells: Mapping[str, str], allowed: set[str], packages: tuple[str, ...]
) -> tuple[Cells, str]:
    """The cells that the script gets, and the whole then. Raises BadAnswer where that cannot be.

    Besides the `allowed` cells, `setup`, the joints and new cells may come. Cells that are sent back as they
    are count for nothing. What was wrong with the script before is not held against the answer.
    """
    book = scripts.parse(script)
    own = {n: s for n, s in cells.items() if not (n in book and same(s, book[n])) and (s or n in book)}
    checks.refuse(checks.unfit(own))
    checks.refuse(_strays(ground, book, own, allowed))
    difference_ = difference(script, revised(ground, script, own))
    if not difference_:
        raise BadAnswer("The answer changes nothing in the script: send the cells as they shall be from now on.")
    whole = scripts.replace(script, dict(difference_))
    before = checks.complaints(script)
    known = frozenset(spots.unknown_names(script)) if not any(map(checks.broken, _sources(script))) else frozenset()
    checks.refuse([*(c for c in checks.complaints(whole, packages, known) if c not in before), *_unread(own, whole)])
    return difference_, whole


def _sources(script: str) -> list[str]:
    return [cell.source for cell in scripts.parse(script).cells]


def _strays(ground: Ground, book: scripts.Notebook, own: Mapping[str, str], allowed: set[str]) -> list[str]:
    """Cells that this role may not touch."""
    found = []
    for name, source in own.items():
        base = spots.base(name)
        if name in OURS and ground.frame is not None:
            found.append(f"cell `{name}` is written by the harness; leave it out")
        elif not source and spots.feature_function(name, book[name]):
            continue  # any feature cell may be taken away
        elif name in book and name not in allowed and name != "setup" and base not in JOINTS:
            may = ", ".join(f"`{n}`" for n in dict.fromkeys((*sorted(allowed & set(book.names)), "setup", *JOINTS)))
            found.append(f"cell `{name}` may not be changed here, only {may} and cells that are new; leave it out")
        elif not source and base in FIXED:
            found.append(f"cell `{name}` cannot be taken away; write it")
    return found


def _unread(own: Mapping[str, str], whole: str) -> list[str]:
    """New cells that nothing reads: they would change nothing."""
    book = scripts.parse(whole)
    found = []
    for name, source in own.items():
        if not source or spots.base(name) in FIXED:
            continue
        others = [c.source for c in book.cells if c.name != name]
        if not any(scripts.defined(source) & scripts.used(other) for other in others):
            front = next((c.name for c in book.cells if spots.base(c.name) == "features"), "features")
            found.append(f"nothing reads the cell `{name}`: join it in `{front}`, or call it where it is needed")
    return found


def analysis(answer: Answer, packages: tuple[str, ...]) -> str | None:
    """The analysis script of an answer: its last Python block, whole; None where there is none."""
    if not answer.codes:
        return None
    script = "\n\n".join(answer.codes).strip("\n") + "\n"
    if not checks.broken(script) and not scripts.parsed(script).body:
        raise BadAnswer("The analysis does nothing: it must print what you want to see.")
    checks.check_plain(script, packages)
    return script
