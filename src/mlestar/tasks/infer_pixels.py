"""Image in, image out: folders of images and a molten sample make a task without any table (DESIGN.md §3)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.ports import Array
from mlestar.records import Asset, Direction, Pixels
from mlestar.tasks import metrics, molten
from mlestar.tasks.infer_files import Findings, description_file, sample_of
from mlestar.tasks.infer_molten import Layout, layout
from mlestar.tasks.manifest import Manifest, TaskEntry
from mlestar.tasks.others import OURS
from mlestar.tasks.source import Source, Table
from mlestar.tasks.tables_text import decode

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
FEWEST = 6  # images to train on: five folds, and one to learn from
_MOST = 8  # folders below one: more are one per row, or one per class
_LOOKED = 8  # images of a folder that are looked at to tell inputs from targets
_WRITE = (
    'write `kind = "pixels"` and `target = "train_cleaned/{image}.png"` below [task], and [[assets]] with '
    '`train = "train/{image}.png"` and `test = "test/{image}.png"`'
)


@dataclass(frozen=True)
class Trio:
    """The patterns of input, target and test files, and the names of training and test images."""

    inputs: str
    targets: str
    tests: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    why: str = ""  # inputs and targets are in their places, because of this; "" = that is still open


def pixels(folder: Path, manifest: Manifest, say: Findings) -> Source | None:
    """The task, if it is image to image; None if nothing speaks for that.

    Raises TaskError where task.toml says that it is, or its ids are those of pixels, and something does not fit.
    """
    entry = manifest.task
    told = entry.kind == "pixels"
    if not folder.is_dir():
        return None
    trios = [_told(folder, manifest)] if told and manifest.assets else list(_trios(folder))
    if not trios:
        if not told:
            return None
        raise TaskError(
            f'task.toml says kind = "pixels", but {folder} has no two folders with images of the same names and a '
            f"third one with images to predict; {_WRITE}"
        )
    heard = Findings()
    sample = sample_of(folder, entry, heard)
    for trio in trios:
        if not told and len(sample.frame) < 2 * len(trio.test):
            continue  # a row for each image, not for each pixel: folders of classes may share names, too
        found = layout(sample, trio.test, _sizes(folder, trio.tests, trio.test), entry.id)
        if found is not None:
            say.evidence += heard.evidence
            return _source(folder, manifest, _turned(folder, trio), sample, found, say)
    if told:
        raise TaskError(
            f"{sample.name}: its ids do not name pixels of the images {trios[0].tests} (an image, a row and a column, "
            f"as {trios[0].test[0]}_1_1): mend the sample, or {_WRITE}"
        )
    return None


# --- folders -----------------------------------------------------------------------------------------


def _told(folder: Path, manifest: Manifest) -> Trio:
    inputs, tests = manifest.assets[0].train, manifest.assets[0].test
    target = manifest.task.target[0] if manifest.task.target else ""
    for pattern in (inputs, tests, target):
        if pattern.count("{image}") != 1 or re.search(r"{(?!image})", pattern):
            raise TaskError(f"task.toml: {pattern!r} must have the one place {{image}}; {_WRITE}")
    known = [set(_names(folder, pattern)) for pattern in (inputs, target, tests)]
    for pattern, names in zip((inputs, target, tests), known, strict=True):
        if not names:
            raise TaskError(f"task.toml: no file in {folder} is called like {pattern!r}")
    return Trio(inputs, target, tests, tuple(sorted(known[0] & known[1])), tuple(sorted(known[2])), "as task.toml says")


def _names(folder: Path, pattern: str) -> list[str]:
    """What stands in the place of `{image}` in the names of files like the pattern."""
    before, _, after = pattern.partition("{image}")
    glob = re.sub(r"([][*?])", r"[\1]", before) + "*" + re.sub(r"([][*?])", r"[\1]", after)
    found = (path.relative_to(folder).as_posix() for path in folder.glob(glob) if path.is_file())
    return sorted(name[len(before) : len(name) - len(after)] for name in found)


def _trios(folder: Path) -> Iterator[Trio]:
    """Two folders with images of the same names, and another one with images."""
    listed = dict(_images(folder))
    for inputs, targets in permutations(listed, 2):
        found = _affixes(listed[inputs], listed[targets])
        if found is None or (inputs > targets and _affixes(listed[targets], listed[inputs]) is not None):
            continue  # no pair, or one that comes the other way round as well
        for tests in (name for name in listed if name not in (inputs, targets)):
            patterns = [f"{place}/{{image}}{PurePosixPath(listed[place][0]).suffix}" for place in (inputs, tests)]
            names = [tuple(sorted(PurePosixPath(name).stem for name in listed[place])) for place in (inputs, tests)]
            why = "" if found[0] == "" and found[1].startswith(".") else "each target is named after its input"
            yield Trio(patterns[0], f"{targets}/{found[0]}{{image}}{found[1]}", patterns[1], names[0], names[1], why)


def _images(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The folders, two levels deep, that hold images of one suffix and no other files."""
    for first in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."):
        folders = [e.name for e in os.scandir(folder / first) if e.is_dir() and e.name[0] != "."]
        below = [first, *(f"{first}/{name}" for name in sorted(folders) if len(folders) <= _MOST)]
        for place in below:
            names = [e.name for e in os.scandir(folder / place) if e.is_file() and e.name[0] != "."]
            suffixes = {PurePosixPath(name).suffix for name in names}
            if len(suffixes) == 1 and suffixes.pop().lower() in SUFFIXES:
                yield place, sorted(names)


