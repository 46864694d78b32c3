"""The judge: submissions read, aligned, named wrong, scored and delivered."""

from __future__ import annotations

import gzip
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlestar.records import Judged
from mlestar.tasks.judge import Form, deliver, judge_folder, read_members, read_submission
from mlestar.tasks.matching import match
from mlestar.tasks.metrics import get, score
from mlestar.tasks.source import Table

LABELS = Form(
    columns=("id", "y"), rows=4, output_columns=("y",), predicts="label",
    classes=("False", "True"), id_columns=("id",), ids=(("1", "2", "3", "4"),),
)  # fmt: skip
VALUES = replace(LABELS, columns=("id", "a", "b"), output_columns=("a", "b"), predicts="value", classes=())
CHANCES = replace(VALUES, predicts="probability", classes=("x", "z"))
ORDERED = replace(LABELS, columns=("y",), id_columns=(), ids=())
TRUTH = np.array([1, 0, 0, 1])
GOOD = "id,y\n1,True\n2,False\n3,False\n4,True\n"
QUIET = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def wrote(folder: Path, text: str, name: str = "submission.csv") -> Path:
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def judged(folder: Path, form: Form = LABELS, metric: str = "accuracy", truth=TRUTH) -> tuple[Judged, dict[str, bytes]]:
    blobs: dict[str, bytes] = {}

    def save(data: bytes) -> str:
        digest = f"blob-{len(blobs)}"
        blobs[digest] = data
        return digest

    return judge_folder(folder, form, truth, np.arange(form.rows), get(metric), 0, save), blobs


# --- what is read ----------------------------------------------------------------------------------


def test_a_perfect_submission(tmp_path):
    result, blobs = judged(wrote(tmp_path, GOOD))
    assert (result.reason, result.value, result.rows, result.replicates) == (None, 1.0, 4, ())
    assert result.groups == (("0", 1.0), ("1", 1.0), ("2", 1.0), ("3", 1.0))
    assert [member.name for member in result.members] == ["submission"]
    array = np.load(io.BytesIO(blobs[result.members[0].blob]), allow_pickle=False)
    assert array.dtype == np.float32
    assert array.tolist() == [[0, 1], [1, 0], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    "text",
    [
        "id,y\n4,True\n1,True\n3,False\n2,False\n",
        "y,id\nTrue,1\nFalse,2\nFalse,3\nTrue,4\n",
        "id,y\n1.0,true\n2.0,false\n3.0,0\n4.0,1\n",
        '\ufeff"id","y"\r\n"1","True"\r\n"2","False"\r\n3,False\r\n4,True\r\n',
        "id,y\n1,1.0\n2,0.0\n3,FALSE\n4,TRUE",
    ],
)
def test_the_same_submission_in_other_words(tmp_path, text):
    assert judged(wrote(tmp_path, text))[0].value == 1.0


def test_gz_and_parquet(tmp_path):
    (tmp_path / "gz").mkdir()
    assert judged(wrote(tmp_path / "gz", GOOD, "submission.csv.gz"))[0].value == 1.0
    frame = pd.DataFrame({"id": [4, 3, 2, 1], "y": [True, False, False, True]})
    frame.to_parquet(tmp_path / "submission.parquet")
    assert judged(tmp_path)[0].value == 1.0


def test_several_id_columns(tmp_path):
    form = replace(LABELS, columns=("s", "t", "y"), id_columns=("s", "t"), ids=(("a", "a", "b", "b"), ("1", "2") * 2))
    wrote(tmp_path, "s,t,y\nb,2.0,True\na,1.0,True\na,2.0,False\nb,1.0,False\n")
    assert judged(tmp_path, form)[0].value == 1.0
    wrote(tmp_path, "s,t,y\nb,2,True\na,1,True\na,2,False\na,1,False\n")
    assert "ids more than once: a + 1" in judged(tmp_path, form)[0].reason


def test_rows_by_order(tmp_path):
    assert judged(wrote(tmp_path, "y\nTrue\nFalse\nFalse\nTrue\n"), ORDERED)[0].value == 1.0
    assert "3 rows, but 4" in judged(wrote(tmp_path, "y\nTrue\nFalse\nFalse\n"), ORDERED)[0].reason


def test_an_unknown_label_is_wrong_and_the_rest_counts(tmp_path):
    result, _ = judged(wrote(tmp_path, GOOD.replace("2,False", "2,Maybe")))
    assert (result.reason, result.value) == (None, 0.75)


