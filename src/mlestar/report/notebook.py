"""A solution as a notebook: a code cell for each cell of the script, under its name."""

from __future__ import annotations

import re

import nbformat
from nbformat import v4

from mlestar.report.markdown import code
from mlestar.scripts import parse

_HEAD = "header"


def notebook(script: str, intro: str) -> str:
    """A valid notebook (nbformat 4.5) whose code cells, in order, are the script; `intro` is Markdown of ours.

    The cells carry their names where jupytext keeps them, so that the notebook is written back as the same script. It
    is not read by jupytext: there `# %% [markdown]` would turn code that runs into text that does not.
    """
    book = parse(script)
    cells = [v4.new_markdown_cell(intro, id="about")]
    if book.head:
        cells.append(_code("head", _HEAD, book.head))
    for number, cell in enumerate(book.cells):
        cells.append(v4.new_markdown_cell(f"### {code(cell.name)}", id=f"name-{number}"))
        cells.append(_code(f"cell-{number}", cell.name, cell.source))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.validate(made)
    return str(nbformat.writes(made))


def sources(text: str) -> list[tuple[str, str]]:
    """Name and source of each code cell of a notebook that `notebook` made."""
    cells = nbformat.reads(text, as_version=4).cells
    return [(cell.metadata.get("title", ""), cell.source) for cell in cells if cell.cell_type == "code"]


def _code(number: str, name: str, source: str) -> nbformat.NotebookNode:
    plain = re.sub(r"\s+", " ", name)
    made: nbformat.NotebookNode = v4.new_code_cell(source, id=number, metadata={"title": plain, "name": plain})
    return made
