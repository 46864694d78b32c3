"""What people forbid (`mle-star hint RUN --forbid WORDS`), looked for in texts and in code: whole words, in any case.

Code breaks a ban by a name that it defines, reads or imports, as it is written or as its words: what reads
`RandomForestClassifier` says random, forest, classifier. Comments and strings are no names: they do nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from mlestar import scripts
from mlestar.plain import says

NEVER = "never: "  # how brains are told of a ban
_BREAKS = re.compile(r"_|(?<=[a-z0-9])(?=[A-Z])")


def told(hints: Iterable[str]) -> tuple[str, ...]:
    """The bans among what brains are told."""
    return tuple(hint.removeprefix(NEVER) for hint in hints if hint.startswith(NEVER))


def broken(bans: Iterable[str], *texts: str) -> str:
    """The ban that one of the texts breaks; empty when none does."""
    return next((ban for ban in bans if any(says(text, ban) for text in texts)), "")


def broken_by_code(bans: Iterable[str], cells: Mapping[str, str], before: Mapping[str, str]) -> str:
    """The ban that cells break which a script has now and had not before; empty when none does.

    Of `setup` only imports count that are new: what else stands there is shared by cells that nobody touched. Cells
    that cannot be parsed are left to those who refuse them.
    """
    bans = tuple(bans)
    if not bans:
        return ""
    imports, old = (_imports(source.get("setup", "")) for source in (cells, before))
    names = {name for bound, origin in imports.items() - old.items() for name in (*origin, bound)}
    for name, source in cells.items():
        if name != "setup" and source != before.get(name) and not scripts.complaint(source):
            here = set(_names(source))
            names |= here | {word for bound in here & set(imports) for word in imports[bound]}
    return broken(bans, *names, *(_BREAKS.sub(" ", name) for name in names))


def _imports(source: str) -> dict[str, tuple[str, ...]]:
    """By the name that it is bound to: the modules and the name that an import takes."""
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(scripts.parsed("" if scripts.complaint(source) else source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = (*module.split("."), *alias.name.split("."))
    return found


def _names(source: str) -> Iterator[str]:
    """Every name that a source defines, reads or imports, attributes included."""
    for node in ast.walk(scripts.parsed(source)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
    for bound, origin in _imports(source).items():
        yield from (bound, *origin)