def _affixes(inputs: list[str], targets: list[str]) -> tuple[str, str] | None:
    """What stands before and after an input's name in its target's; None where they are no pairs."""
    if len(inputs) != len(targets) or len(inputs) < FEWEST:
        return None
    stems = [PurePosixPath(name).stem for name in inputs]
    for target in (name for name in targets if stems[0] in name):
        before, _, after = target.partition(stems[0])
        if {f"{before}{stem}{after}" for stem in stems} == set(targets):
            return before, after
    return None


_GOALS = re.compile(
    r"clean|target|label|mask|truth|gt\b|output|out\b|restored|sharp|ground|hr\b|expected", re.IGNORECASE
)


def _turned(folder: Path, trio: Trio) -> Trio:
    """The trio with inputs and targets in their places: by their names, else by which look like the test images."""
    if trio.why:
        return trio
    other = replace(trio, inputs=trio.targets, targets=trio.inputs)
    if trio.targets.count("{image}.") and trio.inputs.count("{image}."):
        same = [one for one in (trio, other) if re.sub("train(ing)?", "test", one.inputs.lower()) == trio.tests.lower()]
        if len(same) == 1:
            return replace(same[0], why=f"{same[0].inputs} is called like {trio.tests}")
        goals = [one for one in (trio, other) if _GOALS.search(one.targets) and not _GOALS.search(one.inputs)]
        if len(goals) == 1:
            return replace(goals[0], why=f"{goals[0].targets} is called like what is wanted")
    looks = {pattern: _look(folder, pattern, trio.train) for pattern in (trio.inputs, trio.targets)}
    new = _look(folder, trio.tests, trio.test)
    near = min((trio, other), key=lambda one: float(np.abs(looks[one.inputs] - new).sum()))
    return replace(near, why=f"the images {near.inputs} look like {near.tests}, by their intensities")


def _look(folder: Path, pattern: str, names: tuple[str, ...]) -> Array:
    """Shares of intensities, over some of the images."""
    some = [molten.intensities(folder / pattern.replace("{image}", name), 1) for name in names[:_LOOKED]]
    shares = [np.histogram(image, 32, (0.0, 1.0))[0] / image.size for image in some]
    return np.asarray(np.mean(shares, axis=0))


def _sizes(folder: Path, pattern: str, names: tuple[str, ...]) -> list[tuple[int, int]]:
    return [molten.header(folder / pattern.replace("{image}", name))[0] for name in names]


# --- the task ----------------------------------------------------------------------------------------


def _source(folder: Path, manifest: Manifest, trio: Trio, sample: Table, found: Layout, say: Findings) -> Source:
    entry, name = manifest.task, description_file(folder)
    description = decode((folder / name).read_bytes(), name)[0] if name else ""
    if not name:
        say.warnings.append("there is no description.md: metric and scale are guessed")
    if entry.split not in (None, "random"):
        raise TaskError(f"task.toml: split = {entry.split!r}, but images have no columns: only random will do")
    channels = _channels(folder, trio, say)
    train = _table(folder, trio.inputs, trio.train)
    _check_targets(folder, trio, train)
    say.evidence += [
        f"image to image: inputs {trio.inputs}, targets {trio.targets} ({trio.why}); to predict {trio.tests}",
        f"pixels: {found.why}",
    ]
    metric, direction = _metric(description, entry, len(found.outputs), say)
    white = _white(description, entry, sample, found, say)
    suffix = PurePosixPath(trio.inputs).suffix
    used = {PurePosixPath(p).parts[0] for p in (trio.inputs, trio.targets, trio.tests)}
    rest = sorted(p.name for p in folder.iterdir() if p.name not in {*used, *OURS, sample.name, name})
    return Source(
        folder=folder,
        kind="pixels",
        description=description,
        train=train,
        test=_table(folder, trio.tests, trio.test),
        sample=sample,
        id=(molten.IMAGE,),
        target=(),
        predicts="value",
        prediction_columns=found.outputs,
        echo_columns=(),
        classes=(),
        metric=metric,
        direction=direction,
        split="random",
        assets=(Asset(trio.inputs, trio.tests, suffix, "image"),
                Asset(trio.targets, "", PurePosixPath(trio.targets).suffix, "image")),
        train_only=(),
        other_files=tuple(n for n in rest if not n.startswith(".")),
        evidence=tuple(say.evidence),
        warnings=tuple(say.warnings),
        settings=manifest.settings(),
        pixels=Pixels(trio.inputs, trio.targets, trio.tests, channels, found.id, found.patterns, found.first,
                      found.down, white),
    )  # fmt: skip


