"""A run in a notebook: its representation, and a display that follows it. Plain HTML, no widget, no script.

Where there is no notebook, the terminal's display takes its place.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlestar import progress
from mlestar.plain import word
from mlestar.records import Progress, Summary

_EVERY = 0.3  # seconds worked on the run between two displays of the same phase


@contextmanager
def watching(wanted: bool) -> Iterator[Callable[[Progress], None]]:
    """Who is told of progress: a notebook's output, else the terminal; nobody unless `wanted`."""
    shell = _shell() if wanted else None
    if shell is not None:
        yield Display(shell)
    elif wanted:
        with progress.watching() as watch:
            yield watch
    else:
        yield lambda told: None


def _shell() -> Any:
    """IPython's display module, where a notebook is what runs us; it is never imported by us first."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return sys.modules.get("IPython.display") if getattr(shell, "kernel", None) is not None else None


class Display:
    """One output of a notebook, replaced as the run goes on; warnings stay."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._handle = shell.display(shell.HTML(table([("mle-star", "begins")])), display_id=True)
        self._last: tuple[str, str, int] | None = None
        self._warnings: list[str] = []

    def __call__(self, told: Progress) -> None:
        """Show how far it is."""
        key = (told.phase, str(told.best), int(told.spent / _EVERY))
        if told.warning:
            self._warnings.append(word(told.warning, 500))
        if key == self._last and not told.warning:
            return
        self._last = key
        self._handle.update(self._shell.HTML(table(self._rows(told))))

    def _rows(self, told: Progress) -> list[tuple[str, str]]:
        left = "" if told.left is None else f", {progress.clock(told.left)} left"
        best = f"{told.best} ({word(told.best_name, 80)})" if told.best else "no score yet"
        return [
            (progress.PHASES.get(told.phase, told.phase), word(told.doing)),
            ("best so far", best),
            ("jobs", f"{told.jobs}, {progress.clock(told.spent)}{left}"),
            *(("warning", text) for text in self._warnings),
        ]


def described(found: Summary, folder: str, score: str, best: str) -> str:
    """A run as HTML; every text in it is shown as text."""
    rows = [
        ("task", word(found.task)), ("state", found.state), ("score", score), ("best", best),
        ("split", f"{word(found.split)}: {word(found.split_evidence)}"),
        ("took", f"{found.jobs} jobs, {found.brain_calls} brain calls, {progress.clock(found.seconds)}"),
        *(("warning", word(text)) for text in found.warnings), ("folder", folder),
    ]  # fmt: skip
    return table(rows)


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Names and texts as a table; both are shown as text."""
    lines = (
        f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(text)}</td></tr>'
        for name, text in rows
    )
    return f"<table>{''.join(lines)}</table>"
