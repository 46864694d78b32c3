"""One source of settings for file, environment, command line and API (DESIGN.md §12).

Order of precedence: arguments, then `MLESTAR_*` environment variables, then `mlestar.toml` in the
working directory. Unknown names are refused.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
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
from mlestar.writing import Prices, Span, Words, listed


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Init(_Section):
    candidates: int = Field(4, ge=1, le=1000, description="M: how many candidate models each branch starts from")
    mergers: int | None = Field(None, ge=0, le=1000, description="most mergers of a branch; absent: while they help")
    until: float = Field(0.25, gt=0, le=1, description="share of the budget at which init ends at the latest")


class Refine(_Section):
    outer: int = Field(4, ge=0, le=1000, description="T: outer steps, each an ablation and a target cell")
    inner: int = Field(4, ge=1, le=1000, description="K: plans tried on the target cell")
    variants: int = Field(6, ge=0, le=1000, description="most cells that one ablation takes away; below 2: none")
    until: float = Field(0.75, gt=0, le=1, description="share of the budget at which refinement ends at the latest")
    looks: int = Field(1, ge=0, description="looks at the data and the residuals before each target's plans")


class Ensemble(_Section):
    rounds: int = Field(5, ge=1, le=1000, description="R: ensemble strategies tried")
    most: int = Field(12, ge=1, le=1000, description="most members in one blend")
    until: float = Field(0.85, gt=0, le=1, description="share of the budget at which the finish begins at the latest")


class Debug(_Section):
    rounds: int = Field(2, ge=0, le=1000, description="D: repairs of one failing script")


def _without_secrets(address: str) -> str:
    """Settings are kept in the run's folder, so an address among them is no place for a key."""
    if re.search(r"[?#]|//[^/]*@", address):
        raise ValueError(
            "it is recorded, so it may hold no user, password or query; set OPENAI_BASE_URL (or <PROVIDER>_BASE_URL) "
            "in the environment, or under [keys] in mlestar.toml, instead"
        )
    return address


class Language(_Section):
    base_url: Annotated[str, AfterValidator(_without_secrets)] = Field(
        "", description="address of the brain's OpenAI-compatible server, for example http://127.0.0.1:8000/v1"
    )
    temperature: float | None = Field(None, ge=0, le=2, description="sampling temperature; absent: the provider's own")
    max_tokens: int | None = Field(None, ge=256, description="most tokens of one answer; absent: the provider's own")
    timeout: Span = Field(300.0, description="wait for one answer of a model or a command")
    attempts: int = Field(3, ge=1, le=20, description="answers to one request before the playbook stands in")
    retries: int = Field(6, ge=1, le=50, description="tries of one call when the provider is busy, broken or away")
    parallel: int = Field(4, ge=1, le=100, description="calls to one model at the same time")
    web_search: bool = Field(False, description="let the retriever use the provider's own web search")
    price: Prices | None = Field(None, description="US dollars per million tokens in and out")
    ceiling: Prices = Field(
        (15.0, 75.0), description="what an unknown price counts for under max_cost, per million tokens in and out"
    )


class Role(_Section):
    model: str | None = Field(None, description="who plays this role; absent: the brain")
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=256)


def _named(value: Any) -> Any:
    """`--set roles.planner=openai:gpt` names the model alone."""
    return {"model": value} if isinstance(value, str) else value


class Search(_Section):
    providers: Annotated[tuple[Literal["arxiv", "hub", "ddgs", "tavily"], ...], BeforeValidator(listed)] = Field(
        (), description="searches outside besides the library; none unless named"
    )
    pages: int = Field(8, ge=1, le=50, description="most pages of one search")
    bar_same_task: bool = Field(False, description="leave out pages that seem to hold a solution of this very task")


class Packages(_Section):
    resolve: bool = Field(False, description="let uv install what a script's header asks for, outside the wall")
    allow: Words = Field((), description="distributions that may be installed so")
    uv: str = Field("uv", description="the command `uv`")
    exclude_newer: str = Field("", description="nothing published after this: a date, or a span such as `14 days`")


class Judging(_Section):
    folds: int | None = Field(None, ge=1, le=5, description="folds evaluated; absent: from the first job's seconds")
    accept: float = Field(0.75, ge=0.5, le=1, description="p(challenger is better) needed to replace the incumbent")
    race: float = Field(0.1, ge=0, le=0.5, description="a candidate whose p falls below this after a fold is dropped")
    search_rows: int | None = Field(None, ge=50, description="most training rows in a fold view; absent: by the budget")
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

    brain: str = Field("playbook", description="who plays the roles: playbook, random, none, relay, provider:model, …")
    fallback: Words = Field((), description="who is asked next when the brain cannot be reached")
    max_cost: float | None = Field(None, gt=0, description="most US dollars that calls may cost")
    max_calls: int | None = Field(None, ge=1, description="most calls")
    assets: str = Field("", description="the folder of `mle-star assets`; absent: the user's own")
    budget: Span | None = Field(None, description="wall time of the whole run, for example 15m")
    jobs: int = Field(default_factory=cores, ge=1, le=1000, description="jobs side by side")
    seed: int = Field(0, ge=0, description="all randomness follows from it")
    branches: int = Field(2, ge=1, le=1000, description="L: parallel branches")
    bag: int = Field(3, ge=1, le=1000, description="most seeds averaged in the final script, where time allows")
    keep_models: bool = Field(False, description="keep the final solution's fitted models, for `mle-star predict`")
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
    llm: Language = Language()
    search: Search = Search()
    packages: Packages = Packages()
    roles: dict[str, Annotated[Role, BeforeValidator(_named)]] = Field(
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
    if "roles" in changes:  # each has settings of its own
        before = recorded.get("roles", {})
        sections["roles"] = before | {name: before.get(name, {}) | own for name, own in changes["roles"].items()}
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