def test_labels_keep_their_text(tmp_path):
    form = replace(LABELS, classes=("", "0", "NA", "O"))
    wrote(tmp_path, "id,y\n1,NA\n2,O\n3,0\n4,\n")
    assert judged(tmp_path, form, truth=np.array([2, 3, 1, 0]))[0].value == 1.0


def test_ranking_stops_at_an_unknown_label(tmp_path):
    form = replace(LABELS, predicts="ranking", classes=("a", "b", "c"))
    wrote(tmp_path, "id,y\n1,a b c\n2,b a\n3,? c\n4,c\n")
    assert read_submission(tmp_path, form)[0].tolist() == [1, 1 / 2, 1 / 3]
    assert judged(tmp_path, form, "map@3", np.array([1, 1, 2, 0]))[0].value == pytest.approx((0.5 + 1 + 0 + 0) / 4)


def test_texts(tmp_path):
    form = replace(LABELS, predicts="text", classes=())
    wrote(tmp_path, 'id,y\n1,a\n2,"b, c"\n3,\n4,NA\n')
    result, _ = judged(tmp_path, form, "exact_match", np.array(["a", "b, c", "", "x"], dtype=object))
    assert (result.value, [member.name for member in result.members]) == (0.75, ["submission"])


def test_members_that_are_texts(tmp_path):
    form = replace(LABELS, predicts="text", classes=())
    wrote(tmp_path, 'id,y\n1,a\n2,"b, c"\n3,\n4,NA\n')
    texts = {"submission::y": ["a", "b, c", "", "NA"], "m::y": ["a", "b", None, "x"], "n::y": [1, 2, 3, 4]}
    pd.DataFrame(texts).to_parquet(tmp_path / "members.parquet")
    result, blobs = judged(tmp_path, form, "exact_match", np.array([["a"], ["b, c"], [""], ["x"]], dtype=object))
    assert [(member.name, member.value) for member in result.members] == [("submission", 0.75), ("m", 0.75)]
    assert json.loads(blobs[result.members[1].blob]) == [["a"], ["b"], [""], ["x"]]
    assert "not texts" in result.notes[0]


def test_the_real_view_is_only_checked(tmp_path):
    result, blobs = judged(wrote(tmp_path, GOOD), truth=None)
    assert (result.reason, result.value, blobs) == (None, None, {})
    assert judged(wrote(tmp_path, "id,y\n"), truth=None)[0].reason


# --- what is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("id,y\n", "no row for ids: 1, 2, 3, 4"),
        ("id\n1\n2\n3\n4\n", "lacks column y"),
        (GOOD.replace("id,y", "id,y2"), "lacks column y"),
        (GOOD.replace("\n", ",0\n").replace("id,y,0", "id,y,z"), "unknown column z"),
        (GOOD.replace("\n", ",0\n").replace("id,y,0", "id,y,y"), "twice the column y"),
        (GOOD + "4,True\n", "ids more than once: 4"),
        (GOOD + "5,True\n", "unknown ids: 5"),
        (GOOD.replace("3,False\n", ""), "no row for ids: 3"),
        (GOOD.replace("2,False", "2,"), "no label in 1 rows, first id 2"),
        (GOOD.replace("True", "yes").replace("False", "no"), "no label of the submission"),
        (GOOD + "5,True,1,2\n", "cannot be read as csv"),
    ],
)
def test_a_bad_submission_is_named(tmp_path, text, reason):
    result, blobs = judged(wrote(tmp_path, text))
    assert reason in result.reason
    assert (result.value, blobs) == (None, {})


@pytest.mark.parametrize(
    ("cell", "metric", "reason"),
    [
        ("nan", "rmse", "no finite number: 'nan'"),
        ("", "rmse", "no finite number: ''"),
        ("inf", "rmse", "no finite number"),
        ("1e300", "rmse", "no finite number"),
        ("two", "rmse", "'two'"),
        ("-1", "mean_columnwise_rmsle", "non-negative"),
        ("0", "rmse_log", "positive"),
    ],
)
def test_bad_values_are_named(tmp_path, cell, metric, reason):
    wrote(tmp_path, f"id,a,b\n1,1,1\n2,1,1\n3,1,{cell}\n4,1,1\n")
    assert reason in judged(tmp_path, VALUES, metric, np.ones((4, 2)))[0].reason


