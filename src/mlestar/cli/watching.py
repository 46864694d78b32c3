"""The command that shows runs in a browser, while they go on or afterwards."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mlestar.cli.options import app, say

PORT = 8642


@app.command()
def ui(
    places: Annotated[list[Path] | None, typer.Argument(help="runs, or folders of runs; default runs/")] = None,
    port: Annotated[int, typer.Option("--port", help="on this machine; 0 for any that is free")] = PORT,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="open the page in a browser")] = True,
) -> None:
    """Live pages over runs, for a browser on this machine: scores, the tree, effects, diffs; stop, resume, hint."""
    import webbrowser

    from mlestar.dashboard import Server
    from mlestar.errors import SettingsError

    found = places or [Path("runs")]
    missing = [place for place in found if not place.is_dir()]
    if missing:
        raise SettingsError(f"{missing[0]}: there is no such folder; name a run, or a folder of runs")
    server = Server(found, port)
    say(f"{server.address} shows {', '.join(map(str, found))}; Ctrl-C ends it")
    if browser:
        webbrowser.open(server.address)
    server.serve()


@contextmanager
def beside(wanted: bool, place: Path) -> Iterator[None]:
    """Serve the pages of a run that is about to begin at `place`, or below it, while the context lasts."""
    if not wanted:
        yield
        return
    from mlestar.dashboard import Server
    from mlestar.errors import SettingsError

    try:
        server = Server([place], PORT)
    except SettingsError:  # another run's pages, perhaps
        server = Server([place], 0)
    thread = threading.Thread(target=server.serve, name="pages", daemon=True)
    thread.start()
    say(f"{server.address} shows the run", sys.stderr)
    try:
        yield
    finally:
        server.stop()
        thread.join()
