"""Who plays which role: from settings to a brain, with the voices, searches and facts that it works with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path

from mlestar import config
from mlestar.assets import entries, shelf
from mlestar.brains.playbook import Playbook
from mlestar.brains.random import Random
from mlestar.brains.recorded import Recorded, answers
from mlestar.brains.shared import Shared
from mlestar.brains.spoken.brain import Spoken
from mlestar.brains.spoken.keys import provider_of, redact, secrets_in
from mlestar.brains.spoken.llm import LanguageModel
from mlestar.brains.spoken.relay import Command, Relay
from mlestar.brains.spoken.tasks import ROLE as TASK_READER
from mlestar.brains.spoken.voice import Voice
from mlestar.config import Settings
from mlestar.errors import SettingsError
from mlestar.executors import packages
from mlestar.executors.command import converse, program
from mlestar.executors.local import LocalExecutor
from mlestar.executors.packages import Policy
from mlestar.executors.probe import probe
from mlestar.executors.ray import cluster
from mlestar.executors.ray.executor import Needs, RayExecutor
from mlestar.executors.walls.wall import devices
from mlestar.journal import queries
from mlestar.journal.mail import Mail
from mlestar.journal.store import Store
from mlestar.keepsakes import Keepsakes
from mlestar.plain import called
from mlestar.ports import Brain, Outside
from mlestar.products.pinning import Installed
from mlestar.records import Recipe, Surroundings
from mlestar.roles import ROLES
from mlestar.search.barring import bars
from mlestar.search.gather import Pages, PageSearch
from mlestar.search.library import Library
from mlestar.search.pages import Arxiv, Duck, Hub, Tavily
from mlestar.sections import Role
from mlestar.tasks.prepared import Prepared

Make = Callable[[Sequence[Recipe], frozenset[str]], Brain]
ALONE: dict[str, Make] = {"playbook": Playbook, "random": Random, "none": Playbook}  # brains that ask nobody
ON_REQUEST = ("finaliser",)  # the harness runs and checks what it hands over: others look only where they are named
EXTRA = ("scipy", "torch", "transformers", "statsmodels", "umap")  # modules that brains like to know of


def executor(settings: Settings, run: Path) -> LocalExecutor | RayExecutor:
    """What runs the scripts of a run, where the settings say."""
    return on_cluster(settings) if settings.executor == "ray" else here(settings, run)


def on_cluster(settings: Settings) -> RayExecutor:
    """Jobs on a Ray cluster, whose nodes have mle-star installed, and every package that scripts use."""
    own = settings.cluster
    if settings.packages.resolve:
        raise SettingsError(
            "settings 'executor' and 'packages.resolve': packages are not installed on the nodes of a cluster by "
            "mle-star; install them there, and leave packages.resolve out"
        )
    named = "" if settings.interpreter == sys.executable else settings.interpreter
    needs = Needs(own.gpus, own.memory_mb, own.resources)
    shown = shelf(config.shelves(settings))
    return RayExecutor(own.address, settings.jobs, needs, named, settings.wall, settings.unsafe, shown, own.shared)


def sized(settings: Settings, said: Collection[str]) -> Settings:
    """The settings with as many jobs as a cluster has places, unless `jobs` is among what somebody said."""
    if settings.executor == "local" or "jobs" in said:
        return settings
    return settings.model_copy(update={"jobs": max(1, places(settings))})


def places(settings: Settings) -> int:
    """How many jobs the cluster can run side by side."""
    own = settings.cluster
    return cluster.capacity(cluster.connect(own.address), own.cpus)


def here(settings: Settings, run: Path) -> LocalExecutor:
    """Jobs on this machine: behind a wall, with the user's assets and, where allowed, packages by uv."""
    own = settings.packages
    policy = Policy(own.allow, run / "env", own.uv, own.exclude_newer, config.installing()) if own.resolve else None
    shown = shelf(config.shelves(settings))
    return LocalExecutor(settings.interpreter, settings.jobs, settings.wall, shown, policy)