def test_probabilities_must_be_probabilities(tmp_path):
    wrote(tmp_path, "id,a,b\n1,0,1\n2,1,0\n3,1.5,0\n4,0,1\n")
    assert "in [0, 1]" in judged(tmp_path, CHANCES, "log_loss")[0].reason


def test_only_plain_files_are_opened(tmp_path):
    assert "wrote no submission.csv" in judged(tmp_path)[0].reason
    path = tmp_path / "submission.csv"
    (tmp_path / "secret").write_text(GOOD)
    path.symlink_to(tmp_path / "secret")
    assert "not a plain file" in judged(tmp_path)[0].reason
    path.unlink()
    os.mkfifo(path)
    assert "not a plain file" in judged(tmp_path)[0].reason
    path.unlink()
    path.mkdir()
    assert "not a plain file" in judged(tmp_path)[0].reason


def test_sizes_are_bounded(tmp_path):
    (tmp_path / "submission.csv.gz").write_bytes(gzip.compress(b"x" * 3_000_000))
    assert "unpacks to more than" in judged(tmp_path)[0].reason
    wrote(tmp_path, "x" * 3_000_000)
    assert "bytes long" in judged(tmp_path)[0].reason


def test_a_few_bytes_of_parquet_cannot_become_many(tmp_path):
    frame = pd.DataFrame({"id": [1, 2, 3, 4], "y": ["x" * 10_000] * 4})
    frame.to_parquet(tmp_path / "submission.parquet")
    assert "cell of more than" in judged(tmp_path)[0].reason
    pd.DataFrame({"id": [1] * 9, "y": ["x"] * 9}).to_parquet(tmp_path / "submission.parquet")
    assert "9 rows, but 4" in judged(tmp_path)[0].reason
    pd.DataFrame({"id": [1, 2, 3, 4], "y": [["True"]] * 4}).to_parquet(tmp_path / "submission.parquet")
    assert "of the type list" in judged(tmp_path)[0].reason


@QUIET
@given(
    data=st.binary(max_size=200), name=st.sampled_from(["submission.csv", "submission.csv.gz", "submission.parquet"])
)
def test_any_bytes_are_a_reason(tmp_path, data, name):
    for old in tmp_path.iterdir():
        old.unlink()
    (tmp_path / name).write_bytes(data)
    assert isinstance(read_submission(tmp_path, LABELS), str)


CELL = st.one_of(st.text(max_size=6), st.sampled_from(["1", "2", "3", "4", "True", "1.0", "nan", '"', "\x00", "1e999"]))


