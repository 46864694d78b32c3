"""JSON as language models write it: comments, commas too many, Python's literals. Read, or refused with the place."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from mlestar import plain

_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*")|(?P<comment>//[^\n]*|/\*.*?\*/|\#[^\n]*)|(?P<comma>,(?=(?:\s|//[^\n]*|/\*.*?\*/|\#[^\n]*)*[}\]]))""",
    re.DOTALL,
)


def loads(text: str) -> Any:
    """The value that a text holds; raises ValueError that names line and column."""
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        place = error
    repaired = _TOKEN.sub(lambda m: m[0] if m["string"] else "", text)
    for read, source in ((_json, repaired), (_python, text), (_python, repaired)):
        try:
            return read(source)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    shown = text.split("\n")[place.lineno - 1][max(place.colno - 30, 0) : place.colno + 30].strip()
    raise ValueError(f"line {place.lineno}, column {place.colno}: {place.msg} (near {shown[:60]!r})")


def _json(text: str) -> Any:
    return json.loads(text, strict=False)


def _python(text: str) -> Any:
    """A literal of Python, in which JSON's words may stand."""
    tree = _Words().visit(plain.tree(text.strip(), "eval"))
    return ast.literal_eval(tree)


class _Words(ast.NodeTransformer):
    """`true`, `false` and `null` as Python's constants."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in _WORDS:
            return ast.copy_location(ast.Constant(_WORDS[node.id]), node)
        return node


def spans(text: str, most: int = 20) -> Iterator[str]:
    """Pieces of prose that begin with `{` or `[` and end with its partner, longest first for each beginning."""
    for start in [m.start() for m in re.finditer(r"[{\[]", text)][:most]:
        last = text.rfind("}" if text[start] == "{" else "]")
        if last > start:
            yield text[start : last + 1]
