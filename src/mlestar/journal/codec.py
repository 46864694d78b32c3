"""Records to JSON and back, and the digest that says whether two inputs are the same.

Canonical JSON is part of the contract: sorted keys, no spaces, ASCII, records as objects tagged with
their type's name, tuples as lists, floats as Python writes them. Changing it makes every old journal stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter

T = TypeVar("T")


def tagged(data: bytes) -> str:
    """The content address of `data`, with its algorithm."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest(value: Any, root: Path | None = None) -> str:
    """The tagged digest of any plain value or record.

    Paths below `root` count as relative to it, so that a run folder may be moved.
    Raises TypeError for values that have no canonical form.
    """
    return tagged(canonical(value, root).encode("ascii"))


def canonical(value: Any, root: Path | None = None) -> str:
    """Canonical JSON of any plain value or record."""
    return json.dumps(_plain(value, root), sort_keys=True, separators=(",", ":"))


def encode(value: Any, returns: Any) -> str:
    """`value`, which should be a `returns`, as JSON (with NaN and Infinity spelt out)."""
    return json.dumps(_adapter(returns).dump_python(value, mode="json", warnings=False), ensure_ascii=False)


def decode(text: str, returns: type[T]) -> T:
    """Read a `returns` back. Raises ValueError when the text is not one."""
    shape: Any = returns
    value: T = _adapter(shape).validate_python(json.loads(text))
    return value


@cache
def _adapter(returns: Any) -> TypeAdapter[Any]:
    return TypeAdapter(returns)


def _plain(value: Any, root: Path | None) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value, root)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, PurePath):
        return str(value.relative_to(root) if root and value.is_relative_to(root) else value)
    if isinstance(value, bytes):
        return tagged(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: {f.name: _plain(getattr(value, f.name), root) for f in fields(value)}}
    if isinstance(value, BaseModel):
        return {type(value).__name__: _plain(value.model_dump(), root)}
    if isinstance(value, Mapping):
        return _pairs(value, root)
    if isinstance(value, list | tuple):
        return [_plain(item, root) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item, root) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "ndim", 0):
        return value.item()
    raise TypeError(f"a step's inputs cannot hold a {type(value).__name__}; save arrays as blobs and pass their digest")


def _pairs(value: Mapping[Any, Any], root: Path | None) -> Any:
    if all(isinstance(key, str) for key in value):
        return {key: _plain(item, root) for key, item in value.items()}
    pairs = [[_plain(key, root), _plain(item, root)] for key, item in value.items()]
    return sorted(pairs, key=lambda pair: json.dumps(pair, sort_keys=True))
