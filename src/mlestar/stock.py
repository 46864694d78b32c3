"""What there is to work with, apart from any run: the library's recipes, and this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mlestar.config import Settings
from mlestar.executors.local import LocalExecutor
from mlestar.executors.probe import machine, probe
from mlestar.records import Recipe
from mlestar.search.library import Library


def recipes(query: str, folder: str) -> list[Recipe]:
    """The library's recipes that match a query, best first; all of them for an empty one."""
    found = Library([Path(folder)] if folder else [])
    if not query:
        return list(found.recipes())
    kinds = ("table", "text", "series", "sequence", "audio", "image", "pixels", "stack")
    names = [idea.recipe for kind in kinds for idea in found.search(query, kind, 20)]
    return [recipe for name in dict.fromkeys(names) for recipe in found.recipes() if recipe.name == name]


def doctor(settings: Settings) -> list[tuple[str, str]]:
    """What this machine has: (name, what was found), problems with the command that mends them."""
    lines = [(name.replace("_", " "), str(value)) for name, value in asdict(machine(Path.cwd())).items()]
    executor = LocalExecutor(settings.interpreter, 1, settings.wall)
    lines.append(("wall", f"{executor.wall} ({executor.about})"))
    modules = sorted({module for recipe in Library().recipes() for module in recipe.needs})
    for module, found in probe(executor, modules).items():
        mend = " (its recipes are left out; `sudo apt install libgomp1` mends it)" if "libgomp" in str(found) else ""
        lines.append((module, f"{found.version}" if found.ok else f"missing: {found.error}{mend}"))
    return lines
