"""The stable part of every prompt: the task, its data, where scripts run, how they are written, what wins.

It is the same text for all requests of a run, so that a provider's cache works: nothing here depends on a role, an
address, a seed or the time.
"""

from __future__ import annotations

from collections import Counter

from mlestar.brains.playbook.conditions import KINDS, has
from mlestar.brains.playbook.setup import CONSTANTS, constants
from mlestar.brains.spoken.advice import advice
from mlestar.brains.spoken.framing import Ground
from mlestar.brains.spoken.quoting import code, cut, fenced, fill, number, table
from mlestar.plain import word
from mlestar.records import Asset, Column, Pixels, Profile, Surroundings

MOST_DESCRIPTION, MOST_COLUMNS, MOST_NAMES, MOST_CLASSES = 12_000, 80, 3_000, 40
SHORT = 14  # lines of a ready-made feature cell that is shown whole

_SPLITS = {
    "random": "Rows are held back at random, because nothing tells test rows from training rows.",
    "stratified": "Rows are held back at random, with each class in its share.",
    "group": "Whole groups of {column} are held back, because the test has other groups than train.",
    "time": "The latest rows by {column} are held back, because the test lies after train.",
    "blocks": "Runs of rows along {column} are held back, as the test lies between training rows.",
    "horizon": "The last stretch is held back, as long as the one to predict.",
}


def stable(ground: Ground, here: Surroundings) -> str:
    """What is true of the task for a whole run, as Markdown."""
    profile = ground.profile
    way, _, column = profile.split.partition(":")
    split = _SPLITS.get(way, f"Rows are held back by {code(profile.split)}.").format(column=code(column))
    return fill(
        "task",
        metric=code(profile.metric),
        direction="larger" if profile.direction == "max" else "smaller",
        split=f"{split} A fold's train table has about {int(0.8 * profile.rows)} rows; {profile.rows} at the end.",
        name=code(profile.name),
        description=fenced(profile.description, most=MOST_DESCRIPTION),
        asked=_asked(profile),
        data=_data(profile),
        surroundings=_surroundings(here),
        contract=_frame(ground)
        if ground.frame
        else fill("whole", members=members(profile), constants=_constants(ground)),
        advice=advice(profile),
    )


def members(profile: Profile) -> str:
    """The shape of a member's array, in words."""
    if profile.predicts in ("label", "ranking"):
        return f"(rows, {len(profile.classes)}): a probability per class, in the order of CLASSES"
    if profile.predicts == "probability":
        if len(profile.prediction_columns) == 1:
            shown = f" {code(profile.classes[-1])}" if profile.classes else ""
            return f"(rows, 1): the probability of the class{shown} (the last of CLASSES)"
        return f"(rows, {len(profile.prediction_columns)}): a probability per column of OUTPUT, in that order"
    if profile.predicts == "text":
        return "an object array of strings (rows, targets)"
    several = len(profile.prediction_columns)
    return f"(rows, {several}): {'a value per column of OUTPUT' if several > 1 else 'the value'}, on its own scale"


def _asked(profile: Profile) -> str:
    """Targets, their values, and what is handed in."""
    lines = [f"- Target: {_names(profile.target)}. Judged by {code(profile.metric)}."]
    if profile.classes:
        shares = profile.class_shares or (None,) * len(profile.classes)
        rows = [(c, "" if s is None else f"{100 * s:.1f} %") for c, s in zip(profile.classes, shares, strict=True)]
        more = len(rows) - MOST_CLASSES
        lines.append(f"- {len(rows)} classes, in the order of CLASSES, with their shares:\n")
        lines.append(fenced(table(("class", "share"), rows[:MOST_CLASSES])))
        lines += [f"\n- and {more} more classes"] if more > 0 else []
    if profile.target_minimum is not None:
        whole = ", whole numbers" if profile.integer_target else ""
        span = f"from {number(profile.target_minimum)} to {number(profile.target_maximum)}"
        lines.append(f"- Values {span}, skew {number(profile.target_skew)}{whole}.")
    how = {
        "label": "the likeliest class", "ranking": "the best classes, best first",
        "probability": f"probabilities, columns {_names(profile.prediction_columns)}",
        "value": f"values, columns {_names(profile.prediction_columns)}", "text": "free text",
    }[profile.predicts]  # fmt: skip
    return "\n".join([*lines, f"- Handed in: {how}. A member's array is {members(profile)}."])


def _names(names: tuple[str, ...], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(code, names[:most])) + more


def _data(profile: Profile) -> str:
    """Tables, columns, files of rows, other files, and what was noticed."""
    if profile.pixels:
        return _pixels(profile, profile.pixels)
    ids = _names(profile.id) if profile.id else "none (rows are aligned by their order)"
    parts = [
        f"Train {code(profile.train)}, {profile.rows} rows that may be learned from; test {code(profile.test)}, "
        f"{profile.test_rows} rows; sample submission {code(profile.sample)}. Id: {ids}. "
        "Statistics below are of training rows that are not sealed, and of the test table.",
        fenced(_schema(profile.columns), most=40_000),
        *map(_asset, profile.assets),
    ]
    if profile.train_only:
        parts.append(f"Only train has {_names(profile.train_only, 30)}: useless as features.")
    if profile.other_files:
        parts.append(f"Other files below `input/`: {_names(profile.other_files, 30)}.")
    if profile.warnings:
        noticed = "\n".join(word(warning, 400) for warning in profile.warnings[:20])
        parts.append(f"What the program noticed:\n\n{fenced(noticed, most=4_000)}")
    return "\n\n".join(parts)


