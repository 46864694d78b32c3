"""`task.toml`: what the user says about a task because it cannot be inferred (DESIGN.md §3)."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mlestar.errors import TaskError
from mlestar.plain import word

_SPLIT = re.compile(r"random|stratified|horizon|(group|time|blocks):.+")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AssetEntry(_Strict):
    """Files that belong to rows, as patterns with `{column}` placeholders."""

    train: str
    test: str

    @field_validator("train", "test")
    @classmethod
    def _has_placeholder(cls, pattern: str) -> str:
        if not re.search(r"\{[^{}]+\}", pattern):
            raise ValueError(f"{pattern!r} names no column; write for example train/{{id}}.png")
        if re.search(r"[{}]", re.sub(r"\{[^{}]+\}", "", pattern)):
            raise ValueError(f"the braces of {pattern!r} are not in pairs; write for example train/{{id}}.png")
        return pattern


class TaskEntry(_Strict):
    """The table `[task]`."""

    target: tuple[str, ...] = ()
    id: tuple[str, ...] | None = None
    metric: str | None = None
    direction: Literal["min", "max"] | None = None
    split: str | None = None
    series: tuple[str, ...] | None = None  # of a forecast: the columns that name a series, none for one series
    time: str | None = None
    season: int | None = Field(default=None, ge=1)  # of MASE and OWA
    white: float | None = Field(default=None, gt=0)  # of pixels: the value of the greatest intensity, as 1 or 255
    train: str | None = None
    test: str | None = None
    sample: str | None = None
    kind: Literal["table", "forecast", "pixels", "custom"] | None = None
    shared: tuple[str, ...] = ()  # with a task.py: files and folders that every view has as they are

    @field_validator("target", "id", "shared", "series", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if isinstance(value, str):
            return (value,) if value else ()
        return tuple(value) if isinstance(value, list) else value

    @field_validator("direction", mode="before")
    @classmethod
    def _direction(cls, value: object) -> object:
        words = {"minimize": "min", "minimise": "min", "lower": "min", "maximize": "max", "maximise": "max"}
        return words.get(value, "max" if value == "higher" else value) if isinstance(value, str) else value

    @field_validator("split")
    @classmethod
    def _split(cls, value: str) -> str:
        if not _SPLIT.fullmatch(value):
            raise ValueError("write random, stratified, group:<column>, time:<column>, blocks:<column> or horizon")
        return value


class Manifest(_Strict):
    """A whole `task.toml`; every field may be absent."""

    task: TaskEntry = TaskEntry()
    assets: tuple[AssetEntry, ...] = ()

    def settings(self) -> tuple[tuple[str, str], ...]:
        """What was said, as name and text, in the order of the fields."""
        said = self.task.model_dump(exclude_unset=True)
        plain = [(name, ", ".join(v) if isinstance(v, tuple) else str(v)) for name, v in said.items()]
        return (*plain, *((f"assets[{i}]", f"{a.train} | {a.test}") for i, a in enumerate(self.assets)))


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/task.toml`; an absent file is an empty manifest.

    Raises TaskError naming the key that is wrong and the nearest right one.
    """
    path = folder / "task.toml"
    if not os.path.lexists(path):
        return Manifest()
    if not os.path.isfile(path):
        raise TaskError(f"{path} is not a file")
    try:
        return Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise TaskError("task.toml: " + "; ".join(_explain(dict(item)) for item in error.errors())) from None
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or a number of thousands of digits
        raise TaskError(f"task.toml is not valid TOML: {error}") from None


def _explain(item: dict[str, object]) -> str:
    spot = [str(part) for part in item["loc"]] if isinstance(item["loc"], tuple) else []
    key = ".".join(spot)
    if item["type"] != "extra_forbidden":
        return f"{key} = {word(repr(item['input']))}: {str(item['msg']).removeprefix('Value error, ')}"
    tables: dict[str, type[BaseModel]] = {"task": TaskEntry, "assets": AssetEntry}
    fields = tables.get(spot[0], Manifest) if len(spot) > 1 else Manifest
    known = list(fields.model_fields)
    if len(spot) == 1 and spot[0] in TaskEntry.model_fields:
        return f"{key} stands outside of [task]; write it below the line [task]"
    near = difflib.get_close_matches(spot[-1], known, n=1, cutoff=0.5)
    return f"unknown key {key!r}; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")