def surroundings(
    store: Store, settings: Settings, executor: LocalExecutor | RayExecutor, recipes: Sequence[Recipe]
) -> tuple[frozenset[str], Surroundings]:
    """What scripts can use here; probed once a run, by real imports."""
    if "installed" not in store.facts:
        modules = sorted({module for recipe in recipes for module in recipe.needs} | set(EXTRA))
        left = None if settings.budget is None else settings.budget - store.spent()
        found = probe(executor, modules, left=left)
        store.set_fact("packages", {m: found[m].version for m in modules if found[m].ok})
        store.set_fact("installed", [m for m in modules if found[m].ok])
    if "distributions" not in store.facts:
        python, there, owners = packages.installed(executor.interpreter)
        numbers = {name: version for name, (version, _) in there.items()}
        store.set_fact("distributions", {"python": python, "versions": numbers, "modules": owners})
    kept = entries(config.shelves(settings))
    known: dict[str, str] = store.facts.get("packages", {})
    if isinstance(executor, RayExecutor):
        cores, graphics = settings.threads * settings.jobs, executor.devices()
    else:
        cores, graphics = config.cores(), tuple(path.name for path in devices())
    here = Surroundings(
        packages=tuple(f"{name} {number}" for name, number in known.items()), cores=cores,
        weights=tuple(f"{e.name} ({e.source}, licence {e.licence}, {e.bytes / 1e6:.0f} MB)" for e in kept),
        memory_mb=settings.limits.memory_mb, devices=graphics,
        job_seconds=settings.limits.seconds, jobs=settings.jobs, rounds=settings.breadths.rounds,
    )  # fmt: skip
    return frozenset(store.facts["installed"]), here


def installed(store: Store, executor: LocalExecutor | RayExecutor, script: str) -> tuple[Installed, str]:
    """The distributions that a script of this run has, and the version of its Python."""
    found = store.facts["distributions"]
    own = packages.locked(executor.python_for(script))
    return Installed({**found["versions"], **own}, found["modules"]), found["python"]


def keepsakes(
    store: Store, settings: Settings, task: Prepared, executor: LocalExecutor | RayExecutor, recipes: Sequence[Recipe],
    weights: tuple[str, ...],
) -> Keepsakes:  # fmt: skip
    """What makes the files of `best/` for a run."""
    shipped = Library().recipes() if settings.library else recipes
    names = frozenset(recipe.name for recipe in shipped)
    with_it = partial(installed, store, executor)
    return Keepsakes(store, task, recipes, names, called(settings.brain), with_it, weights)


def cast(
    store: Store, settings: Settings, recipes: Sequence[Recipe], installed: frozenset[str], here: Surroundings
) -> Brain:
    """The brain of a run. Raises SettingsError where a name, a key or a role is wrong."""
    base = _unasked(settings, recipes, installed)
    if settings.brain.startswith("recorded:"):
        place = Path(settings.brain.removeprefix("recorded:"))
        return Recorded(settings.brain, answers(place, _recorded), base)
    heard, routed = chains(settings), _routed(settings)
    if not any(heard.values()):
        return base
    proven = {usage.by for usage in queries.usage(store.run)}
    voices = {
        role: [_voice(store, settings, name, routed.get(role, Role()), role, proven) for name in names]
        for role, names in heard.items()
    }
    return Spoken(
        called(settings.brain), voices, here, base, recipes, installed, settings.llm.attempts,
        stand_in="playbook" in settings.fallback, branches=settings.branches,
    )  # fmt: skip


def _unasked(settings: Settings, recipes: Sequence[Recipe], installed: frozenset[str]) -> Brain:
    """What plays the roles for which nobody is asked: as `roles` names it, else the brain, else the playbook."""
    base = ALONE.get(settings.brain, Playbook)(recipes, installed)
    named = {role: own.model for role, own in _routed(settings).items() if own.model in ALONE}
    others = {role: ALONE[name](recipes, installed) for role, name in named.items() if name}
    return Shared(base, others) if others else base


