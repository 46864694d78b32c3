"""Whether the cells of a script fit each other: one meaning per name, and calls that its functions can take.

Read from the text alone: a call that is complained of would fail whenever it is reached.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache

from mlestar import naming, scripts

Functions = Mapping[str, tuple[ast.arguments, str]]  # parameters, and the cell that defines it


def misfits(script: str) -> list[str]:
    """Names of two meanings, and calls of the script's own functions with other arguments than they take."""
    cells = [cell for cell in scripts.parse(script).cells if not scripts.complaint(cell.source)]
    owners: dict[str, dict[str, str]] = {}
    for cell in cells:
        for name, meaning in _meanings(cell.source).items():
            owners.setdefault(name, {})[cell.name] = meaning
    doubled = {name: where for name, where in sorted(owners.items()) if len(set(where.values())) > 1}
    found = [
        f"`{name}` has other meanings in the cells {', '.join(f'`{cell}`' for cell in where)}: rename one of them"
        for name, where in doubled.items()
    ]
    known = {n: about for cell in cells for n, about in _functions(cell).items() if n not in doubled}
    for cell in cells:
        found += [f"cell `{cell.name}` calls {wrong}" for wrong in _calls(scripts.parsed(cell.source), known)]
    return found


@lru_cache(maxsize=1024)
def _meanings(source: str) -> dict[str, str]:
    """What a cell defines, each name with the statements that do."""
    found: dict[str, str] = {}
    for node in scripts.parsed(source).body:
        for name in scripts.bound(node):
            found[name] = found.get(name, "") + ast.dump(node)
    return found


def _functions(cell: scripts.Cell) -> dict[str, tuple[ast.arguments, str]]:
    """The functions of a cell that nothing wraps and no other statement of it defines anew."""
    body = scripts.parsed(cell.source).body
    names = [name for node in body for name in scripts.bound(node)]
    plain = [node for node in body if isinstance(node, ast.FunctionDef) and not node.decorator_list]
    return {node.name: (node.args, cell.name) for node in plain if names.count(node.name) == 1}


def _calls(node: ast.AST, known: Functions) -> Iterator[str]:
    """Every call of a known function below `node` that cannot be; names of a function's own hide them."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        own = naming.own_names(node)
        known = {name: about for name, about in known.items() if name not in own}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        first = node.args[0] if node.func.id == "partial" and node.args else None
        name = first.id if isinstance(first, ast.Name) else node.func.id
        if name in known:
            args, cell = known[name]
            wrong = _unfit(args, node.args[1:] if first else node.args, node.keywords, whole=first is None)
            yield from [f"`{name}({ast.unparse(args)})` of cell `{cell}` {wrong}"] if wrong else []
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, known)


def _unfit(args: ast.arguments, given: list[ast.expr], words: list[ast.keyword], whole: bool) -> str:
    """Why a function cannot be called so; empty when it can, or when only running it would tell."""
    if any(isinstance(a, ast.Starred) for a in given) or any(word.arg is None for word in words):
        return ""
    places = [a.arg for a in (*args.posonlyargs, *args.args)]
    named, spread = {word.arg for word in words if word.arg}, len(given) > len(places)
    if spread and args.vararg is None:
        return f"with {len(given)} arguments"
    odd = sorted(named - {*places, *(a.arg for a in args.kwonlyargs)}) if args.kwarg is None else []
    odd += sorted(named & set(places[: len(given)]))
    if odd:
        return f"with `{odd[0]}=`"
    needed = places[len(given) : len(places) - len(args.defaults)]
    needed += [a.arg for a, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None]
    lacking = [name for name in needed if name not in named] if whole else []
    return f"without {', '.join(f'`{name}`' for name in lacking)}" if lacking else ""
