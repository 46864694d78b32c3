"""The command `library`: the recipes that the playbook chooses from, and a check of your own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlestar.cli.options import Jobs, Json, Sets, Unsafe, app, say

Folder = Annotated[str, typer.Option("--library", help="your own recipes, searched first")]


class _Words(TyperGroup):
    """A group whose first word may be left out: what is no command of its own is searched for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = (*self.commands, "--help")
        return super().parse_args(ctx, args if args and args[0] in known else ["search", *args])


library = typer.Typer(cls=_Words, help="The recipes that the playbook chooses from; any other first word is searched.")
app.add_typer(library, name="library")


@library.command()
def search(
    query: Annotated[list[str] | None, typer.Argument(help="words to search for; none: everything")] = None,
    folder: Folder = "",
) -> None:
    """Search the recipes that the playbook chooses from; the word `search` may be left out."""
    from mlestar import stock

    for recipe in stock.recipes(" ".join(query or []), folder):
        why = " ".join(recipe.why.split())
        say(f"{recipe.name:30} {recipe.kind:5} {recipe.cell:12} {recipe.form:8} {why[:80]}")


@library.command()
def show(
    name: Annotated[str, typer.Argument(help="the recipe's name, as the search lists it")],
    form: Annotated[str, typer.Option("--form", help="classes or values, where there are both; default all")] = "",
    folder: Folder = "",
) -> None:
    """Print a recipe whole: front matter, prose, cells and their neutral forms."""
    from mlestar.search.library import Library
    from mlestar.search.recipes import text_of

    found = Library([Path(folder)] if folder else []).all_named(name, form or "any")
    say("\n\n".join(map(text_of, found)))


@library.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="recipe files, or folders of them")],
    jobs: Jobs = None,
    sets: Sets = None,
    unsafe: Unsafe = None,
    as_json: Json = False,
) -> None:
    """Check recipes of your own: each is read, and really run and scored on small built-in data sets.

    Exit code 0 if all pass, 1 if one fails.
    """
    import json
    import tempfile
    from dataclasses import asdict

    from mlestar import checking, config

    settings = config.load(sets, jobs=jobs, unsafe=unsafe)
    with tempfile.TemporaryDirectory(prefix="mle-star-") as scratch:
        failed = False
        for found in checking.check(files, settings, Path(scratch)):
            say(json.dumps(asdict(found), default=str) if as_json else checking.told(found))
            failed = failed or bool(found.problems)
    if failed:
        sys.exit(1)
