"""What the commands share: their options, and the one way to print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from mlestar.plain import clean

app = typer.Typer(
    name="mle-star",
    help="A machine-learning engineering agent: it searches, ablates, refines and ensembles, with an honest score.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Task = Annotated[Path, typer.Argument(help="the task folder: description, train, test, sample submission")]
Run = Annotated[Path, typer.Argument(help="the run folder")]
Out = Annotated[Path | None, typer.Option("--out", help="the run folder to make; default runs/<task>-<time>")]
Brain = Annotated[
    str | None,
    typer.Option(
        "--brain", help="who plays the roles: playbook, relay, none, provider:model, cli:COMMAND, recorded:RUN"
    ),
]
Budget = Annotated[str | None, typer.Option("--budget", help="wall time of the run: 90s, 15m, 1h30m; none without")]
Jobs = Annotated[int | None, typer.Option("--jobs", help="jobs side by side; default the number of cores")]
Where = Annotated[str | None, typer.Option("--executor", help="where jobs run: local, or ray (docs/cluster.md)")]
Address = Annotated[str | None, typer.Option("--address", help="of the Ray cluster: HOST:PORT; default RAY_ADDRESS")]
Seed = Annotated[int | None, typer.Option("--seed", help="all randomness follows from it")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="any setting, for example refine.outer=4")]
Unsafe = Annotated[
    bool | None, typer.Option("--unsafe", help="run code that is not mle-star's own even where there is no wall")
]
KeepModels = Annotated[
    bool | None, typer.Option("--keep-models", help="keep the fitted models, so that `predict` need not fit again")
]
MaxCost = Annotated[float | None, typer.Option("--max-cost", help="most US dollars that calls may cost")]
MaxCalls = Annotated[int | None, typer.Option("--max-calls", help="most calls to the brain")]
Who = Annotated[str, typer.Option("--as", help="who says so; kept with it")]
Json = Annotated[bool, typer.Option("--json", help="machine-readable")]


def place(executor: str | None, address: str | None) -> dict[str, Any]:
    """Where jobs run, as settings."""
    return {"executor": executor, "cluster": {"address": address} if address else None}


def say(text: str, where: TextIO | None = None) -> None:
    """All that is printed: texts of scripts, brains and data files are in it, and none may steer the terminal."""
    where = where or sys.stdout
    encoding = where.encoding or "utf-8"
    print(
        clean(text).encode(encoding, "replace").decode(encoding), file=where, flush=True
    )  # a server's may be the last