def _table(folder: Path, pattern: str, names: tuple[str, ...]) -> Table:
    """A row per image: its name and size."""
    sizes = np.array(_sizes(folder, pattern, names)).T
    frame = pd.DataFrame({molten.IMAGE: names, "height": sizes[0].astype(str), "width": sizes[1].astype(str)})
    return Table(pattern, frame, "csv")


def _check_targets(folder: Path, trio: Trio, train: Table) -> None:
    if len(trio.train) < FEWEST:
        raise TaskError(f"{trio.inputs}: {len(trio.train)} images to train on; at least {FEWEST} are needed for folds")
    for name, size, own in zip(
        trio.train, molten.sizes(train.frame), _sizes(folder, trio.targets, trio.train), strict=True
    ):
        if size != own:
            raise TaskError(
                f"{trio.targets}: the target of {name!r} has {own[0]} rows and {own[1]} columns, its input {size[0]} "
                f"and {size[1]}; only images of the same size can be learned from each other"
            )


def _channels(folder: Path, trio: Trio, say: Findings) -> int:
    """1 if all inputs are gray, else 3."""
    both = [(trio.inputs, trio.train), (trio.tests, trio.test)]
    found = [molten.header(folder / p.replace("{image}", name))[1] for p, names in both for name in names]
    say.evidence.append(f"inputs are {'gray' if max(found) == 1 else 'in colour'}")
    return max(found)


def _metric(description: str, entry: TaskEntry, outputs: int, say: Findings) -> tuple[str, Direction]:
    """The metric that task.toml or the description names, if it fits numbers; else RMSE."""
    if entry.metric and ".py:" in entry.metric:
        raise TaskError(f"task.toml: metric = {entry.metric!r}: images are judged by metrics of the registry only")
    for name, line in [(entry.metric, "")] if entry.metric else metrics.named_in(description):
        problem = metrics.fits(metrics.get(name), "value", outputs, 0)
        if not problem:
            told = f"from the description: {line.strip()[:160]!r}" if line else "as task.toml says"
            say.evidence.append(f"metric: {name}, {told}")
            return name, metrics.get(name).direction
        if entry.metric:
            raise TaskError(f"task.toml: metric = {entry.metric!r} does not fit: {problem}")
    name = "rmse" if outputs == 1 else "mean_columnwise_rmse"
    say.warnings.append(f"the description names no metric for intensities: {name} is assumed; set `metric =`")
    return name, "min"


_ONE = re.compile(
    r"\b0(\.0)?\b[^.\n]{0,20}?(\bto\b|\band\b|-|–|,|\.\.+)[^.\n\d]{0,12}\b1(\.0)?\b(?!\d)|divided by 255|/ ?255\b",
    re.IGNORECASE,
)
_BYTE = re.compile(r"\b0\b[^.\n]{0,20}?(\bto\b|\band\b|-|–|,|\.\.+)[^.\n\d]{0,12}\b255\b", re.IGNORECASE)


def _white(description: str, entry: TaskEntry, sample: Table, found: Layout, say: Findings) -> float:
    """The value of the greatest intensity: as said, as described, or as the sample's values suggest."""
    if entry.white:
        say.evidence.append(f"intensities: 0 to {entry.white:g}, as task.toml says")
        return entry.white
    for pattern, white in ((_ONE, 1.0), (_BYTE, 255.0)):
        line = pattern.search(description)
        if line:
            say.evidence.append(f"intensities: 0 to {white:g}, from the description: {line[0]!r}")
            return white
    most = max(float(pd.to_numeric(sample.frame[name], errors="coerce").max()) for name in found.outputs)
    white = 1.0 if not most > 1 else 255.0 if most <= 255 else 65535.0
    say.warnings.append(
        f"the description does not say how intensities are counted: 0 to {white:g} is taken, for the sample's greatest "
        f"value is {most:g}; if that is wrong, set `white =` in task.toml"
    )
    return white
