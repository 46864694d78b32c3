"""The command line: thin. Parse, call `runs`, print. Exit codes: 0 done, 1 no valid solution, 2 wrong use

or a broken task, 3 a budget ended it before any valid solution, 130 interrupted (resumable).
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from mlestar.cli import benching, helping, keeping, reading, recipes, running, serving, taking, watching
from mlestar.cli.options import app, say
from mlestar.errors import Interrupted, MleStarError

__all__ = [
    "app",
    "benching",
    "helping",
    "keeping",
    "main",
    "reading",
    "recipes",
    "running",
    "serving",
    "taking",
    "watching",
]


def main() -> None:
    """Entry point: one clear message for a user's mistake, never a traceback for it."""
    signal.signal(signal.SIGINT, _leave)
    try:
        app()
    except MleStarError as error:
        say(f"mle-star: {error}", sys.stderr)
        sys.exit(error.exit_code)


def _leave(number: int, frame: object) -> None:
    """Ctrl-C where no run is under way; `runs` has its own answer while one is."""
    raise Interrupted("stopped; nothing was under way")


def version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        from importlib.metadata import version as installed

        say(f"mle-star {installed('mle-star')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="version")] = False,
) -> None:
    """Options before the command."""


if __name__ == "__main__":
    main()
