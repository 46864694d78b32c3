"""A solution as a kernel for Kaggle: a notebook that finds its files at `../input/<task>`, and runs without network."""

from __future__ import annotations

import ast
import json
import re

from mlestar import scripts
from mlestar.errors import SettingsError

CODE_FILE = "solution.ipynb"
_READERS = {"Path", "PosixPath", "join", "listdir", "scandir", "glob", "walk", "open"}  # what takes a folder's path


def slug(name: str) -> str:
    """A task's name as addresses have it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "task"


def adapted(script: str, folder: str) -> str:
    """The script with `folder` in place of `input`, wherever it reads from there; SettingsError if it nowhere does."""
    lines = script.split("\n")
    spots = sorted(_spots(scripts.parsed(script)), key=lambda node: (node.lineno, node.col_offset), reverse=True)
    if not spots:
        raise SettingsError("the solution does not say `input` where it reads its files, so it cannot be told another "
                            "folder; run best/solution.py beside a folder input/")  # fmt: skip
    for node in spots:
        line = lines[node.lineno - 1].encode()
        changed = scripts.quoted(folder + str(node.value).removeprefix("input"))
        lines[node.lineno - 1] = (line[: node.col_offset] + changed.encode() + line[node.end_col_offset :]).decode()
    return "\n".join(lines)


def metadata(name: str) -> str:
    """`kernel-metadata.json`; the owner is the user's to fill in."""
    told = {
        "id": f"YOUR-NAME/{slug(name)}-solution", "title": f"{slug(name)}-solution", "code_file": CODE_FILE,
        "language": "python", "kernel_type": "notebook", "is_private": True, "enable_gpu": False,
        "enable_internet": False, "dataset_sources": [], "competition_sources": [slug(name)], "kernel_sources": [],
        "model_sources": [],
    }  # fmt: skip
    return json.dumps(told, indent=2) + "\n"


def _spots(tree: ast.Module) -> list[ast.Constant]:
    """The texts that are a path below `input/`, or the folder itself where a path is made or read."""
    nodes = list(ast.walk(tree))
    texts = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    texts = [node for node in texts if id(node) not in inside]  # before Python 3.12 these have no place of their own
    below = [node for node in texts if str(node.value).startswith("input/") and node.lineno == node.end_lineno]
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.args and _called(node.func) in _READERS]
    whole = [c.args[0] for c in calls if isinstance(c.args[0], ast.Constant) and c.args[0].value == "input"]
    return [*below, *(node for node in whole if isinstance(node, ast.Constant))]


def _called(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
