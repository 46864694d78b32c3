"""HTML in the small: what is not `Safe` is shown as text, whoever wrote it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from mlestar.plain import clean, word


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
    """A short foreign text as code."""
    return Safe(f"<code>{text(value)}</code>")


def items(lines: Iterable[object]) -> Safe:
    """A list; nothing where there is nothing to list."""
    found = [f"<li>{text(line)}</li>" for line in lines]
    return Safe(f"<ul>{''.join(found)}</ul>" if found else "")


def table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers: int = 0, caption: str = "") -> Safe:
    """A table whose last `numbers` columns are numbers; it scrolls by itself where the page is narrow."""
    first = len(head) - numbers
    kinds = ["" if i < first else ' class="n"' for i in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{text(name)}</th>' for name, kind in zip(head, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{text(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    told = f"<caption>{text(caption)}</caption>" if caption else ""
    label = f' aria-label="{text(caption or head[0])}"'
    inner = f"<table>{told}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return Safe(f'<div class="wide" role="region" tabindex="0"{label}>{inner}</div>')


def section(title: str, *parts: object, id: str = "") -> Safe:
    """A chapter with its heading; nothing where all its parts are empty."""
    body = "\n".join(str(part) if isinstance(part, Safe) else f"<p>{text(part)}</p>" for part in parts if part)
    mark = f' id="{text(id)}"' if id else ""
    return Safe(f"<section{mark}><h2>{text(title)}</h2>\n{body}\n</section>" if body else "")
