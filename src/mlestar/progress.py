"""What a run looks like in a terminal: a live line while it goes on, a screenful when it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from mlestar.records import Progress, Summary, Trial

PHASES = {
    "start": "start", "init": "initial solution", "refine": "refinement", "ensemble": "ensemble",
    "finalise": "finish",
}  # fmt: skip


@contextmanager
def watching() -> Iterator[Callable[[Progress], None]]:
    """A live line on a terminal; elsewhere one plain line whenever the best score or the phase changes."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield lambda progress: live.update(_line(progress))
        return
    last: list[tuple[str, str]] = []
    lock = threading.Lock()

    def plain(progress: Progress) -> None:
        key = (progress.phase, str(progress.best))
        with lock:
            if not last or last[-1] != key:
                last.append(key)
                console.print(_line(progress), soft_wrap=True)

    yield plain


def _line(progress: Progress) -> Text:
    best = f"best {progress.best} ({progress.best_name})" if progress.best else "no score yet"
    left = "" if progress.left is None else f", {clock(progress.left)} left"
    phase = PHASES.get(progress.phase, progress.phase)
    return Text.assemble(
        (f"{phase:16} ", "bold"), (best, "green"), f"  {progress.doing}",
        (f"  {progress.jobs} jobs, {clock(progress.spent)}{left}", "dim"),
    )  # fmt: skip


def clock(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3:07 min, 1:02 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole % 3600 // 60:02} h"


def summary(found: Summary, run: Path) -> str:
    """A run on one screen."""
    arrow = "higher is better" if found.direction == "max" else "lower is better"
    lines = [
        f"{found.task}: {found.state}",
        f"  metric    {found.metric} ({arrow}), {found.folds or '?'} folds",
        f"  split     {found.split}: {found.split_evidence}",
        f"  expect    {_score(found.estimate, found.estimate_stderr)}",
        f"  search    {_score(found.search_score, found.search_stderr)}",
        f"  sealed    {_score(found.sealed_score, found.sealed_stderr)}{_seen(found)}",
    ]
    if found.optimism is not None:
        lines.append(f"  optimism  {found.optimism:+.5f} (positive: the search promised too much)")
    lines += [f"  {name:22} {value:.5f}" for name, value in found.phases if value is not None]
    lines.append(f"  {found.jobs} jobs, {found.brain_calls} brain calls, {clock(found.seconds)}, wall: {found.sandbox}")
    lines += [f"  warning: {warning}" for warning in found.warnings]
    if found.best:
        lines.append(f"  {found.best}/submission.csv and solution.py; `mle-star report {run}` tells the story")
    if found.state in ("interrupted", "stopped"):
        lines.append(f"  `mle-star resume {run}` goes on")
    return "\n".join(lines)


def _score(value: float | None, error: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.5f}" + ("" if error is None else f" ± {error:.5f}")


def _seen(found: Summary) -> str:
    return f"  (the sealed rows were looked at {found.sealed_seen} times)" if found.sealed_seen > 1 else ""


def table(rows: Sequence[tuple[Path, Summary]]) -> str:
    """Runs, one a line."""
    return "\n".join(
        f"{run!s:50} {s.state:12} {s.metric:24} search {_score(s.search_score, s.search_stderr):22}"
        f" sealed {_score(s.sealed_score, s.sealed_stderr):22} {clock(s.seconds)}"
        for run, s in rows
    )


def trial(found: Trial) -> str:
    """What `try` found."""
    scored = found.scored
    if scored.score is None:
        last = scored.results[-1].outcome if scored.results else None
        detail = f"\n{last.error or last.output}" if last else ""
        return f"{scored.solution.name}: no score. {scored.reason}{detail}"
    folds = ", ".join(f"{value:.5f}" for value in scored.score.values)
    return (
        f"{scored.solution.name}: {found.metric} {scored.score}\n"
        f"  folds {folds}; {scored.seconds:.1f} s the slowest\n"
        f"  split {found.split}; wall: {found.wall}"
    )
