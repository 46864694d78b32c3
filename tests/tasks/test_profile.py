"""The profile names each column's kind, and knows nothing of rows it was not shown."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlestar.records import ColumnKind
from mlestar.tasks.infer import understand
from mlestar.tasks.profile import profile
from mlestar.tasks.profile_kinds import kind_of
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts

N = 60
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def column(values: list[object]) -> pd.Series:
    return pd.Series(values, dtype=object)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([i / 7 for i in range(N)], "number"),
        ([str(i % 5) for i in range(N)], "number"),
        (["NA", "?", "null", ""] * 5 + [str(i / 3) for i in range(N)], "number"),
        (["True", "False", ""] * 20, "boolean"),
        (["yes", "no"] * 30, "boolean"),
        ([WORDS[i % 7] for i in range(N)], "category"),
        (["NA", "Gd", "TA"] * 20, "category"),
        ([f"2020-01-{1 + i % 28:02d} {i % 24:02d}:30:00" for i in range(N)], "date"),
        ([f"{1 + i % 12}/{1 + i % 28}/2019" for i in range(N)], "date"),
        ([json.dumps([WORDS[i % 7], WORDS[i % 3]]) for i in range(N)], "list"),
        ([[WORDS[i % 7]] * (i % 3) for i in range(N)], "list"),
        (["|".join(WORDS[: 1 + i % 9]) for i in range(N)], "list"),
        ([f"{'ABC'[i % 3]}/{i}/{'PS'[i % 2]}" for i in range(N)], "code"),
        ([f"{i:04d}_{i % 4:02d}" for i in range(N)], "code"),
        ([" ".join([*WORDS[i % 5 :], str(i), *WORDS]) + "." for i in range(N)], "text"),
        ([f"Mr {WORDS[i % 10]} {i}" for i in range(N)], "text"),
        (["same"] * N, "constant"),
    ],
)
def test_kinds(values: list[object], kind: ColumnKind) -> None:
    raw = column(values)
    assert kind_of(raw, texts(raw)) == kind


@pytest.fixture
def source(tmp_path: Path) -> Source:
    def side(n: int, start: int) -> dict[str, object]:
        return {
            "id": [f"{start + i // 3:04d}_{i % 3:02d}" for i in range(n)],
            "age": ["" if i % 4 == 0 else str(i) for i in range(n)],
            "home": ["NA" if i % 5 == 0 else WORDS[i % 3] for i in range(n)],
        }

    train = side(N, 0) | {"y": [["no", "yes", "no"][i % 3] for i in range(N)]}
    pd.DataFrame(train).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame(side(20, 500)).to_csv(tmp_path / "test.csv", index=False)
    pd.DataFrame({"id": side(20, 500)["id"], "y": ["no"] * 20}).to_csv(tmp_path / "sample_submission.csv", index=False)
    (tmp_path / "description.md").write_text("## Metric\nAccuracy.\n")
    return understand(tmp_path)


def test_columns_shares_and_missing_cells(source: Source) -> None:
    found = profile(source, np.arange(N))
    assert [(c.name, c.kind) for c in found.columns] == [("id", "code"), ("age", "number"), ("home", "category")]
    age, home = found.columns[1:]
    assert (age.missing, age.minimum, age.maximum) == (0.25, 1.0, 59.0)
    assert home.missing == 0, "NA is a word like any other in a category"
    assert (found.rows, found.test_rows, found.class_shares) == (N, 20, (2 / 3, 1 / 3))


def test_an_id_that_only_counts_is_no_feature(source: Source) -> None:
    counted = source.train.frame.assign(id=[f"train_{i}" for i in range(N)])
    test = source.test.frame.assign(id=[f"test_{i}" for i in range(20)])
    changed = replace(source, train=replace(source.train, frame=counted), test=replace(source.test, frame=test))
    assert [c.name for c in profile(changed, np.arange(N)).columns] == ["age", "home"]


def test_rows_that_are_not_shown_change_nothing(source: Source) -> None:
    rows = np.arange(0, N, 2)
    hidden = source.train.frame.copy()
    hidden.iloc[1::2] = "hidden"
    changed = replace(source, train=replace(source.train, frame=hidden))
    assert profile(changed, rows) == profile(source, rows)


def test_numeric_targets(source: Source) -> None:
    y = pd.Series([str(2**i % 1009) for i in range(N)], dtype="str")
    numeric = replace(
        source,
        train=replace(source.train, frame=source.train.frame.assign(y=y)),
        predicts="value",
        classes=(),
        metric="rmse",
        direction="min",
    )
    found = profile(numeric, np.arange(10))
    assert (found.target_minimum, found.target_maximum, found.integer_target) == (1.0, 512.0, True)
    assert found.target_skew is not None
    assert found.target_skew > 1


def test_columns_that_name_a_row_together_tell_of_it_too(tmp_path: Path) -> None:
    """A shop and a week are the id of its sales; a running number beside them would not be one."""
    sales = pd.DataFrame(
        [{"shop": f"s{shop}", "week": week, "sold": shop * week % 7} for shop in range(12) for week in range(20)]
    )
    test = sales.iloc[::5].drop(columns="sold")
    sales.drop(test.index).to_csv(tmp_path / "train.csv", index=False)
    test.to_csv(tmp_path / "test.csv", index=False)
    test.assign(sold=0).to_csv(tmp_path / "sample_submission.csv", index=False)
    (tmp_path / "description.md").write_text("# Sales\n\n## Metric\n\nRMSE.\n")
    source = understand(tmp_path)
    seen = profile(source, np.arange(len(source.train.frame)))
    assert source.id == ("shop", "week")
    assert [(one.name, one.kind) for one in seen.columns] == [("shop", "category"), ("week", "number")]
    assert seen.apart == ()
    assert not [warning for warning in source.warnings if "ids occur" in warning]
