"""The report of a run as files, JSON and a page of HTML, made from its journal whenever it is asked for."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from mlestar import overview
from mlestar.journal import queries
from mlestar.report.page import page
from mlestar.telling import Teller

NAME = "report.html"


def html(run: Path) -> str:
    """The page. Raises RunError when the folder is no run."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415  what only looks at a run does without it

    facts = queries.facts(run)
    script = overview.FINAL.validate_python(facts["final"]).script if "final" in facts else ""
    return page(Teller(run).story(), script, get_plotlyjs())


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
