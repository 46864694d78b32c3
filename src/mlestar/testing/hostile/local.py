"""The hostile suite against the local executor, on a small task.

    python -m mlestar.testing.hostile.local WALL [WORDS...]

prints one JSON object for each attack (those whose kind or name holds a word): kind, name, held, how.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlestar.executors.local import LocalExecutor
from mlestar.executors.walls.interpreter import ask
from mlestar.tasks.prepared import prepare
from mlestar.testing.hostile.attack import assault, attacks
from mlestar.testing.hostile.world import World

_NOBODY = 65533  # an ordinary user's number; no name is needed


@contextmanager
def surroundings() -> Iterator[World]:
    """A world around a run on a small task, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mle-star-hostile-")).resolve()
    try:
        task, run = folder / "task", folder / "run"
        _write(task)
        prepared = prepare(task, run, 0)
        view, _ = prepared.view("fold-0"), prepared.view("fold-1")
        (run / "journal.db").write_text("a journal")
        hidden = [run / "journal.db", run / "task" / "cut.json", task / "train.csv"]

        def judge(left: Path) -> str:
            return prepared.judge("fold-0", left, lambda data: "sha256:" + "0" * 64).reason or ""

        with World(folder / "world", view, hidden, judge) as world:
            yield world
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(task: Path) -> None:
    task.mkdir()
    rows = [f"{i},{i % 7},{'no' if i % 3 else 'yes'}\n" for i in range(60)]
    (task / "train.csv").write_text("id,a,y\n" + "".join(rows))
    (task / "test.csv").write_text("id,a\n" + "".join(f"{i},{i % 5}\n" for i in range(100, 120)))
    (task / "sample_submission.csv").write_text("id,y\n" + "".join(f"{i},no\n" for i in range(100, 120)))
    (task / "description.md").write_text("# T\n\n## Metric\n\nClassification accuracy, higher is better.\n")


def ordinary(argv: list[str]) -> list[str]:
    """`argv`, run by root as an ordinary user: folders that he may not enter are opened up, for him alone, as far as
    the interpreter and mle-star need it."""
    parts = ask(os.path.abspath(sys.executable)).parts
    needed = [*parts, Path(__file__).resolve().parents[4]]
    steps = ["set -e", "keep=$(mktemp -d)"]
    for number, (closed, inside) in enumerate(sorted(_closed(needed).items())):
        kept = [
            f'mkdir -p "$keep/{number}/{n}"; mount --bind {path} "$keep/{number}/{n}"' for n, path in enumerate(inside)
        ]
        shown = [f'mkdir -p {path}; mount --bind "$keep/{number}/{n}" {path}' for n, path in enumerate(inside)]
        steps += [*kept, f"mount -t tmpfs -o mode=755 none {closed}", *shown]
    steps.append(
        f"exec setpriv --reuid {_NOBODY} --regid {_NOBODY} --clear-groups env -i"
        ' PATH=/usr/bin:/bin HOME=/tmp USER=nobody PYTHONDONTWRITEBYTECODE=1 "$@"'
    )
    return ["unshare", "--mount", "/bin/sh", "-c", "\n".join(steps), "sh", *argv]


def _closed(needed: list[Path]) -> dict[Path, list[Path]]:
    """Folders that others may not enter, and which folders below them are needed."""
    found: dict[Path, list[Path]] = {}
    for path in needed:
        folder = path if path.is_dir() else path.parent
        closed = next((p for p in reversed(folder.parents) if not p.stat().st_mode & 0o001), None)
        if closed is not None and folder not in found.setdefault(closed, []):
            found[closed].append(folder)
    return found


def main() -> None:
    wall, words = sys.argv[1], sys.argv[2:]
    executor = LocalExecutor(sys.executable, 2, wall)
    with surroundings() as world:
        for attack in attacks():
            if not words or any(word in f"{attack.kind} {attack.name}" for word in words):
                verdict = assault(executor, attack, world)
                row = {"kind": attack.kind, "name": attack.name, "held": verdict.held, "how": verdict.how}
                sys.stdout.write(json.dumps(row) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
