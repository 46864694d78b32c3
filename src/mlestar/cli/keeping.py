"""The command `assets`: weights and data that scripts may read as `assets/<name>`, fetched outside the wall."""

from __future__ import annotations

from typing import Annotated

import typer

from mlestar.cli.options import app, say

assets = typer.Typer(help="Pretrained weights and other files that scripts may read as assets/<name>.",
                     invoke_without_command=True)  # fmt: skip
app.add_typer(assets, name="assets")


@assets.callback()
def list_(
    context: typer.Context, verify: Annotated[bool, typer.Option("--verify", help="check every file's hash")] = False
) -> None:
    """List what there is."""
    if context.invoked_subcommand is not None:
        return
    from mlestar import config
    from mlestar.assets import entries

    store = config.shelves(config.load())
    found = entries(store, verify=verify)
    for entry in found:
        say(f"{entry.name:24} {entry.bytes / 1e6:9.1f} MB  licence {entry.licence}  {entry.source}  {entry.date}")
    if not found:
        say(f"no assets in {store}; `mle-star assets add SOURCE NAME` adds a folder, an https address or hf:ORG/MODEL")


@assets.command()
def add(
    source: Annotated[str, typer.Argument(help="a file or folder, an https address, or hf:ORG/MODEL[@REVISION]")],
    name: Annotated[str, typer.Argument(help="scripts read it as assets/NAME")],
    licence: Annotated[str, typer.Option("--licence", help="its licence, where the source does not say")] = "",
    only: Annotated[list[str] | None, typer.Option("--only", help="files to take, such as '*.safetensors'")] = None,
) -> None:
    """Add an asset: fetched here, hashed, its licence noted; read-only for scripts."""
    from mlestar import config
    from mlestar.assets import adding

    settings = config.load()
    token = config.keys(settings).get("HF_TOKEN", "")
    entry = adding.add(config.shelves(settings), source, name, licence, token=token, only=tuple(only or ()))
    say(f"assets/{entry.name}: {len(entry.files)} files, {entry.bytes / 1e6:.1f} MB, licence {entry.licence}")


@assets.command()
def remove(name: str) -> None:
    """Remove an asset."""
    from mlestar import config
    from mlestar.assets import remove as removed

    removed(config.shelves(config.load()), name)
    say(f"{name} is gone")
