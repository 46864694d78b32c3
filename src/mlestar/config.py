"""One source of settings for file, environment, command line and API (DESIGN.md §12).

Order of precedence: arguments, then `MLESTAR_*` environment variables, then `mlestar.toml` in the
working directory. Unknown names are refused.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import (
    SettingsError as SourceError,
)

from mlestar.errors import SettingsError
from mlestar.plain import word
from mlestar.records import Breadths

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


Span = Annotated[float, BeforeValidator(seconds), Field(gt=0, le=10 * 365 * 86400.0, allow_inf_nan=False)]


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Init(_Section):
    candidates: int = Field(4, ge=1, le=1000, description="M: how many candidate models each branch starts from")


class Refine(_Section):
    outer: int = Field(4, ge=0, le=1000, description="T: outer steps, each an ablation and a target cell")
    inner: int = Field(4, ge=1, le=1000, description="K: plans tried on the target cell")
    looks: int = Field(1, ge=0, description="looks at the data and the residuals before each target's plans")


class Ensemble(_Section):
    rounds: int = Field(5, ge=1, le=1000, description="R: ensemble strategies tried")
    most: int = Field(12, ge=1, le=1000, description="most members in one blend")


class Debug(_Section):
    rounds: int = Field(2, ge=0, le=1000, description="D: repairs of one failing script")


class Judging(_Section):
    folds: int | None = Field(None, ge=1, le=5, description="folds evaluated; absent: from the first job's seconds")
    accept: float = Field(0.75, ge=0.5, le=1, description="p(challenger is better) needed to replace the incumbent")
    race: float = Field(0.1, ge=0, le=0.5, description="a candidate whose p falls below this after a fold is dropped")
    search_rows: int | None = Field(None, ge=50, description="most training rows in a fold view")
    seal: bool = Field(True, description="keep a sealed part where the data is large enough")


class JobLimits(_Section):
    seconds: Span = Field(600.0, description="wall time of one job")
    memory_mb: int = Field(8192, ge=256, description="memory of one job, MiB")
    processes: int = Field(64, ge=1, description="processes and threads groups of one job")
    disk_mb: int = Field(2048, ge=1, description="bytes that one job may write, MiB")
    output_kb: int = Field(1024, ge=1, description="printed output of one job, KiB")


class Settings(BaseSettings):
    """Everything a run can be told."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="MLESTAR_", env_nested_delimiter="__", toml_file="mlestar.toml"
    )

    brain: str = Field("playbook", description="who plays the roles")
    budget: Span | None = Field(None, description="wall time of the whole run, for example 15m")
    jobs: int = Field(default_factory=cores, ge=1, le=1000, description="jobs side by side")
    seed: int = Field(0, ge=0, description="all randomness follows from it")
    branches: int = Field(2, ge=1, le=1000, description="L: parallel branches")
    bag: int = Field(3, ge=1, le=1000, description="most seeds averaged in the final script, where time allows")
    interpreter: str = Field(default_factory=lambda: sys.executable, description="Python that runs the scripts")
    library: str = Field("", description="a folder of your own recipes, searched first")
    wall: Literal["auto", "bubblewrap", "landlock", "none"] = Field(
        "auto", description="the wall around scripts; auto: the strongest that works"
    )
    unsafe: bool = Field(False, description="run code that is not mle-star's own even where there is no wall")
    init: Init = Init()
    refine: Refine = Refine()
    ensemble: Ensemble = Ensemble()
    debug: Debug = Debug()
    judging: Judging = Judging()
    limits: JobLimits = JobLimits()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def breadths(self) -> Breadths:
        """The paper's loop sizes."""
        return Breadths(
            candidates=self.init.candidates,
            branches=self.branches,
            outer=self.refine.outer,
            inner=self.refine.inner,
            rounds=self.ensemble.rounds,
            debug=self.debug.rounds,
            looks=self.refine.looks,
        )


SECTIONS = {name for name, field in Settings.model_fields.items() if isinstance(field.default, _Section)}


def load(assignments: list[str] | None = None, **given: Any) -> Settings:
    """Settings from all sources; `assignments` are `refine.outer=4` texts from `--set`.

    Raises SettingsError naming the setting.
    """
    return _made(changes(assignments, **given))


def changed(recorded: dict[str, Any], changes: dict[str, Any]) -> Settings:
    """The settings that a run began with, with some changed; raises SettingsError naming the setting."""
    sections = {k: {**recorded[k], **v} for k, v in changes.items() if isinstance(v, dict) and k in SECTIONS}
    return _made({**recorded, **changes, **sections})


def _made(values: dict[str, Any]) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except (
        ValueError,
        RecursionError,
        OSError,
        SourceError,
    ) as error:  # neither names the file, and the environment is no file
        raise SettingsError(f"mlestar.toml or a MLESTAR_* variable cannot be read: {error}") from None


def changes(assignments: list[str] | None = None, **given: Any) -> dict[str, Any]:
    """What was said on the command line, as a nested dictionary; what was not said is left out."""
    values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    for text in assignments or []:
        name, sign, value = text.partition("=")
        if not sign:
            raise SettingsError(f"--set {text!r}: write name=value, for example --set refine.outer=4")
        section, dot, last = name.strip().rpartition(".")
        if dot and section not in SECTIONS:
            raise SettingsError(f"setting {name.strip()!r}: there is no such setting; docs/settings.md lists them")
        spot = values.setdefault(section, {}) if dot else values
        if not dot and last in SECTIONS:
            raise SettingsError(f"--set {text!r}: {last!r} has settings of its own; write {last}.name=value")
        spot[last] = value.strip()
    return values


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"])
        what = (
            "there is no such setting"
            if item["type"] == "extra_forbidden"
            else item["msg"].removeprefix("Value error, ")
        )
        lines.append(f"setting {word(name, 80)!r}: {what}")
    return "; ".join(lines) + ". `mle-star run --help` and docs/settings.md list them."
