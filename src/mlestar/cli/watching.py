"""The command that shows runs in a browser, while they go on or afterwards."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlestar.cli.options import app, say

if TYPE_CHECKING:
    from mlestar.dashboard import Server

PORT = 8642


@app.command()
def ui(
    places: Annotated[list[Path] | None, typer.Argument(help="runs, or folders of runs; default runs/")] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="on this machine; 0 for any that is free")
    ] = PORT,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="open the page in a browser")] = True,
) -> None:
    """Live pages over runs, for a browser on this machine: scores, the tree, effects, diffs; stop, resume, hint."""
    from mlestar import overview
    from mlestar.dashboard import Server
    from mlestar.errors import SettingsError

    found = places or [Path("runs")]
    missing = [place for place in found if not place.is_dir()]
    if missing:
        raise SettingsError(overview.none_in(missing[:1], "ui"))
    server = Server(found, port)
    if not any(map(overview.find, found)):
        say(overview.none_in(found, "ui"), sys.stderr)
    say(f"{server.address} shows {', '.join(map(str, found))}; Ctrl-C ends it")
    if browser:
        _open(server.address)
    server.serve()


def _open(address: str) -> None:
    """Open a browser, where there is one with a window of its own: one in the terminal would hide what we say."""
    import webbrowser

    try:
        if type(webbrowser.get()) is not webbrowser.GenericBrowser:
            webbrowser.open(address)
    except webbrowser.Error:
        return


@contextmanager
def beside(wanted: bool, place: Path) -> Iterator[None]:
    """Serve the pages of a run that is about to begin at `place`, or below it, while the context lasts."""
    if not wanted:
        yield
        return
    from mlestar.errors import SettingsError

    try:
        server = _server(place)
    except SettingsError as error:  # pages are no reason not to run
        say(f"there are no live pages: {error}", sys.stderr)
        yield
        return
    thread = threading.Thread(target=server.serve, name="pages", daemon=True)
    thread.start()
    say(f"{server.address} shows the run", sys.stderr)
    try:
        yield
    finally:
        server.stop()
        thread.join()


def _server(place: Path) -> Server:
    """At the usual port, or at any where that is taken: by the pages of another run, perhaps."""
    from mlestar.dashboard import Server
    from mlestar.errors import SettingsError

    try:
        return Server([place], PORT)
    except SettingsError:
        return Server([place], 0)
