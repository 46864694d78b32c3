"""The script that learns a blend from banked predictions and applies it, around a brain's two cells.

It runs on a level-two view (`ports.Task.level_two`): train.parquet and test.parquet have a column
`<member>::<column>` per banked prediction, train also `truth` (class numbers) or `truth::<column>`.
The cell `learn` has `learn(known, y, seed) -> weights` (plain JSON), the cell `blend` has
`blend(parts) -> array`, which reads the constant WEIGHTS. What was learned is left in weights.json,
so that the delivered script can hold it as a constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlestar.scripts import Cell, Notebook, head, merge_setup

ALL_MEMBERS = ", all members"  # in the name of a blend that joins more than those of the greedy one

_SETUP = """import json
from pathlib import Path

import numpy as np
import pandas as pd

INPUT = Path("input")
"""

_LOAD = '''def load():
    """The members' predictions for train and test rows, by name, and what was true in train."""
    train, test = (pd.read_parquet(INPUT / f"{side}.parquet") for side in ("train", "test"))
    truth = [column for column in train if column not in test]
    y = train[truth].to_numpy()
    return members(train[test.columns]), members(test), y[:, 0].astype(int) if truth == ["truth"] else y.astype(float)


def members(table):
    """An array (rows, columns) per member."""
    names = dict.fromkeys(column.rpartition("::")[0] for column in table)
    return {name: table[[c for c in table if c.rpartition("::")[0] == name]].to_numpy(float) for name in names}'''

_PREDICT = '''def predict(known, new, y, seed):
    """Learn the weights on the known rows, keep them as WEIGHTS, and blend the new ones."""
    global WEIGHTS
    WEIGHTS = learn(known, y, seed)
    return blend(new)'''

_SUBMIT = """if __name__ == "__main__":
    known, new, y = load()
    prediction = predict(known, new, y, 0)
    Path("weights.json").write_text(json.dumps(WEIGHTS, indent=1))
    names = [name.rpartition("::")[2] for name in pd.read_parquet(INPUT / "test.parquet").columns]
    columns = names[: prediction.shape[1]]
    submission = pd.read_csv(INPUT / SAMPLE, sep=SEPARATOR, dtype=str, keep_default_na=False)
    if len(OUTPUT) == prediction.shape[1]:
        submission[OUTPUT] = prediction
    else:
        submission[OUTPUT[0]] = np.array(columns, dtype=object)[prediction.argmax(axis=1)]
    submission.to_csv("submission.csv", index=False)
    pd.DataFrame(prediction, columns=[f"submission::{column}" for column in columns]).to_parquet("members.parquet")"""


def script(cells: Mapping[str, str], sample: str, output: Sequence[str]) -> str:
    """The whole script around the cells `learn`, `blend` and, if they need imports, `setup`."""
    separator = "\t" if ".tsv" in sample else ","
    constants = f"SAMPLE = {sample!r}\nSEPARATOR = {separator!r}\nOUTPUT = {list(output)!r}"
    setup = merge_setup([_SETUP, cells.get("setup", ""), constants])
    parts = {"setup": setup, "load": _LOAD, "learn": cells["learn"], "blend": cells["blend"], "predict": _PREDICT}
    whole = tuple(Cell(name, source) for name, source in {**parts, "submit": _SUBMIT}.items())
    return Notebook(head(["numpy", "pandas", "pyarrow", "scipy"], "A blend of banked predictions."), whole).text()
