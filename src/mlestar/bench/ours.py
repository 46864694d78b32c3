"""One run of mle-star for a cell; an unfinished one is taken up again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from mlestar import config, overview, runs
from mlestar.bench.competitors import SUBMISSION
from mlestar.bench.records import Cell
from mlestar.config import Settings
from mlestar.errors import NoSolution, StepError, TaskError
from mlestar.housekeeping import Stopping, Watch
from mlestar.journal.database import NAME


def run(public: Path, settings: Settings, folder: Path, cell: Cell, watch: Watch, above: Stopping) -> Cell:
    """Start or resume the run in `folder`/run; the cell, filled in. What the user can mend or stopped is raised.

    Safe from several threads at once, for cells of different folders.
    """
    place, reason = folder / "run", ""
    seeded = config.changed(settings.model_dump(mode="json"), {"seed": cell.seed})
    try:
        if (place / NAME).exists():
            runs.resume(place, {}, watch, above)
        else:
            runs.start(public, place, seeded, watch, above)
    except (TaskError, NoSolution, StepError) as error:
        reason = str(error)
    if not (place / NAME).exists():  # the task was refused before anything began
        return replace(cell, state="failed", reason=reason)
    found = overview.show(place)
    calls = sum(used.calls for used in found.usage)
    best = place / "best" / "submission.csv"
    cell = replace(
        cell, seconds=found.seconds, calls=calls, cost_usd=found.cost_usd if calls else 0.0, metric=found.metric,
        direction=found.direction, search=found.search_score, search_stderr=found.search_stderr,
        sealed=found.sealed_score, sealed_stderr=found.sealed_stderr, estimate=found.estimate,
        estimate_stderr=found.estimate_stderr, reason=reason,
    )  # fmt: skip
    if not best.exists():
        reason = reason or f"the run is {found.state}, and has no submission"
        if settings.executor == "ray" and not found.jobs:  # others had filled the cluster: that says nothing of us
            shutil.rmtree(place)
            return replace(cell, state="missing", reason=reason)
        return replace(cell, state="failed", reason=reason)
    shutil.copyfile(best, folder / SUBMISSION)
    return cell
