"""HTML in the small: what is not `Safe` is shown as text, whoever wrote it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from mlestar.plain import clean, word

LONG = 60  # characters of a cell that needs room
MOST_CODE = 300


class Safe(str):
    """Markup of our own; foreign text in it was escaped."""


def text(value: object, most: int = 1_000) -> Safe:
    """Foreign text in one line."""
    return value if isinstance(value, Safe) else Safe(html.escape(word(value, most)))


def block(value: str, most: int) -> Safe:
    """Foreign text of several lines, at most `most` characters of it."""
    whole = clean(value)
    cut = f"\n… {len(whole) - most} characters more" if len(whole) > most else ""
    return Safe(html.escape(whole[:most] + cut))


def code(value: object) -> Safe:
    """A short foreign text as code; a narrow page may break it after a slash."""
    return Safe(f"<code>{text(value, MOST_CODE).replace('/', '/<wbr>')}</code>")


def items(lines: Iterable[object]) -> Safe:
    """A list; nothing where there is nothing to list."""
    found = [f"<li>{text(line)}</li>" for line in lines]
    return Safe(f"<ul>{''.join(found)}</ul>" if found else "")


def table(head: Sequence[str], rows: Sequence[Sequence[object]], numbers: int = 0, caption: str = "") -> Safe:
    """A table whose last `numbers` columns are numbers; it scrolls by itself where the page is narrow.

    Columns with nothing in them are left out.
    """
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    long = [any(len(str(row[i])) > LONG for row in rows) for i in range(len(head))]
    kinds = [' class="n"' if i >= len(head) - numbers else ' class="t"' if long[i] else "" for i in range(len(head))]
    top = "".join(f'<th scope="col"{kinds[i]}>{text(head[i])}</th>' for i in kept)
    body = "".join("<tr>" + "".join(f"<td{kinds[i]}>{text(row[i])}</td>" for i in kept) + "</tr>\n" for row in rows)
    told = f"<caption>{text(caption)}</caption>" if caption else ""
    label = f' aria-label="{text(caption or " and ".join(head[:2]))}"'
    inner = f"<table>{told}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return Safe(f'<div class="wide" role="region" tabindex="0"{label}>{inner}</div>')


def section(title: str, *parts: object, id: str = "") -> Safe:
    """A chapter with its heading; nothing where all its parts are empty."""
    body = "\n".join(str(part) if isinstance(part, Safe) else f"<p>{text(part)}</p>" for part in parts if part)
    mark = f' id="{text(id)}"' if id else ""
    return Safe(f"<section{mark}><h2>{text(title)}</h2>\n{body}\n</section>" if body else "")
