"""A hook of mkdocs: files of the repository that pages of docs/ link to come along as pages below `source/`.

The same relative links work in a checkout and on the site, and the site needs no address of a repository.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?P<before>\]\()(?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?(?=\))")
PICTURES = {".svg", ".png"}
LANGUAGES = {".py": "python", ".toml": "toml", ".sh": "bash"}


def on_files(files: Files, config: Any) -> Files:
    """Add what is linked, and what that links to in turn where it is Markdown."""
    waiting = [_home(file.src_uri) for file in files.documentation_pages()]
    seen = set(waiting)
    while waiting:
        page = waiting.pop()
        targets = [_target(page, link["path"]) for link in LINK.finditer((ROOT / page).read_text(encoding="utf-8"))]
        for target in targets:
            if target in seen or target.startswith("docs/") or not (ROOT / target).is_file():
                continue
            seen.add(target)
            files.append(_file(target, config))
            waiting += [target] if target.endswith(".md") else []
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links between docs/ and the rest of the repository to where both lie on the site."""
    here = page.file.src_uri
    home = _home(here)

    def moved(link: re.Match[str]) -> str:
        there = _place(_target(home, link["path"]))
        path = posixpath.relpath(there, posixpath.dirname(here) or ".") if there in files.src_uris else link["path"]
        return f"{link['before']}{path}{link['anchor'] or ''}"

    return LINK.sub(moved, markdown)


def _file(target: str, config: Any) -> File:
    path = ROOT / target
    if path.suffix == ".md" or path.suffix in PICTURES:
        return File.generated(config, _place(target), abs_src_path=str(path))
    text = path.read_text(encoding="utf-8")
    body = f"# {target}\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{text}````\n"
    return File.generated(config, _place(target), content=body)


def _target(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _place(target: str) -> str:
    """Where a file of the repository lies on the site."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    known = {".md", *PICTURES}
    return f"source/{target}" + ("" if Path(target).suffix in known else ".md")


def _home(uri: str) -> str:
    """Where a page of the site lies in the repository; a page that shows a program has no links of its own."""
    return uri.removeprefix("source/") if uri.startswith("source/") else f"docs/{uri}"
