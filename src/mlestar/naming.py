"""Names of a source: which ones it binds where, and another name for what stands at its top level.

Python's rules of scope, read from the syntax tree: what a function, a class or a comprehension binds is its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from mlestar.scripts import parsed

Function = ast.FunctionDef | ast.AsyncFunctionDef
Names = frozenset[str]
Spot = tuple[int, int, str, str]  # row, byte offset, what stands there, the name that it is
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def rename(source: str, names: Mapping[str, str]) -> str:
    """Rename module-level names in a source; attributes, keywords, strings and shadowing locals stay."""
    lines = [line.encode() for line in source.split("\n")]  # as the parser counts them, not as splitlines does
    live = frozenset(names)
    for row, byte, there, name in sorted(set(_spots(parsed(source).body, live, live, live, lines)), reverse=True):
        line, end = lines[row - 1], byte + len(there.encode())
        if line[byte:end] == there.encode():
            new = names[name] if there else f" as {names[name]}"
            lines[row - 1] = line[:byte] + new.encode() + line[end:]
    return b"\n".join(lines).decode()


def _spots(
    nodes: Iterable[ast.AST | None], live: Names, below: Names, every: Names, lines: list[bytes]
) -> Iterator[Spot]:
    """Where live module-level names stand below `nodes`.

    `below` are those that functions in there see: in a class more than its own body does. `every` are all that are
    renamed: a function reaches what is hidden from it by `global`.
    """
    for node in filter(None, nodes):
        if isinstance(node, (*_FUNCTION, ast.ClassDef)):
            if node.name in live:
                yield from _word(node.name, node.lineno, node.col_offset, lines)
            yield from _spots(node.decorator_list, live, below, every, lines)
        if isinstance(node, _FUNCTION):
            args = [a for a in ast.walk(node.args) if isinstance(a, ast.arg)]
            outer = [*node.args.defaults, *node.args.kw_defaults, *(a.annotation for a in args), node.returns]
            yield from _spots(outer, live, below, every, lines)
            inner = (below - own_names(node)) | (_declared(node.body) & every)
            yield from _spots(node.body, inner, inner, every, lines)
        elif isinstance(node, ast.Lambda):
            yield from _spots([*node.args.defaults, *node.args.kw_defaults], live, below, every, lines)
            inner = below - own_names(node)
            yield from _spots([node.body], inner, inner, every, lines)
        elif isinstance(node, ast.ClassDef):
            yield from _spots([*node.bases, *node.keywords], live, below, every, lines)
            own = frozenset(bound_in(node.body)) - _declared(node.body)
            yield from _spots(node.body, below - own, below, every, lines)
        elif isinstance(node, _COMPREHENSION):
            first = node.generators[0].iter
            yield from _spots([first], live, below, every, lines)
            inner = below - {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
            rest = [n for n in ast.iter_child_nodes(node) if n is not node.generators[0]]
            parts = [node.generators[0].target, *node.generators[0].ifs, *rest]
            yield from _spots(parts, inner, inner, every, lines)
        else:
            yield from _own_spots(node, live, every, lines)
            yield from _spots(ast.iter_child_nodes(node), live, below, every, lines)


def _own_spots(node: ast.AST, live: Names, every: Names, lines: list[bytes]) -> Iterator[Spot]:
    """Where a node itself names something live."""
    if isinstance(node, ast.Name) and node.id in live:
        yield node.lineno, node.col_offset, node.id, node.id
    elif isinstance(node, ast.Global):
        for name in every.intersection(node.names):
            yield from _word(name, node.lineno, node.col_offset, lines)
    elif isinstance(node, ast.alias) and (node.asname or node.name) in live and node.end_lineno and node.end_col_offset:
        there = node.asname or ""
        yield node.end_lineno, node.end_col_offset - len(there.encode()), there, node.asname or node.name


def _word(name: str, row: int, byte: int, lines: list[bytes]) -> Iterator[Spot]:
    """The first place of a word in a line from a spot on."""
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", lines[row - 1][byte:].decode())
    if found:
        yield row, byte + len(lines[row - 1][byte:].decode()[: found.start()].encode()), name, name


def own_names(function: Function | ast.Lambda) -> Names:
    """Parameters and names that a function binds itself: they shadow the module's."""
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    args = (a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg))
    return frozenset([*args, *bound_in(body)]) - _declared(body)


def bound_in(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that are bound in one scope: what functions, classes and comprehensions bind within is theirs."""
    for node in nodes:
        if isinstance(node, (*_FUNCTION, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        if isinstance(node, _COMPREHENSION):
            yield from (n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
        elif not isinstance(node, (*_FUNCTION, ast.ClassDef, ast.Lambda)):
            yield from bound_in(ast.iter_child_nodes(node))


def _declared(body: Iterable[ast.AST]) -> Names:
    """Names that one scope declares to be the module's."""
    found: Names = frozenset()
    for node in body:
        if isinstance(node, ast.Global):
            found |= frozenset(node.names)
        elif not isinstance(node, (*_FUNCTION, ast.ClassDef, ast.Lambda)):
            found |= _declared(ast.iter_child_nodes(node))
    return found
