"""The examples in docs/ run as they stand, page by page, with loops as small as settings make them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import DOCS, ROOT, Block, blocks, name

TINY = {  # of a run only the quick model, on one fold
    "BRANCHES": "1", "BAG": "1", "JUDGING__FOLDS": "1", "INIT__CANDIDATES": "1", "INIT__UNTIL": "0.001",
    "REFINE__OUTER": "0", "REFINE__UNTIL": "0.002", "ENSEMBLE__ROUNDS": "1", "ENSEMBLE__UNTIL": "0.003",
}  # fmt: skip


def runs(block: Block) -> bool:
    return block.language == "console" and not block.noted("not run")


def runs_python(block: Block) -> bool:
    return block.language == "python" and block.note == "run"


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """The commands of a block, each with the output that the page shows."""
    assert block.text.startswith("$ "), f"line {block.line}: a console begins with a command, `$ …`"
    parts = re.split(r"^\$ ", block.text, flags=re.M)[1:]
    return [(first, rest.splitlines()) for first, _, rest in (part.partition("\n") for part in parts)]


def firsts(lines: list[str]) -> set[str]:
    """The first word of each line that begins with one, digits alike: numbers differ from run to run, words do not."""
    words = [line.split()[0] for line in lines if line.strip()]
    return {re.sub(r"\d", "0", word) for word in words if re.search(r"[a-zA-Z]", word)}


@pytest.mark.parametrize(
    "page", [page for page in DOCS if any(runs(block) or runs_python(block) for block in blocks(page))], ids=name
)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("task", "run*", "example*", "*.csv")
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith("MLESTAR_")}
    env |= {f"MLESTAR_{key}": value for key, value in TINY.items()}
    env |= {"PATH": f"{Path(sys.executable).parent}:{env['PATH']}", "COLUMNS": "200", "NO_COLOR": "1"}
    for block in blocks(page):
        if target := block.noted("file"):
            (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / target).write_text(block.text)
        if runs_python(block):
            subprocess.run([sys.executable, "-c", block.text], cwd=tmp_path, env=env, check=True, timeout=900)
        for command, shown in commands(block) if runs(block) else ():
            done = subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=900
            )
            said = done.stdout + done.stderr
            here = f"{name(page)}:{block.line}: `{command}`"
            assert done.returncode == 0, f"{here}: {said}"
            assert firsts(shown) <= firsts(said.splitlines()), f"{here} no longer says so; it says: {said}"
