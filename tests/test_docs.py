"""Pages: those that are made from the code are current, links lead somewhere, commands exist, the site builds."""

import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer

from mlestar.cli import app
from mlestar.tasks.manifest import TaskEntry

from .pages import DOCS, PAGES, ROOT, anchors, blocks, links, name, spans

SHELL = re.compile(r"^(?:\$ |mle-star |make |pip |python )", re.M)
LOADED = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "audio": "src",
    "video": "src",
}


def check(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, root / "scripts" / "docs.py", *arguments], capture_output=True, text=True)


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_pages_made_from_the_code_are_current() -> None:
    done = check(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_old_pages_are_noticed_and_mended(tmp_path: Path) -> None:
    for folder in ("scripts", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    words = {"settings": "judging.accept", "cli": "--dry-run", "metrics": "rmsle", "library": "theta"}
    pages = {tmp_path / "docs" / f"{page}.md": word for page, word in words.items()}
    current = {page: page.read_text() for page in pages}
    for page, word in pages.items():
        page.write_text(current[page].replace(word, "excuse"))
    found = check(tmp_path, "--check")
    assert found.returncode == 1
    for page in pages:
        assert f"docs/{page.name}" in found.stdout
        assert "excuse" in page.read_text()
    assert check(tmp_path).returncode == 0
    assert current == {page: page.read_text() for page in pages}


class Loads(HTMLParser):
    """What a page loads by itself: styles, programs, pictures."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for key, value in attributes if key == LOADED.get(tag)]


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert {name(page).removeprefix("docs/").replace(".md", ".html") for page in DOCS} <= {
        str(page.relative_to(site)) for page in pages
    }
    for page in pages:
        for address in Loads(page).found:
            assert not re.match(r"(?:\w+:)?//", address), f"{page.name} loads {address}"
            if page.name != "404.html":  # its addresses begin at the root of a server
                assert (page.parent / address.partition("?")[0]).is_file(), f"{page.name} loads {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\W?(?:\w+:)?//|@import", sheet.read_text(encoding="utf-8")), sheet


def test_a_program_that_a_page_links_to_is_on_the_site(site: Path) -> None:
    assert 'href="source/src/mlestar/algorithm.py.html"' in (site / "algorithm.html").read_text()
    assert "refine" in (site / "source/src/mlestar/algorithm.py.html").read_text()


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("(tour.md)", "(detour.md)", "detour.md"),
        ("(trust.md)", "(trust.md#no-such-heading)", "no-such-heading"),
        ("(../CONTRIBUTING.md)", "(../CONTRIBUTED.md)", "CONTRIBUTED.md"),
    ],
)
def test_a_dead_link_fails_the_build(tmp_path: Path, old: str, new: str, word: str) -> None:
    for part in ROOT.iterdir():
        if part.name not in ("docs", "mkdocs.yml", "scripts"):
            (tmp_path / part.name).symlink_to(part)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    page = tmp_path / "docs" / "index.md"
    assert old in page.read_text()
    page.write_text(page.read_text().replace(old, new))
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert word in done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {link}; there are {sorted(anchors(target))}"


def test_every_decision_is_listed() -> None:
    index = ROOT / "docs" / "decisions" / "index.md"
    assert set(links(index)) == {path.name for path in index.parent.glob("0*.md")}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_options_exist(page: Path) -> None:
    lines = [line.removeprefix("$ ") for block in blocks(page) for line in block.text.splitlines()]
    for line in [*lines, *spans(page)]:
        if re.match(r"mle-star [a-z]", line):
            wrong = unknown(shlex.split(line.replace("…", ""), comments=True)[1:])
            assert not wrong, f"{name(page)}: `{line}`: {wrong}"


def unknown(words: list[str]) -> str:
    """The word that the command line does not know, or nothing."""
    command: Any = typer.main.get_command(app)
    options = {"--help", "--version"}
    for word in words:
        below = getattr(command, "commands", {})
        if word in below:
            command = below[word]
        elif command.name is None or "run" in below:  # no command of the top
            return word
        elif word in ("|", ">", "&", ";", "&&"):
            return ""
        else:
            inner = [command, *getattr(command, "commands", {}).values()]
            options |= {option for one in inner for part in one.params for option in part.opts}
            if word.startswith("--") and word.partition("=")[0] not in options:
                return word
    return ""


def test_an_unknown_command_or_option_is_noticed() -> None:
    assert unknown(["solve", "TASK"]) == "solve"
    assert unknown(["run", "TASK", "--bugdet", "5m"]) == "--bugdet"
    assert unknown(["library", "check", "FILE", "--json"]) == ""


@pytest.mark.parametrize("page", DOCS, ids=name)
def test_blocks_say_what_they_are(page: Path) -> None:
    for block in blocks(page):
        here = f"{name(page)}:{block.line}"
        assert block.language, f"{here}: say the language, `text` for none"
        if block.language == "python":
            compile(block.text, here, "exec")
        if block.language != "console":
            assert block.language in ("python", "markdown") or not SHELL.search(block.text), (
                f"{here}: make it `console`"
            )


def test_every_key_of_task_toml_is_told() -> None:
    told = set(spans(ROOT / "docs" / "own-data.md"))
    assert set(TaskEntry.model_fields) <= told, set(TaskEntry.model_fields) - told
