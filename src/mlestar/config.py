"""One source of settings for file, environment, command line and API (DESIGN.md §12).

Order of precedence: arguments, then `MLESTAR_*` environment variables, then `mlestar.toml` in the
working directory. Unknown names are refused.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
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
from mlestar.sections import (
    Cluster,
    Debug,
    Ensemble,
    Init,
    JobLimits,
    Judging,
    Language,
    Packages,
    Refine,
    Role,
    Search,
    Section,
    named,
)
from mlestar.writing import Budget, Words


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


class Settings(BaseSettings):
    """Everything a run can be told."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="MLESTAR_", env_nested_delimiter="__", toml_file="mlestar.toml"
    )

    brain: str = Field("playbook", description="who plays the roles: playbook, random, none, relay, provider:model, …")
    fallback: Words = Field((), description="who is asked next when the brain cannot be reached")
    max_cost: float | None = Field(None, gt=0, description="most US dollars that calls may cost")
    max_calls: int | None = Field(None, ge=1, description="most calls")
    assets: str = Field("", description="the folder of `mle-star assets`; absent: the user's own")
    budget: Budget | None = Field(None, description="wall time of the whole run, for example 15m")
    jobs: int = Field(default_factory=cores, ge=1, le=1000, description="jobs side by side")
    seed: int = Field(0, ge=0, description="all randomness follows from it")
    branches: int = Field(2, ge=1, le=1000, description="L: parallel branches")
    company: int = Field(0, ge=0, le=100, description="further branches, by the playbook, while an asked brain thinks")
    bag: int = Field(3, ge=1, le=1000, description="most seeds averaged in the final script, where time allows")
    keep_models: bool = Field(False, description="keep the final solution's fitted models, for `mle-star predict`")
    executor: Literal["local", "ray"] = Field("local", description="where jobs run: this machine, or a Ray cluster")
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
    cluster: Cluster = Cluster()
    llm: Language = Language()
    search: Search = Search()
    packages: Packages = Packages()
    roles: dict[str, Annotated[Role, BeforeValidator(named)]] = Field(
        default_factory=dict, description="who plays one role, where it is not the brain"
    )
    keys: dict[str, SecretStr] = Field(default_factory=dict, exclude=True, description="keys, by environment variable")

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
    def threads(self) -> int:
        """Threads of one job: this machine's processors are shared out, a cluster's are asked for."""
        return self.cluster.cpus if self.executor == "ray" else max(1, cores() // self.jobs)

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
            mergers=self.init.mergers,
            variants=self.refine.variants,
            batch=self.refine.batch,
            company=self.company,
            onward=self.refine.onward,
        )


SECTIONS = {name for name, field in Settings.model_fields.items() if isinstance(field.default, Section)}


def load(assignments: list[str] | None = None, **given: Any) -> Settings:
    """Settings from all sources; `assignments` are `refine.outer=4` texts from `--set`.

    Raises SettingsError naming the setting.
    """
    return _made(changes(assignments, **given))


def changed(recorded: dict[str, Any], changes: dict[str, Any]) -> Settings:
    """The settings that a run began with, with some changed; raises SettingsError naming the setting."""
    sections = {k: {**recorded[k], **v} for k, v in changes.items() if isinstance(v, dict) and k in SECTIONS}
    if "roles" in changes:  # each has settings of its own
        before = recorded.get("roles", {})
        sections["roles"] = before | {name: before.get(name, {}) | own for name, own in changes["roles"].items()}
    return _made({**recorded, **changes, **sections})


def _made(values: dict[str, Any]) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except (ValueError, RecursionError, OSError, SourceError) as error:
        # neither names the file, and the environment is no file
        raise SettingsError(f"mlestar.toml or a MLESTAR_* variable cannot be read: {error}") from None


def changes(assignments: list[str] | None = None, **given: Any) -> dict[str, Any]:
    """What was said on the command line, as a nested dictionary; what was not said is left out."""
    values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    for text in assignments or []:
        name, sign, value = text.partition("=")
        if not sign:
            raise SettingsError(f"--set {text!r}: write name=value, for example --set refine.outer=4")
        section, dot, last = name.strip().rpartition(".")
        if section.partition(".")[0] == "roles":
            _set_role(values.setdefault("roles", {}), name.strip().split(".")[1:], value.strip())
            continue
        if dot and section not in SECTIONS:
            raise SettingsError(f"setting {name.strip()!r}: there is no such setting; docs/settings.md lists them")
        spot = values.setdefault(section, {}) if dot else values
        if not dot and last in SECTIONS:
            raise SettingsError(f"--set {text!r}: {last!r} has settings of its own; write {last}.name=value")
        spot[last] = value.strip()
    return values


def _set_role(roles: dict[str, Any], path: list[str], value: str) -> None:
    """`roles.<role>=<model>`, or `roles.<role>.<setting>=<value>`."""
    name, *rest = path
    spot = roles.setdefault(name, {})
    spot[rest[0] if rest else "model"] = value


ADDRESSES = ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GEMINI_BASE_URL", "OLLAMA_BASE_URL")
KEYS = (
    "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY", "TAVILY_API_KEY",
    "HF_TOKEN",
)  # fmt: skip


def keys(settings: Settings) -> dict[str, str]:
    """Keys and addresses of providers, of `[keys]` in the settings file and of the environment; never recorded."""
    wanted = {name for name in os.environ if name in (*KEYS, *ADDRESSES) or name.endswith(("_API_KEY", "_BASE_URL"))}
    found = {name: os.environ[name] for name in sorted(wanted) if os.environ[name]}
    return found | {name: secret.get_secret_value() for name, secret in settings.keys.items()}


def home() -> Path:
    """Where what belongs to the user, not to a run, is kept."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "mle-star"


def installing() -> dict[str, str]:
    """What uv may be told of the environment; executors/uv.py keeps of it what it needs, and no key."""
    return dict(os.environ)


def shelves(settings: Settings) -> Path:
    """The folder of `mle-star assets`."""
    return Path(settings.assets).expanduser() if settings.assets else home() / "assets"


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
