"""What a run looks like in a terminal: a live line while it goes on, a screenful when it is over."""

from __future__ import annotations

import shlex
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from mlestar.plain import clean, number, word
from mlestar.records import Progress, Summary, Trial, Usage
from mlestar.report import costs
from mlestar.report.story import Story
from mlestar.report.tree import SCREEN, tree

LINE = 500  # characters of one
WIDTH = 80  # characters of a screen's line
MOST_WARNINGS = 4
MOST_ROLES = 5  # named in the table of calls
COLUMNS = (0, 1, 2, 3, 5, 7)  # of that table: role, who answered, calls, tokens in and out, price
MOST_GROUPS = 8  # named in a line
PHASES = {
    "start": "start", "init": "initial solution", "refine": "refinement", "ensemble": "ensemble",
    "finalise": "finish",
}  # fmt: skip


@contextmanager
def watching() -> Iterator[Callable[[Progress], None]]:
    """A live line on a terminal; elsewhere one plain line whenever the best score or the phase changes.

    Warnings stay where they were printed.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:

            def alive(progress: Progress) -> None:
                _warn(console, progress)
                live.update(_line(progress))

            yield alive
        return
    last: list[tuple[str, str]] = []
    lock = threading.Lock()

    def plain(progress: Progress) -> None:
        key = (progress.phase, str(progress.best))
        with lock:
            _warn(console, progress)
            if not last or last[-1] != key:
                last.append(key)
                console.print(_line(progress), soft_wrap=True)

    yield plain


def _warn(console: Console, progress: Progress) -> None:
    if progress.warning:
        console.print(Text(f"warning: {word(progress.warning, LINE)}", style="yellow"), soft_wrap=True)


def _line(progress: Progress) -> Text:
    best = f"best {progress.best} ({word(progress.best_name, 80)})" if progress.best else "no score yet"
    left = "" if progress.left is None else f", {clock(progress.left)} left"
    phase = PHASES.get(progress.phase, progress.phase)
    return Text.assemble(
        (f"{phase:16} ", "bold"), (best, "green"), f"  {word(progress.doing)}",
        (f"  {progress.jobs} jobs, {clock(progress.spent)}{left}{_calls(progress)}", "dim"),
    )  # fmt: skip


def _calls(progress: Progress) -> str:
    """Calls and money, once there were calls; a price that nobody knows counts as it does under a cap."""
    if not progress.calls:
        return ""
    usd, calls = progress.rest
    parts = [f"{progress.calls} call{'s' * (progress.calls > 1)}" + ("" if calls is None else f" ({calls} left)")]
    if progress.usd > 0 or usd is not None:
        spent = f"up to {costs.dollars(progress.usd)}"
        parts.append(spent + ("" if usd is None else f" ({costs.dollars(usd)} left)"))
    return "".join(f", {part}" for part in parts)


def clock(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3:07 min, 1:02 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole % 3600 // 60:02} h"


def summary(found: Summary, run: Path) -> str:
    """A run on one screen of 80 columns; paths and commands may be wider, for they are copied, and unknown prices."""
    arrow = "higher is better" if found.direction == "max" else "lower is better"
    phases = ", ".join(f"{name} {value:.5f}" for name, value in found.phases if value is not None)
    facts = [
        f"metric    {word(found.metric)} ({arrow}), {found.folds or '?'} {'fold' if found.folds == 1 else 'folds'}",
        f"split     {word(found.split)}: {word(found.split_evidence, LINE)}",
        f"expect    {number(found.estimate, found.estimate_stderr)}",
        f"search    {number(found.search_score, found.search_stderr)}",
        f"sealed    {number(found.sealed_score, found.sealed_stderr)}{_seen(found)}",
        *by_group(found.split, found.groups),
    ]
    if found.optimism is not None:
        facts.append(f"optimism  {found.optimism:+.5f} (positive: the search promised too much)")
    facts += [f"best      {phases}"] if phases else []
    facts.append(f"took      {found.jobs} jobs, {found.brain_calls} brain calls, {clock(found.seconds)}")
    calls = [f"  {line}" for line in _usage(found.usage)]
    last = [f"wall      {found.sandbox} ({found.sandbox_about})"]
    last += [f"warning:  {word(warning, LINE)}" for warning in found.warnings[:MOST_WARNINGS]]
    if len(found.warnings) > MOST_WARNINGS:
        last.append(f"warning:  and {len(found.warnings) - MOST_WARNINGS} more, which the report tells")
    lines = [word(f"{word(found.task)}: {found.state}", WIDTH), *_folded(facts), *calls, *_folded(last)]
    return "\n".join([*lines, *_onward(found, run)])


def _folded(facts: Sequence[str]) -> list[str]:
    """Each in at most two lines of a screen."""
    fold = textwrap.TextWrapper(
        WIDTH, "  ", " " * 12, max_lines=2, placeholder=" …", break_on_hyphens=False,
    )  # fmt: skip
    return [line for fact in facts for line in fold.wrap(clean(fact))]


def _onward(found: Summary, run: Path) -> list[str]:
    """Where the results are, and what to do next."""
    name = shlex.quote(str(run))  # it may be copied into a shell
    lines = []
    if found.best:
        lines.append(f"  {found.best}/submission.csv and solution.py")
        page = run / "report.html"
        lines.append(f"  the story: {page}" if page.exists() else f"  `mle-star report {name}` tells the story")
    if found.state in ("interrupted", "stopped", "paused"):
        lines.append(f"  `mle-star resume {name}` goes on")
    return lines


def draw(story: Story, whole: bool, plain: bool, say: Callable[[str], None]) -> None:
    """Show the tree of what was tried; on a terminal, what the delivered solution is made of stands out."""
    console = Console(no_color=plain or None)
    for line in tree(story, None if whole else SCREEN):
        told = f"{line.mark} {line.text}"
        if console.is_terminal:
            style = "green" if line.mark == "*" else "" if line.text.startswith(("├", "└")) else "bold"
            console.print(Text(told, style="" if console.no_color else style), no_wrap=True, overflow="ellipsis")
        else:
            say(told.replace("├ ", "|- ", 1).replace("└ ", "`- ", 1))
    if story.weights:
        say(f"* part of what was delivered ({word(story.final, 30)})   : what such a part was made from")


def by_group(split: str, groups: Sequence[tuple[str, float]]) -> list[str]:
    """The scores of few groups, in a line: from the worst to the best; nothing where there are none."""
    if len(groups) < 2:
        return []
    ranked = sorted(groups, key=lambda group: group[1])
    each = ", ".join(f"{name} {value:.5f}" for name, value in groups)
    told = each if len(groups) <= MOST_GROUPS else f"{len(groups)} of them, from {ranked[0][0]} to {ranked[-1][0]}"
    return [f"by {split.partition(':')[2] or 'owner':6} {ranked[0][1]:.5f} to {ranked[-1][1]:.5f} ({told})"]


def _usage(usage: Sequence[Usage]) -> list[str]:
    """What calls took, as a table with a last line for all; nothing where there were none."""
    if not usage:
        return []
    ranked = sorted(usage, key=lambda used: -used.calls)
    shown = [used for used in usage if used in ranked[:MOST_ROLES]]
    rest = [costs.total(ranked[MOST_ROLES:])] if len(ranked) > MOST_ROLES else []
    kept = [replace(used, role=f"{len(ranked) - MOST_ROLES} more") for used in rest]
    rows = [costs.cells(used) for used in (*shown, *kept, costs.total(usage))]
    return costs.aligned([[word(row[i], 18) for i in COLUMNS] for row in (costs.HEAD, *rows)], 2)


def _seen(found: Summary) -> str:
    return f"  (the sealed rows were looked at {found.sealed_seen} times)" if found.sealed_seen > 1 else ""


def table(rows: Sequence[tuple[Path, Summary]]) -> str:
    """Runs, one a line."""
    return "\n".join(
        f"{word(run):50} {s.state:12} {s.metric:24} search {number(s.search_score, s.search_stderr):22}"
        f" sealed {number(s.sealed_score, s.sealed_stderr):22} {clock(s.seconds)}"
        for run, s in rows
    )


def trial(found: Trial) -> str:
    """What `try` found."""
    scored = found.scored
    if scored.score is None:
        last = scored.results[-1].outcome if scored.results else None
        detail = textwrap.indent(last.error or last.output, "  | ") if last else ""
        return f"{word(scored.solution.name)}: no score. {word(scored.reason, LINE)}\n{detail}".rstrip()
    folds = ", ".join(f"{value:.5f}" for value in scored.score.values)
    return (
        f"{word(scored.solution.name)}: {word(found.metric)} {scored.score}\n"
        f"  folds {folds}; {scored.seconds:.1f} s the slowest\n"
        + "".join(f"  {word(line, LINE)}\n" for line in by_group(found.split.partition(": ")[0], scored.score.groups))
        + f"  split {word(found.split, LINE)}; wall: {found.wall}"
    )
