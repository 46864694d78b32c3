"""The report of a run as a page of HTML, as Markdown and as JSON, made from its journal whenever it is asked for."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from mlestar import overview
from mlestar.journal import queries
from mlestar.report.markdown import markdown as markdown_of
from mlestar.report.page import page
from mlestar.telling import Teller

NAME = "report.html"


def html(run: Path) -> str:
    """The page. Raises RunError when the folder is no run."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415  what only looks at a run does without it

    facts = queries.facts(run)
    script = overview.FINAL.validate_python(facts["final"]).script if "final" in facts else ""
    return page(Teller(run).story(), script, get_plotlyjs())


def markdown(run: Path) -> str:
    """The same story in Markdown: a few screens, without its charts. Raises RunError when the folder is no run."""
    return markdown_of(Teller(run).story())


def told(run: Path) -> str:
    """The story as JSON: the summary that `show --json` prints, and all that was tried."""
    return json.dumps(asdict(Teller(run).story()), indent=1)


def write(run: Path, place: Path | None = None) -> None:
    """Write the page beside the journal, or to a place; whole or not at all. Raises OSError."""
    place = place or run / NAME
    draft = place.with_name(f".{place.name}.new")
    try:
        draft.write_text(html(run), encoding="utf-8")
        draft.replace(place)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def keep(run: Path) -> None:
    """Write the page of a run that is done. What goes wrong is a warning: the run's answer is kept already."""
    try:
        write(run)
    except Exception as error:  # a mistake of ours, too: tests make an error of the warning
        trouble = f"{run / NAME} could not be written ({type(error).__name__}: {error})"
        again = f"the run is done all the same; `mle-star report {run} --html FILE` tries again"
        warnings.warn(f"{trouble}; {again}", RuntimeWarning, stacklevel=2)
