"""How people write settings: time spans and lists, in files, variables and on the command line."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: Any) -> Any:
    """`90`, `90s`, `15m`, `1h30m` -> seconds."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\d+(\.\d+)?", value.strip()):
        return float(value)
    found = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", value.strip().lower())
    if not found or re.sub(r"(\d+(?:\.\d+)?)\s*([smhd])|\s", "", value.strip().lower()):
        raise ValueError(f"{value!r} is not a time span; write for example 90s, 15m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in found)


def with_unit(value: Any) -> Any:
    """A text that is a small mere number is refused: `15` may be meant as minutes; from a minute on it is seconds."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value.strip()) and float(value) < 60:
        raise ValueError(f"{value!r} has no unit; write {value.strip()}s for seconds, or {value.strip()}m for minutes")
    return value


Span = Annotated[float, BeforeValidator(seconds), Field(gt=0, le=10 * 365 * 86400.0, allow_inf_nan=False)]
Budget = Annotated[Span, BeforeValidator(with_unit)]


def listed(value: Any) -> Any:
    """`a, b` and `["a", "b"]` -> [a, b], as `--set` and the environment write a list."""
    if not isinstance(value, str):
        return value
    parts = (part.strip().strip("\"'") for part in value.strip().removeprefix("[").removesuffix("]").split(","))
    return [part for part in parts if part]


def amounts(value: Any) -> Any:
    """`big=1, fast=0.5` -> {big: 1, fast: 0.5}, as `--set` and the environment write amounts by name."""
    if not isinstance(value, str):
        return value
    return {name.strip(): amount.strip() for part in listed(value) for name, _, amount in [part.partition("=")]}


Amounts = Annotated[dict[str, Annotated[float, Field(gt=0)]], BeforeValidator(amounts)]
Prices = Annotated[tuple[float, float], BeforeValidator(listed)]  # US dollars per million tokens in and out
Words = Annotated[tuple[str, ...], BeforeValidator(listed)]
