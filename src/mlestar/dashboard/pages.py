"""The shells of the pages: what can be read at once, and without a script; the rest is drawn from JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mlestar.plain import number
from mlestar.report.elements import Safe, table, text

_PARTS = (  # of a run's page: id, heading
    ("time", "Score over time"), ("tree", "What was tried"), ("effects", "What cells are worth"),
    ("final", "The solution"), ("files", "Opened files"), ("cost", "What it took"), ("ideas", "Where ideas came from"),
    ("notes", "Notes"),
)  # fmt: skip


def list_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """All runs."""
    head = ("run", "state", "task", "metric", "brain", "search", "expect", "time")
    cells = [
        (
            Safe(f'<a href="{_address(row["name"])}">{text(row["name"])}</a>'), row["state"], row["task"],
            row.get("metric", ""), row.get("brain", ""), number(row.get("search_score"), row.get("search_stderr"), ""),
            number(row.get("estimate"), row.get("estimate_stderr"), ""), f"{row.get('seconds', 0):.0f} s",
        )
        for row in rows
    ]  # fmt: skip
    body = table(head, cells, 3, "Runs") if cells else Safe("<p>There is no run here yet.</p>")
    return _page("Runs", f"<header><h1>Runs</h1></header><main id='runs'>{body}</main>", "runs.js")


def run_page(name: str, state: str, task: str, token: str) -> str:
    """One run."""
    here = _address(name)
    links = " ".join(f'<a href="#{id}">{text(title)}</a>' for id, title in _PARTS)
    parts = "\n".join(
        f'<section id="{id}" aria-labelledby="{id}-h"><h2 id="{id}-h">{text(title)}</h2><div class="body"></div>'
        "</section>"
        for id, title in _PARTS
    )
    controls = """<form id="steer" aria-label="steer the run">
<button type="button" data-verb="stop">Stop</button> <button type="button" data-verb="resume">Resume</button>
<label>Say <select id="about"><option value="hint">a hint</option><option value="pin">an idea to pin</option>
<option value="forbid">an idea to forbid</option></select></label>
<label>what <input id="text" maxlength="2000"></label> <button type="submit">Send</button>
<output id="said" role="status"></output></form>"""
    return _page(
        f"{name}: {task}",
        f"""<header><p><a href="/">All runs</a></p><h1>{text(task)} <small>{text(name)}</small></h1>
<p class="soft" role="status"><span id="state">{text(state)}</span>, <span id="live">connecting</span></p>
<div id="summary" class="answer"><p class="lead">{text(state)}</p></div>
<nav aria-label="parts of this page">{links} <a href="{here}/report.html">Report</a></nav>{controls}</header>
<main data-run="{text(here)}" data-token="{text(token)}">{parts}</main>
<aside id="panel" aria-label="details" hidden tabindex="-1"></aside>""",
        "run.js",
    )


def _address(name: object) -> str:
    return f"/runs/{quote(str(name), safe='')}"


def _page(title: str, body: str, script: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/static/page.css">
<link rel="stylesheet" href="/static/live.css"><script type="module" src="/static/{script}"></script></head>
<body>{body}</body></html>
"""
