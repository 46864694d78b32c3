"""Recordings whose names carry label and speaker: nothing of a held row's label, speaker or name reaches its view."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlestar.tasks import samples_audio
from mlestar.tasks.infer import understand
from mlestar.tasks.splits import cut
from mlestar.tasks.views import Views

WORDS, SPEAKERS, TAKES = ("no", "yes", "stop"), ("ann", "bob", "carl", "dora", "eve", "finn", "gus", "hal"), 3
DESCRIPTION = "Which word is spoken, by speakers that are not in the training data?\n\n## Metric\n\nAccuracy.\n"


def write(folder: Path, rows: pd.DataFrame) -> None:
    """The task whose training rows are `rows` (word, speaker, take, sound), in their order."""
    for side in ("train", "test"):
        (folder / side).mkdir(parents=True)
    named = [f"{row.word}_{row.speaker}_{row.take}.wav" for row in rows.itertuples()]
    asked = [f"test_{number:03d}.wav" for number in range(20)]
    sounds = [*((folder / "train" / name, sound) for name, sound in zip(named, rows["sound"], strict=True)),
              *((folder / "test" / name, 1000 + number) for number, name in enumerate(asked))]  # fmt: skip
    for path, sound in sounds:
        rng = np.random.default_rng(int(sound))
        samples_audio.save(path, rng.uniform(-0.5, 0.5, int(rng.integers(100, 900))), 8000)
    pd.DataFrame({"clip": named, "speaker": rows["speaker"], "word": rows["word"]}).to_csv(
        folder / "train.csv", index=False
    )
    pd.DataFrame({"clip": asked}).to_csv(folder / "test.csv", index=False)
    pd.DataFrame({"clip": asked, "word": "no"}).to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text(DESCRIPTION)


def seen(folder: Path) -> list[Any]:
    """All that a script can see of a view: each folder's listing as it comes, each file's text, size and time."""
    found: list[Any] = []
    for place, _, _ in sorted(os.walk(folder)):
        names = os.listdir(place)
        found.append((os.path.relpath(place, folder), names, os.stat(place).st_mtime_ns))
        for path in sorted(p for p in Path(place).iterdir() if p.is_file()):
            state = path.stat()
            found.append(
                (path.name, path.read_bytes(), state.st_size, state.st_mtime_ns, state.st_mode, state.st_nlink)
            )
    return found


@pytest.mark.parametrize("fold", [0, 3])
def test_held_labels_speakers_and_names_never_reach_the_test_side(tmp_path: Path, fold: int) -> None:
    whole = [(word, speaker, take) for speaker in SPEAKERS for word in WORDS for take in range(TAKES)]
    rows = pd.DataFrame(whole, columns=["word", "speaker", "take"]).assign(sound=range(len(whole)))
    write(tmp_path / "one", rows)
    source = understand(tmp_path / "one")
    assert source.split == "group:speaker"
    assert [asset.kind for asset in source.assets] == ["audio"]
    made = cut(source, 0)
    held = made.folds[fold]
    others = rows.copy()
    shuffled = np.random.default_rng(fold).permutation(held)
    others.loc[held, ["word", "speaker", "take"]] = rows.loc[shuffled, ["word", "speaker", "take"]].to_numpy()
    assert (others.loc[held, "word"] != rows.loc[held, "word"]).any()
    write(tmp_path / "two", others)

    views = [Views(understand(tmp_path / name), made, tmp_path / f"views-{name}", 7) for name in ("one", "two")]
    one, two = (view.folder(f"fold-{fold}") for view in views)
    assert seen(one) == seen(two)

    names = sorted(path.name for path in (one / "test").iterdir())
    assert len(names) == len(held)
    assert all(name.startswith("test_") for name in names)
    words = {*SPEAKERS, *WORDS}
    assert not [name for name in names if words & set(name.removesuffix(".wav").split("_"))]
    table = pd.read_csv(one / "test.csv", dtype=str)
    assert list(table) == ["clip"]
    assert table["clip"].tolist() != sorted(table["clip"])
    learned = pd.read_csv(one / "train.csv", dtype=str)
    assert set(learned["speaker"]).isdisjoint(rows.loc[held, "speaker"])
    assert {path.name for path in (one / "train").iterdir()} == set(learned["clip"])


def test_the_order_of_names_on_the_disk_tells_nothing_of_the_rows(tmp_path: Path) -> None:
    """Fresh numbers are drawn, so that neither they nor the listing follow the training table."""
    whole = [(word, speaker, take) for speaker in SPEAKERS for word in WORDS for take in range(TAKES)]
    rows = pd.DataFrame(whole, columns=["word", "speaker", "take"]).assign(sound=range(len(whole)))
    write(tmp_path / "task", rows)
    source = understand(tmp_path / "task")
    views = Views(source, cut(source, 0), tmp_path / "views", 7)
    place = pd.read_csv(views.folder("fold-0") / "test.csv", dtype=str)["clip"].rank().to_numpy()
    held = views.held("fold-0")
    assert abs(np.corrcoef(place, held)[0, 1]) < 0.6
    assert abs(np.corrcoef(np.arange(len(held)), held)[0, 1]) < 0.6
