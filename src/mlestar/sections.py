"""The settings in groups, as `mlestar.toml` names them: `[refine]`, `[limits]`, …"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from mlestar.writing import Amounts, Prices, Span, Words, listed


class Section(BaseModel):
    """A group of settings with a name of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Init(Section):
    candidates: int = Field(4, ge=1, le=1000, description="M: how many candidate models each branch starts from")
    mergers: int | None = Field(None, ge=0, le=1000, description="most mergers of a branch; absent: while they help")
    until: float = Field(0.25, gt=0, le=1, description="share of the budget at which init ends at the latest")


class Refine(Section):
    outer: int = Field(4, ge=0, le=1000, description="T: outer steps, each an ablation and a target cell")
    inner: int = Field(4, ge=1, le=1000, description="K: plans tried on the target cell")
    batch: int = Field(1, ge=1, le=1000, description="plans tried side by side, each chosen without the others' scores")
    onward: bool = Field(False, description="a plan changes the best script so far, not the one its step began with")
    variants: int = Field(6, ge=0, le=1000, description="most cells that one ablation takes away; below 2: none")
    until: float = Field(0.85, gt=0, le=1, description="share of the budget at which refinement ends at the latest")
    looks: int = Field(1, ge=0, description="looks at the data and the residuals before each target's plans")


class Ensemble(Section):
    rounds: int = Field(5, ge=1, le=1000, description="R: ensemble strategies tried")
    most: int = Field(12, ge=1, le=1000, description="most members in one blend")
    until: float = Field(0.95, gt=0, le=1, description="share of the budget at which the finish begins at the latest")


class Debug(Section):
    rounds: int = Field(2, ge=0, le=1000, description="D: repairs of one failing script")


def _without_secrets(address: str) -> str:
    """Settings are kept in the run's folder, so an address among them is no place for a key."""
    if re.search(r"[?#]|//[^/]*@", address):
        raise ValueError(
            "it is recorded, so it may hold no user, password or query; set OPENAI_BASE_URL (or <PROVIDER>_BASE_URL) "
            "in the environment, or under [keys] in mlestar.toml, instead"
        )
    return address


class Language(Section):
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


class Role(Section):
    model: str | None = Field(None, description="who plays this role; absent: the brain")
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=256)


def named(value: Any) -> Any:
    """`--set roles.planner=openai:gpt` names the model alone."""
    return {"model": value} if isinstance(value, str) else value


class Search(Section):
    providers: Annotated[tuple[Literal["arxiv", "hub", "ddgs", "tavily"], ...], BeforeValidator(listed)] = Field(
        (), description="searches outside besides the library; none unless named"
    )
    pages: int = Field(8, ge=1, le=50, description="most pages of one search")
    bar_same_task: bool = Field(False, description="leave out pages that seem to hold a solution of this very task")


class Packages(Section):
    resolve: bool = Field(False, description="let uv install what a script's header asks for, outside the wall")
    allow: Words = Field((), description="distributions that may be installed so")
    uv: str = Field("uv", description="the command `uv`")
    exclude_newer: str = Field("", description="nothing published after this: a date, or a span such as `14 days`")


class Judging(Section):
    folds: int | None = Field(None, ge=1, le=5, description="folds evaluated; absent: from the first job's seconds")
    accept: float = Field(0.75, ge=0.5, le=1, description="p(challenger is better) needed to replace the incumbent")
    race: float = Field(0.1, ge=0, le=0.5, description="a candidate whose p falls below this after a fold is dropped")
    search_rows: int | None = Field(None, ge=50, description="most training rows in a fold view; absent: by the budget")
    seal: bool = Field(True, description="keep a sealed part where the data is large enough")


class JobLimits(Section):
    seconds: Span = Field(600.0, description="wall time of one job")
    memory_mb: int = Field(8192, ge=256, description="memory of one job, MiB")
    processes: int = Field(64, ge=1, description="processes and threads groups of one job")
    disk_mb: int = Field(2048, ge=1, description="bytes that one job may write, MiB")
    output_kb: int = Field(1024, ge=1, description="printed output of one job, KiB")


class Cluster(Section):
    address: str = Field("", description="the cluster's address, host:port; absent: RAY_ADDRESS")
    cpus: int = Field(1, ge=1, description="processors of one job, and its threads")
    gpus: float = Field(1.0, ge=0, description="graphics processors of a job that imports torch, where nodes have any")
    memory_mb: int = Field(
        2048, ge=1, description="memory a script is thought to need, MiB, before its first job tells"
    )
    resources: Amounts = Field(default_factory=dict, description="Ray's custom resources each job asks for: big=1, …")
    shared: bool = Field(False, description="the run's folder lies at the same path on every node: ship nothing")