def _pixels(profile: Profile, pixels: Pixels) -> str:
    """Images in, images out: where they are, and what a row of the submission is."""
    patterns = ", ".join(f"{word(c)} = {code(p)}" for c, p in zip(pixels.id, pixels.patterns, strict=True))
    outputs = ", ".join(map(word, profile.prediction_columns))
    order = "column by column" if pixels.down else "row by row"
    return (
        f"Image to image; there are no tables. {profile.rows} training images that may be learned from, with "
        f"{profile.pixel_count} pixels: inputs {code(pixels.inputs)} ({pixels.channels} channels), targets of the same "
        f"size {code(pixels.targets)}; {profile.test_rows} test images {code(pixels.tests)}, of which a view may have "
        f"others: list the folder. The submission has a row per pixel: {patterns}, rows and columns counted from "
        f"{pixels.first}; {outputs} from 0 to {pixels.white:g}. Write it as submission.parquet, image after image by "
        f"sorted name, {order}; members.parquet has its rows in that order. The sample submission "
        f"{code(profile.sample)} has the same ids."
    )


def _schema(columns: tuple[Column, ...]) -> str:
    """A line per feature column; beyond the first many, names by kind."""
    rows = [
        (
            word(c.name), c.kind, f"{100 * c.missing:.1f} %" if c.missing else "", c.distinct,
            f"{number(c.minimum)} … {number(c.maximum)}" if c.minimum is not None else "",
            "; ".join(word(example, 60) for example in c.examples[:3]),
        )
        for c in columns[:MOST_COLUMNS]
    ]  # fmt: skip
    text = table(("column", "kind", "missing", "distinct", "range", "examples"), rows)
    rest = columns[MOST_COLUMNS:]
    for kind, count in Counter(c.kind for c in rest).items():
        listed = ", ".join(word(c.name) for c in rest if c.kind == kind)
        text += f"\nand {count} more of kind {kind}: {cut(listed, MOST_NAMES)}"
    return text


def _asset(asset: Asset) -> str:
    text = f"Each row has a file of kind {asset.kind}: train {code(asset.train)}, test {code(asset.test)}."
    if not asset.example:
        return text
    return f"{text} One begins like this:\n\n{fenced(asset.example, most=2_500)}"


def _surroundings(here: Surroundings) -> str:
    threads = max(1, here.cores // max(1, here.jobs))
    each = f"about {threads} for each" if here.jobs <= here.cores else "less than one for each"
    lines = [
        f"- {here.cores} cores, {here.jobs} jobs side by side, so {each}: pass `THREADS`, never -1.",
        f"- One execution is killed after {here.job_seconds:.0f} s"
        + (f" or {here.memory_mb} MiB of memory." if here.memory_mb else "."),
        f"- Devices: {', '.join(map(word, here.devices)) or 'no GPU'}.",
        "- No network. Nothing can be installed. Python with its standard library, numpy, pandas, pyarrow, and: "
        + (", ".join(map(word, here.packages)) or "what the task's environment has")
        + ". Do not count on others.",
    ]
    if here.weights:
        lines.append(f"- Weights and data below `assets/`: {'; '.join(code(name, 200) for name in here.weights)}.")
    return "\n".join(lines)


def _frame(ground: Ground) -> str:
    """The contract where the library brings a frame: constants, cells, ready-made features."""
    frame, profile = ground.frame, ground.profile
    assert frame is not None
    shown = [(n, s) for n, s in frame.cells.items() if n in CELLS or (n in frame.ready and s.count("\n") < SHORT)]
    cells = "\n\n\n".join(f"# %% {name}\n{source}" for name, source in shown)
    long = [n for n in frame.ready if n not in dict(shown)]
    ready = "; ".join(f"`{n}` ({_told(frame.cells[n])})" for n in long)
    listed = [kind.upper() for kind in KINDS if has(profile, kind)]
    return fill(
        "frame",
        shapes=_shapes(profile),
        members=members(profile),
        lists=", ".join(f"`{name}`" for name in listed) or "lists of columns",
        constants=_constants(ground),
        cells=fenced(cells, "python", 20_000),
        ready=(", ".join(f"`{n}`" for n in frame.ready if n not in long) + (f"; {ready}" if ready else "")).strip("; ")
        or "none",
    )


CELLS = ("load", "features", "target", "predict", "blend", "post", "submit")


def _told(source: str) -> str:
    """What a cell's function says of itself, in one line."""
    lines = source.split('"""')
    return word(lines[1].strip().rstrip(".")) if len(lines) > 1 else "a feature cell"


def _constants(ground: Ground) -> str:
    everything = constants(ground.profile, (*CONSTANTS, "ROW_FILES"))
    lines = [
        cut(line, 1_500) for name, line in everything.items() if name != "TOP" and not line.endswith(("= []", "= {}"))
    ]
    return fenced("\n".join([*lines, "THREADS = …  # how many threads this job may use"]), "python", 12_000)


def _shapes(profile: Profile) -> str:
    """What `fit_predict` gets and gives."""
    if profile.predicts == "value":
        several = "once for each target, " if len(profile.target) > 1 else ""
        return (
            f"It is called {several}with `y` (rows,) on the scale of `target`, and returns (test rows,) on that scale"
        )
    if profile.predicts == "probability" and not profile.classes:
        return "It is called once for each label, with `y` of 0 and 1, and returns (test rows, 2) by `by_class`"
    return (
        "`y` are class numbers in the order of CLASSES; it returns probabilities (test rows, classes): "
        "`by_class(model.classes_, model.predict_proba(X_test))`"
    )
