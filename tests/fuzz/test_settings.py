"""Any setting, from any source, is taken or refused by its name; any manifest likewise."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys

import pytest
from effort import HOSTILE, refusals, texts, trying
from hypothesis import given
from hypothesis import strategies as st

from mlestar import config
from mlestar.errors import SettingsError, TaskError
from mlestar.tasks.manifest import Manifest, read_manifest

NAMES = [
    *config.Settings.model_fields,
    "refine.outer",
    "judging.folds",
    "limits.seconds",
    "limits.memory_mb",
    "refine.x",
    "a.b.c",
    "brain.x",
]
VALUES = [
    "1",
    "0",
    "-1",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9" * 400,
    "9" * 5000,
    "0x10",
    "1_0",
    "90s",
    "1h30m",
    "m",
    "1h-30m",
    "true",
    "[1]",
    "{}",
    '{"outer": 1}',
    "null",
    "None",
    "٣",
    "1.5",
    "2015-01-01",
    "1e308s",
    "0s",
]
names, values = st.one_of(st.sampled_from(NAMES), texts), st.one_of(st.sampled_from(VALUES), texts)
TOML = st.one_of(
    st.sampled_from(
        [
            "nan",
            "-inf",
            "1e400",
            "[]",
            "{}",
            "[1, 'a']",
            "true",
            "1979-05-27",
            "'x'",
            '"\\u0000"',
            "[[]]",
            "{a = {b = 1}}",
            "9" * 5000,
            "[" * 2000,
            "''",
            "'''\n'''",
            "-0",
            '["a", "a"]',
            "'a/../../b'",
        ]
    ),
    st.integers().map(str),
    texts.map(lambda text: repr(text)),
)


def sane(settings: config.Settings) -> None:
    """What was taken can drive a run."""
    assert settings.budget is None or 0 < settings.budget < 1e9
    assert 0 < settings.limits.seconds < 1e9
    assert all(1 <= n <= 1000 for n in (settings.jobs, settings.branches, settings.bag, settings.refine.inner))
    config.changed(settings.model_dump(mode="json"), {})


@trying(300)
@given(st.lists(st.builds("{}={}".format, names, values) | texts, max_size=3), st.none() | values)
def test_assignments(assignments, budget):
    with refusals(SettingsError):
        sane(config.load(assignments, budget=budget))
    with refusals(SettingsError):
        sane(config.changed(config.Settings().model_dump(mode="json"), config.changes(assignments, budget=budget)))


@trying(150)
@given(st.lists(st.tuples(st.sampled_from(NAMES), TOML), max_size=3), st.binary(max_size=20))
def test_the_file(tmp_path, monkeypatch, lines, tail):
    monkeypatch.chdir(tmp_path)
    text = "".join(f"{name} = {value}\n" for name, value in lines).encode("utf-8", "surrogatepass")
    (tmp_path / "mlestar.toml").write_bytes(text + random.Random(len(text)).choice([b"", tail]))
    with refusals(SettingsError):
        sane(config.load())


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink(path, path)])
@pytest.mark.parametrize("name", ["mlestar.toml", "task.toml"])
def test_what_is_no_file(tmp_path, monkeypatch, make, name):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name)
    config.load()
    if name == "task.toml":
        with pytest.raises(TaskError, match=r"task\.toml is not a file"):
            read_manifest(tmp_path)


@trying(60)
@given(
    st.sampled_from(["BRAIN", "BUDGET", "JOBS", "REFINE", "REFINE__OUTER", "LIMITS__SECONDS", "JUDGING", "X"]), values
)
def test_the_environment(monkeypatch, name, value):
    if re.search(r"[\x00\ud800-\udfff]", value):
        return  # no environment can hold it
    monkeypatch.setenv(f"MLESTAR_{name}", value)
    with refusals(SettingsError):
        sane(config.load())
    monkeypatch.delenv(f"MLESTAR_{name}")


KEYS = ["target", "id", "metric", "direction", "split", "train", "test", "sample", "kind", "metrik", "a.b"]


@trying(200)
@given(
    st.lists(st.tuples(st.sampled_from(KEYS), TOML), max_size=4, unique_by=lambda pair: pair[0]),
    st.booleans(),
    st.binary(max_size=8),
)
def test_manifests(tmp_path, lines, assets, tail):
    text = "[task]\n" + "".join(f"{name} = {value}\n" for name, value in lines) + "[[assets]]\ntrain = 'a'\n" * assets
    (tmp_path / "task.toml").write_bytes(text.encode("utf-8", "surrogatepass") + tail * (len(text) % 2))
    with refusals(TaskError):
        assert isinstance(read_manifest(tmp_path), Manifest)


def test_hostile_arguments_are_one_clean_message(tmp_path):
    """On the command line itself: nothing of an argument steers the terminal."""
    for text in (HOSTILE[11], "\u202eabc", "a\rb\x9b31m"):
        done = subprocess.run(
            [sys.executable, "-m", "mlestar.cli", "check", text],
            cwd=tmp_path,
            capture_output=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
        assert not set(done.stderr.decode()) & set("\x1b\x07\r\x9b\u202e")
