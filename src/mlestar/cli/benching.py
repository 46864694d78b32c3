"""The command `bench`: a folder of tasks, several systems, one budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlestar.cli.options import Address, Brain, Jobs, MaxCalls, MaxCost, Sets, Unsafe, Where, app, place, say
from mlestar.errors import SettingsError

if TYPE_CHECKING:
    from mlestar.config import Settings

BUDGET = "10m"


@app.command()
def bench(
    folder: Annotated[Path, typer.Argument(help="a folder of tasks with answers; docs/bench.md shows both layouts")],
    against: Annotated[
        str, typer.Option("--against", help="who else is run: autogluon, flaml, or a runner script of yours")
    ] = "",
    budget: Annotated[
        str | None,
        typer.Option("--budget", help=f"wall time of each cell, for every system; {BUDGET} where nothing sets it"),
    ] = None,
    jobs: Jobs = None,
    executor: Where = None,
    address: Address = None,
    lanes: Annotated[
        int | None,
        typer.Option(
            "--side-by-side", min=1, help="so many of mle-star's cells at a time on a cluster; default as many as fit"
        ),
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="one cell each, for example 1,2,3")] = "0",
    brain: Brain = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="where cells and pages go; default runs/bench-FOLDER; named again, it goes on"),
    ] = None,
    only: Annotated[str, typer.Option("--only", help="tasks whose name fits, such as 'sp*'")] = "*",
    no_grade: Annotated[
        bool, typer.Option("--no-grade", help="leave the answers alone; a later call may grade")
    ] = False,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    sets: Sets = None,
    unsafe: Unsafe = None,
) -> None:
    """Run a folder of tasks by mle-star and its competitors, graded once each; what is there already is kept.

    --jobs is the core count of all systems; on a cluster, unless it is set, each cell's share of the places.
    --max-cost, --max-calls and --set hold for each of mle-star's runs.
    """
    from mlestar import config, progress
    from mlestar.bench import benching, competitors
    from mlestar.bench.records import Asked

    told = config.changes(
        sets, brain=brain, budget=budget, max_cost=max_cost, max_calls=max_calls, jobs=jobs, unsafe=unsafe,
        **place(executor, address),
    )  # fmt: skip
    names = [name.strip() for name in against.split(",") if name.strip()]
    others = tuple(competitors.named(name) for name in dict.fromkeys(names))
    asked = Asked(_seeds(seeds), others, only, not no_grade, lanes)
    target = out or Path("runs") / f"bench-{folder.resolve().name}"
    with progress.watching() as watch:
        page = benching.bench(folder, target, _settings(told), asked, say, watch)
    say(f"\n{page}, with bench.json and bench.svg beside it")


def _settings(told: dict[str, Any]) -> Settings:
    """The settings of every run, with a budget; raises SettingsError for a seed, which each cell has of its own."""
    from mlestar import config

    if "seed" in told:
        raise SettingsError("--set seed: every cell has a seed of its own; name them with --seeds, such as --seeds 3")
    settings = config.load(**told)
    return config.load(**told, budget=BUDGET) if settings.budget is None else settings


def _seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise SettingsError(f"--seeds {text!r}: write whole numbers, for example --seeds 1,2,3")
    return tuple(dict.fromkeys(map(int, parts)))
