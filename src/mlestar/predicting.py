"""Predictions for rows that came after a run: its solution, fitted on all training rows, behind the same wall.

`predict` is what the command line and the Python API call; everything that it writes is gone when it returns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlestar import casting, config, runs
from mlestar.config import Settings
from mlestar.errors import Interrupted, RunError
from mlestar.executors.local import LocalExecutor
from mlestar.housekeeping import stoppable
from mlestar.journal import queries
from mlestar.plain import remove, word
from mlestar.products.pinning import body
from mlestar.records import Job, Limits, Outcome
from mlestar.tasks.newrows import NewRows, lay
from mlestar.tasks.prepared import Prepared, reopen

SOLUTION = Path("best") / "solution.py"
MODELS = "models"


@dataclass(frozen=True)
class Predictions:
    """One row per new row, in their order, with the columns of the sample submission.

    `csv` is the table as bytes of a csv file; `notes` say what was ignored or made up; `seconds` the script took;
    `models` says what became of kept models.
    """

    csv: bytes
    rows: int
    notes: tuple[str, ...]
    seconds: float
    models: tuple[str, ...] = ()


def predict(
    run: Path, new: Path, changes: Mapping[str, Any] | None = None, keep: bool = False,
    begun: Callable[[bool], None] = lambda kept: None,
) -> Predictions:  # fmt: skip
    """Predict the rows of `new` with the solution in `best/` of a run.

    `new` is a table (csv, tsv, json, jsonl, parquet) with the test's columns in any order, or a folder laid out like
    the test side of the task, where rows have files. The id may be missing: then rows are numbered. `changes` are
    settings that differ from the run's, as `config.changes` gives them. Models that were kept are taken instead of
    fitting again, where they would come out the same; with `keep`, a run that has none gets those of this call.
    `begun` hears, once all that can be checked before was, that the script starts, and whether models were kept.
    Raises RunError where there is no solution or it fails, TaskError where `new` does not fit the task, SettingsError
    where nothing would hold the script.
    """
    facts = queries.facts(run)
    script = solution(run)
    settings = config.changed(facts.get("settings", {}), dict(changes or {}))
    executor = casting.here(settings, run)
    if not _is_own(facts, script, settings):
        runs.need_wall(executor.wall, settings, "the run's solution")
    with stoppable() as stopping, _scratch(run) as scratch:
        stopping.executor = executor
        view = scratch / "view"
        view.mkdir(mode=0o755)
        laid = lay(_task(run, settings), new, view)
        kept = run / MODELS
        begun(kept.is_dir())
        models = (str(kept) * (keep and not kept.is_dir()), str(kept) * kept.is_dir())
        outcome = _run(executor, settings, script, view, scratch / "job", models)
        return _delivered(laid, outcome, scratch / "job", _told(outcome, *models))


def solution(run: Path) -> str:
    """The script in `best/`. Raises RunError where there is none."""
    try:
        return (run / SOLUTION).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(
            f"{run} has no solution yet: {SOLUTION} is missing. `mle-star resume` goes on with the run"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{run / SOLUTION} cannot be read: {error}") from None


def _task(run: Path, settings: Settings) -> Prepared:
    return reopen(run, partial(runs.serve, settings))


def _is_own(facts: Mapping[str, Any], script: str, settings: Settings) -> bool:
    """Whether the script is what the run ended with, and mle-star's own recipes are all that is in it."""
    final = facts.get("final") or {}
    return not settings.library and not facts.get("strangers") and body(final.get("script", "")) == body(script)


@contextmanager
def _scratch(run: Path) -> Iterator[Path]:
    """A folder beside the run's views, on whose disk the files of rows are: they are linked, not copied."""
    try:
        (run / "views").mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".predict-", dir=run / "views"))
    except OSError as error:
        raise RunError(f"{run}: nothing can be written there ({error.strerror}), which predicting needs") from None
    try:
        yield folder
    finally:
        remove(folder)


def _run(
    executor: LocalExecutor, settings: Settings, script: str, view: Path, folder: Path, models: tuple[str, str]
) -> Outcome:  # fmt: skip
    given = settings.limits
    limits = Limits(given.seconds, given.memory_mb, given.processes, given.disk_mb, given.output_kb, config.cores())
    outcome = executor.run(Job("predict", script, str(view), str(folder), limits, *models))
    if outcome.state == "stopped":
        raise Interrupted("stopped; nothing was written")
    return outcome


def _delivered(laid: NewRows, outcome: Outcome, folder: Path, told: tuple[str, ...]) -> Predictions:
    if not outcome.ok:
        last = (outcome.error or outcome.output).strip().rpartition("\n")[2]
        more = "; --set limits.seconds=… allows more" * (outcome.state == "timeout")
        raise RunError(f"the solution ended with {outcome.state} on these rows{more}: {word(last, 500)}")
    try:
        return Predictions(laid.deliver(folder), laid.form.rows, laid.notes, outcome.seconds, told)
    except ValueError as error:
        raise RunError(f"the solution ran on these rows, but what it left is {word(error, 500)}") from None


def _told(outcome: Outcome, keep: str, models: str) -> tuple[str, ...]:
    """What became of the models that were kept, or are to be."""
    fits = outcome.fits
    if not (keep or models) or not outcome.ok:
        return ()
    if fits is None:
        return ("fitted models could not be kept or taken: all was fitted as usual",)
    if keep:
        lost = f"; {fits.left} had no room (limits.disk_mb)" * bool(fits.left)
        return (f"{fits.kept} of {fits.fits} fitted models are kept in {keep}{lost}",)
    again = fits.fits - fits.taken
    why = f"; {again} were fitted again, for their training data changed with the new rows, or they cannot be kept"
    return (f"{fits.taken} of {fits.fits} fits were taken from the models that were kept{why * bool(again)}",)