@QUIET
@given(
    rows=st.lists(st.lists(CELL, min_size=1, max_size=3), max_size=6), form=st.sampled_from([LABELS, VALUES, ORDERED])
)
def test_any_table_is_a_prediction_or_a_reason(tmp_path, rows, form):
    text = "\n".join([",".join(form.columns), *(",".join(row) for row in rows)])
    (tmp_path / "submission.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    (tmp_path / "members.parquet").write_bytes(text.encode("utf-8", "surrogatepass"))
    found = read_submission(tmp_path, form)
    assert isinstance(found, str) or found.shape == (form.rows, len(form.prediction_columns))
    assert read_members(tmp_path, form).arrays == {}


@QUIET
@given(order=st.permutations(range(4)), values=st.lists(st.floats(0, 1e6), min_size=8, max_size=8))
def test_a_reordered_submission_scores_the_same(tmp_path, order, values):
    table = [f"{row + 1},{values[row]},{values[row + 4]}" for row in range(4)]
    truth = np.arange(8.0).reshape(4, 2)
    wrote(tmp_path, "\n".join(["id,a,b", *table]))
    first = judged(tmp_path, VALUES, "rmse", truth)[0]
    wrote(tmp_path, "\n".join(["id,a,b", *(table[row] for row in order)]))
    assert judged(tmp_path, VALUES, "rmse", truth)[0] == first
    assert first.value == pytest.approx(score(get("rmse"), truth, np.array(values).reshape(2, 4).T))


# --- members ---------------------------------------------------------------------------------------


def members(folder: Path, **columns) -> None:
    frame = pd.DataFrame({name.replace("__", "::"): values for name, values in columns.items()})
    frame.to_parquet(folder / "members.parquet")


def test_members_are_scored_and_saved(tmp_path):
    wrote(tmp_path, GOOD)
    soft = {"submission__False": [0.1, 0.9, 0.8, 0.4], "submission__True": [0.9, 0.1, 0.2, 0.6]}
    other = {"tree__True": [1, 1, 0, 1], "tree__False": [0, 0, 1, 0]}
    members(tmp_path, **other, **soft)
    result, blobs = judged(tmp_path)
    assert [(member.name, member.value) for member in result.members] == [("submission", 1.0), ("tree", 0.75)]
    first = np.load(io.BytesIO(blobs[result.members[0].blob]), allow_pickle=False)
    assert first == pytest.approx(np.array([[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]))
    assert result.notes == ()


def test_a_soft_form_that_says_otherwise_is_not_believed(tmp_path):
    wrote(tmp_path, GOOD)
    members(tmp_path, submission__False=[0.9, 0.1, 0.8, 0.4], submission__True=[0.1, 0.9, 0.2, 0.6])
    result, blobs = judged(tmp_path)
    assert "not what was submitted" in result.notes[0]
    first = np.load(io.BytesIO(blobs[result.members[0].blob]), allow_pickle=False)
    assert first.tolist() == [[0, 1], [1, 0], [1, 0], [0, 1]]


def test_bad_members_are_skipped_with_a_reason(tmp_path):
    wrote(tmp_path, "id,a,b\n1,1,1\n2,1,1\n3,1,1\n4,1,1\n")
    fine = {"fine__a": [1.0] * 4, "fine__b": [2.0] * 4}
    members(tmp_path, **fine, half__a=[1.0] * 4, words__a=["x"] * 4, words__b=["x"] * 4,
            hole__a=[1.0, None, 1.0, 1.0], hole__b=[1.0] * 4, below__a=[-1.0] * 4, below__b=[1.0] * 4)  # fmt: skip
    result, _ = judged(tmp_path, VALUES, "rmsle", np.ones((4, 2)))
    assert [member.name for member in result.members] == ["submission", "fine"]
    assert len(result.notes) == 4
    pd.DataFrame({"fine::a": [1.0] * 3, "fine::b": [1.0] * 3}).to_parquet(tmp_path / "members.parquet")
    result, _ = judged(tmp_path, VALUES, "rmsle", np.ones((4, 2)))
    assert [member.name for member in result.members] == ["submission"]
    assert "3 rows, but 4" in result.notes[0]


def test_replicates_are_common_to_all_scripts(tmp_path):
    ids = tuple(str(row) for row in range(40))
    form = replace(LABELS, rows=40, ids=(ids,))
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 40)
    text = [f"{row},{bool(label)}" for row, label in enumerate(np.where(rng.random(40) < 0.8, truth, 1 - truth))]
    wrote(tmp_path, "\n".join(["id,y", *text]))
    result, _ = judged(tmp_path, form, truth=truth)
    assert len(result.replicates) == 200
    assert result.groups == ()
    assert result == judged(tmp_path, form, truth=truth)[0]
    assert abs(np.mean(result.replicates) - result.value) < 0.02


# --- delivery --------------------------------------------------------------------------------------


def test_the_users_file_has_the_samples_order_and_cells(tmp_path):
    form = replace(LABELS, columns=("id", "note", "y"), echo_columns=("note",), ids=(("007", "1.10", "ü", "x y"),))
    frame = pd.DataFrame(
        {"id": ["x y", "007", "ü", "1.10"], "note": ['a "b"', "c,d", "NA", ""], "y": ["False"] * 4}, dtype=str
    )
    sample = Table("sample.csv", frame, "csv")
    wrote(tmp_path, "id,y\n1.10,0\n007,True\nx y,false\nü,False\n")
    assert (
        deliver(tmp_path, form, sample).decode()
        == 'id,note,y\nx y,"a ""b""",false\n007,"c,d",True\nü,NA,False\n1.10,,0\n'
    )


def test_a_bad_submission_is_not_delivered(tmp_path):
    sample = Table("sample.csv", pd.DataFrame({"id": ["1"], "y": ["True"]}, dtype=str), "csv")
    with pytest.raises(ValueError, match="no row for ids"):
        deliver(wrote(tmp_path, "id,y\n1,True\n"), LABELS, sample)


# --- matching --------------------------------------------------------------------------------------


def test_match_prefers_text_then_numbers_then_booleans():
    assert match(["007", "7", "7.0", "True", "1_0"], ["7", "007", "10"]).tolist() == [1, 0, -1, -1, -1]
    assert match(["1.0", "true", "no"], ["0", "1"]).tolist() == [1, 1, -1]
    assert match(["1", "TRUE", "0.0"], ["False", "True"]).tolist() == [1, 1, 0]
