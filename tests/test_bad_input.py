"""Bad input, seen from the command line: one clear message, exit 2, nothing half-written, no traceback."""

import subprocess

import pytest

TRAIN = "id,a,b,y\n" + "".join(f"{i},{i % 7},{'xy'[i % 2]},{'no' if i % 3 else 'yes'}\n" for i in range(60))
TEST = "id,a,b\n" + "".join(f"{i},{i % 5},x\n" for i in range(100, 120))
SAMPLE = "id,y\n" + "".join(f"{i},no\n" for i in range(100, 120))
WORDS = "# Task\n\n## Metric\n\nClassification accuracy, higher is better.\n"


def without_column(text: str, name: str) -> str:
    place = text.splitlines()[0].split(",").index(name)
    return "".join(
        ",".join(c for i, c in enumerate(line.split(",")) if i != place) + "\n" for line in text.splitlines()
    )


def with_target(value: str) -> str:
    head, *rows = TRAIN.splitlines()
    return "\n".join([head, *(row.rpartition(",")[0] + "," + value for row in rows)]) + "\n"


CASES = {  # name: (files to change, None removes one; words that the message must hold)
    "nothing to train on": ({"train.csv": None}, ["train"]),
    "two candidates for train": ({"training.csv": TRAIN}, ["train.csv", "training.csv", "task.toml"]),
    "target missing": ({"train.csv": without_column(TRAIN, "y")}, ["y"]),
    "target constant": ({"train.csv": with_target("yes")}, ["y"]),
    "target empty": ({"train.csv": with_target("")}, ["y"]),
    "unknown metric": ({"task.toml": '[task]\nmetric = "acuracy"\n'}, ["acuracy", "accuracy"]),
    "unfitting metric": ({"task.toml": '[task]\nmetric = "rmse"\n'}, ["rmse"]),
    "unknown key": ({"task.toml": '[task]\nmetrik = "accuracy"\n'}, ["metrik", "metric"]),
    "broken task.toml": ({"task.toml": "[task\n"}, ["task.toml"]),
    "sample with unknown columns": (
        {"sample_submission.csv": SAMPLE.replace("id,y", "id,y,z").replace(",no", ",no,3")},
        ["'z'", "task.toml"],
    ),
    "sample with wrong ids": ({"sample_submission.csv": SAMPLE.replace("105,", "905,")}, ["905"]),
    "duplicate ids": ({"test.csv": TEST.replace("105,", "106,")}, ["106"]),
    "empty file": ({"train.csv": ""}, ["train.csv"]),
    "header only": ({"train.csv": "id,a,b,y\n"}, ["train.csv"]),
    "truncated": ({"train.csv": TRAIN + "60,1\n"}, ["train.csv", "62"]),
    "fewer rows than folds": ({"train.csv": "".join(TRAIN.splitlines(keepends=True)[:5])}, ["train.csv"]),
    "not text": ({"train.csv": b"\x00\x01\x02\xff\xfe" * 50}, ["train.csv"]),
    "split by a column that is not there": ({"task.toml": '[task]\nsplit = "group:shop"\n'}, ["shop"]),
    "a kind that is not there": ({"task.toml": '[task]\nkind = "tabel"\n'}, ["tabel"]),
}


@pytest.mark.parametrize("name", CASES)
def test_one_message_and_nothing_left(name, mle_star, tmp_path):
    changes, words = CASES[name]
    folder = tmp_path / "task"
    folder.mkdir()
    whole = {"train.csv": TRAIN, "test.csv": TEST, "sample_submission.csv": SAMPLE, "description.md": WORDS}
    for file, content in {**whole, **changes}.items():
        if content is not None:
            (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    done = mle_star("run", folder, "--out", tmp_path / "run")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    message = done.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in done.stderr, message
    assert not (tmp_path / "run").exists()


def test_a_class_with_one_row_is_a_warning_not_an_error(mle_star, tmp_path):
    folder = tmp_path / "task"
    folder.mkdir()
    lone = TRAIN.replace("59,3,y,no", "59,3,y,perhaps")
    assert "perhaps" in lone
    for file, content in {"train.csv": lone, "test.csv": TEST, "sample_submission.csv": SAMPLE}.items():
        (folder / file).write_text(content)
    (folder / "description.md").write_text(WORDS)
    done = mle_star("check", folder)
    assert done.returncode == 0, done.stderr
    assert "perhaps" in done.stdout


def test_folders_that_are_none(mle_star, tmp_path):
    for arguments in (["run", tmp_path / "no"], ["check", tmp_path / "no"], ["show", tmp_path], ["resume", tmp_path]):
        done = mle_star(*arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr
        assert str(tmp_path) in done.stderr


def test_a_run_folder_with_something_in_it_is_not_touched(task, mle_star, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = mle_star("run", task, "--out", tmp_path)
    assert done.returncode == 2
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_full_disk_is_named_and_the_run_can_be_resumed(task, mle_star, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a small disk here")
    try:
        done = mle_star("run", task, "--out", disk / "run")
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert "room" in done.stderr or "full" in done.stderr or "space" in done.stderr
    finally:
        subprocess.run(["umount", disk], check=True)
