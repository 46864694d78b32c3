"""report.html: the story of a run in one file, for somebody who was not there; it fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from mlestar.report.blocks import (
    Block,
    Chart,
    Code,
    Folded,
    Heading,
    Items,
    Line,
    Link,
    Named,
    Piece,
    Prose,
    Strong,
    Table,
)  # fmt: skip
from mlestar.report.chapters import answer, chapters
from mlestar.report.elements import Safe, code, items, section, table, text
from mlestar.report.elements import block as block_of
from mlestar.report.figures import Figure
from mlestar.report.story import Story

MOST_SOURCE = 200_000  # characters of the final script
MOST_ROWS = 400  # of one table
_HERE = Path(__file__).parent


def page(story: Story, script: str, library: str) -> str:
    """The whole file. `script` is the final solution's text (empty: there is none), `library` plotly's JavaScript."""
    style, draw = ((_HERE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    title, told = text(story.summary.task, 100), chapters(story, script, MOST_ROWS)
    links = "".join(f'<li><a href="#{chapter.key}">{text(chapter.title)}</a></li>' for chapter in told)
    body = "\n".join(section(chapter.title, *map(_block, chapter.blocks), id=chapter.key) for chapter in told)
    lead, *others = map(_block, answer(story))
    first = str(lead).replace("<p>", '<p class="lead">', 1)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_policy(library, draw)}">
<meta name="referrer" content="no-referrer"><title>{title}: what mle-star found</title>
<style>{style}</style></head>
<body><header><h1>{title}</h1><div class="answer">{first}{"".join(map(str, others))}</div></header>
<nav aria-label="chapters"><ul>{links}</ul></nav>
<main>
{body}
</main>
<footer class="soft"><p>Made by mle-star from the journal of the run {code(Path(story.run).name)}.</p></footer>
<script>{library}</script><script>{draw}</script></body></html>
"""


def _policy(*scripts: str) -> str:
    """Nothing is fetched, and no script runs but these; plotly writes styles, which can fetch nothing either."""
    known = " ".join(_hash(script) for script in scripts)
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {known}"
    )


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _block(block: Block) -> object:
    match block:
        case Prose(line, warns):
            return Safe(f"<p{_warn(warns)}>{_line(line)}</p>")
        case Items(lines, warns):
            found = items(map(_line, lines))
            return Safe(f"<div{_warn(warns)}>{found}</div>") if warns else found
        case Heading(title):
            return Safe(f"<h3>{text(title)}</h3>")
        case Table(head, rows, numbers, caption):
            return table(head, [[_line(cell) for cell in row] for row in rows], numbers, caption)
        case Chart(figure):
            return _chart(figure)
        case Folded(title, lines, script):
            inner = Safe(f"<pre>{block_of(script, MOST_SOURCE)}</pre>") if script else items(map(_line, lines))
            return Safe(f"<details><summary>{text(title)}</summary>{inner}</details>")


def _warn(warns: bool) -> str:
    return ' class="warn"' * warns


def _chart(figure: Figure) -> Safe:
    told = json.dumps(figure).replace("<", "\\u003c")
    return Safe(
        f'<div class="chart"><div aria-hidden="true"></div><script type="application/json">{told}</script></div>'
    )


def _line(line: Line) -> Safe:
    return Safe("".join(map(_piece, line)) if isinstance(line, tuple) else _piece(line))


def _piece(piece: Piece) -> Safe:
    match piece:
        case Code(said):
            return code(said)
        case Strong(said):
            return Safe(f"<strong>{text(said)}</strong>")
        case Link(said, chapter):
            return Safe(f'<a href="#{chapter}">{text(said)}</a>')
        case Named(name, address):
            return Safe(f"{text(name)}<br><code>{text(address)}</code>")
    before, after = (" " * piece[at : at + 1 or None].isspace() for at in (0, -1))
    return Safe(f"{before}{text(piece)}{after}" if piece.strip() else " " * bool(piece))
