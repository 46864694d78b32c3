"""The versions that a solution ran with: in its PEP 723 header, and as a requirements file."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlestar import scripts
from mlestar.plain import word

_BLOCK = re.compile(r"^# /// script$\n(?P<body>(?:^#(?:| .*)$\n)*?)^# ///$", re.MULTILINE)
_LISTED = re.compile(r"^#\s*dependencies\s*=\s*\[.*?\][ \t]*(?:#[^\n]*)?$\n?", re.MULTILINE | re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9][\w.+!-]*")


@dataclass(frozen=True)
class Installed:
    """What an interpreter has: the version of each distribution, and the distribution of each module."""

    versions: Mapping[str, str]
    modules: Mapping[str, str]

    def version(self, name: str) -> str:
        """The version of a distribution; `` where it has none, or one that is no version."""
        found = self.versions.get(canonicalize_name(name), "")
        return found if _PLAIN.fullmatch(found) else ""


def pins(text: str, here: Installed) -> tuple[str, ...]:
    """What a script needs, as `name==version`; by its name alone where nobody knows the version.

    It needs what its header names and what it imports.
    """
    named: dict[str, str] = {}
    for need in scripts.dependencies(text):
        try:
            wanted = Requirement(need)
        except InvalidRequirement:
            continue
        name = (
            wanted.name if here.version(wanted.name) else here.modules.get(canonicalize_name(wanted.name), wanted.name)
        )
        extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
        named[canonicalize_name(name)] = name + extras
    for module in sorted(_imported(text)):
        found = here.modules.get(canonicalize_name(module))
        if found and here.version(found):
            named.setdefault(canonicalize_name(found), found)
    return tuple(_pin(named[key], here.version(key)) for key in sorted(named))


def pinned(text: str, needs: tuple[str, ...]) -> str:
    """The script with `needs` as the dependencies of its header, and otherwise unchanged."""
    listed = "# dependencies = [\n" + "".join(f"#     {scripts.quoted(need)},\n" for need in needs) + "# ]\n"
    block = _block(text)
    if block is None:
        return f'# /// script\n# requires-python = ">=3.11"\n{listed}# ///\n{text}'
    body = _LISTED.sub("", block["body"])
    head, tool, rest = body.partition("# [")  # tables come after the block's own keys
    return f"{text[: block.start('body')]}{head}{listed}{tool}{rest}{text[block.end('body') :]}"


def body(text: str) -> str:
    """A script without its header: what a pinned one has in common with what ran."""
    block = _block(text)
    return text if block is None else text[: block.start()] + text[block.end() :].removeprefix("\n")


def requirements(needs: tuple[str, ...], python: str) -> str:
    """A requirements file."""
    return "\n".join([f"# what solution.py ran with, on Python {word(python)}", *needs]) + "\n"


def _block(text: str) -> re.Match[str] | None:
    """The header; what looks like one below the first statement may be part of a text."""
    found = _BLOCK.search(text)
    above = text[: found.start()].splitlines() if found else ()
    return found if all(line.startswith("#") or not line.strip() for line in above) else None


def _pin(name: str, version: str) -> str:
    return f"{name}=={version}" if version else name


def _imported(text: str) -> set[str]:
    """The modules that a script imports anywhere, but those of Python itself."""
    try:
        nodes = list(ast.walk(scripts.parsed(text)))
    except SyntaxError:
        return set()
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