def chains(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Who is asked for each role, one after another; nobody where a brain that asks nobody plays it.

    A role in ON_REQUEST is the playbook's unless somebody is named for it.
    """
    routed, found = _routed(settings), {}
    for role in ROLES:
        first = routed[role].model if role in routed else None
        chain = [first or ("playbook" if role in ON_REQUEST else settings.brain), *settings.fallback]
        before = chain[: chain.index("playbook")] if "playbook" in chain else chain
        found[role] = tuple(name for name in before if name not in ALONE) if chain[0] not in ALONE else ()
    return found


def _routed(settings: Settings) -> dict[str, Role]:
    return {_role(name): role for name, role in settings.roles.items()}


def _voice(
    store: Store, settings: Settings, name: str, own: Role, role: str, proven: Collection[str]
) -> Voice:  # fmt: skip
    if name == "relay":
        return Relay(Mail(store.run))
    return _alone(settings, name, own, role, proven)


@contextmanager
def voice(settings: Settings, name: str, role: str) -> Iterator[Voice]:
    """A voice that needs no run, whom `roles` names or else this one: a language model or a command.

    Raises SettingsError for any other name.
    """
    own = _routed(settings).get(role, Role())
    if own.model and (":" not in own.model or own.model.startswith("recorded:")):
        raise SettingsError(f"setting 'roles': {own.model!r} cannot be the {role}: write provider:model or cli:COMMAND")
    found = _alone(settings, own.model or name, own, role)
    try:
        yield found
    finally:
        if isinstance(found, LanguageModel):
            found.close()


def _alone(
    settings: Settings, name: str, own: Role, role: str, proven: Collection[str] = ()
) -> LanguageModel | Command:  # fmt: skip
    """`proven` are voices that have answered in this run."""
    llm, keys = settings.llm, config.keys(settings)
    if name.startswith("cli:"):
        command = name.removeprefix("cli:")
        argv = program(command)
        secret = {**keys, **secrets_in(argv)}
        return Command(command, called(name), converse, llm.timeout, lambda text: redact(text, secret))
    if ":" not in name:
        raise SettingsError(
            f"setting 'brain': there is no brain {name!r}; there are {', '.join(ALONE)}, relay, recorded:RUN, "
            "cli:COMMAND, and any language model as provider:model, for example openai:NAME or ollama:NAME"
        )
    searching = llm.web_search and role == "retriever"
    if searching and settings.search.bar_same_task:
        raise SettingsError(
            "settings 'llm.web_search' and 'search.bar_same_task' exclude each other: what a provider's own search "
            "finds has been read before anybody can leave it out. Search with search.providers, or give up one of them"
        )
    return LanguageModel(
        name, keys=keys, base_url=llm.base_url if provider_of(name) == _served(settings) else "",
        temperature=llm.temperature if own.temperature is None else own.temperature,
        max_tokens=own.max_tokens or llm.max_tokens, timeout=llm.timeout, attempts=llm.retries, parallel=llm.parallel,
        web_search=searching, price=llm.price, ceiling=llm.ceiling, proven=name in proven,
    )  # fmt: skip


def _served(settings: Settings) -> str:
    """The provider that `llm.base_url` is the address of: the brain's; if it has none, the only one that is named.

    Nobody else's requests go there, for their keys would go with them.
    """
    named = [settings.brain, *(role.model or "" for role in settings.roles.values()), *settings.fallback]
    found = [_provider(name) for name in named]
    others = sorted({provider for provider in found if provider})
    if settings.llm.base_url and not found[0] and len(others) > 1:
        raise SettingsError(
            f"setting 'llm.base_url': whose address is it, of {', '.join(others)}? Give each its own in the "
            "environment or under [keys] in mlestar.toml, such as OPENAI_BASE_URL"
        )
    return found[0] or (others[0] if others else "")


def _provider(name: str) -> str:
    return "" if name.startswith(("cli:", "recorded:")) else provider_of(name)


def _role(name: str) -> str:
    """`target_chooser` and `target-chooser` are the role `target chooser`."""
    said = name.replace("_", " ").replace("-", " ").strip()
    known = {role.replace("-", " "): role for role in (*ROLES, TASK_READER)}
    if said not in known:
        raise SettingsError(f"setting 'roles.{name}': there is no such role; there are {', '.join(known.values())}")
    return known[said]


def _recorded(run: Path) -> dict[str, str]:
    rows = [row for row in queries.steps(run) if row.verb == "brain" and row.state == "ok"]
    return {row.address: row.result or "" for row in rows}


def outside(settings: Settings) -> Outside | None:
    """The searches outside that the user allowed; None where there are none."""
    keys = config.keys(settings)
    make: dict[str, Callable[[], PageSearch]] = {
        "arxiv": lambda: Arxiv(_today), "hub": lambda: Hub(_today), "ddgs": lambda: Duck(_today),
        "tavily": lambda: Tavily(_today, keys.get("TAVILY_API_KEY", "")),
    }  # fmt: skip
    providers = [make[name]() for name in settings.search.providers]
    if not providers:
        return None
    return Pages(providers, bars if settings.search.bar_same_task else None, settings.search.pages)


def _today() -> str:
    return date.today().isoformat()
